//! Passwords that another system verifies, until their hashes are stored here.

use std::sync::Arc;

use tokio::join;
use tokio::time::timeout_at;

use super::candidate::{Candidate, Loaded, SubjectOrName};
use super::reserve::{Ending, Reserved};
use super::{Gates, Matched};
use crate::domain::audit_event::AuditOutcome;
use crate::domain::credential::{Credential, PasswordHash};
use crate::domain::password::Password;
use crate::domain::subject::SubjectId;
use crate::ports::meter::{Counter, HookOutcome};
use crate::ports::{AdmittedHashes, HookUnavailable};
use crate::service::ServiceError;

impl Gates {
    /// What the other system says about a password.
    pub(super) async fn ask_hook(&self, loaded: &Loaded, password: &Password) -> Result<bool, ServiceError> {
        let answer = match &self.ports.hook {
            Some(hook) => hook.verify(loaded.permit().tenant(), loaded.subject(), password).await,
            None => Err(HookUnavailable { counts: false, source: "none is configured".into() }),
        };
        self.ports.meter.count(Counter::HookAnswers(match &answer {
            Ok(true) => HookOutcome::Matched,
            Ok(false) => HookOutcome::NotMatched,
            Err(_) => HookOutcome::Unavailable,
        }));
        Ok(answer?)
    }
}

impl<C: Candidate> Reserved<C> {
    /// Waits for the turn of a subject whose password another system verifies, until the attempt is concluded: one password
    /// of a subject is asked about at a time. Handles changes during the wait: the attempt before may have been right.
    pub(super) async fn take_hook_turn(&mut self, subject: SubjectId) -> Result<(), ServiceError> {
        let deadline = self.candidate.call().deadline.instant();
        let turn = timeout_at(deadline.into(), self.gates.at_hook.take(subject)).await;
        self.hook_turn = Some(Box::new(turn.map_err(|_| ServiceError::DeadlineExceeded)?));
        self.candidate.catch_up(&self.gates).await
    }

    /// Admits hashes for a password that is verified here after all. The turn ends.
    pub(super) fn admit_after_turn(&mut self, password: &Password) -> Result<Arc<dyn AdmittedHashes>, ServiceError> {
        self.hook_turn = None;
        let (tenant, deadline) = (self.candidate.permit().tenant(), self.candidate.call().deadline);
        let demand = self.gates.hashes_of_a_verification(&self.candidate, password);
        Ok(self.gates.ports.hasher.admit(tenant, demand, deadline)?)
    }

    /// Ends an attempt without a verdict because of that error. It counts only if the error may depend on the password.
    pub(super) async fn end_without_verdict(&mut self, error: &ServiceError) -> Result<(), ServiceError> {
        if matches!(error, ServiceError::HookUnavailable(HookUnavailable { counts: true, .. })) {
            return self.end(Ending::Undecided).await;
        }
        self.release();
        Ok(())
    }
}

impl Reserved<SubjectOrName> {
    /// Has another system verify the password of a subject in its turn, and stores its hash if it is right. The hash is
    /// computed meanwhile, whatever the answer, so that the attempt costs as much as one on a name without a subject. If
    /// the password is no longer verified elsewhere then, verifies it here.
    pub(super) async fn verify_elsewhere(&mut self, password: &Arc<Password>) -> Result<Option<Matched>, ServiceError> {
        let (salt, hashes) = (self.gates.salt(), Arc::clone(&self.hashes));
        let (answer, hash) = join!(self.ask_in_turn(password), hashes.hash(Arc::clone(password), salt));
        match answer {
            Ok(Some(true)) => self.end(Ending::Right).await?,
            Ok(Some(false)) => {
                self.end(Ending::Wrong).await?;
                return Ok(None);
            }
            Ok(None) => {
                self.hashes = self.admit_after_turn(password)?;
                return Ok(self.matches(password).await?.map(|(matched, _)| matched));
            }
            Err(error) => {
                self.end_without_verdict(&error).await?;
                return Err(error);
            }
        }
        // A password that could not be set today because of its characters is not hashed today either.
        if let (Ok(hash), true) = (hash, password.may_be_new()) {
            // What can't be stored now is stored with the next verification.
            let _ = self.take_over(&hash).await;
        }
        Ok(Some(Matched::Current))
    }

    /// What the other system says about the password, or `None` if it is no longer asked.
    async fn ask_in_turn(&mut self, password: &Password) -> Result<Option<bool>, ServiceError> {
        let Some(subject) = self.candidate.subject().map(|loaded| loaded.subject().id) else { return Ok(None) };
        self.take_hook_turn(subject).await?;
        if !self.candidate.subject().is_some_and(Loaded::is_verified_elsewhere) {
            return Ok(None);
        }
        self.compare();
        let Some(loaded) = self.candidate.subject() else { return Ok(None) };
        self.gates.ask_hook(loaded, password).await.map(Some)
    }

    /// Stores the hash of the password that another system has confirmed. A write in between stays.
    async fn take_over(&self, hash: &PasswordHash) -> Result<(), ServiceError> {
        let Some(loaded) = self.candidate.subject() else { return Ok(()) };
        let Some(&Credential { version, revision, .. }) = loaded.credential() else { return Ok(()) };
        let subject = loaded.subject().id;
        let hash = self.gates.wrap(hash, subject, version)?;
        let authority = self.gates.authority(loaded.permit().permit(), AuditOutcome::TakenOver);
        self.gates.ports.store.take_over(subject, revision, &hash, &authority).await?;
        Ok(())
    }
}
