//! A subject's stored hash, its version and its history.

use std::fmt;
use std::num::NonZeroU64;

use uuid::Uuid;

use super::names::PepperKeyId;
use super::overlap::Overlap;
use super::time::Timestamp;

/// The compare-and-set counter of a credential: 1 with the first password, and one more with each further one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version(NonZeroU64);

impl Version {
    /// The version of the first password.
    pub const FIRST: Self = Self(NonZeroU64::MIN);

    /// The version with that number, or `None` for 0.
    pub fn new(number: u64) -> Option<Self> {
        NonZeroU64::new(number).map(Self)
    }

    /// The number.
    pub const fn number(self) -> u64 {
        self.0.get()
    }

    /// The version that follows.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// The version that follows `current`, or the first if there is none.
    pub fn following(current: Option<Self>) -> Self {
        current.map_or(Self::FIRST, Self::next)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// The version that a caller expects; 0 means no password at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExpectedVersion(pub u64);

/// Counts the writes of a stored credential, including those that keep the version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Revision(pub u64);

/// The text in place of a hash. It is wrapped like a hash, so that no one without a key can put it there.
const VERIFIED_ELSEWHERE: &str = "verified-elsewhere";

/// A hash as it is verified: a PHC string, or a crypt string if it was imported. Never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash(String);

impl PasswordHash {
    /// Takes such a string without parsing it: the hash engine decides whether it can be verified.
    pub fn new(phc: String) -> Self {
        Self(phc)
    }

    /// What is stored in place of a hash while another system verifies the password. It is no hash of any form.
    pub fn verified_elsewhere() -> Self {
        Self(VERIFIED_ELSEWHERE.to_owned())
    }

    /// Whether another system verifies the password.
    pub fn is_verified_elsewhere(&self) -> bool {
        self.0 == VERIFIED_ELSEWHERE
    }

    /// The string, for the hash engine and the pepper.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("PasswordHash(hidden)")
    }
}

/// Whether a text stands where a system keeps a hash, and says that there is no password.
pub fn says_no_password(text: &str) -> bool {
    let crypt = text.get(..7).filter(|prefix| prefix.eq_ignore_ascii_case("{CRYPT}"));
    let text = crypt.and_then(|prefix| text.strip_prefix(prefix)).unwrap_or(text);
    text.starts_with('!') || ["", "*", "*LK*", "*NP*"].contains(&text)
}

/// A short digest of how a hash was made: of its algorithm, its parameters and its salt, but not of its tag. It is kept after
/// the hash itself is gone, to know that hash again. As nothing in it depends on the password, no guess can be tried against it.
/// Two hashes of one subject have the same digest once in four billion times, and if their system gave them the same salt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HashDigest(pub u32);

impl HashDigest {
    /// That of what is stored in place of a hash while another system verifies the password.
    pub const VERIFIED_ELSEWHERE: Self = Self(0x656c_7365);
}

/// A hash as it is stored: wrapped under a key of the pepper, or unwrapped if there was no key. Never shown.
///
/// Only the pepper converts between this and a [`PasswordHash`]; code that skips the conversion does not compile:
///
/// ```
/// use credentiald::{domain::credential::{PasswordHash, StoredHash}, ports::{Hasher, store::Commit}};
/// fn store_it(commit: &mut Commit, hash: StoredHash) { commit.hash = hash; }
/// fn describe_it(hasher: &dyn Hasher, hash: &PasswordHash) { hasher.describe(hash); }
/// ```
/// ```compile_fail,E0308
/// use credentiald::{domain::credential::PasswordHash, ports::store::Commit};
/// fn store_it_as_it_is(commit: &mut Commit, hash: PasswordHash) { commit.hash = hash; }
/// ```
/// ```compile_fail,E0308
/// use credentiald::{domain::credential::Credential, ports::Hasher};
/// fn describe_what_is_stored(hasher: &dyn Hasher, credential: &Credential) { hasher.describe(&credential.hash); }
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct StoredHash {
    key: Option<PepperKeyId>,
    text: String,
}

impl StoredHash {
    /// Takes the stored form: the id of the key, if there is one, and the text.
    pub fn new(key: Option<PepperKeyId>, text: String) -> Self {
        Self { key, text }
    }

    /// The id of the key that it is wrapped under; `None` if it is not wrapped.
    pub fn key(&self) -> Option<&PepperKeyId> {
        self.key.as_ref()
    }

    /// The text, for the store and the pepper.
    pub fn expose(&self) -> &str {
        &self.text
    }
}

impl fmt::Debug for StoredHash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("StoredHash").field("key", &self.key).finish_non_exhaustive()
    }
}

/// The stored hash of one version of a subject's password. It opens only for that subject and version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionedHash {
    /// The version.
    pub version: Version,
    /// The hash of that version's password.
    pub hash: StoredHash,
}

/// Who set a password, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangedBy {
    /// The subject itself: the minimum age counts from then on.
    Subject,
    /// Another caller: an administrator, or a caller that may set it without the old password.
    Administrator,
    /// An administrator, and its subject has to replace it.
    AdministratorForNow,
    /// It was set in another system, which still verifies it.
    Elsewhere,
}

impl ChangedBy {
    /// Every way.
    pub const ALL: [Self; 4] = [Self::Subject, Self::Administrator, Self::AdministratorForNow, Self::Elsewhere];

    /// An administrator who sets a password, and decides whether its subject has to replace it.
    pub const fn administrator(is_temporary: bool) -> Self {
        if is_temporary { Self::AdministratorForNow } else { Self::Administrator }
    }

    /// One word, the same in the store and the audit.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Subject => "subject",
            Self::Administrator => "administrator",
            Self::AdministratorForNow => "administrator-for-now",
            Self::Elsewhere => "elsewhere",
        }
    }
}

/// The id of one change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChangeId(pub Uuid);

/// A subject's password as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credential {
    /// The compare-and-set counter.
    pub version: Version,
    /// Increases by one with every write.
    pub revision: Revision,
    /// The hash of the current password.
    pub hash: StoredHash,
    /// When the current password was set.
    pub changed_at: Timestamp,
    /// Who set it.
    pub changed_by: ChangedBy,
    /// The hashes of the earlier passwords, the newest first.
    pub history: Vec<VersionedHash>,
    /// Whether, and for how long, the previous password is valid as well.
    pub overlap: Overlap,
}

impl Credential {
    /// What may be disclosed of it.
    pub const fn state(&self) -> CredentialState {
        CredentialState { version: self.version, changed_at: self.changed_at, changed_by: self.changed_by }
    }

    /// The hash of the previous password, while it is valid as well.
    pub fn previous(&self, now: Timestamp) -> Option<&VersionedHash> {
        let is_open = self.overlap.window.is_some_and(|window| window.is_open(now));
        self.history.first().filter(|earlier| is_open && earlier.version.next() == self.version)
    }

    /// The hash of that version's password, if it is still kept.
    pub fn hash_of(&self, version: Version) -> Option<&StoredHash> {
        if version == self.version {
            return Some(&self.hash);
        }
        self.history.iter().find(|earlier| earlier.version == version).map(|earlier| &earlier.hash)
    }
}

/// What may be disclosed of a credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CredentialState {
    /// The compare-and-set counter.
    pub version: Version,
    /// When the current password was set.
    pub changed_at: Timestamp,
    /// Who set it.
    pub changed_by: ChangedBy,
}
