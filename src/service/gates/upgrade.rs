//! Replaces stored hashes that are weaker than today's, when their password is at hand.

use std::sync::Arc;
use std::time::Duration;

use super::candidate::{Candidate, SubjectOrName};
use super::reserve::Reserved;
use crate::domain::password::Password;
use crate::domain::password_form::PasswordForm;
use crate::ports::{Deadline, HashDemand};

/// An upgrade that can't be made within this time is left for the next verification.
const UPGRADE_WITHIN: Duration = Duration::from_secs(10);

impl Reserved<SubjectOrName> {
    /// Hashes a password that matched in that form again if its stored hash is weaker than today's. No call waits for this or fails
    /// because of it: under load it is refused like any hash, and a write in between stays.
    pub(super) fn upgrade(&self, password: Arc<Password>, matched: PasswordForm) {
        let Some(loaded) = self.candidate.subject() else { return };
        let (Some(credential), Some(hash)) = (loaded.credential(), loaded.hash()) else { return };
        let gates = Arc::clone(&self.gates);
        if !gates.ports.hasher.is_upgradable(&password, matched, hash) {
            return;
        }
        let (tenant, subject) = (loaded.permit().tenant().clone(), loaded.subject().id);
        let Some(replaced) = gates.ports.hasher.digest(hash) else { return };
        let (version, revision) = (credential.version, credential.revision);
        self.gates.detach(async move {
            let deadline = Deadline::at(gates.ports.clock.instant() + UPGRADE_WITHIN);
            let Ok(hashes) = gates.ports.hasher.admit(&tenant, HashDemand::ONE, deadline) else { return };
            let Ok(hash) = hashes.hash(password, gates.salt()).await else { return };
            let Ok(hash) = gates.wrap(&hash, subject, version) else { return };
            // What can't be written now is retried with the next verification.
            let _ = gates.ports.store.replace_hash(subject, revision, &hash, replaced).await;
        });
    }
}
