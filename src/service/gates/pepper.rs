//! Hashes on their way to the store and back: what is committed is wrapped here, what is loaded is opened here.

use super::Gates;
use crate::domain::action::Action;
use crate::domain::credential::{Credential, PasswordHash, StoredHash, Version};
use crate::domain::subject::{Subject, SubjectId};
use crate::policy::Policy;
use crate::ports::{PepperError, PepperProblem};
use crate::service::ServiceError;

/// A credential with those of its hashes, opened, that an action compares a password with.
pub(super) struct Opened {
    pub(super) credential: Credential,
    /// Whether another system verifies the current password. Then there is no hash of it.
    pub(super) is_verified_elsewhere: bool,
    /// The hash of the current password.
    pub(super) current: Option<PasswordHash>,
    /// Hashes of the earlier passwords, the newest first.
    pub(super) earlier: Vec<PasswordHash>,
    /// The hash of the previous password, if it is verified as well.
    pub(super) previous: Option<PasswordHash>,
}

impl Gates {
    /// The credential of a permitted subject, opened as far as the action needs it: damage to the rest fails no call.
    /// No damage stops an administrator, whose reset replaces what does not open. An earlier hash whose key is declared lost
    /// matches no password.
    pub(super) fn opened(
        &self,
        credential: Option<Credential>,
        subject: &Subject,
        action: Action,
        policy: &Policy,
    ) -> Result<Option<Opened>, ServiceError> {
        let Some(credential) = credential else { return Ok(None) };
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
        let is_verified_elsewhere = current.as_ref().is_some_and(PasswordHash::is_verified_elsewhere);
        let is_hash = |hash: &PasswordHash| !hash.is_verified_elsewhere();
        let current = current.filter(is_hash);
        let earlier = credential.history.iter().take(compared);
        let earlier = earlier.filter_map(|earlier| match open(&earlier.hash, earlier.version) {
            Err(PepperError { problem: PepperProblem::KeyLost(_), .. }) => None,
            opened => opened.map(|hash| hash.filter(is_hash)).transpose(),
        });
        let earlier = earlier.collect::<Result<_, _>>()?;
        let previous = match action {
            Action::VerifyPassword => credential.previous(self.now()),
            _ => None,
        };
        let previous = previous.and_then(|previous| open(&previous.hash, previous.version).ok().flatten());
        let previous = previous.filter(is_hash);
        Ok(Some(Opened { credential, is_verified_elsewhere, current, earlier, previous }))
    }

    /// Wraps the hash of that version into its stored form.
    pub(super) fn wrap(
        &self,
        hash: &PasswordHash,
        subject: SubjectId,
        version: Version,
    ) -> Result<StoredHash, ServiceError> {
        Ok(self.ports.pepper.wrap(hash, subject, version)?)
    }
}
