//! The `argon2-vectors` crate of this repository, with an arena: AVX-512.

use argon2_vectors::{Hash, Instructions, Unsupported};

use super::{CantAllocate, CantCompute, Input, Kernel};
use crate::hashing::arena::Arena;
use crate::hashing::phc::Recipe;

/// The `argon2-vectors` crate.
pub(in crate::hashing) struct VectorKernel {
    instructions: Instructions,
    pub(super) arena: Arena,
}

impl VectorKernel {
    /// Allocates memory for hashes of that size.
    pub(in crate::hashing) fn new(instructions: Instructions, memory_kib: u32) -> Result<Self, CantAllocate> {
        Ok(Self { instructions, arena: Arena::of_kib(memory_kib)? })
    }
}

impl Kernel for VectorKernel {
    fn compute(&mut self, input: &Input<'_>, tag: &mut [u8]) -> Result<(), CantCompute> {
        let parameters = input.parameters(tag)?;
        let Input { password, recipe: Recipe { algorithm, version, salt, .. }, secret, associated_data } = *input;
        let mut lent = self.arena.lend(parameters.block_count()).ok_or(CantCompute::Input)?;
        let input = argon2_vectors::Input { password, salt, secret, associated_data };
        let mut hashes = [Hash { input, memory: &mut lent, tag }];
        Ok(argon2_vectors::hash(self.instructions, *algorithm, *version, &parameters, &mut hashes)?)
    }
}

impl From<Unsupported> for CantCompute {
    fn from(_: Unsupported) -> Self {
        Self::Input
    }
}
