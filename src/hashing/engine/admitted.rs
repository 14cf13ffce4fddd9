//! Admitted hashes, on their way to the workers and back.

use std::sync::Arc;

use async_trait::async_trait;
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use zeroize::Zeroizing;

use super::Shared;
use crate::domain::credential::PasswordHash;
use crate::domain::names::TenantName;
use crate::domain::password::Password;
use crate::domain::password_form::PasswordForm;
use crate::hashing::admission::Reservation;
use crate::hashing::formats::Method;
use crate::hashing::phc::Recipe;
use crate::hashing::phc::{Phc, Tag};
use crate::hashing::queue::{Fate, Job};
use crate::ports::call_record::{note_hash, span};
use crate::ports::spans::Work;
use crate::ports::{AdmittedHashes, HasherError, Salt};

/// Hashes of one request.
pub(super) struct Admitted {
    pub(super) shared: Arc<Shared>,
    pub(super) tenant: TenantName,
    pub(super) reservation: Reservation,
    pub(super) fate: Arc<Fate>,
}

impl Admitted {
    async fn compute(&self, bytes: Zeroizing<Vec<u8>>, method: Method, count: u32) -> Result<Tag, HasherError> {
        let slot = self.reservation.take(count).ok_or(HasherError::NotAdmitted)?;
        note_hash();
        let _span = span(|| Work::Hash);
        let (reply, answer) = oneshot::channel();
        let (tenant, fate, queued) = (self.tenant.clone(), Arc::clone(&self.fate), self.shared.clock.instant());
        if self.shared.queue.push(Job { tenant, fate, queued, bytes, method, slot, reply }) {
            self.wake_worker();
        }
        answer.await.unwrap_or(Err(HasherError::Stopped))
    }

    /// Wakes a worker as soon as the running task waits, for it may have another hash to queue at once. The system likes to
    /// give the CPU of the thread that wakes to the one that is woken: the other hash was queued some 3 ms later.
    fn wake_worker(&self) {
        let shared = Arc::clone(&self.shared);
        match Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn(async move { shared.queue.wake() })),
            Err(_) => shared.queue.wake(),
        }
    }
}

#[async_trait]
impl AdmittedHashes for Admitted {
    async fn verify(&self, password: Arc<Password>, hash: &PasswordHash) -> Result<Option<PasswordForm>, HasherError> {
        let stored = self.shared.hashes.stored(hash).map_err(HasherError::Unreadable)?;
        for (form, bytes, count) in self.shared.tries(&stored, &password) {
            let tag = self.compute(bytes, stored.method.clone(), count).await?;
            if stored.is_of(&tag) {
                return Ok(Some(form));
            }
        }
        Ok(None)
    }

    async fn hash(&self, password: Arc<Password>, salt: Salt) -> Result<PasswordHash, HasherError> {
        let recipe = Recipe::of_new(self.shared.cost, salt);
        let bytes = PasswordForm::Nfc.of(&password).unwrap_or_default();
        let tag = self.compute(bytes, Method::Argon2(recipe.clone()), 1).await?;
        Ok(PasswordHash::new(Phc { recipe, tag }.to_string()))
    }

    fn abandon(&self) {
        self.fate.abandon();
    }
}
