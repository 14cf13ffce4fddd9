//! Kernels, which compute argon2. The portable kernel works everywhere; the others must be equal to it, bit by bit.

mod choice;
mod fast;
mod portable;
mod self_test;
mod vector;

use std::io;

use argon2::{AssociatedData, Params, ParamsBuilder};

use super::phc::Recipe;

pub use choice::{KernelChoice, KernelSetting};
#[cfg(any(test, feature = "fuzzing"))]
pub(super) use {fast::FastKernel, portable::PortableKernel, vector::VectorKernel};

/// Input of argon2. Stored hashes have no secret and no associated data; the vectors of RFC 9106 do.
pub(super) struct Input<'a> {
    pub password: &'a [u8],
    pub recipe: &'a Recipe,
    pub secret: &'a [u8],
    pub associated_data: &'a [u8],
}

impl<'a> Input<'a> {
    /// The input of a stored hash.
    pub(super) const fn of(password: &'a [u8], recipe: &'a Recipe) -> Self {
        Self { password, recipe, secret: &[], associated_data: &[] }
    }

    /// The parameters as the `argon2` crate has them, for a tag of that length.
    fn parameters(&self, tag: &[u8]) -> Result<Params, argon2::Error> {
        let parameters = self.recipe.parameters;
        ParamsBuilder::new()
            .m_cost(parameters.memory_kib)
            .t_cost(parameters.iterations)
            .p_cost(parameters.parallelism)
            .data(AssociatedData::new(self.associated_data)?)
            .output_len(tag.len())
            .build()
    }
}

/// Computes argon2, one hash or two at a time, in its own memory.
///
/// An implementation MUST allocate its memory when it is made, MUST NOT allocate more later, and MUST leave
/// nothing of the input in its memory, even if it panics.
pub(super) trait Kernel: Send {
    /// Fills the tag.
    fn compute(&mut self, input: &Input<'_>, tag: &mut [u8]) -> Result<(), CantCompute>;

    /// Fills the tags of two inputs whose recipes [go together](Recipe::goes_with). A kernel that interleaves them needs
    /// memory for both.
    fn compute_pair(&mut self, inputs: [&Input<'_>; 2], tags: [&mut [u8]; 2]) -> Result<(), CantCompute> {
        inputs.into_iter().zip(tags).try_for_each(|(input, tag)| self.compute(input, tag))
    }
}

/// Why a kernel did not compute a hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CantCompute {
    /// The input is outside of what the kernel was made for.
    #[error("the hash kernel does not support this input")]
    Input,
    /// Its memory was lost, and the system has no more.
    #[error("the hash kernel has lost its memory")]
    Memory,
}

impl From<argon2::Error> for CantCompute {
    fn from(_: argon2::Error) -> Self {
        Self::Input
    }
}

/// The system has no memory for a kernel.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct CantAllocate(#[from] io::Error);

impl CantAllocate {
    fn out_of_memory() -> Self {
        Self(io::ErrorKind::OutOfMemory.into())
    }
}

#[cfg(test)]
mod tests;
