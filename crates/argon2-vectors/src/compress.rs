//! Compresses two blocks into one (RFC 9106 §3.5 and §3.6).
//!
//! A block is a matrix of eight rows of sixteen words. Each row is mixed, and then each column, which is two words wide.
//! To mix is to apply [`half_round`] to four quads of words, rotate three of the quads, apply it again, and rotate back.
//!
//! A vector has eight words, so the state is sixteen vectors: the two halves of each row. Four vectors hold two rows or
//! four columns. All are mixed at a time, as four chains, so that instructions need not wait for each other.
#![expect(clippy::inline_always, reason = "code that is not inlined can't use the instructions (see `simd`)")]

use argon2::Block;

use crate::simd::Simd;

/// Vectors of a block.
const VECTORS: usize = 16;

/// Chains that are mixed at a time.
const CHAINS: usize = 4;

/// The quads of words of all chains.
type Quads<S> = [[<S as Simd>::Words; CHAINS]; 4];

/// Fills `target` from two blocks; with `onto`, combines the result with its old words.
#[inline(always)]
#[expect(clippy::indexing_slicing, reason = "a block has 16 vectors: the compiler sees that, and checks nothing")]
pub(crate) fn compress<S: Simd>(simd: S, previous: &Block, reference: &Block, target: &mut Block, onto: bool) {
    let (previous, _) = previous.as_ref().as_chunks();
    let (reference, _) = reference.as_ref().as_chunks();
    let (target, _) = target.as_mut().as_chunks_mut();
    let mut state = [simd.load(&[0; 8]); VECTORS];
    for i in 0..VECTORS {
        state[i] = simd.xor(simd.load(&previous[i]), simd.load(&reference[i]));
    }
    mix_rows(simd, &mut state);
    mix_columns(simd, &mut state);
    for i in 0..VECTORS {
        let mut mixed = simd.xor_of_three(state[i], simd.load(&previous[i]), simd.load(&reference[i]));
        if onto {
            mixed = simd.xor(mixed, simd.load(&target[i]));
        }
        simd.store(mixed, &mut target[i]);
    }
}

/// Mixes the rows, two in each chain.
#[inline(always)]
#[expect(clippy::indexing_slicing, reason = "there are four chains, and four vectors of state for each")]
fn mix_rows<S: Simd>(simd: S, state: &mut [S::Words; VECTORS]) {
    let (rows, _) = state.as_chunks_mut::<4>();
    let mut quads: Quads<S> = [[rows[0][0]; CHAINS]; 4];
    let [a, b, c, d] = &mut quads;
    for i in 0..CHAINS {
        [a[i], b[i], c[i], d[i]] = simd.quads_of_rows(rows[i]);
    }
    half_round(simd, a, b, c, d);
    for i in 0..CHAINS {
        [b[i], c[i], d[i]] = simd.rotate_quads([b[i], c[i], d[i]]);
    }
    half_round(simd, a, b, c, d);
    for i in 0..CHAINS {
        rows[i] = simd.rows_of_rotated_quads([a[i], b[i], c[i], d[i]]);
    }
}

/// Mixes the columns. A quad is two rows of a column. So the four columns in one half of the rows take two chains: one
/// has the upper rows of all quads, and the other one the lower rows.
#[inline(always)]
#[expect(clippy::indexing_slicing, reason = "3 · 4 + 1 · 2 + 1 is the last of the 16 vectors")]
fn mix_columns<S: Simd>(simd: S, state: &mut [S::Words; VECTORS]) {
    let vector = |quad: usize, chain: usize| quad * 4 + (chain % 2) * 2 + chain / 2;
    let mut quads: Quads<S> = [[state[0]; CHAINS]; 4];
    for quad in 0..4 {
        for chain in 0..CHAINS {
            quads[quad][chain] = state[vector(quad, chain)];
        }
    }
    let [a, b, c, d] = &mut quads;
    half_round(simd, a, b, c, d);
    for upper in [0, 2] {
        let lower = upper + 1;
        [b[upper], b[lower]] = [simd.odd_even(b[upper], b[lower]), simd.odd_even(b[lower], b[upper])];
        c.swap(upper, lower);
        [d[upper], d[lower]] = [simd.odd_even(d[lower], d[upper]), simd.odd_even(d[upper], d[lower])];
    }
    half_round(simd, a, b, c, d);
    for upper in [0, 2] {
        let lower = upper + 1;
        [b[upper], b[lower]] = [simd.odd_even(b[lower], b[upper]), simd.odd_even(b[upper], b[lower])];
        c.swap(upper, lower);
        [d[upper], d[lower]] = [simd.odd_even(d[upper], d[lower]), simd.odd_even(d[lower], d[upper])];
    }
    for quad in 0..4 {
        for chain in 0..CHAINS {
            state[vector(quad, chain)] = quads[quad][chain];
        }
    }
}

/// The function `GB` of the RFC on every word of all chains.
#[inline(always)]
fn half_round<S: Simd>(
    simd: S,
    a: &mut [S::Words; CHAINS],
    b: &mut [S::Words; CHAINS],
    c: &mut [S::Words; CHAINS],
    d: &mut [S::Words; CHAINS],
) {
    multiply_add(simd, a, b);
    xor_rotate::<S, 32>(simd, d, a);
    multiply_add(simd, c, d);
    xor_rotate::<S, 24>(simd, b, c);
    multiply_add(simd, a, b);
    xor_rotate::<S, 16>(simd, d, a);
    multiply_add(simd, c, d);
    xor_rotate::<S, 63>(simd, b, c);
}

#[inline(always)]
#[expect(clippy::indexing_slicing, reason = "the number is below the length of each")]
fn multiply_add<S: Simd>(simd: S, a: &mut [S::Words; CHAINS], b: &[S::Words; CHAINS]) {
    // An iterator over both is not inlined in a build without link-time optimization, which doubles the time of a hash.
    for i in 0..CHAINS {
        a[i] = simd.multiply_add(a[i], b[i]);
    }
}

#[inline(always)]
#[expect(clippy::indexing_slicing, reason = "the number is below the length of each")]
fn xor_rotate<S: Simd, const BITS: i32>(simd: S, a: &mut [S::Words; CHAINS], b: &[S::Words; CHAINS]) {
    for i in 0..CHAINS {
        a[i] = simd.xor_rotate::<BITS>(a[i], b[i]);
    }
}
