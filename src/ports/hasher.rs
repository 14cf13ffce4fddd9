//! The hash engine, as the core sees it.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::clock::Deadline;
use crate::domain::credential::{HashDigest, PasswordHash};
use crate::domain::hash_problem::HashProblem;
use crate::domain::names::TenantName;
use crate::domain::password::Password;
use crate::domain::password_form::PasswordForm;

/// Bytes of a salt (NIST SP 800-63B-4 §3.1.1.2 asks for 4 or more; RFC 9106 recommends 16).
pub const SALT_BYTES: usize = 16;

/// A salt, fresh for each hash that is stored.
pub type Salt = [u8; SALT_BYTES];

/// How many hashes a request needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HashDemand {
    /// All of them.
    pub total: u32,
    /// The most that are computed one after the other, however many workers there are.
    pub in_sequence: u32,
}

impl HashDemand {
    /// None.
    pub const NONE: Self = Self::in_sequence(0);
    /// A new hash.
    pub const ONE: Self = Self::in_sequence(1);

    /// So many, one after the other.
    pub const fn in_sequence(count: u32) -> Self {
        Self { total: count, in_sequence: count }
    }

    /// These, and the others after them.
    #[must_use]
    pub const fn then(self, next: Self) -> Self {
        let in_sequence = self.in_sequence.saturating_add(next.in_sequence);
        Self { total: self.total.saturating_add(next.total), in_sequence }
    }

    /// These, and the others at the same time.
    #[must_use]
    pub fn beside(self, other: Self) -> Self {
        let in_sequence = self.in_sequence.max(other.in_sequence);
        Self { total: self.total.saturating_add(other.total), in_sequence }
    }
}

/// Admits hashes before they are computed, so that every admitted hash is finished in time.
pub trait Hasher: Send + Sync {
    /// Admits the hashes of a request together, or refuses at once. Never waits.
    ///
    /// An implementation MUST bound its memory however much is admitted, MUST release the unused rest of a dropped
    /// admission, and MUST let no tenant starve another.
    ///
    /// # Errors
    /// The hashes can't be finished by the deadline, or too many are admitted already.
    fn admit(
        &self,
        tenant: &TenantName,
        demand: HashDemand,
        deadline: Deadline,
    ) -> Result<Arc<dyn AdmittedHashes>, NotAdmitted>;

    /// How many hashes a verification of a password against a stored hash counts as, one after the other: hashes that
    /// were not made here may take longer, or several tries.
    fn cost_of(&self, password: &Password, hash: &PasswordHash) -> u32;

    /// Whether a new hash of a password is better than the stored hash that it matched in that form. MUST be false if the
    /// stored hash does not distinguish that form from others with the same beginning, or if the password could not be
    /// set today because of its characters.
    fn is_upgradable(&self, password: &Password, matched: PasswordForm, hash: &PasswordHash) -> bool;

    /// The form in which a hash from elsewhere is kept. It is the same for all the forms in which systems write a hash.
    ///
    /// # Errors
    /// The string can't be read, or is above the ceilings.
    fn imported(&self, hash: &PasswordHash) -> Result<PasswordHash, HashProblem>;

    /// A digest of how a hash was made; `None` if it can't be read. It is the same for all the forms in which systems write
    /// that hash.
    fn digest(&self, hash: &PasswordHash) -> Option<HashDigest>;

    /// What may be disclosed about a stored hash.
    fn describe(&self, hash: &PasswordHash) -> HashDescription;

    /// The decoy, which is verified for an unknown subject: a hash of a random password, with today's parameters.
    fn decoy(&self) -> PasswordHash;
}

/// Reports to an operator what the hash engine is and does.
pub trait HasherFigures: Send + Sync {
    /// What the engine is, its outstanding work, and what it has done since its start. All from one moment, or nearly.
    fn figures(&self) -> EngineFigures;
}

/// What a hash engine is, its outstanding work, and what it has done since its start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EngineFigures {
    /// The kernel's name.
    pub kernel: &'static str,
    /// The CPU instructions that it uses.
    pub instructions: &'static str,
    /// Why this kernel was chosen.
    pub reason: &'static str,
    /// How many hashes are computed at the same time.
    pub workers: u32,
    /// How many of them compute now.
    pub busy: u32,
    /// Computations that wait for one of them.
    pub waiting: u32,
    /// Memory of all hash workers, in bytes.
    pub arena_bytes: u64,
    /// Hashes that are admitted and not yet finished.
    pub outstanding: u32,
    /// How long one of today's hashes takes: a moving average.
    pub hash_time: Duration,
    /// How long two of them take together; zero if none are computed together.
    pub pair_time: Duration,
    /// How long a worker takes for each of them under load, as it computed them: alone or in pairs.
    pub time_under_load: Duration,
    /// Hashes whose computation has begun.
    pub begun: u64,
    /// Pairs of hashes whose computation has begun.
    pub pairs: u64,
    /// Pairs of hashes that failed, after which each was computed alone.
    pub failed_pairs: u64,
    /// Hashes that were abandoned before they began.
    pub abandoned: u64,
    /// How often hashes were not admitted because more work was outstanding than the service accepts.
    pub refused_overloaded: u64,
    /// How often hashes were not admitted because the deadline could not have been met.
    pub refused_deadline: u64,
}

/// What may be disclosed about a hash: how it was made, and nothing of its salt and its tag.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct HashDescription {
    /// The algorithm; `unreadable` if it can't be determined.
    pub algorithm: &'static str,
    /// Its parameters, in the notation of stored strings.
    pub parameters: String,
    /// Whether any part of it is weaker than in the hashes that are made today.
    pub is_below_target: bool,
    /// Whether it needs a key of another system that is not there. Then no password verifies.
    pub lacks_key: bool,
}

impl HashDescription {
    /// The description of what is stored while another system verifies the password.
    pub const fn verified_elsewhere() -> Self {
        Self { algorithm: "verified-elsewhere", parameters: String::new(), is_below_target: true, lacks_key: false }
    }

    /// The description of a stored hash that can't be read.
    pub const fn unreadable() -> Self {
        Self { algorithm: "unreadable", parameters: String::new(), is_below_target: true, lacks_key: false }
    }
}

/// Admitted hashes. Dropping this releases those that are not used.
#[async_trait]
pub trait AdmittedHashes: Send + Sync {
    /// The form in which the password matches the hash, if it does. Uses as many of the admitted hashes as
    /// [`Hasher::cost_of`] returns.
    ///
    /// # Errors
    /// The stored string can't be read or is above the ceilings, or the engine stopped.
    async fn verify(&self, password: Arc<Password>, hash: &PasswordHash) -> Result<Option<PasswordForm>, HasherError>;

    /// Hashes a password with today's parameters.
    ///
    /// # Errors
    /// The engine stopped.
    async fn hash(&self, password: Arc<Password>, salt: Salt) -> Result<PasswordHash, HasherError>;

    /// Reports that the caller has hung up. If none of these hashes has begun, none is computed; otherwise all are, so
    /// that a hang-up never splits hashes that belong together.
    fn abandon(&self);
}

/// Why hashes are not admitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotAdmitted {
    /// The caller's deadline could not be met.
    #[error("the deadline can't be met: about {expected_wait:?} of work is ahead")]
    DeadlineTooShort {
        /// The time that the work ahead takes.
        expected_wait: Duration,
        /// How long the deadline would have had to be.
        enough: Duration,
    },
    /// More work is outstanding than the service accepts.
    #[error("overloaded: about {expected_wait:?} of work is ahead")]
    Overloaded {
        /// The time that the work ahead takes; an earlier retry is pointless.
        expected_wait: Duration,
    },
}

/// Why a hash was not computed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HasherError {
    /// The stored string can't be verified.
    #[error("the stored hash can't be read: {0}")]
    Unreadable(HashProblem),
    /// The caller had hung up or the deadline could no longer be met, and the hash had not begun.
    #[error("the hash was abandoned before it began")]
    Abandoned,
    /// The engine is stopping, or the job was lost.
    #[error("the hash engine stopped")]
    Stopped,
    /// More hashes were asked for than admitted.
    #[error("more hashes than were admitted")]
    NotAdmitted,
}
