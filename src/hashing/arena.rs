//! The memory of one worker: mapped once, lent to one hash at a time, wiped after each.

use std::io;
use std::ops::DerefMut;

use argon2::Block;
use memmap2::{MmapMut, MmapOptions};

/// Size of a huge page if small pages have 4 KiB.
const HUGE_PAGE_BYTES: usize = 2 << 20;

/// Blocks that are all zero except while they are lent.
pub(super) struct Arena {
    mapping: MmapMut,
    start: usize,
    bytes: usize,
}

impl Arena {
    /// Maps that many blocks and touches them, so that no hash has to wait for a page.
    pub(super) fn new(blocks: usize) -> io::Result<Self> {
        let bytes = blocks.checked_mul(Block::SIZE).ok_or(io::ErrorKind::OutOfMemory)?;
        // A huge page has to be aligned. The bytes before the start are never touched, so they take no memory.
        let mapped = bytes.checked_add(HUGE_PAGE_BYTES).ok_or(io::ErrorKind::OutOfMemory)?;
        let mapping = MmapOptions::new().len(mapped).map_anon()?;
        let start = mapping.as_ptr().addr().wrapping_neg() % HUGE_PAGE_BYTES;
        let mut arena = Self { mapping, start, bytes };
        arena.advise_huge_pages();
        arena.blocks().fill(Block::new());
        Ok(arena)
    }

    /// The same for as many KiB, which is the size of a block.
    pub(super) fn of_kib(memory_kib: u32) -> io::Result<Self> {
        Self::new(usize::try_from(memory_kib).map_err(|_| io::ErrorKind::OutOfMemory)?)
    }

    /// Lends the first blocks; `None` if there are too few.
    pub(super) fn lend(&mut self, blocks: usize) -> Option<Lent<'_>> {
        self.blocks().get_mut(..blocks).map(Lent)
    }

    /// Argon2 accesses its memory at random: with small pages, a third of the time goes to page look-ups.
    fn advise_huge_pages(&self) {
        #[cfg(target_os = "linux")]
        // A system without huge pages uses small ones.
        let _ = self.mapping.advise_range(memmap2::Advice::HugePage, self.start, self.bytes);
    }

    fn blocks(&mut self) -> &mut [Block] {
        const { assert!(size_of::<Block>() == Block::SIZE, "a block is its words and nothing else") };
        let bytes = self.mapping.get_mut(self.start..).and_then(|rest| rest.get_mut(..self.bytes)).unwrap_or_default();
        // SAFETY: a block is an array of integers without padding (asserted above), so any bytes are a valid block.
        #[expect(unsafe_code, reason = "no safe function makes blocks of memory that huge pages were asked for")]
        let (_, blocks, _) = unsafe { bytes.align_to_mut() };
        blocks
    }

    #[cfg(test)]
    pub(super) fn is_wiped(&self) -> bool {
        self.mapping.iter().all(|byte| *byte == 0)
    }
}

/// Blocks in use. Wiped when dropped, also by a panic; the `argon2` crate wipes none.
pub(super) struct Lent<'a>(&'a mut [Block]);

impl std::ops::Deref for Lent<'_> {
    type Target = [Block];

    fn deref(&self) -> &[Block] {
        self.0
    }
}

impl DerefMut for Lent<'_> {
    fn deref_mut(&mut self) -> &mut [Block] {
        self.0
    }
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        argon2_vectors::wipe(self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_lent_is_wiped_even_after_a_panic() {
        let mut arena = Arena::new(4).unwrap();
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let mut lent = arena.lend(3).unwrap();
            lent.iter_mut().for_each(|block| block.as_mut().fill(7));
            std::panic::resume_unwind(Box::new(()));
        }));
        assert!(panicked.is_err());
        assert!(arena.is_wiped());
    }

    #[test]
    fn as_many_blocks_as_were_asked_for_are_lent_and_no_more() {
        let mut arena = Arena::new(4).unwrap();
        assert_eq!(arena.lend(4).unwrap().len(), 4);
        assert!(arena.lend(5).is_none());
        assert!(Arena::new(usize::MAX).is_err());
    }
}
