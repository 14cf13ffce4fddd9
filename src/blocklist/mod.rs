//! Lists of refused passwords that are too long for memory: how they are built, and how a password is looked up.

mod build;
mod digest;
mod filter;
mod header;

pub use build::{Builder, ListError, ListFormat};
pub use digest::Digest;
pub use filter::{Filter, FilterProblem, Stamp};
pub use header::Header;
