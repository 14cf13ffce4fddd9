//! From a reserved attempt to what a password matched.

use std::sync::Arc;

use tokio::join;

use super::candidate::{Candidate, Loaded, SubjectOrName};
use super::reserve::{Ending, Reserved};
use crate::domain::overlap::PasswordUse;
use crate::domain::password::Password;
use crate::domain::password_form::PasswordForm;
use crate::ports::HasherError;
use crate::service::ServiceError;

/// Which password matched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Matched {
    /// The current one.
    Current,
    /// The previous one, during an overlap.
    Previous,
}

impl Reserved<SubjectOrName> {
    /// Verifies a password: the subject's, or at the same cost the decoy's.
    pub(in crate::service) async fn verify(
        &mut self,
        password: Arc<Password>,
    ) -> Result<Option<Matched>, ServiceError> {
        let is_elsewhere = self.candidate.subject().is_some_and(Loaded::is_verified_elsewhere);
        let (matched, form) = if is_elsewhere {
            (Box::pin(self.verify_elsewhere(&password)).await?, None)
        } else {
            self.matches(&password).await?.unzip()
        };
        if let Some(matched) = matched {
            self.note_use(matched);
        }
        // A caller who knows the previous password must not be able to forgive its own guesses at the current one.
        if matched == Some(Matched::Current) {
            // The password is right, whatever the store returns now. What is not forgotten now is forgotten with the
            // next match.
            let _ = self.forget().await;
            if let Some(form) = form {
                self.upgrade(password, form);
            }
        }
        Ok(matched)
    }

    /// Notes which caller used which password, if the subject has overlaps. No call waits for this or fails with it.
    fn note_use(&self, matched: Matched) {
        let Some(loaded) = self.candidate.subject() else { return };
        let Some(credential) = loaded.credential() else { return };
        if credential.overlap.length.is_zero() && credential.overlap.window.is_none() {
            return;
        }
        let version = match matched {
            Matched::Current => Some(credential.version),
            Matched::Previous => credential.history.first().map(|earlier| earlier.version),
        };
        let Some(version) = version else { return };
        let subject = loaded.subject().id;
        let gates = Arc::clone(&self.gates);
        let used = PasswordUse { caller: loaded.permit().call().caller().clone(), at: gates.now() };
        self.gates.detach(async move {
            // What can't be noted now is noted with the next use.
            let _ = gates.ports.store.note_use(subject, version, &used).await;
        });
    }
}

impl<C: Candidate> Reserved<C> {
    /// Compares a password with the candidate's, or at the same cost with the decoy's. During an overlap always with
    /// both, in parallel, so that the time does not reveal which one matched. Counts a wrong password. A right one has
    /// matched in a form.
    pub(super) async fn matches(
        &mut self,
        password: &Arc<Password>,
    ) -> Result<Option<(Matched, PasswordForm)>, ServiceError> {
        self.compare();
        let (current, previous) = (self.candidate.hash(), self.candidate.previous_hash());
        let decoy = self.gates.ports.hasher.decoy();
        let has_password = current.is_some();
        let of_current = self.hashes.verify(Arc::clone(password), current.unwrap_or(&decoy));
        let of_previous = async {
            match previous {
                Some(hash) => self.hashes.verify(Arc::clone(password), hash).await,
                None => Ok(None),
            }
        };
        let matched = match join!(of_current, of_previous) {
            (Ok(Some(form)), _) if has_password => Some((Matched::Current, form)),
            (Ok(_), Ok(Some(form))) => Some((Matched::Previous, form)),
            // A damaged hash matches no password. Reporting it would make guesses at the current one free.
            (Ok(_), Ok(None) | Err(HasherError::Unreadable(_))) => None,
            (Err(error), _) | (_, Err(error)) => {
                self.release();
                return Err(error.into());
            }
        };
        self.end(if matched.is_some() { Ending::Right } else { Ending::Wrong }).await?;
        Ok(matched)
    }
}
