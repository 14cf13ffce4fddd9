//! The choice of a kernel, and the reason for it.

use std::fmt;

use super::fast::FastKernel;
use super::portable::PortableKernel;
use super::{CantAllocate, Kernel, self_test};
use crate::hashing::cost::Cost;
use crate::ports::Entropy;

/// The requested kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KernelSetting {
    /// The fast one if it is correct, otherwise the portable one.
    Auto,
    /// The portable one.
    Portable,
}

/// The kernel that computes the hashes of a process, and why it was chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KernelChoice {
    kernel: Known,
    instructions: &'static str,
    reason: &'static str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Known {
    Fast,
    Portable,
}

impl KernelChoice {
    /// Chooses a kernel. The fast one has to pass a self-test of a few milliseconds, which covers this cost.
    pub fn new(setting: KernelSetting, cost: Cost, entropy: &dyn Entropy) -> Self {
        if setting == KernelSetting::Portable {
            return Self::portable("the setting hashing.kernel asks for it");
        }
        let Some(instructions) = FastKernel::instructions() else {
            return Self::portable("the fast kernel has no code for the vectors of this CPU");
        };
        match self_test::check(FastKernel::new, cost, entropy) {
            Ok(()) => {
                Self { kernel: Known::Fast, instructions, reason: "it is equal to the portable kernel in every test" }
            }
            Err(reason) => Self::portable(reason),
        }
    }

    /// The portable kernel, for that reason.
    pub fn portable(reason: &'static str) -> Self {
        Self { kernel: Known::Portable, instructions: PortableKernel::instructions(), reason }
    }

    /// The kernel's name: `fast` or `portable`.
    pub const fn name(self) -> &'static str {
        match self.kernel {
            Known::Fast => "fast",
            Known::Portable => "portable",
        }
    }

    /// Whether it is the portable one.
    pub const fn is_portable(self) -> bool {
        matches!(self.kernel, Known::Portable)
    }

    /// The instructions that it uses on this CPU, for example `avx512`.
    pub const fn instructions(self) -> &'static str {
        self.instructions
    }

    /// Why it was chosen.
    pub const fn reason(self) -> &'static str {
        self.reason
    }

    /// Makes a kernel, with memory for hashes of that size.
    pub(in crate::hashing) fn kernel(self, memory_kib: u32) -> Result<Box<dyn Kernel>, CantAllocate> {
        Ok(match self.kernel {
            Known::Fast => Box::new(FastKernel::new(memory_kib)?),
            Known::Portable => Box::new(PortableKernel::new(memory_kib)?),
        })
    }
}

impl fmt::Display for KernelChoice {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} ({}): {}", self.name(), self.instructions, self.reason)
    }
}
