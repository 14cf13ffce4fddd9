//! Storage: one SQL store, which implements the [`Store`](crate::ports::Store) port, and its database drivers. Only
//! this module contains SQL.

mod location;
#[cfg(feature = "postgres")]
pub mod postgres;
pub mod sql;
pub mod sqlite;

pub use location::{Location, OpenError, Opening, StoreFile};
pub use sql::{CheckReport, SqlStore};

/// Schema version that this program works with, in every database: the number of the newest migration.
const KNOWN_SCHEMA: u32 = 11;

/// Result of a migration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Migrated {
    /// Schema version before.
    pub from: u32,
    /// Schema version after.
    pub to: u32,
}
