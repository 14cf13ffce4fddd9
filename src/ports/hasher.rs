//! The hash engine, as the core sees it.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::clock::Deadline;
use crate::domain::credential::PasswordHash;
use crate::domain::names::TenantName;
use crate::domain::password::Password;

/// Bytes of a salt (NIST SP 800-63B-4 §3.1.1.2 asks for 4 or more; RFC 9106 recommends 16).
pub const SALT_BYTES: usize = 16;

/// A salt, fresh for each hash that is stored.
pub type Salt = [u8; SALT_BYTES];

/// Admits hashes before they are computed, so that what is admitted is finished in time.
pub trait Hasher: Send + Sync {
    /// Admits `count` hashes as one, or refuses at once. Never waits.
    ///
    /// An implementation MUST bound its memory whatever is admitted, MUST give back what an admission that is dropped
    /// has not used, and MUST let no tenant starve another.
    ///
    /// # Errors
    /// They could not be finished by the deadline, or there are too many already.
    fn admit(
        &self,
        tenant: &TenantName,
        count: u32,
        deadline: Deadline,
    ) -> Result<Arc<dyn AdmittedHashes>, NotAdmitted>;

    /// How many hashes it counts as to verify a password against a stored hash: those that were not made here may take
    /// longer, or two tries.
    fn cost_of(&self, password: &Password, hash: &PasswordHash) -> u32;

    /// Whether a new hash of a password is better than the stored one that it was verified against. MUST be false where
    /// the stored one does not tell the password from others that begin alike, and where the password could not be set
    /// today because of its characters.
    fn is_upgradable(&self, password: &Password, hash: &PasswordHash) -> bool;

    /// Whether passwords can be verified against a hash: for one that comes from elsewhere, before it is kept.
    ///
    /// # Errors
    /// The string can't be read or is above the ceilings.
    fn check(&self, hash: &PasswordHash) -> Result<(), HasherError>;

    /// What may be told of a stored hash.
    fn describe(&self, hash: &PasswordHash) -> HashDescription;

    /// The hash that is verified for an unknown subject: of a random password, with today's parameters.
    fn decoy(&self) -> PasswordHash;
}

/// Tells an operator what the hash engine is and does.
pub trait HasherFigures: Send + Sync {
    /// What it is, what is ahead of it, and what it has done since its start. All of one moment, or nearly.
    fn figures(&self) -> EngineFigures;
}

/// What a hash engine is, what is ahead of it, and what it has done since its start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EngineFigures {
    /// The kernel's name.
    pub kernel: &'static str,
    /// The instructions that it uses on this CPU.
    pub instructions: &'static str,
    /// Why it was chosen.
    pub reason: &'static str,
    /// How many hashes are computed at a time.
    pub workers: u32,
    /// The memory of all workers, in bytes.
    pub arena_bytes: u64,
    /// Hashes that are admitted and not finished.
    pub outstanding: u32,
    /// How long one of today's hashes takes: a moving average.
    pub hash_time: Duration,
    /// Hashes whose computation has begun.
    pub begun: u64,
    /// Hashes that were abandoned before they began.
    pub abandoned: u64,
    /// How often hashes were not admitted because there was more work ahead than the service takes on.
    pub refused_overloaded: u64,
    /// How often hashes were not admitted because the deadline could not have been met.
    pub refused_deadline: u64,
}

/// What may be told of a hash: how it was made, and nothing of its salt and its tag.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct HashDescription {
    /// The algorithm; `unreadable` where it can't be told.
    pub algorithm: &'static str,
    /// Its parameters, as stored strings write them.
    pub parameters: String,
    /// Whether anything of it is weaker than in the hashes that are made today.
    pub is_below_target: bool,
}

impl HashDescription {
    /// Of a stored hash that can't be read.
    pub const fn unreadable() -> Self {
        Self { algorithm: "unreadable", parameters: String::new(), is_below_target: true }
    }
}

/// Hashes that were admitted. Those that are not used are given back when this is dropped.
#[async_trait]
pub trait AdmittedHashes: Send + Sync {
    /// Tells whether the password is the hash's. Takes as many of the admitted hashes as [`Hasher::cost_of`] says.
    ///
    /// # Errors
    /// The stored string can't be read or is above the ceilings, or the engine stopped.
    async fn verify(&self, password: Arc<Password>, hash: &PasswordHash) -> Result<bool, HasherError>;

    /// Hashes a password with today's parameters.
    ///
    /// # Errors
    /// The engine stopped.
    async fn hash(&self, password: Arc<Password>, salt: Salt) -> Result<PasswordHash, HasherError>;

    /// Nobody waits for these hashes any more. Where none of them has begun, none is computed; otherwise all are, so
    /// that hanging up never parts what belongs together.
    fn abandon(&self);
}

/// Why hashes are not admitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotAdmitted {
    /// The caller's deadline could not be met.
    #[error("the deadline can't be met: about {expected_wait:?} of work is ahead")]
    DeadlineTooShort {
        /// How long the work ahead takes.
        expected_wait: Duration,
        /// How long a deadline would have had to be.
        enough: Duration,
    },
    /// There is more work ahead than the service takes on.
    #[error("overloaded: about {expected_wait:?} of work is ahead")]
    Overloaded {
        /// How long the work ahead takes; to try again earlier is pointless.
        expected_wait: Duration,
    },
}

/// Why a hash was not computed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HasherError {
    /// The stored string is none that can be verified.
    #[error("the stored hash can't be read: {0}")]
    Unreadable(&'static str),
    /// Nobody waited for it any more, or it could not be finished by the deadline any more, and it had not begun.
    #[error("the hash was abandoned before it began")]
    Abandoned,
    /// The engine is stopping, or the job was lost.
    #[error("the hash engine stopped")]
    Stopped,
    /// More hashes were asked for than admitted.
    #[error("more hashes than were admitted")]
    NotAdmitted,
}
