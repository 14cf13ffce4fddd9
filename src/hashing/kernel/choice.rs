//! The choice of a kernel, and the reason for it.

use std::fmt;

use argon2_vectors::Instructions;

use super::fast::FastKernel;
use super::portable::PortableKernel;
use super::vector::VectorKernel;
use super::{CantAllocate, Kernel, self_test};
use crate::hashing::cost::Cost;
use crate::ports::Entropy;

/// The requested kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KernelSetting {
    /// The fastest one that is correct on this CPU.
    Auto,
    /// The portable one.
    Portable,
}

/// The kernel that computes the hashes of a process, and why it was chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KernelChoice {
    kernel: Known,
    reason: &'static str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Known {
    Vector(Instructions),
    Fast(&'static str),
    Portable,
}

impl Known {
    /// The kernels that need certain instructions and have them here, the fastest first.
    fn candidates() -> impl Iterator<Item = Self> {
        Instructions::found().map(Self::Vector).chain(FastKernel::instructions().map(Self::Fast))
    }

    fn kernel(self, memory_kib: u32) -> Result<Box<dyn Kernel>, CantAllocate> {
        Ok(match self {
            Self::Vector(instructions) => Box::new(VectorKernel::new(instructions, memory_kib)?),
            Self::Fast(_) => Box::new(FastKernel::new(memory_kib)?),
            Self::Portable => Box::new(PortableKernel::new(memory_kib)?),
        })
    }
}

impl KernelChoice {
    /// Chooses a kernel. All but the portable one have to pass a self-test of a few milliseconds, which covers this cost.
    pub fn new(setting: KernelSetting, cost: Cost, entropy: &dyn Entropy) -> Self {
        if setting == KernelSetting::Portable {
            return Self::portable("the setting hashing.kernel asks for it");
        }
        let mut refused = "no other kernel has code for the vectors of this CPU";
        for kernel in Known::candidates() {
            let choice = Self { kernel, reason: "it is equal to the portable kernel in every test" };
            match self_test::check(|memory_kib| choice.kernel(memory_kib), cost, entropy) {
                Ok(()) => return choice,
                Err(reason) => refused = reason,
            }
            tracing::warn!(name = choice.name(), reason = refused, "a hash kernel is not used");
        }
        Self::portable(refused)
    }

    /// The portable kernel, for that reason.
    pub const fn portable(reason: &'static str) -> Self {
        Self { kernel: Known::Portable, reason }
    }

    /// The kernel's name: `vector`, `fast` or `portable`.
    pub const fn name(self) -> &'static str {
        match self.kernel {
            Known::Vector(_) => "vector",
            Known::Fast(_) => "fast",
            Known::Portable => "portable",
        }
    }

    /// Whether it is the portable one.
    pub const fn is_portable(self) -> bool {
        matches!(self.kernel, Known::Portable)
    }

    /// Whether two hashes take it less time together than one after the other.
    pub const fn interleaves(self) -> bool {
        matches!(self.kernel, Known::Vector(_))
    }

    /// One that interleaves, on any CPU.
    #[cfg(test)]
    pub(in crate::hashing) const fn interleaving() -> Self {
        Self { kernel: Known::Vector(Instructions::scalar()), reason: "a test" }
    }

    /// The instructions that it uses on this CPU, for example `avx512`.
    pub fn instructions(self) -> &'static str {
        match self.kernel {
            Known::Vector(instructions) => instructions.name(),
            Known::Fast(instructions) => instructions,
            Known::Portable => PortableKernel::instructions(),
        }
    }

    /// Why it was chosen.
    pub const fn reason(self) -> &'static str {
        self.reason
    }

    /// Makes a kernel, with memory for hashes of that size.
    pub(in crate::hashing) fn kernel(self, memory_kib: u32) -> Result<Box<dyn Kernel>, CantAllocate> {
        self.kernel.kernel(memory_kib)
    }
}

impl fmt::Display for KernelChoice {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} ({}): {}", self.name(), self.instructions(), self.reason)
    }
}
