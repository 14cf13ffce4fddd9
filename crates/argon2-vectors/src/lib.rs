//! Argon2 (RFC 9106) with the AVX-512 instructions of a CPU, in the memory of its caller.
//!
//! Nearly all time of a hash goes to the compression of blocks. Its rounds are chains of dependent instructions, so a CPU
//! that computes one chain is idle most of the time. Here the four chains of a block are computed together, in 32
//! registers of eight words each (`compress`), and the next block is asked for before it is needed (`fill`).
//!
//! The code is written for vectors of any kind (`simd`): Miri runs it with arrays.

mod compress;
mod ends;
mod fill;
mod position;
mod simd;

use std::slice::GetDisjointMutError;

use argon2::{Algorithm, Block, MIN_SALT_LEN, Params, Version};

pub use simd::{Instructions, wipe};

use position::Shape;

/// Input of a hash.
#[derive(Clone, Copy)]
#[expect(missing_debug_implementations, reason = "the password must not be printed")]
pub struct Input<'a> {
    /// The password.
    pub password: &'a [u8],
    /// The salt, of eight bytes at least.
    pub salt: &'a [u8],
    /// The secret, which may be empty.
    pub secret: &'a [u8],
    /// The associated data, which may be empty.
    pub associated_data: &'a [u8],
}

/// The salt is too short, a length needs more than 32 bits, or the memory is smaller than the parameters ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unsupported;

impl std::fmt::Display for Unsupported {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("argon2 is not defined for this input, or its memory is too small")
    }
}

impl std::error::Error for Unsupported {}

impl From<std::num::TryFromIntError> for Unsupported {
    fn from(_: std::num::TryFromIntError) -> Self {
        Self
    }
}

impl From<GetDisjointMutError> for Unsupported {
    fn from(_: GetDisjointMutError) -> Self {
        Self
    }
}

/// Fills the tag. The length of the tag counts, and not the one in the parameters. The associated data of the parameters
/// is not used.
///
/// Every block that is used is overwritten first. Afterwards the memory depends on the password: the caller wipes it.
///
/// # Errors
/// The input or the memory is unsuitable. The memory may have been written to.
pub fn hash(
    instructions: Instructions,
    algorithm: Algorithm,
    version: Version,
    params: &Params,
    input: &Input<'_>,
    memory: &mut [Block],
    tag: &mut [u8],
) -> Result<(), Unsupported> {
    if input.salt.len() < MIN_SALT_LEN || tag.len() < Params::MIN_OUTPUT_LEN {
        return Err(Unsupported);
    }
    let shape = Shape::new(algorithm, version, params);
    let memory = memory.get_mut(..usize::try_from(shape.blocks())?).ok_or(Unsupported)?;
    ends::begin(shape, params.m_cost(), input, u32::try_from(tag.len())?, memory)?;
    instructions.run(fill::Fill { shape, memory })?;
    ends::end(shape, memory, tag)
}
