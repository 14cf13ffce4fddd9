//! The hash engine: computes every password hash of the process, on its own threads, in its own memory.
//!
//! A hash costs tens of megabytes and tens of milliseconds. So there is a fixed set of workers, each with one arena
//! that is allocated and touched at start, and requests are admitted by the time that the work ahead of them takes.
//! Whatever the load, memory is workers × ceiling, and the async runtime never computes hashes.

mod admission;
mod arena;
mod cost;
mod engine;
mod formats;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod import_keys;
mod kernel;
mod measure;
mod memory;
mod pepper;
mod phc;
mod queue;
mod reader;
mod times;
mod worker;

pub use cost::{Ceiling, Cost, CostError};
pub use engine::{EngineError, EngineSettings, HashEngine, usable_cpus};
pub use import_keys::{ImportKeyMistake, ImportKeyProblem, ImportKeys};
pub use kernel::{CantAllocate, CantCompute, KernelChoice, KernelSetting};
pub use measure::{BareKernel, Gauge, MeasureError, Measured};
pub use memory::TooLittleMemory;
pub use pepper::{KeyRing, LineProblem, RingInForce, RingMistake, Rotated, Rotation, Unmet, new_key};
pub use reader::{HashReader, algorithm_of};
