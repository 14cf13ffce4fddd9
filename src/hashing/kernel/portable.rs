//! The `argon2` crate, with a reused arena.

use argon2::{Argon2, AssociatedData, ParamsBuilder};

use super::{CantAllocate, CantCompute, Input, Kernel};
use crate::hashing::arena::Arena;
use crate::hashing::phc::Recipe;

/// The `argon2` crate.
pub(in crate::hashing) struct PortableKernel {
    arena: Arena,
}

impl PortableKernel {
    /// Allocates memory for hashes of that size.
    pub(in crate::hashing) fn new(memory_kib: u32) -> Result<Self, CantAllocate> {
        let blocks = usize::try_from(memory_kib).map_err(|_| CantAllocate::out_of_memory())?;
        Ok(Self { arena: Arena::new(blocks)? })
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
        let Recipe { algorithm, version, parameters, salt, .. } = input.recipe;
        let parameters = ParamsBuilder::new()
            .m_cost(parameters.memory_kib)
            .t_cost(parameters.iterations)
            .p_cost(parameters.parallelism)
            .data(AssociatedData::new(input.associated_data)?)
            .output_len(tag.len())
            .build()?;
        let mut lent = self.arena.lend(parameters.block_count()).ok_or(CantCompute::Input)?;
        let argon2 = Argon2::new_with_secret(input.secret, *algorithm, *version, parameters)?;
        Ok(argon2.hash_password_into_with_memory(input.password, salt, tag, &mut *lent)?)
    }
}

impl From<argon2::Error> for CantCompute {
    fn from(_: argon2::Error) -> Self {
        Self::Input
    }
}

#[cfg(test)]
mod tests {
    use argon2::{Algorithm, Version};

    use super::*;
    use crate::hashing::cost::Parameters;

    #[test]
    fn no_block_is_left_after_a_hash() {
        let mut kernel = PortableKernel::new(4096).unwrap();
        let parameters = Parameters { memory_kib: 4096, iterations: 1, parallelism: 1 };
        let (algorithm, version) = (Algorithm::Argon2id, Version::V0x13);
        let recipe = Recipe { algorithm, version, parameters, salt: vec![1; 16], tag_bytes: 32 };
        let input = Input { password: b"password", recipe: &recipe, secret: &[], associated_data: &[] };
        kernel.compute(&input, &mut [0; 32]).unwrap();
        assert!(kernel.arena.is_wiped());
    }
}
