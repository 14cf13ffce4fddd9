//! Fills the memory of a hash (RFC 9106 §3.2, steps 5 and 6).
//!
//! A block refers to one that may be anywhere in memory, which takes longer to load than a block takes to compute. So it
//! is prefetched as soon as it is known. Where the blocks themselves say what the next one refers to, that leaves no time
//! to load it, unless there is another hash: its next block is computed meanwhile.
#![expect(clippy::inline_always, reason = "code that is not inlined can't use the instructions (see `simd`)")]

use std::mem;

use argon2::{Block, Version};

use crate::Unsupported;
use crate::compress::compress;
use crate::position::{Segment, Shape};
use crate::simd::{Simd, Task};

/// Number of blocks by which references are prefetched where they are known beforehand.
const AHEAD: u32 = 4;

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

    /// Fills a segment whose references are known beforehand. They are the same in all memories.
    #[inline(always)]
    fn independent<S: Simd>(&mut self, simd: S, segment: Segment) -> Result<(), Unsupported> {
        let Self { shape, memories } = self;
        let indices = shape.indices(segment);
        let mut words = RandomWords::new(*shape, segment);
        let mut reference = |index| shape.reference(segment, index, words.word(simd, index));
        let mut references = [0; AHEAD as usize];
        for (index, upcoming) in indices.clone().zip(&mut references) {
            *upcoming = reference(index);
        }
        for index in indices {
            references.rotate_left(1);
            let [.., last] = &mut references;
            let now = mem::replace(last, reference(index + AHEAD));
            for memory in &mut *memories {
                prefetch(simd, memory, *last);
                fill_block(simd, *shape, memory, segment, index, now)?;
            }
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

/// Random words of a segment, which depend only on where it is (RFC 9106 §3.4.1.2).
struct RandomWords {
    /// Pass, lane, slice, number of blocks, passes and algorithm.
    segment: [u64; 6],
    /// Number of the block of words, from one on; 0 if there is none yet.
    counter: u64,
    words: Block,
}

impl RandomWords {
    fn new(shape: Shape, Segment { pass, slice, lane }: Segment) -> Self {
        let segment = [pass, lane, slice, shape.blocks(), shape.passes, shape.algorithm_number()].map(u64::from);
        Self { segment, counter: 0, words: Block::new() }
    }

    #[inline(always)]
    fn word<S: Simd>(&mut self, simd: S, index: u32) -> u64 {
        const WORDS: u32 = 128;
        let counter = u64::from(index / WORDS) + 1;
        if counter != self.counter {
            self.counter = counter;
            let mut input = Block::new();
            let numbers = self.segment.into_iter().chain([counter]);
            for (word, number) in input.as_mut().iter_mut().zip(numbers) {
                *word = number;
            }
            let (zero, mut once) = (Block::new(), Block::new());
            compress(simd, &zero, &input, &mut once, false);
            compress(simd, &zero, &once, &mut self.words, false);
        }
        self.words.as_ref().get(at(index % WORDS)).copied().unwrap_or_default()
    }
}
