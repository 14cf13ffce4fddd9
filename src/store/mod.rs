//! Where things are kept. Each backend implements the [`Store`](crate::ports::Store) port; SQL is named nowhere else.

pub mod sqlite;

pub use sqlite::{CheckReport, Migrated, OpenError, SqliteStore};
