//! Functions for the fuzz targets in `fuzz/`. No shipped build has them.

use std::sync::OnceLock;

use argon2::{Algorithm, Version};
use argon2_vectors::Instructions;

use super::cost::{Ceiling, Cost, Parameters};
use super::formats::{Context, Stored};
use super::import_keys::ImportKeys;
use super::kernel::{CantAllocate, FastKernel, Input, Kernel, PortableKernel, VectorKernel};
use super::phc::Recipe;
use crate::domain::hash_problem::HashProblem;

/// Input of argon2.
#[derive(Debug)]
pub struct Case<'a> {
    /// 0 Argon2d, 1 Argon2i, 2 Argon2id.
    pub algorithm: u8,
    /// Whether to use the first version.
    pub is_first_version: bool,
    /// m, in KiB.
    pub memory_kib: u32,
    /// t.
    pub iterations: u32,
    /// p.
    pub parallelism: u32,
    /// The password.
    pub password: &'a [u8],
    /// The salt.
    pub salt: &'a [u8],
    /// The secret.
    pub secret: &'a [u8],
    /// The associated data.
    pub associated_data: &'a [u8],
    /// Length of the tag.
    pub tag_bytes: usize,
}

/// The kernels that this CPU can run.
pub struct Kernels(Vec<Box<dyn Kernel>>);

impl Kernels {
    /// Makes them, with memory for two hashes of that size.
    ///
    /// # Errors
    /// The system does not have that much memory.
    pub fn new(memory_kib: u32) -> Result<Self, CantAllocate> {
        let mut kernels: Vec<Box<dyn Kernel>> =
            vec![Box::new(PortableKernel::new(memory_kib)?), Box::new(FastKernel::new(memory_kib)?)];
        for instructions in Instructions::found().chain([Instructions::scalar()]) {
            kernels.push(Box::new(VectorKernel::new(instructions, memory_kib.saturating_mul(2))?));
        }
        Ok(Self(kernels))
    }

    /// The tags of all kernels, first that of the portable one; `None` if the kernel refuses.
    pub fn compute(&mut self, case: &Case<'_>) -> Vec<Option<Vec<u8>>> {
        self.0.iter_mut().map(|kernel| compute(&mut **kernel, case)).collect()
    }

    /// The same for two passwords together.
    pub fn compute_pair(&mut self, case: &Case<'_>, other_password: &[u8]) -> Vec<Option<[Vec<u8>; 2]>> {
        self.0.iter_mut().map(|kernel| compute_pair(&mut **kernel, case, other_password)).collect()
    }
}

fn compute(kernel: &mut dyn Kernel, case: &Case<'_>) -> Option<Vec<u8>> {
    let (recipe, mut tag) = (recipe(case), vec![0; case.tag_bytes]);
    kernel.compute(&input(case, case.password, &recipe), &mut tag).ok().map(|()| tag)
}

fn compute_pair(kernel: &mut dyn Kernel, case: &Case<'_>, other_password: &[u8]) -> Option<[Vec<u8>; 2]> {
    let recipe = recipe(case);
    let [mut first, mut second] = [(); 2].map(|()| vec![0; case.tag_bytes]);
    let inputs = [&input(case, case.password, &recipe), &input(case, other_password, &recipe)];
    kernel.compute_pair(inputs, [&mut first, &mut second]).ok().map(|()| [first, second])
}

fn input<'a>(case: &Case<'a>, password: &'a [u8], recipe: &'a Recipe) -> Input<'a> {
    Input { password, recipe, secret: case.secret, associated_data: case.associated_data }
}

fn recipe(case: &Case<'_>) -> Recipe {
    let &Case { memory_kib, iterations, parallelism, tag_bytes, .. } = case;
    Recipe {
        algorithm: [Algorithm::Argon2d, Algorithm::Argon2i]
            .get(usize::from(case.algorithm))
            .copied()
            .unwrap_or_default(),
        version: if case.is_first_version { Version::V0x10 } else { Version::V0x13 },
        parameters: Parameters { memory_kib, iterations, parallelism },
        salt: case.salt.to_vec(),
        tag_bytes,
    }
}

/// A key of each system.
const KEYS: &str = "app firebase base64_signer_key=jxspr8Ki0RYycVU8zykbdLGjFQ3McFUH0uiiTvC8pVMXAn210wjLNmdZJzxUECKbm0QsEmYUSDzZvpjeJ9WmXA== base64_salt_separator=Bw== rounds=8 mem_cost=14\nshop flask-security SECURITY_PASSWORD_SALT=salt";

static FUZZED_KEYS: OnceLock<ImportKeys> = OnceLock::new();

/// A hash as it was read.
#[derive(Debug, PartialEq, Eq)]
pub struct ReadHash {
    /// Its normal form.
    pub normal_form: String,
    /// Its algorithm and its parameters.
    pub description: (&'static str, String),
    /// What a short password costs, in units of 1 KiB that argon2 fills.
    pub work: u64,
}

/// Reads a hash in any form.
///
/// # Errors
/// Why it is refused.
pub fn read_hash(text: &str) -> Result<ReadHash, HashProblem> {
    let keys = FUZZED_KEYS.get_or_init(|| ImportKeys::parse(KEYS).unwrap_or_default());
    let stored = Stored::parse(text, Context { ceiling: Ceiling::of(Cost::DEFAULT), keys })?;
    let (description, work) = (stored.method.description(), stored.method.work(20));
    Ok(ReadHash { normal_form: stored.to_string(), description, work })
}
