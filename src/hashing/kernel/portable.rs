//! The `argon2` crate, with a reused arena.

use argon2::Argon2;

use super::{CantAllocate, CantCompute, Input, Kernel};
use crate::hashing::arena::Arena;
use crate::hashing::phc::Recipe;

/// The `argon2` crate.
pub(in crate::hashing) struct PortableKernel {
    pub(super) arena: Arena,
}

impl PortableKernel {
    /// Allocates memory for hashes of that size.
    pub(in crate::hashing) fn new(memory_kib: u32) -> Result<Self, CantAllocate> {
        Ok(Self { arena: Arena::of_kib(memory_kib)? })
    }

    /// The instructions that the `argon2` crate detects.
    pub(super) fn instructions() -> &'static str {
        #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
        if std::arch::is_x86_feature_detected!("avx2") {
            return "avx2";
        }
        "scalar"
    }
}

impl Kernel for PortableKernel {
    fn compute(&mut self, input: &Input<'_>, tag: &mut [u8]) -> Result<(), CantCompute> {
        let parameters = input.parameters(tag)?;
        let Recipe { algorithm, version, salt, .. } = input.recipe;
        let mut lent = self.arena.lend(parameters.block_count()).ok_or(CantCompute::Input)?;
        let argon2 = Argon2::new_with_secret(input.secret, *algorithm, *version, parameters)?;
        Ok(argon2.hash_password_into_with_memory(input.password, salt, tag, &mut *lent)?)
    }
}
