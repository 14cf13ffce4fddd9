//! Passwords that another system verifies, until their hashes are stored here.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::join;
use tokio::sync::{Mutex as Turn, OwnedMutexGuard};

use super::candidate::{Candidate, Loaded, SubjectOrName};
use super::reserve::{Ending, Reserved};
use super::{Gates, Matched};
use crate::domain::audit_event::AuditOutcome;
use crate::domain::credential::{Credential, PasswordHash};
use crate::domain::password::Password;
use crate::domain::subject::SubjectId;
use crate::ports::meter::{Counter, HookOutcome};
use crate::ports::{Deadline, HookUnavailable};
use crate::service::ServiceError;

/// The turns of subjects whose passwords another system verifies: it is asked about one password of a subject at a time.
#[derive(Default)]
pub(super) struct AtHook(Mutex<HashMap<SubjectId, Arc<Turn<()>>>>);

/// The turn of a subject. It ends when this is dropped.
pub(super) struct HookTurn {
    all: Arc<AtHook>,
    subject: SubjectId,
    turn: Option<OwnedMutexGuard<()>>,
}

impl AtHook {
    /// Waits for the subject's turn, within the deadline.
    async fn turn(self: &Arc<Self>, subject: SubjectId, deadline: Deadline) -> Option<HookTurn> {
        let turn = Arc::clone(self.0.lock().entry(subject).or_default());
        // Made before the wait, so that a turn that nobody takes is removed as well.
        let mut taken = HookTurn { all: Arc::clone(self), subject, turn: None };
        taken.turn = Some(tokio::time::timeout_at(deadline.instant().into(), turn.lock_owned()).await.ok()?);
        Some(taken)
    }
}

impl Drop for HookTurn {
    fn drop(&mut self) {
        self.turn = None;
        let mut turns = self.all.0.lock();
        // The others that want it hold it as well.
        if turns.get(&self.subject).is_some_and(|turn| Arc::strong_count(turn) == 1) {
            turns.remove(&self.subject);
        }
    }
}

impl Gates {
    /// Waits for the turn of a subject whose password another system verifies, and loads the credential again: the attempt
    /// before may have been right.
    pub(super) async fn take_hook_turn(&self, loaded: &mut Loaded) -> Result<(), ServiceError> {
        if loaded.is_verified_elsewhere() && !loaded.call().caller.action().is_administrative() {
            let turn = self.at_hook.turn(loaded.subject().id, loaded.call().deadline).await;
            let turn = turn.ok_or(ServiceError::DeadlineExceeded)?;
            self.reload(loaded).await?;
            loaded.keep_hook_turn(turn);
        }
        Ok(())
    }

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
    /// Has another system verify the password of a subject, and stores its hash if it is right. The hash is computed meanwhile,
    /// whatever the answer, so that the attempt costs as much as one on a name without a subject.
    pub(super) async fn verify_elsewhere(&mut self, password: &Arc<Password>) -> Result<Option<Matched>, ServiceError> {
        self.compare();
        let Some(loaded) = self.candidate.subject() else { return Ok(None) };
        let hashed = self.hashes.hash(Arc::clone(password), self.gates.salt());
        let (answer, hash) = join!(self.gates.ask_hook(loaded, password), hashed);
        match answer {
            Ok(true) => self.end(Ending::Right).await?,
            Ok(false) => {
                self.end(Ending::Wrong).await?;
                return Ok(None);
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
