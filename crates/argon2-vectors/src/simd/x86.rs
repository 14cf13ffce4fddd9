//! AVX-512, AVX2, and stores that pass by the caches. All `unsafe` code of this crate is here.
#![expect(unsafe_code, reason = "a CPU may lack the instructions, and those that access memory take pointers")]

use std::arch::x86_64::{
    __m256i, __m512i, _MM_HINT_T0, _mm_prefetch, _mm_setzero_si128, _mm_sfence, _mm_stream_si128, _mm256_add_epi64,
    _mm256_alignr_epi8, _mm256_loadu_si256, _mm256_mul_epu32, _mm256_permute4x64_epi64, _mm256_setr_epi8,
    _mm256_shuffle_epi8, _mm256_shuffle_epi32, _mm256_srli_epi64, _mm256_storeu_si256, _mm256_xor_si256,
    _mm512_add_epi64, _mm512_loadu_si512, _mm512_mul_epu32, _mm512_permutex_epi64, _mm512_permutex2var_epi64,
    _mm512_ror_epi64, _mm512_setr_epi64, _mm512_shuffle_i64x2, _mm512_storeu_si512, _mm512_ternarylogic_epi64,
    _mm512_xor_si512,
};

use argon2::Block;

use super::{Simd, Task};

/// A proof that the CPU and the system have AVX-512.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Avx512(());

/// A proof that the CPU and the system have AVX2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Avx2(());

impl Avx512 {
    pub(super) fn detect() -> Option<Self> {
        is_x86_feature_detected!("avx512f").then_some(Self(()))
    }
}

impl Avx2 {
    pub(super) fn detect() -> Option<Self> {
        is_x86_feature_detected!("avx2").then_some(Self(()))
    }
}

/// Defines methods whose bodies use the instructions of a feature, and those that are the same for all.
macro_rules! operations {
    ($feature:literal; $(fn $name:ident $(<const $constant:ident: i32>)? (self $(, $argument:ident: $type:ty)*) $(-> $result:ty)? $body:block)*) => {
        fn run<T: Task>(self, task: T) -> T::Output {
            #[target_feature(enable = $feature)]
            fn enabled<S: Simd, T: Task>(simd: S, task: T) -> T::Output {
                task.run(simd)
            }
            // SAFETY: `self` proves that the CPU has the instructions.
            unsafe { enabled(self, task) }
        }

        $(
            #[inline(always)]
            fn $name $(<const $constant: i32>)? (self $(, $argument: $type)*) $(-> $result)? {
                #[inline]
                #[target_feature(enable = $feature)]
                fn enabled $(<const $constant: i32>)? ($($argument: $type),*) $(-> $result)? $body
                // SAFETY: `self` proves that the CPU has the instructions.
                unsafe { enabled $(::<$constant>)? ($($argument),*) }
            }
        )*

        #[inline(always)]
        fn state(words: Self::Words) -> Self::State {
            [words; Self::VECTORS]
        }

        #[inline(always)]
        fn prefetch(self, block: &Block) {
            for line in block.as_ref().chunks_exact(8) {
                // SAFETY: SSE belongs to every x86-64 CPU, and any address may be prefetched.
                unsafe { _mm_prefetch::<_MM_HINT_T0>(line.as_ptr().cast()) };
            }
        }
    };
}

/// Eight words.
#[expect(clippy::indexing_slicing, reason = "a block has 16 vectors: the compiler sees that, and checks nothing")]
impl Simd for Avx512 {
    type Words = __m512i;
    type State = [__m512i; 16];

    const VECTORS: usize = 16;

    operations! {
        // AVX-512 has more than its foundation, which every CPU with any of it has. With the instructions for words of 16
        // bits, the compiler would combine a rotation by 16 bits with the permutation after it, into a slower one.
        "avx512f";

        fn load(self, block: &[u64], number: usize) -> __m512i {
            let words: &[u64; 8] = &block.as_chunks().0[number];
            // SAFETY: the pointer is to 64 bytes that may be read. It need not be aligned.
            unsafe { _mm512_loadu_si512(words.as_ptr().cast()) }
        }

        fn store(self, vector: __m512i, block: &mut [u64], number: usize) {
            let words: &mut [u64; 8] = &mut block.as_chunks_mut().0[number];
            // SAFETY: the pointer is to 64 bytes that may be written, and any bytes are words. It need not be aligned.
            unsafe { _mm512_storeu_si512(words.as_mut_ptr().cast(), vector) }
        }

        fn xor(self, a: __m512i, b: __m512i) -> __m512i {
            _mm512_xor_si512(a, b)
        }

        fn xor_of_three(self, a: __m512i, b: __m512i, c: __m512i) -> __m512i {
            _mm512_ternarylogic_epi64::<0b1001_0110>(a, b, c)
        }

        fn multiply_add(self, a: __m512i, b: __m512i) -> __m512i {
            let product = _mm512_mul_epu32(a, b);
            _mm512_add_epi64(_mm512_add_epi64(a, b), _mm512_add_epi64(product, product))
        }

        fn xor_rotate<const BITS: i32>(self, a: __m512i, b: __m512i) -> __m512i {
            _mm512_ror_epi64::<BITS>(_mm512_xor_si512(a, b))
        }

        fn quads_of_rows(self, halves: [__m512i; 4]) -> [__m512i; 4] {
            let [first_left, first_right, second_left, second_right] = halves;
            [
                _mm512_shuffle_i64x2::<0b01_00_01_00>(first_left, second_left),
                _mm512_shuffle_i64x2::<0b11_10_11_10>(first_left, second_left),
                _mm512_shuffle_i64x2::<0b01_00_01_00>(first_right, second_right),
                _mm512_shuffle_i64x2::<0b11_10_11_10>(first_right, second_right),
            ]
        }

        fn rotate_quads(self, vectors: [__m512i; 3]) -> [__m512i; 3] {
            let [b, c, d] = vectors;
            [
                _mm512_permutex_epi64::<0b00_11_10_01>(b),
                _mm512_permutex_epi64::<0b01_00_11_10>(c),
                _mm512_permutex_epi64::<0b10_01_00_11>(d),
            ]
        }

        fn rows_of_rotated_quads(self, quads: [__m512i; 4]) -> [__m512i; 4] {
            let [a, b, c, d] = quads;
            // Words 0 to 7 are those of the first vector, 8 to 15 those of the second.
            [
                _mm512_permutex2var_epi64(a, _mm512_setr_epi64(0, 1, 2, 3, 11, 8, 9, 10), b),
                _mm512_permutex2var_epi64(c, _mm512_setr_epi64(2, 3, 0, 1, 9, 10, 11, 8), d),
                _mm512_permutex2var_epi64(a, _mm512_setr_epi64(4, 5, 6, 7, 15, 12, 13, 14), b),
                _mm512_permutex2var_epi64(c, _mm512_setr_epi64(6, 7, 4, 5, 13, 14, 15, 12), d),
            ]
        }

        fn odd_even(self, a: __m512i, b: __m512i) -> __m512i {
            _mm512_permutex2var_epi64(a, _mm512_setr_epi64(1, 8, 3, 10, 5, 12, 7, 14), b)
        }
    }
}

/// Four words.
#[expect(clippy::indexing_slicing, reason = "a block has 32 vectors: the compiler sees that, and checks nothing")]
impl Simd for Avx2 {
    type Words = __m256i;
    type State = [__m256i; 32];

    const VECTORS: usize = 32;

    operations! {
        "avx2";

        fn load(self, block: &[u64], number: usize) -> __m256i {
            let words: &[u64; 4] = &block.as_chunks().0[number];
            // SAFETY: the pointer is to 32 bytes that may be read. It need not be aligned.
            unsafe { _mm256_loadu_si256(words.as_ptr().cast()) }
        }

        fn store(self, vector: __m256i, block: &mut [u64], number: usize) {
            let words: &mut [u64; 4] = &mut block.as_chunks_mut().0[number];
            // SAFETY: the pointer is to 32 bytes that may be written, and any bytes are words. It need not be aligned.
            unsafe { _mm256_storeu_si256(words.as_mut_ptr().cast(), vector) }
        }

        fn xor(self, a: __m256i, b: __m256i) -> __m256i {
            _mm256_xor_si256(a, b)
        }

        fn xor_of_three(self, a: __m256i, b: __m256i, c: __m256i) -> __m256i {
            _mm256_xor_si256(a, _mm256_xor_si256(b, c))
        }

        fn multiply_add(self, a: __m256i, b: __m256i) -> __m256i {
            let product = _mm256_mul_epu32(a, b);
            _mm256_add_epi64(_mm256_add_epi64(a, b), _mm256_add_epi64(product, product))
        }

        fn xor_rotate<const BITS: i32>(self, a: __m256i, b: __m256i) -> __m256i {
            let words = _mm256_xor_si256(a, b);
            // By whole bytes, one instruction moves them.
            match BITS {
                16 => _mm256_shuffle_epi8(words, _mm256_setr_epi8(
                    2, 3, 4, 5, 6, 7, 0, 1, 10, 11, 12, 13, 14, 15, 8, 9, 2, 3, 4, 5, 6, 7, 0, 1, 10, 11, 12, 13, 14, 15, 8, 9,
                )),
                24 => _mm256_shuffle_epi8(words, _mm256_setr_epi8(
                    3, 4, 5, 6, 7, 0, 1, 2, 11, 12, 13, 14, 15, 8, 9, 10, 3, 4, 5, 6, 7, 0, 1, 2, 11, 12, 13, 14, 15, 8, 9, 10,
                )),
                32 => _mm256_shuffle_epi32::<0b10_11_00_01>(words),
                _ => _mm256_xor_si256(_mm256_srli_epi64::<63>(words), _mm256_add_epi64(words, words)),
            }
        }

        fn quads_of_rows(self, quads: [__m256i; 4]) -> [__m256i; 4] {
            quads
        }

        fn rotate_quads(self, vectors: [__m256i; 3]) -> [__m256i; 3] {
            let [b, c, d] = vectors;
            [
                _mm256_permute4x64_epi64::<0b00_11_10_01>(b),
                _mm256_permute4x64_epi64::<0b01_00_11_10>(c),
                _mm256_permute4x64_epi64::<0b10_01_00_11>(d),
            ]
        }

        fn rows_of_rotated_quads(self, quads: [__m256i; 4]) -> [__m256i; 4] {
            let [a, b, c, d] = quads;
            [
                a,
                _mm256_permute4x64_epi64::<0b10_01_00_11>(b),
                _mm256_permute4x64_epi64::<0b01_00_11_10>(c),
                _mm256_permute4x64_epi64::<0b00_11_10_01>(d),
            ]
        }

        fn odd_even(self, a: __m256i, b: __m256i) -> __m256i {
            _mm256_alignr_epi8::<8>(b, a)
        }
    }
}

/// Wipes blocks. Other stores first load what they overwrite, which takes twice the bandwidth of the memory.
pub(super) fn wipe(memory: &mut [Block]) {
    for words in memory.iter_mut().flat_map(|block| block.as_mut().as_chunks_mut::<2>().0) {
        // SAFETY: the pointer is to 16 bytes that may be written. It is aligned to 16, as a block is aligned to 64. SSE2
        // belongs to every x86-64 CPU.
        unsafe { _mm_stream_si128(words.as_mut_ptr().cast(), _mm_setzero_si128()) };
    }
    // Orders these stores before all later ones, as the language expects of any store.
    // SAFETY: SSE belongs to every x86-64 CPU.
    unsafe { _mm_sfence() };
}
