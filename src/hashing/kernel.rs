//! Who computes argon2. The portable kernel works everywhere; faster ones must be equal to it, bit by bit.

use std::collections::TryReserveError;

use argon2::{Argon2, AssociatedData, ParamsBuilder};

use super::arena::Arena;
use super::cost::Ceiling;
use super::phc::Recipe;

/// What argon2 is computed of. No stored hash has a secret or associated data; the vectors of RFC 9106 do.
pub(super) struct Input<'a> {
    pub password: &'a [u8],
    pub recipe: &'a Recipe,
    pub secret: &'a [u8],
    pub associated_data: &'a [u8],
}

/// Computes argon2, one hash at a time, in memory of its own.
///
/// An implementation MUST allocate for its ceiling when it is made and nothing later, and MUST leave nothing of the
/// input in its memory, also where it panics.
pub(super) trait Kernel {
    /// Fills the tag.
    fn compute(&mut self, input: &Input<'_>, tag: &mut [u8]) -> Result<(), CantCompute>;
}

/// The input is outside of what the kernel was made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct CantCompute;

impl From<argon2::Error> for CantCompute {
    fn from(_: argon2::Error) -> Self {
        Self
    }
}

/// The `argon2` crate.
pub(super) struct PortableKernel {
    arena: Arena,
}

impl PortableKernel {
    /// Allocates for hashes up to the ceiling.
    pub(super) fn new(ceiling: Ceiling) -> Result<Self, TryReserveError> {
        Ok(Self { arena: Arena::new(ceiling.blocks())? })
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
        let mut lent = self.arena.lend(parameters.block_count()).ok_or(CantCompute)?;
        let argon2 = Argon2::new_with_secret(input.secret, *algorithm, *version, parameters)?;
        Ok(argon2.hash_password_into_with_memory(input.password, salt, tag, &mut *lent)?)
    }
}

#[cfg(test)]
mod tests {
    use argon2::{Algorithm, Version};

    use super::*;
    use crate::hashing::cost::{Cost, Parameters};

    fn recipe(algorithm: Algorithm, memory_kib: u32, salt: &[u8]) -> Recipe {
        let parameters = Parameters { memory_kib, iterations: 3, parallelism: 4 };
        Recipe { algorithm, version: Version::V0x13, parameters, salt: salt.to_vec(), tag_bytes: 32 }
    }

    fn kernel() -> PortableKernel {
        PortableKernel::new(Ceiling::of(Cost::DEFAULT)).unwrap()
    }

    #[test]
    fn the_vectors_of_rfc_9106_come_out() {
        let vectors = [
            (Algorithm::Argon2d, "512b391b6f1162975371d30919734294f868e3be3984f3c1a13a4db9fabe4acb"),
            (Algorithm::Argon2i, "c814d9d1dc7f37aa13f0d77f2494bda1c8de6b016dd388d29952a4c4672b6ce8"),
            (Algorithm::Argon2id, "0d640df58d78766c08c037a34a8b53c9d01ef0452d75b65eb52520e96b01e659"),
        ];
        let mut kernel = kernel();
        for (algorithm, expected) in vectors {
            let recipe = recipe(algorithm, 32, &[2; 16]);
            let input = Input { password: &[1; 32], recipe: &recipe, secret: &[3; 8], associated_data: &[4; 12] };
            let mut tag = [0; 32];
            kernel.compute(&input, &mut tag).unwrap();
            assert_eq!(tag.map(|byte| format!("{byte:02x}")).concat(), expected);
        }
    }

    #[test]
    fn no_block_is_left_after_a_hash() {
        let mut kernel = kernel();
        let recipe = recipe(Algorithm::Argon2id, 4096, b"0123456789abcdef");
        let input = Input { password: b"password", recipe: &recipe, secret: &[], associated_data: &[] };
        kernel.compute(&input, &mut [0; 32]).unwrap();
        assert!(kernel.arena.is_wiped());
    }

    #[test]
    fn more_memory_than_the_ceiling_is_refused() {
        let recipe = recipe(Algorithm::Argon2id, 47_120, b"0123456789abcdef");
        let input = Input { password: b"password", recipe: &recipe, secret: &[], associated_data: &[] };
        assert_eq!(kernel().compute(&input, &mut [0; 32]), Err(CantCompute));
    }
}
