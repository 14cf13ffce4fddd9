//! Argon2 (RFC 9106) with the AVX-512 or AVX2 instructions of a CPU, in the memory of its caller.
//!
//! Nearly all time of a hash goes to the compression of blocks. Its rounds are chains of dependent instructions, so a CPU
//! that computes one chain is idle most of the time. Here all chains of a block are computed together (`compress`), and the
//! next block is asked for before it is needed (`fill`). Of two hashes that are computed together, one is computed while the
//! other waits for its next block.
//!
//! The code is written for vectors of any kind (`simd`): Miri runs it with arrays.

mod compress;
mod ends;
mod fill;
mod position;
mod simd;

use std::mem;
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

/// A hash to compute.
#[expect(missing_debug_implementations, reason = "the password must not be printed")]
pub struct Hash<'a> {
    /// The input.
    pub input: Input<'a>,
    /// As many blocks as the parameters ask for, or more.
    pub memory: &'a mut [Block],
    /// Is filled. Its length counts, and not the one in the parameters.
    pub tag: &'a mut [u8],
}

/// Computes hashes with the same parameters, and fills their tags. The associated data of the parameters is not used.
///
/// Two take less time together than one after the other. More are computed two by two.
///
/// Every block that is used is overwritten first. Afterwards the memory depends on the password: the caller wipes it.
///
/// # Errors
/// An input or a memory is unsuitable. The memories may have been written to.
pub fn hash(
    instructions: Instructions,
    algorithm: Algorithm,
    version: Version,
    params: &Params,
    hashes: &mut [Hash<'_>],
) -> Result<(), Unsupported> {
    let shape = Shape::new(algorithm, version, params);
    let blocks = usize::try_from(shape.blocks())?;
    for Hash { input, memory, tag } in &mut *hashes {
        if input.salt.len() < MIN_SALT_LEN || tag.len() < Params::MIN_OUTPUT_LEN {
            return Err(Unsupported);
        }
        *memory = mem::take(memory).get_mut(..blocks).ok_or(Unsupported)?;
        ends::begin(shape, params.m_cost(), input, u32::try_from(tag.len())?, memory)?;
    }
    for pair in hashes.chunks_mut(2) {
        match pair {
            [one, other] => instructions.run(fill::Fill { shape, memories: [one.memory, other.memory] })?,
            [one] => instructions.run(fill::Fill { shape, memories: [one.memory] })?,
            _ => {}
        }
    }
    hashes.iter_mut().try_for_each(|Hash { memory, tag, .. }| ends::end(shape, memory, tag))
}
