//! The embedded database: SQLite, one file, one writer at a time.

mod backup;
mod check;
mod connect;
mod driver;
mod errors;
mod header;
mod migrate;
mod open;
mod readers;

pub use backup::{BackupError, Copied, backup, restore};
pub use check::check;
pub use migrate::migrate;
pub use open::{OpenError, open};
