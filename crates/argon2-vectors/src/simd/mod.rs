//! Vectors of eight or four words, and the operations on them that argon2 takes.
//!
//! The compiler emits an instruction only in a function that enables its feature, and a generic function can't. So all
//! code between [`Simd::run`], which enables the features, and the operations is inlined.

mod arrays;
#[cfg(target_arch = "x86_64")]
mod x86;

use argon2::Block;

use arrays::Arrays;
#[cfg(target_arch = "x86_64")]
use x86::{Avx2, Avx512};

/// Work with vectors of any kind.
pub(crate) trait Task {
    type Output;

    /// Does the work. An implementation MUST be inlined, and everything in it that uses vectors.
    fn run<S: Simd>(self, simd: S) -> Self::Output;
}

/// Vectors of words of 64 bits. A quad is four of them, a pair two.
///
/// A value proves that the CPU has the instructions, which makes the operations safe.
pub(crate) trait Simd: Copy {
    /// A vector.
    type Words: Copy;

    /// The vectors of a block.
    type State: Copy + AsRef<[Self::Words]> + AsMut<[Self::Words]>;

    /// How many these are: sixteen of eight words, or 32 of four.
    const VECTORS: usize;

    /// Chains of a block.
    const CHAINS: usize = Self::VECTORS / 4;

    /// Does the work with these vectors.
    fn run<T: Task>(self, task: T) -> T::Output;

    /// A state of equal vectors.
    fn state(words: Self::Words) -> Self::State;

    /// A vector of a block, by its number.
    fn load(self, block: &[u64], number: usize) -> Self::Words;

    fn store(self, words: Self::Words, block: &mut [u64], number: usize);

    fn xor(self, a: Self::Words, b: Self::Words) -> Self::Words;

    fn xor_of_three(self, a: Self::Words, b: Self::Words, c: Self::Words) -> Self::Words;

    /// For each word: a + b + 2 · (lower half of a) · (lower half of b).
    fn multiply_add(self, a: Self::Words, b: Self::Words) -> Self::Words;

    /// For each word: the exclusive or, rotated to the right.
    fn xor_rotate<const BITS: i32>(self, a: Self::Words, b: Self::Words) -> Self::Words;

    /// From the four vectors of two rows, or of one, to the first, second, third and fourth quads of these rows.
    fn quads_of_rows(self, halves: [Self::Words; 4]) -> [Self::Words; 4];

    /// Rotates the quads of the vectors to the left: by one word, by two, and by three.
    fn rotate_quads(self, vectors: [Self::Words; 3]) -> [Self::Words; 3];

    /// The reverse of [`Self::quads_of_rows`] for quads whose last three were rotated by [`Self::rotate_quads`].
    fn rows_of_rotated_quads(self, quads: [Self::Words; 4]) -> [Self::Words; 4];

    /// Pairs of the second word of each pair of `a` and the first word of that pair of `b`.
    fn odd_even(self, a: Self::Words, b: Self::Words) -> Self::Words;

    /// Begins to load a block into the caches.
    fn prefetch(self, block: &Block);
}

/// Wipes blocks in memory, and does not load them into the caches for that.
pub fn wipe(memory: &mut [Block]) {
    #[cfg(target_arch = "x86_64")]
    x86::wipe(memory);
    #[cfg(not(target_arch = "x86_64"))]
    memory.fill(Block::new());
    // Keeps the stores from being optimised away.
    zeroize::optimization_barrier(&*memory);
}

/// Instructions that this CPU has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Instructions(Found);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Found {
    Arrays,
    #[cfg(target_arch = "x86_64")]
    Avx2(Avx2),
    #[cfg(target_arch = "x86_64")]
    Avx512(Avx512),
}

impl Instructions {
    /// The vector instructions that the CPU and the system have and that there is code for, the fastest first.
    pub fn found() -> impl Iterator<Item = Self> {
        #[cfg(target_arch = "x86_64")]
        let found = [Avx512::detect().map(Found::Avx512), Avx2::detect().map(Found::Avx2)];
        #[cfg(not(target_arch = "x86_64"))]
        let found: [Option<Found>; 0] = [];
        found.into_iter().flatten().map(Self)
    }

    /// No vector instructions. Slow: for tests of what does not depend on the instructions.
    pub const fn scalar() -> Self {
        Self(Found::Arrays)
    }

    /// The name: `avx512`, `avx2` or `scalar`.
    pub const fn name(self) -> &'static str {
        match self.0 {
            Found::Arrays => "scalar",
            #[cfg(target_arch = "x86_64")]
            Found::Avx2(_) => "avx2",
            #[cfg(target_arch = "x86_64")]
            Found::Avx512(_) => "avx512",
        }
    }

    pub(crate) fn run<T: Task>(self, task: T) -> T::Output {
        match self.0 {
            Found::Arrays => Arrays.run(task),
            #[cfg(target_arch = "x86_64")]
            Found::Avx2(simd) => simd.run(task),
            #[cfg(target_arch = "x86_64")]
            Found::Avx512(simd) => simd.run(task),
        }
    }
}
