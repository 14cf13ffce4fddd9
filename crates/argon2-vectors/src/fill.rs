//! Fills the memory of a hash (RFC 9106 §3.2, steps 5 and 6).
//!
//! A block refers to one that may be anywhere in memory, which takes as long to load as a block takes to compute. So it
//! is prefetched as soon as it is known.
#![expect(clippy::inline_always, reason = "code that is not inlined can't use the instructions (see `simd`)")]

use argon2::{Block, Version};

use crate::Unsupported;
use crate::compress::compress;
use crate::position::{Segment, Shape};
use crate::simd::{Simd, Task};

/// Memory in which the first two blocks of each lane are filled.
pub(crate) struct Fill<'a> {
    pub shape: Shape,
    pub memory: &'a mut [Block],
}

impl Task for Fill<'_> {
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

impl Fill<'_> {
    /// Fills a segment in which each block contains what the next one refers to.
    #[inline(always)]
    fn dependent<S: Simd>(&mut self, simd: S, segment: Segment) -> Result<(), Unsupported> {
        let indices = self.shape.indices(segment);
        let before = self.shape.position_before(segment, indices.start);
        let random = self.memory.get(at(before)).map(first_word).ok_or(Unsupported)?;
        let mut reference = self.shape.reference(segment, indices.start, random);
        for index in indices {
            let random = first_word(self.compress(simd, segment, index, reference)?);
            reference = self.shape.reference(segment, index + 1, random);
            self.prefetch(simd, reference);
        }
        Ok(())
    }

    /// Fills a segment whose references are known beforehand.
    #[inline(always)]
    fn independent<S: Simd>(&mut self, simd: S, segment: Segment) -> Result<(), Unsupported> {
        let indices = self.shape.indices(segment);
        let mut words = RandomWords::new(self.shape, segment);
        let mut reference = self.shape.reference(segment, indices.start, words.word(simd, indices.start));
        for index in indices {
            let next = self.shape.reference(segment, index + 1, words.word(simd, index + 1));
            self.prefetch(simd, next);
            self.compress(simd, segment, index, reference)?;
            reference = next;
        }
        Ok(())
    }

    /// Fills one block.
    #[inline(always)]
    fn compress<S: Simd>(&mut self, simd: S, segment: Segment, index: u32, of: u32) -> Result<&Block, Unsupported> {
        let [before, target] = [self.shape.position_before(segment, index), self.shape.position(segment, index)];
        let [before, of, target] = self.memory.get_disjoint_mut([before, of, target].map(at))?;
        // The first version overwrites the blocks of earlier passes.
        let onto = segment.pass > 0 && self.shape.version == Version::V0x13;
        compress(simd, before, of, target, onto);
        Ok(target)
    }

    #[inline(always)]
    fn prefetch<S: Simd>(&self, simd: S, position: u32) {
        if let Some(block) = self.memory.get(at(position)) {
            simd.prefetch(block);
        }
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
