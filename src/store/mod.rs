//! Where things are kept: one store in SQL, which implements the [`Store`](crate::ports::Store) port, and the databases
//! that it can stand on. SQL is named nowhere else.

mod location;
#[cfg(feature = "postgres")]
pub mod postgres;
pub mod sql;
pub mod sqlite;

pub use location::{Location, OpenError, Opening};
pub use sql::{CheckReport, SqlStore};

/// The schema that this program works with, in every database: the number of the newest migration.
const KNOWN_SCHEMA: u32 = 9;

/// What a migration did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Migrated {
    /// The schema that was found.
    pub from: u32,
    /// The schema now.
    pub to: u32,
}
