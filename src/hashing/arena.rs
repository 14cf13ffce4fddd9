//! The memory of one worker: allocated once, lent to one hash at a time, wiped after each.

use std::collections::TryReserveError;
use std::ops::DerefMut;

use argon2::Block;

/// Blocks that are all zero except while they are lent.
pub(super) struct Arena(Vec<Block>);

impl Arena {
    /// Allocates and touches so many blocks.
    pub(super) fn new(blocks: usize) -> Result<Self, TryReserveError> {
        let mut arena = Vec::new();
        arena.try_reserve_exact(blocks)?;
        arena.resize(blocks, Block::new());
        Ok(Self(arena))
    }

    /// Lends the first blocks, or nothing where there are not so many.
    pub(super) fn lend(&mut self, blocks: usize) -> Option<Lent<'_>> {
        self.0.get_mut(..blocks).map(Lent)
    }

    #[cfg(test)]
    pub(super) fn is_wiped(&self) -> bool {
        self.0.iter().all(|block| block.as_ref().iter().all(|word| *word == 0))
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
        self.0.fill(Block::new());
        // Ordinary stores are many times faster than volatile ones; the barrier keeps them from being left out.
        zeroize::optimization_barrier(&*self.0);
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
    fn no_more_is_lent_than_there_is() {
        assert!(Arena::new(4).unwrap().lend(5).is_none());
    }
}
