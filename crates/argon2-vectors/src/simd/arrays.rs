//! Arrays as vectors: what the operations mean, in plain Rust.

use std::array;

use argon2::Block;

use super::{Simd, Task};

type Words = [u64; 8];

/// Arrays need no instructions of their own.
#[derive(Debug, Clone, Copy)]
pub(super) struct Arrays;

#[expect(clippy::indexing_slicing, reason = "each index is below 8: wrong ones are found by the first hash of a test")]
impl Simd for Arrays {
    type Words = Words;
    type State = [Words; 16];

    const VECTORS: usize = 16;

    fn state(words: Words) -> Self::State {
        [words; Self::VECTORS]
    }

    fn run<T: Task>(self, task: T) -> T::Output {
        task.run(self)
    }

    fn load(self, block: &[u64], number: usize) -> Words {
        block.as_chunks().0[number]
    }

    fn store(self, words: Words, block: &mut [u64], number: usize) {
        block.as_chunks_mut().0[number] = words;
    }

    fn xor(self, a: Words, b: Words) -> Words {
        array::from_fn(|i| a[i] ^ b[i])
    }

    fn xor_of_three(self, a: Words, b: Words, c: Words) -> Words {
        array::from_fn(|i| a[i] ^ b[i] ^ c[i])
    }

    fn multiply_add(self, a: Words, b: Words) -> Words {
        let lower_half = |word: u64| word & u64::from(u32::MAX);
        array::from_fn(|i| {
            let product = lower_half(a[i]) * lower_half(b[i]);
            a[i].wrapping_add(b[i]).wrapping_add(product).wrapping_add(product)
        })
    }

    fn xor_rotate<const BITS: i32>(self, a: Words, b: Words) -> Words {
        array::from_fn(|i| (a[i] ^ b[i]).rotate_right(BITS.unsigned_abs()))
    }

    fn quads_of_rows(self, [first_left, first_right, second_left, second_right]: [Words; 4]) -> [Words; 4] {
        let [first, second] = transposed(first_left, second_left);
        let [third, fourth] = transposed(first_right, second_right);
        [first, second, third, fourth]
    }

    fn rotate_quads(self, [b, c, d]: [Words; 3]) -> [Words; 3] {
        [rotated(b, 1), rotated(c, 2), rotated(d, 3)]
    }

    fn rows_of_rotated_quads(self, [a, b, c, d]: [Words; 4]) -> [Words; 4] {
        let [first_left, second_left] = transposed(a, rotated(b, 3));
        let [first_right, second_right] = transposed(rotated(c, 2), rotated(d, 1));
        [first_left, first_right, second_left, second_right]
    }

    fn odd_even(self, a: Words, b: Words) -> Words {
        array::from_fn(|i| if i % 2 == 0 { a[i + 1] } else { b[i - 1] })
    }

    fn prefetch(self, _: &Block) {}
}

/// The first quads of both, and the second quads.
#[expect(clippy::indexing_slicing, reason = "each index is below 8")]
fn transposed(a: Words, b: Words) -> [Words; 2] {
    [0, 4].map(|quad| array::from_fn(|i| if i < 4 { a[quad + i] } else { b[quad + i - 4] }))
}

/// Both quads rotated to the left.
#[expect(clippy::indexing_slicing, reason = "each index is below 8")]
fn rotated(a: Words, by: usize) -> Words {
    array::from_fn(|i| a[i / 4 * 4 + (i + by) % 4])
}
