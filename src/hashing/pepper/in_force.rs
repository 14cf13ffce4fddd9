//! The ring in force, which another one may replace while the service runs.

use std::sync::Arc;

use tokio::sync::watch;
use zeroize::Zeroizing;

use super::KeyRing;
use super::key::PepperKey;
use crate::domain::credential::{PasswordHash, StoredHash, Version};
use crate::domain::denial::Denial;
use crate::domain::names::{AuthorizationMessage, PepperKeyId};
use crate::domain::sealed::{SealPurpose, Sealed};
use crate::domain::subject::SubjectId;
use crate::domain::tenant::TenantId;
use crate::ports::{DenialCipher, DenialProblem, Pepper, PepperError, PepperProblem};

/// A ring that may be replaced. Each use takes the one in force at that moment.
#[derive(Clone)]
pub struct RingInForce(watch::Receiver<Arc<KeyRing>>);

impl RingInForce {
    /// The ring in force, now and later.
    pub const fn new(rings: watch::Receiver<Arc<KeyRing>>) -> Self {
        Self(rings)
    }

    /// The ring at this moment.
    pub fn now(&self) -> Arc<KeyRing> {
        Arc::clone(&self.0.borrow())
    }
}

impl Pepper for RingInForce {
    fn wrap(&self, hash: &PasswordHash, subject: SubjectId, version: Version) -> Result<StoredHash, PepperError> {
        self.now().wrap(hash, subject, version)
    }

    fn open(&self, stored: &StoredHash, subject: SubjectId, version: Version) -> Result<PasswordHash, PepperError> {
        self.now().open(stored, subject, version)
    }

    fn seal(&self, purpose: SealPurpose, bound: &str, text: &str) -> Option<Sealed> {
        self.now().seal(purpose, bound, text)
    }

    fn unseal(&self, purpose: SealPurpose, bound: &str, sealed: &Sealed) -> Result<Zeroizing<String>, PepperProblem> {
        self.now().unseal(purpose, bound, sealed)
    }
}

impl DenialCipher for RingInForce {
    fn encrypt(&self, denial: &Denial, tenant: Option<TenantId>) -> Option<AuthorizationMessage> {
        self.now().encrypt(denial, tenant)
    }

    fn decrypt(&self, message: &AuthorizationMessage, tenant: Option<TenantId>) -> Result<Denial, DenialProblem> {
        self.now().decrypt(message, tenant)
    }
}

impl KeyRing {
    /// The keys of another ring that this one does not have, or has under the id of another key.
    pub fn lacks<'a>(&'a self, other: &'a Self) -> impl Iterator<Item = &'a PepperKeyId> {
        let has = |wanted: &PepperKey| self.keys.iter().any(|key| key.id() == wanted.id() && self.is_same(key, wanted));
        other.keys.iter().filter(move |key| !has(key)).map(PepperKey::id)
    }

    /// Whether two keys are one: the second opens what the first seals.
    fn is_same(&self, one: &PepperKey, other: &PepperKey) -> bool {
        let sealed = one.seal(SealPurpose::AccessKeySecret, "", "", self.entropy.as_ref());
        sealed.is_some_and(|sealed| other.unseal(SealPurpose::AccessKeySecret, "", &sealed).is_some())
    }
}
