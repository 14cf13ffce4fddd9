//! The `argon2-rust` crate, which has code for AVX-512, AVX2, SSE2 and NEON and selects the best at run time.

use argon2::{Algorithm, Version};
use argon2_rust::params::{Memory, TagLen};
use argon2_rust::{Argon2, Backend, Error, Hasher, Params};

use super::{CantAllocate, CantCompute, Input, Kernel};
use crate::hashing::cost::Parameters;
use crate::hashing::phc::Recipe;

/// The `argon2-rust` crate, with the memory that it keeps between hashes.
pub(in crate::hashing) struct FastKernel {
    hasher: Hasher,
    memory_kib: u32,
}

impl FastKernel {
    /// Allocates memory for hashes of that size.
    pub(in crate::hashing) fn new(memory_kib: u32) -> Result<Self, CantAllocate> {
        let hasher = warm_hasher(memory_kib).map_err(|_| CantAllocate::out_of_memory())?;
        Ok(Self { hasher, memory_kib })
    }

    /// The vector instructions that it has code for on this machine; `None` if it has only scalar code.
    pub(super) fn instructions() -> Option<&'static str> {
        let found = argon2_rust::detected_backend();
        (found != Backend::Scalar).then(|| found.name())
    }
}

impl Kernel for FastKernel {
    fn compute(&mut self, input: &Input<'_>, tag: &mut [u8]) -> Result<(), CantCompute> {
        let Recipe { algorithm, version, parameters, salt, .. } = input.recipe;
        let parameters = params(*parameters, tag.len())?;
        if parameters.memory_kib() > self.memory_kib {
            return Err(CantCompute::Input);
        }
        self.hasher.set_argon2(Argon2::new(algorithm_of(*algorithm), version_of(*version), parameters));
        Ok(self.hasher.hash_into_with_ad(input.password, salt, input.secret, input.associated_data, tag)?)
    }
}

impl From<Error> for CantCompute {
    fn from(error: Error) -> Self {
        if error == Error::MemoryAllocationError { Self::Memory } else { Self::Input }
    }
}

/// A hasher with its memory in place. Requested memory is mapped only by a hash, and the first hash in it takes four
/// times as long as later ones.
fn warm_hasher(memory_kib: u32) -> Result<Hasher, Error> {
    let mut tag = [0; 32];
    let parameters = params(Parameters { memory_kib, iterations: 1, parallelism: 1 }, tag.len())?;
    let mut hasher = Argon2::new(argon2_rust::Algorithm::Argon2id, argon2_rust::Version::V0x13, parameters).hasher();
    hasher.hash_into(&[], &[0; 16], &mut tag)?;
    Ok(hasher)
}

fn params(parameters: Parameters, tag_bytes: usize) -> Result<Params, Error> {
    let tag_bytes = u64::try_from(tag_bytes).map_err(|_| Error::OutputTooLong)?;
    Params::builder()
        .memory(Memory::kib(parameters.memory_kib.into()))
        .passes(parameters.iterations)
        .lanes(parameters.parallelism)
        // A worker is one thread, however many lanes a stored hash has.
        .threads(1)
        .tag_len(TagLen::bytes(tag_bytes))
        .build()
}

fn algorithm_of(algorithm: Algorithm) -> argon2_rust::Algorithm {
    match algorithm {
        Algorithm::Argon2d => argon2_rust::Algorithm::Argon2d,
        Algorithm::Argon2i => argon2_rust::Algorithm::Argon2i,
        Algorithm::Argon2id => argon2_rust::Algorithm::Argon2id,
    }
}

fn version_of(version: Version) -> argon2_rust::Version {
    match version {
        Version::V0x10 => argon2_rust::Version::V0x10,
        Version::V0x13 => argon2_rust::Version::V0x13,
    }
}
