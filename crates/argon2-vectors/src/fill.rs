//! Fills the memory of a hash (RFC 9106 §3.2, steps 5 and 6).
//!
//! A block refers to one that may be anywhere in memory, which takes longer to load than a block takes to compute. So it
//! is prefetched as soon as it is known. Where the blocks themselves say what the next one refers to, that leaves no time
//! to load it, unless there is another hash: its next block is computed meanwhile.
#![expect(clippy::inline_always, reason = "code that is not inlined can't use the instructions (see `simd`)")]

use std::iter;

use argon2::{Block, Version};

use crate::Unsupported;
use crate::compress::compress;
use crate::position::{Segment, Shape};
use crate::simd::{Simd, Task};

/// Number of blocks by which references are prefetched where they are known beforehand.
const AHEAD: usize = 4;

/// Words of a block.
const WORDS: u32 = 128;

/// The memories of hashes of one shape, in which the first two blocks of each lane are filled.
pub(crate) struct Fill<'a, const N: usize> {
    pub shape: Shape,
    pub memories: [&'a mut [Block]; N],
}

impl<const N: usize> Task for Fill<'_, N> {
    type Output = Result<(), Unsupported>;

    #[inline(always)]
    fn run<S: Simd>(mut self, simd: S) -> Self::Output {
        for segment in self.shape.segments() {
            if self.shape.is_independent(segment) {
                self.independent(simd, segment)?;
            } else {
                self.dependent(simd, segment)?;
            }
        }
        Ok(())
    }
}

impl<const N: usize> Fill<'_, N> {
    /// Fills a segment in which each block contains what the next one refers to.
    #[inline(always)]
    fn dependent<S: Simd>(&mut self, simd: S, segment: Segment) -> Result<(), Unsupported> {
        let Self { shape, memories } = self;
        let indices = shape.indices(segment);
        let before = at(shape.position_before(segment, indices.start));
        let mut references = [0; N];
        for (reference, memory) in references.iter_mut().zip(&*memories) {
            let random = memory.get(before).map(first_word).ok_or(Unsupported)?;
            *reference = shape.reference(segment, indices.start, random);
            prefetch(simd, memory, *reference);
        }
        for index in indices {
            for (reference, memory) in references.iter_mut().zip(&mut *memories) {
                let random = first_word(fill_block(simd, *shape, memory, segment, index, *reference)?);
                *reference = shape.reference(segment, index + 1, random);
                prefetch(simd, memory, *reference);
            }
        }
        Ok(())
    }

    /// Fills a segment whose references are known beforehand. They are the same in all memories. One memory after the other
    /// is filled, as far as the random words reach: no block waits for what it refers to, and so the caches hold more.
    #[inline(always)]
    fn independent<S: Simd>(&mut self, simd: S, segment: Segment) -> Result<(), Unsupported> {
        let Self { shape, memories } = self;
        let indices = shape.indices(segment);
        let mut references = Vec::with_capacity(at(WORDS));
        let mut start = indices.start;
        while start < indices.end {
            let end = indices.end.min(start / WORDS * WORDS + WORDS);
            let words = random_words(simd, *shape, segment, start / WORDS);
            references.clear();
            let words = words.as_ref().iter().skip(at(start % WORDS));
            references.extend((start..end).zip(words).map(|(index, word)| shape.reference(segment, index, *word)));
            for memory in &mut *memories {
                for reference in references.iter().take(AHEAD) {
                    prefetch(simd, memory, *reference);
                }
                let upcoming = references.iter().skip(AHEAD).chain(iter::repeat(&u32::MAX));
                for ((index, reference), upcoming) in (start..end).zip(&references).zip(upcoming) {
                    prefetch(simd, memory, *upcoming);
                    fill_block(simd, *shape, memory, segment, index, *reference)?;
                }
            }
            start = end;
        }
        Ok(())
    }
}

/// Fills one block.
#[inline(always)]
fn fill_block<S: Simd>(
    simd: S,
    shape: Shape,
    memory: &mut [Block],
    segment: Segment,
    index: u32,
    reference: u32,
) -> Result<&Block, Unsupported> {
    let [before, target] = [shape.position_before(segment, index), shape.position(segment, index)];
    let [before, reference, target] = memory.get_disjoint_mut([before, reference, target].map(at))?;
    // The first version overwrites the blocks of earlier passes.
    let onto = segment.pass > 0 && shape.version == Version::V0x13;
    compress(simd, before, reference, target, onto);
    Ok(target)
}

#[inline(always)]
fn prefetch<S: Simd>(simd: S, memory: &[Block], position: u32) {
    if let Some(block) = memory.get(at(position)) {
        simd.prefetch(block);
    }
}

/// Position as an index. One that does not fit is out of bounds like any other.
fn at(position: u32) -> usize {
    usize::try_from(position).unwrap_or(usize::MAX)
}

fn first_word(block: &Block) -> u64 {
    block.as_ref().first().copied().unwrap_or_default()
}

/// A block of random words of a segment, which depend only on where it is (RFC 9106 §3.4.1.2).
#[inline(always)]
fn random_words<S: Simd>(simd: S, shape: Shape, Segment { pass, slice, lane }: Segment, number: u32) -> Block {
    let mut input = Block::new();
    let numbers = [pass, lane, slice, shape.blocks(), shape.passes, shape.algorithm_number(), number + 1];
    for (word, number) in input.as_mut().iter_mut().zip(numbers) {
        *word = number.into();
    }
    let (zero, mut once, mut words) = (Block::new(), Block::new(), Block::new());
    compress(simd, &zero, &input, &mut once, false);
    compress(simd, &zero, &once, &mut words, false);
    words
}
