//! Hashes on their way to the store and back: what is committed is wrapped here, what is loaded is opened here.

use super::Gates;
use crate::domain::action::Action;
use crate::domain::credential::{Credential, PasswordHash, StoredHash, Version};
use crate::domain::subject::{Subject, SubjectId};
use crate::policy::Policy;
use crate::ports::PepperError;
use crate::service::ServiceError;

/// A credential with those of its hashes that an action compares a password with, opened.
pub(super) struct Opened {
    pub(super) credential: Credential,
    /// The hash of the current password.
    pub(super) current: Option<PasswordHash>,
    /// Hashes of the passwords before, the newest first.
    pub(super) earlier: Vec<PasswordHash>,
    /// The hash of the password before, where it is verified as well.
    pub(super) previous: Option<PasswordHash>,
}

impl Gates {
    /// The credential of a subject that was permitted, opened as far as the action needs it: damage to the rest stops
    /// nobody. Nothing stops an administrator, who replaces what does not open.
    pub(super) async fn credential(
        &self,
        subject: &Subject,
        action: Action,
        policy: &Policy,
    ) -> Result<Option<Opened>, ServiceError> {
        let Some(credential) = self.ports.store.credential(subject.id).await? else { return Ok(None) };
        let open = |hash: &StoredHash, version| -> Result<Option<PasswordHash>, PepperError> {
            match self.ports.pepper.open(hash, subject.id, version) {
                Err(_) if action.is_administrative() => Ok(None),
                opened => opened.map(Some),
            }
        };
        let compared = match action {
            Action::VerifyPassword => 0,
            _ => policy.reuse_depth().saturating_sub(1) as usize,
        };
        let current = open(&credential.hash, credential.version)?;
        let earlier = credential.history.iter().take(compared);
        let earlier = earlier.filter_map(|earlier| open(&earlier.hash, earlier.version).transpose());
        let earlier = earlier.collect::<Result<_, _>>()?;
        let previous = match action {
            Action::VerifyPassword => credential.previous(self.now()),
            _ => None,
        };
        let previous = previous.and_then(|previous| open(&previous.hash, previous.version).ok().flatten());
        Ok(Some(Opened { credential, current, earlier, previous }))
    }

    /// The form in which the hash of that version is stored.
    pub(super) fn wrap(
        &self,
        hash: &PasswordHash,
        subject: SubjectId,
        version: Version,
    ) -> Result<StoredHash, ServiceError> {
        Ok(self.ports.pepper.wrap(hash, subject, version)?)
    }
}
