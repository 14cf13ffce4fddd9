//! Stored hashes that are weaker than today's give way to new ones, when their password is at hand.

use std::sync::Arc;
use std::time::Duration;

use super::reserve::{Candidate, Reserved};
use crate::domain::password::Password;
use crate::ports::Deadline;

/// An upgrade that can't be made within so long is left for the next time.
const UPGRADE_WITHIN: Duration = Duration::from_secs(10);

impl Reserved {
    /// Hashes a verified password anew where its stored hash is weaker than today's. Nobody waits for that, and nothing
    /// fails with it: under load it is refused as any hash is, and where somebody wrote in between, that stays.
    pub(super) fn upgrade(&self, password: Arc<Password>) {
        let Candidate::Known(loaded) = &self.candidate else { return };
        let (Some(credential), Some(hash)) = (loaded.credential(), self.candidate.hash()) else { return };
        let gates = Arc::clone(&self.gates);
        if !gates.ports.hasher.is_upgradable(&password, hash) {
            return;
        }
        let (tenant, subject) = (loaded.permit().tenant().clone(), loaded.subject().id);
        let (version, revision) = (credential.version, credential.revision);
        self.gates.detached.spawn(async move {
            let deadline = Deadline::at(gates.ports.clock.instant() + UPGRADE_WITHIN);
            let Ok(hashes) = gates.ports.hasher.admit(&tenant, 1, deadline) else { return };
            let Ok(hash) = hashes.hash(password, gates.salt()).await else { return };
            let Ok(hash) = gates.wrap(&hash, subject, version) else { return };
            // What can't be written now is tried again with the next verification.
            let _ = gates.ports.store.replace_hash(subject, revision, &hash).await;
        });
    }
}
