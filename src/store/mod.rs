//! Where things are kept: one store in SQL, which implements the [`Store`](crate::ports::Store) port, and the databases
//! that it can stand on. SQL is named nowhere else.

pub mod sql;
pub mod sqlite;

pub use sql::{CheckReport, SqlStore};

/// What a migration did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Migrated {
    /// The schema that was found.
    pub from: u32,
    /// The schema now.
    pub to: u32,
}
