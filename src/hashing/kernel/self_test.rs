//! Self-test of a kernel on this machine: code for the CPU's vectors is young and unaudited.

use std::ops::RangeInclusive;
use std::panic::{AssertUnwindSafe, catch_unwind};

use argon2::{Algorithm, Version};

use super::portable::PortableKernel;
use super::{CantAllocate, Input, Kernel};
use crate::hashing::cost::{Cost, OWASP_LINES, Parameters};
use crate::hashing::phc::Recipe;
use crate::ports::Entropy;

/// Argon2d, Argon2i and Argon2id, with a secret and associated data (RFC 9106 §5).
#[rustfmt::skip]
pub(super) const VECTORS: [(Algorithm, [u8; 32]); 3] = [
    (Algorithm::Argon2d, [
        0x51, 0x2b, 0x39, 0x1b, 0x6f, 0x11, 0x62, 0x97, 0x53, 0x71, 0xd3, 0x09, 0x19, 0x73, 0x42, 0x94,
        0xf8, 0x68, 0xe3, 0xbe, 0x39, 0x84, 0xf3, 0xc1, 0xa1, 0x3a, 0x4d, 0xb9, 0xfa, 0xbe, 0x4a, 0xcb,
    ]),
    (Algorithm::Argon2i, [
        0xc8, 0x14, 0xd9, 0xd1, 0xdc, 0x7f, 0x37, 0xaa, 0x13, 0xf0, 0xd7, 0x7f, 0x24, 0x94, 0xbd, 0xa1,
        0xc8, 0xde, 0x6b, 0x01, 0x6d, 0xd3, 0x88, 0xd2, 0x99, 0x52, 0xa4, 0xc4, 0x67, 0x2b, 0x6c, 0xe8,
    ]),
    (Algorithm::Argon2id, [
        0x0d, 0x64, 0x0d, 0xf5, 0x8d, 0x78, 0x76, 0x6c, 0x08, 0xc0, 0x37, 0xa3, 0x4a, 0x8b, 0x53, 0xc9,
        0xd0, 0x1e, 0xf0, 0x45, 0x2d, 0x75, 0xb6, 0x5e, 0xb5, 0x25, 0x20, 0xe9, 0x6b, 0x01, 0xe6, 0x59,
    ]),
];

/// Memory of the largest hash in the test: several blocks of addresses for each segment, yet under a millisecond.
const MEMORY_KIB: u32 = 1024;

/// Tests a kernel. The error says why not to use it.
///
/// It cannot detect an instruction that the CPU reports and does not have: that ends the process.
pub(super) fn check(
    new_kernel: impl FnOnce(u32) -> Result<Box<dyn Kernel>, CantAllocate>,
    cost: Cost,
    entropy: &dyn Entropy,
) -> Result<(), &'static str> {
    let tried = catch_unwind(AssertUnwindSafe(|| {
        const ALLOCATION: &str = "there is no memory for the self-test of the kernel";
        let mut kernel = new_kernel(2 * MEMORY_KIB).map_err(|_| ALLOCATION)?;
        let mut reference = PortableKernel::new(MEMORY_KIB).map_err(|_| ALLOCATION)?;
        check_vectors(&mut *kernel)?;
        let mut test = Comparison { kernel: &mut *kernel, reference: &mut reference, draw: Draw(entropy) };
        test.configured(cost)?;
        test.random()
    }));
    tried.unwrap_or(Err("the kernel panicked in its self-test"))
}

fn check_vectors(kernel: &mut dyn Kernel) -> Result<(), &'static str> {
    for (algorithm, expected) in VECTORS {
        let parameters = Parameters { memory_kib: 32, iterations: 3, parallelism: 4 };
        let recipe = Recipe { algorithm, version: Version::V0x13, parameters, salt: vec![2; 16], tag_bytes: 32 };
        let input = Input { password: &[1; 32], recipe: &recipe, secret: &[3; 8], associated_data: &[4; 12] };
        let mut tag = [0; 32];
        kernel.compute(&input, &mut tag).map_err(|_| "the kernel fails on a vector of RFC 9106")?;
        if tag != expected {
            return Err("the kernel differs from a vector of RFC 9106");
        }
    }
    Ok(())
}

struct Comparison<'a> {
    kernel: &'a mut dyn Kernel,
    reference: &'a mut dyn Kernel,
    draw: Draw<'a>,
}

impl Comparison<'_> {
    /// Compares with the passes and lanes of new hashes and of the OWASP lines.
    fn configured(&mut self, cost: Cost) -> Result<(), &'static str> {
        let lines = OWASP_LINES.map(|(_, iterations)| (iterations, 1));
        for (iterations, parallelism) in lines.into_iter().chain([(cost.iterations(), cost.parallelism())]) {
            let parameters = Parameters { memory_kib: MEMORY_KIB, iterations, parallelism };
            self.compare(Algorithm::Argon2id, Version::V0x13, parameters)?;
        }
        Ok(())
    }

    /// Compares with every algorithm, version and number of lanes up to four.
    fn random(&mut self) -> Result<(), &'static str> {
        for algorithm in [Algorithm::Argon2d, Algorithm::Argon2i, Algorithm::Argon2id] {
            for version in [Version::V0x10, Version::V0x13] {
                for parallelism in 1..=4 {
                    let memory_kib = 8 * parallelism + u32::from(self.draw.number(0..=255));
                    let iterations = self.draw.number(1..=3).into();
                    let parameters = Parameters { memory_kib, iterations, parallelism };
                    self.compare(algorithm, version, parameters)?;
                }
            }
        }
        Ok(())
    }

    /// Compares one hash alone, and two together.
    fn compare(&mut self, algorithm: Algorithm, version: Version, parameters: Parameters) -> Result<(), &'static str> {
        const FAILS: &str = "the kernel fails in its self-test";
        const DIFFERS: &str = "the kernel differs from the portable one";
        let drawn = [(); 2].map(|()| {
            let recipe = self.draw.recipe(algorithm, version, parameters);
            (recipe, [0..=64, 0..=32, 0..=32].map(|length| self.draw.bytes(length)))
        });
        let [one, other] = drawn.each_ref().map(|(recipe, [password, secret, associated_data])| Input {
            password,
            recipe,
            secret,
            associated_data,
        });
        let mut expected = [&one, &other].map(|input| vec![0; input.recipe.tag_bytes]);
        let [mut alone, _] = expected.clone();
        let [mut first, mut second] = expected.clone();
        for (input, tag) in [&one, &other].into_iter().zip(&mut expected) {
            self.reference.compute(input, tag).map_err(|_| "the portable kernel fails in the self-test")?;
        }
        self.kernel.compute(&one, &mut alone).map_err(|_| FAILS)?;
        self.kernel.compute_pair([&one, &other], [&mut first, &mut second]).map_err(|_| FAILS)?;
        if alone == first && [first, second] == expected { Ok(()) } else { Err(DIFFERS) }
    }
}

/// Draws inputs at random.
struct Draw<'a>(&'a dyn Entropy);

impl Draw<'_> {
    fn recipe(&self, algorithm: Algorithm, version: Version, parameters: Parameters) -> Recipe {
        let tag_bytes = self.bytes(4..=64).len();
        Recipe { algorithm, version, parameters, salt: self.bytes(8..=48), tag_bytes }
    }

    fn bytes(&self, length: RangeInclusive<u16>) -> Vec<u8> {
        let mut bytes = vec![0; self.number(length).into()];
        self.0.fill(&mut bytes);
        bytes
    }

    /// Some numbers are slightly more frequent than others, which does no harm here.
    fn number(&self, range: RangeInclusive<u16>) -> u16 {
        let mut drawn = [0; 2];
        self.0.fill(&mut drawn);
        let span = range.end() - range.start() + 1;
        range.start() + u16::from_le_bytes(drawn) % span
    }
}
