//! The store, as the core sees it.

mod authority;
mod change_events;
mod credentials;
mod directory;
mod hashes;
mod imports;
mod overlaps;
mod tokens;
mod upkeep;

pub use authority::Authority;
pub use change_events::{ChangeEventPage, ChangeEvents, Numbered};
pub use credentials::{Absent, Commit, CommitOutcome, Credentials, Lookup};
pub use directory::{Creation, Deletion, Directory, FirstPassword, NewSubject, SubjectEntry, SubjectStatus};
pub use hashes::{HashAge, HashCount, HashEntry, Replacement, StoredHashes};
pub use imports::{FoundSubject, ImportedSubject, Imports};
pub use overlaps::Overlaps;
pub use tokens::AccessTokens;
pub use upkeep::Upkeep;

/// Everything that is kept. What returns `Ok` is durable.
pub trait Store: Credentials + Overlaps + Directory + Imports + ChangeEvents + AccessTokens + Upkeep {}

impl<T: Credentials + Overlaps + Directory + Imports + ChangeEvents + AccessTokens + Upkeep> Store for T {}

/// Why the store gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// It can't be reached or refuses to work; nothing was changed.
    #[error("the store is unavailable")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// It was lost at commit: whether the change was made is not known.
    #[error("the outcome of a commit is unknown")]
    OutcomeUnknown(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// What proved the caller does not any more: the token was revoked or has expired, or its subject or tenant is gone.
    #[error("what proved the caller is gone")]
    EvidenceGone,
    /// The tenant that a write was permitted in is gone.
    #[error("the tenant is gone")]
    TenantGone,
    /// What it holds can't be understood.
    #[error("the store is damaged: {0}")]
    Damaged(String),
}
