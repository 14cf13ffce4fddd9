//! The `argon2-vectors` crate of this repository, with an arena: AVX-512 and AVX2.

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
    /// Allocates memory for hashes of that size, or for pairs of half of it.
    pub(in crate::hashing) fn new(instructions: Instructions, memory_kib: u32) -> Result<Self, CantAllocate> {
        Ok(Self { instructions, arena: Arena::of_kib(memory_kib)? })
    }

    /// Fills the tags of inputs whose recipes go together.
    fn compute_together<const N: usize>(
        &mut self,
        inputs: [&Input<'_>; N],
        tags: [&mut [u8]; N],
    ) -> Result<(), CantCompute> {
        let (input, tag) = (inputs.first().ok_or(CantCompute::Input)?, tags.first().ok_or(CantCompute::Input)?);
        let (parameters, Recipe { algorithm, version, .. }) = (input.parameters(tag)?, input.recipe);
        let blocks = parameters.block_count();
        let mut lent = self.arena.lend(blocks.saturating_mul(N)).ok_or(CantCompute::Input)?;
        let mut outputs = lent.chunks_exact_mut(blocks).zip(tags);
        let mut hashes = inputs.map(|input| {
            let Input { password, recipe: Recipe { salt, .. }, secret, associated_data } = *input;
            let input = argon2_vectors::Input { password, salt, secret, associated_data };
            let (memory, tag) = outputs.next().unwrap_or_default();
            Hash { input, memory, tag }
        });
        Ok(argon2_vectors::hash(self.instructions, *algorithm, *version, &parameters, &mut hashes)?)
    }
}

impl Kernel for VectorKernel {
    fn compute(&mut self, input: &Input<'_>, tag: &mut [u8]) -> Result<(), CantCompute> {
        self.compute_together([input], [tag])
    }

    fn compute_pair(&mut self, inputs: [&Input<'_>; 2], tags: [&mut [u8]; 2]) -> Result<(), CantCompute> {
        let [one, other] = inputs;
        if !one.recipe.goes_with(other.recipe) {
            return Err(CantCompute::Input);
        }
        self.compute_together(inputs, tags)
    }
}

impl From<Unsupported> for CantCompute {
    fn from(_: Unsupported) -> Self {
        Self::Input
    }
}
