//! Compresses two blocks into one (RFC 9106 §3.5 and §3.6).
//!
//! A block is a matrix of eight rows of sixteen words. Each row is mixed, and then each column, which is two words wide.
//! To mix is to apply [`half_round`] to four quads of words, rotate three of the quads, apply it again, and rotate back.
//!
//! A vector has eight or four words, so four vectors hold two rows or one: a chain, whose instructions wait for each other.
//! All chains are mixed at a time, so that others need not wait. Vectors of four words are more than there are registers;
//! half as many chains at a time, which would fit, take longer.
#![expect(clippy::inline_always, reason = "code that is not inlined can't use the instructions (see `simd`)")]

use argon2::Block;

use crate::simd::Simd;

/// Fills `target` from two blocks; with `onto`, combines the result with its old words.
#[inline(always)]
#[expect(
    clippy::indexing_slicing,
    reason = "a state has `VECTORS` vectors: the compiler sees that, and checks nothing"
)]
pub(crate) fn compress<S: Simd>(simd: S, previous: &Block, reference: &Block, target: &mut Block, onto: bool) {
    let (previous, reference, target) = (previous.as_ref(), reference.as_ref(), target.as_mut());
    let mut state = S::state(simd.load(previous, 0));
    for i in 0..S::VECTORS {
        state.as_mut()[i] = simd.xor(simd.load(previous, i), simd.load(reference, i));
    }
    mix_rows(simd, &mut state);
    mix_columns(simd, &mut state);
    for i in 0..S::VECTORS {
        let mut mixed = simd.xor_of_three(state.as_ref()[i], simd.load(previous, i), simd.load(reference, i));
        if onto {
            mixed = simd.xor(mixed, simd.load(target, i));
        }
        simd.store(mixed, target, i);
    }
}

/// Mixes the rows.
#[inline(always)]
#[expect(clippy::indexing_slicing, reason = "each chain has four vectors of the state, and one of each quad")]
fn mix_rows<S: Simd>(simd: S, state: &mut S::State) {
    let mut quads = *state;
    let (state, quads) = (state.as_mut(), quads.as_mut());
    let (a, b, c, d) = (0, S::CHAINS, 2 * S::CHAINS, 3 * S::CHAINS);
    for i in 0..S::CHAINS {
        let at = 4 * i;
        let rows = [state[at], state[at + 1], state[at + 2], state[at + 3]];
        [quads[a + i], quads[b + i], quads[c + i], quads[d + i]] = simd.quads_of_rows(rows);
    }
    half_round(simd, quads);
    for i in 0..S::CHAINS {
        [quads[b + i], quads[c + i], quads[d + i]] = simd.rotate_quads([quads[b + i], quads[c + i], quads[d + i]]);
    }
    half_round(simd, quads);
    for i in 0..S::CHAINS {
        let at = 4 * i;
        let rotated = [quads[a + i], quads[b + i], quads[c + i], quads[d + i]];
        [state[at], state[at + 1], state[at + 2], state[at + 3]] = simd.rows_of_rotated_quads(rotated);
    }
}

/// Mixes the columns. A quad is two rows of a column. So as many columns as a vector has pairs take two chains: one has the
/// upper rows of all quads, and the other one the lower rows.
#[inline(always)]
#[expect(clippy::indexing_slicing, reason = "the last row begins at VECTORS / 8 · 7, and has VECTORS / 8 vectors")]
fn mix_columns<S: Simd>(simd: S, state: &mut S::State) {
    let vector = |quad: usize, chain: usize| (quad * 2 + chain % 2) * (S::VECTORS / 8) + chain / 2;
    let mut quads = *state;
    let (state, quads) = (state.as_mut(), quads.as_mut());
    for quad in 0..4 {
        for chain in 0..S::CHAINS {
            quads[quad * S::CHAINS + chain] = state[vector(quad, chain)];
        }
    }
    half_round(simd, quads);
    for upper in (0..S::CHAINS).step_by(2) {
        let [b, c, d] = [S::CHAINS + upper, 2 * S::CHAINS + upper, 3 * S::CHAINS + upper];
        [quads[b], quads[b + 1]] = [simd.odd_even(quads[b], quads[b + 1]), simd.odd_even(quads[b + 1], quads[b])];
        quads.swap(c, c + 1);
        [quads[d], quads[d + 1]] = [simd.odd_even(quads[d + 1], quads[d]), simd.odd_even(quads[d], quads[d + 1])];
    }
    half_round(simd, quads);
    for upper in (0..S::CHAINS).step_by(2) {
        let [b, c, d] = [S::CHAINS + upper, 2 * S::CHAINS + upper, 3 * S::CHAINS + upper];
        [quads[b], quads[b + 1]] = [simd.odd_even(quads[b + 1], quads[b]), simd.odd_even(quads[b], quads[b + 1])];
        quads.swap(c, c + 1);
        [quads[d], quads[d + 1]] = [simd.odd_even(quads[d], quads[d + 1]), simd.odd_even(quads[d + 1], quads[d])];
    }
    for quad in 0..4 {
        for chain in 0..S::CHAINS {
            state[vector(quad, chain)] = quads[quad * S::CHAINS + chain];
        }
    }
}

/// The function `GB` of the RFC on every word of all chains. The quads are one after the other: `a`, `b`, `c`, `d`.
#[inline(always)]
fn half_round<S: Simd>(simd: S, quads: &mut [S::Words]) {
    let [a, b, c, d] = [0, 1, 2, 3];
    multiply_add(simd, quads, a, b);
    xor_rotate::<S, 32>(simd, quads, d, a);
    multiply_add(simd, quads, c, d);
    xor_rotate::<S, 24>(simd, quads, b, c);
    multiply_add(simd, quads, a, b);
    xor_rotate::<S, 16>(simd, quads, d, a);
    multiply_add(simd, quads, c, d);
    xor_rotate::<S, 63>(simd, quads, b, c);
}

#[inline(always)]
#[expect(clippy::indexing_slicing, reason = "there are four quads")]
fn multiply_add<S: Simd>(simd: S, quads: &mut [S::Words], a: usize, b: usize) {
    // An iterator over both is not inlined in a build without link-time optimization, which doubles the time of a hash.
    for i in 0..S::CHAINS {
        quads[a * S::CHAINS + i] = simd.multiply_add(quads[a * S::CHAINS + i], quads[b * S::CHAINS + i]);
    }
}

#[inline(always)]
#[expect(clippy::indexing_slicing, reason = "there are four quads")]
fn xor_rotate<S: Simd, const BITS: i32>(simd: S, quads: &mut [S::Words], a: usize, b: usize) {
    for i in 0..S::CHAINS {
        quads[a * S::CHAINS + i] = simd.xor_rotate::<BITS>(quads[a * S::CHAINS + i], quads[b * S::CHAINS + i]);
    }
}
