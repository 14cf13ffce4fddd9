//! The store, as the core sees it.

mod attempts;
mod audit_log;
mod authority;
mod change_events;
mod credentials;
mod deliveries;
mod hashes;
mod imports;
mod instances;
mod outcomes;
mod overlaps;
mod subjects;
mod tenants;
mod tokens;
mod upkeep;

pub use attempts::Attempts;
pub use audit_log::{AuditEventPage, AuditLog, AuditRange, UnreadableEvent};
pub use authority::Authority;
pub use change_events::{ChangeEventPage, ChangeEvents, Numbered};
pub use credentials::{Commit, CommitOutcome, Credentials, Standing, StandingQuery};
pub use deliveries::Deliveries;
pub use hashes::{Generation, HashCount, HashEntry, Replacement, SecretEntry, SecretReplacement, StoredHashes};
pub use imports::{FoundSubject, ImportedSubject, Imports};
pub use instances::Instances;
pub use outcomes::{Creation, Deletion};
pub use overlaps::Overlaps;
pub use subjects::{Absent, FirstPassword, Lookup, NewSubject, SubjectEntry, SubjectStatus, Subjects};
pub use tenants::Tenants;
pub use tokens::{AccessTokens, FoundKey, KEY_USE_NOTED_EVERY, TokenInsertion, TokenProof};
pub use upkeep::Upkeep;

use crate::domain::tenant_settings::UnreadableSettings;

/// Declares the parts of a store.
macro_rules! store {
    ($first:ident $(+ $part:ident)+) => {
        /// Everything that is kept. A call that returns `Ok` is durable.
        pub trait Store: $first $(+ $part)+ {}

        impl<T: $first $(+ $part)+> Store for T {}
    };
}

store!(
    Tenants
        + Instances
        + Subjects
        + Credentials
        + Attempts
        + Overlaps
        + Deliveries
        + AuditLog
        + ChangeEvents
        + Imports
        + AccessTokens
        + Upkeep
);

/// Why the store returned no result.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The store can't be reached or refuses to work; nothing was changed.
    #[error("the store is unavailable")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The store was lost at commit: it is unknown whether the change was made.
    #[error("the outcome of a commit is unknown")]
    OutcomeUnknown(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The caller's evidence no longer holds: the token was revoked or has expired, or its subject or tenant is gone.
    #[error("the evidence for the caller is gone")]
    EvidenceGone,
    /// The tenant that a write was permitted in is gone.
    #[error("the tenant is gone")]
    TenantGone,
    /// The contents of the store can't be understood.
    #[error("the store is damaged: {0}")]
    Damaged(String),
}

impl From<UnreadableSettings> for StoreError {
    fn from(problem: UnreadableSettings) -> Self {
        match problem {
            UnreadableSettings::LaterVersion => Self::Unavailable(Box::new(problem)),
            UnreadableSettings::Damaged => Self::Damaged(problem.to_string()),
        }
    }
}
