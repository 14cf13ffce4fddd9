//! The embedded database: SQLite, one file, one writer at a time.

mod backup;
mod check;
mod checkpoints;
mod connect;
mod driver;
mod errors;
mod files;
mod header;
mod lock_retries;
mod migrate;
mod open;
mod owner;
mod readers;
mod statements;
mod writer;

pub use backup::{BackupError, Copied, backup, backup_unnamed, restore};
pub use check::check;
pub use migrate::migrate;
pub use open::{OpenError, is_open_to_all, open, open_to_serve};
