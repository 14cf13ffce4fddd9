//! From a reserved attempt to a change that may be committed.

use std::sync::Arc;

use futures_util::future::join_all;
use subtle::ConstantTimeEq;
use tokio::join;

use super::candidate::{Candidate, Loaded};
use super::recall::Unspent;
use super::reserve::{Ending, Reserved};
use super::{Gates, SubjectPermit};
use crate::domain::audit_event::AuditOutcome;
use crate::domain::credential::{ChangeId, ChangedBy, PasswordHash, Version};
use crate::domain::delivery::DeliveredPasswords;
use crate::domain::hash_problem::HashProblem;
use crate::domain::password::Password;
use crate::domain::subject::{SubjectId, SubjectKind};
use crate::policy::{AcceptedPassword, Expiry};
use crate::ports::store::{Commit, CommitOutcome};
use crate::ports::{AdmittedHashes, HashDemand, HasherError};
use crate::service::ServiceError;
use crate::service::requests::Effects;

/// A password that a policy accepted, on its way to the store.
pub struct PasswordToStore {
    password: Arc<Password>,
    is_given: bool,
    /// Whether its subject has to replace it.
    is_temporary: bool,
}

impl PasswordToStore {
    /// A password that a caller gave, or one that was generated here, which is no guess at a stored one.
    pub(super) fn of(accepted: AcceptedPassword, is_given: bool, is_temporary: bool) -> Self {
        Self { password: Arc::new(accepted.into_password()), is_given, is_temporary }
    }

    /// Who sets it, if no old password is required.
    pub(in crate::service) fn set_by(&self) -> ChangedBy {
        ChangedBy::administrator(self.is_temporary)
    }

    /// The password, shared: to be hashed, and to be returned if it was generated.
    pub(in crate::service) fn shared(&self) -> Arc<Password> {
        Arc::clone(&self.password)
    }
}

/// What a caller presents to be permitted a change.
pub enum Presented {
    /// The old password.
    OldPassword(Arc<Password>),
    /// Nothing, if nothing is required.
    Nothing(NotRequired),
}

/// Proves that no old password is required: for an administrator's reset, and for Direct Mail's operation.
pub struct NotRequired(());

impl Presented {
    /// Presents nothing, if the action and the kind of subject require nothing.
    pub(in crate::service) fn nothing(permit: &SubjectPermit) -> Option<Self> {
        let action = permit.call().caller.action();
        let is_mail_domain = permit.name().kind() == SubjectKind::MailDomain;
        (action.is_administrative() || is_mail_domain).then_some(Self::Nothing(NotRequired(())))
    }
}

/// Proves that a subject's new password may replace the password of that version.
pub struct Proof {
    subject: SubjectId,
    version: Option<Version>,
    changed_by: ChangedBy,
}

/// The hash of a new password, computed before the old one was proven. Only a [`Change`] gives access to it.
pub struct Unproven {
    subject: SubjectId,
    hash: PasswordHash,
    delivered: Option<DeliveredPasswords>,
}

/// A change that may be committed.
pub struct Change {
    proof: Proof,
    hash: PasswordHash,
    delivered: Option<DeliveredPasswords>,
    unspent: Unspent,
}

impl Change {
    /// Joins a proof with the hash that it permits, and with the client token that is spent on the change.
    ///
    /// # Errors
    /// They belong to different subjects.
    pub fn of(proof: Proof, unproven: Unproven, unspent: Unspent) -> Result<Self, ServiceError> {
        if proof.subject != unproven.subject || proof.subject != unspent.subject {
            return Err(ServiceError::Internal("a proof of another subject"));
        }
        Ok(Self { proof, hash: unproven.hash, delivered: unproven.delivered, unspent })
    }
}

impl Gates {
    /// The hashes that a change needs: the check of what is presented, then one for each earlier password that may not be
    /// reused, and beside them the new hash.
    pub(in crate::service) fn hashes_of_a_change(
        &self,
        loaded: &Loaded,
        presented: &Presented,
        new: &PasswordToStore,
    ) -> HashDemand {
        // A proven old password is compared with the new one, without a hash.
        let (of_old, compared) = match presented {
            Presented::OldPassword(old) => (self.hashes_of_a_verification(loaded, old), 1),
            Presented::Nothing(_) => (HashDemand::NONE, 0),
        };
        let of_used = loaded.used().skip(compared).map(|hash| self.hashes_against(hash, &new.password));
        of_old.then(of_used.fold(HashDemand::NONE, HashDemand::beside)).beside(HashDemand::ONE)
    }

    /// The hashes that a verification needs.
    pub(in crate::service) fn hashes_of_a_verification(
        &self,
        candidate: &impl Candidate,
        password: &Password,
    ) -> HashDemand {
        let of_current = match candidate.hash() {
            Some(hash) => self.hashes_against(hash, password),
            None => self.hashes_against(&self.ports.hasher.decoy(), password),
        };
        let of_previous = candidate.previous_hash().map(|hash| self.hashes_against(hash, password));
        of_current.beside(of_previous.unwrap_or(HashDemand::NONE))
    }

    fn hashes_against(&self, hash: &PasswordHash, password: &Password) -> HashDemand {
        HashDemand::in_sequence(self.ports.hasher.cost_of(password, hash))
    }
}

impl Reserved<Loaded> {
    /// Verifies what is presented and hashes the new password, in parallel and always both, so that the time reveals
    /// nothing. Then refuses a password that was used before.
    pub(in crate::service) async fn prove(
        &mut self,
        presented: Presented,
        new: &PasswordToStore,
    ) -> Result<(Proof, Unproven), ServiceError> {
        if self.is_compared(&presented, new) {
            self.compare();
        }
        let (salt, hashes) = (self.gates.salt(), Arc::clone(&self.hashes));
        let (outcome, hash) = join!(self.check(&presented, new), hashes.hash(new.shared(), salt));
        let (subject, version) = (self.candidate.subject().id, self.candidate.version());
        match outcome {
            // No verdict was reached, and none is reported.
            Err(error) => {
                self.end_without_verdict(&error).await?;
                return Err(error);
            }
            // Without an old password, this proves only that the new one differs: the attempt counts until the change
            // is made, otherwise guesses with a short deadline would be free.
            Ok(Checked::Good) if matches!(presented, Presented::Nothing(_)) => {}
            Ok(Checked::Good) => self.end(Ending::RightForCommit).await?,
            Ok(Checked::WrongPassword) => {
                self.end(Ending::Wrong).await?;
                return Err(ServiceError::OldPasswordIncorrect);
            }
            // Without an old password, finding out the current one would otherwise be free.
            Ok(Checked::Reused) if matches!(presented, Presented::Nothing(_)) => {
                self.end(Ending::Wrong).await?;
                return Err(ServiceError::PasswordReused);
            }
            Ok(Checked::Reused) => {
                self.end(Ending::Right).await?;
                return Err(ServiceError::PasswordReused);
            }
        }
        let changed_by = match presented {
            Presented::OldPassword(_) => ChangedBy::Subject,
            Presented::Nothing(_) => new.set_by(),
        };
        let previous = match &presented {
            Presented::OldPassword(old) => Some(old.as_ref()),
            Presented::Nothing(_) => None,
        };
        let delivered = self.candidate.subject().name.instance().is_some();
        let delivered = delivered.then(|| DeliveredPasswords::of(&new.password, previous));
        Ok((Proof { subject, version, changed_by }, Unproven { subject, hash: hash?, delivered }))
    }

    /// Whether a given password is compared with a stored one: a generated one is no guess.
    fn is_compared(&self, presented: &Presented, new: &PasswordToStore) -> bool {
        match presented {
            Presented::OldPassword(_) => true,
            Presented::Nothing(_) => new.is_given && self.candidate.used().next().is_some(),
        }
    }

    async fn check(&mut self, presented: &Presented, new: &PasswordToStore) -> Result<Checked, ServiceError> {
        match presented {
            Presented::OldPassword(old) => {
                let matched = if self.candidate.is_verified_elsewhere() {
                    Box::pin(self.is_right_elsewhere(old)).await?
                } else {
                    self.is_right(old, &*self.hashes).await?
                };
                if !matched {
                    return Ok(Checked::WrongPassword);
                }
                let loaded = &self.candidate;
                let may_not_stay =
                    loaded.policy().reuse_depth() > 0 || loaded.expiry(self.gates.now()) != Expiry::NotExpired;
                if may_not_stay && is_same(old, &new.password) {
                    return Ok(Checked::Reused);
                }
                self.is_any(new, loaded.used().skip(1)).await
            }
            Presented::Nothing(_) => self.is_any(new, self.candidate.used()).await,
        }
    }

    /// Whether an old password is the current one.
    async fn is_right(&self, old: &Arc<Password>, hashes: &dyn AdmittedHashes) -> Result<bool, ServiceError> {
        let (current, decoy) = (self.candidate.hash(), self.gates.ports.hasher.decoy());
        Ok(hashes.verify(Arc::clone(old), current.unwrap_or(&decoy)).await?.is_some() && current.is_some())
    }

    /// The same, of a password that another system verifies, unless it no longer does in its turn.
    async fn is_right_elsewhere(&mut self, old: &Arc<Password>) -> Result<bool, ServiceError> {
        self.take_hook_turn(self.candidate.subject().id).await?;
        if self.candidate.is_verified_elsewhere() {
            return self.gates.ask_hook(&self.candidate, old).await;
        }
        let hashes = self.admit_after_turn(old)?;
        self.is_right(old, &*hashes).await
    }

    /// Whether the new password matches one of those hashes, all checked in parallel. A damaged hash matches no
    /// password. One whose key is missing for now may match, and lets no password in.
    async fn is_any(
        &self,
        new: &PasswordToStore,
        hashes: impl Iterator<Item = &PasswordHash>,
    ) -> Result<Checked, ServiceError> {
        for matched in join_all(hashes.map(|hash| self.hashes.verify(new.shared(), hash))).await {
            match matched {
                Ok(Some(_)) => return Ok(Checked::Reused),
                Err(error @ HasherError::Unreadable(HashProblem::KeyMissing(_))) => return Err(error.into()),
                Ok(None) | Err(HasherError::Unreadable(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(Checked::Good)
    }

    /// Commits a change if the credential is still at the version that was proven and the deadline has not passed. Ends
    /// the subject's access tokens if that is asked for, or if the tenant's settings say so.
    pub(in crate::service) async fn commit(
        &mut self,
        change: Change,
        effects: Effects,
    ) -> Result<Version, ServiceError> {
        let outcome = self.try_to_commit(change, effects).await;
        match &outcome {
            Ok(_) | Err(ServiceError::VersionConflict { .. } | ServiceError::NotFound(_)) => self.release(),
            // The caller gets the error of the commit: why the change was not made, or may not have been.
            Err(_) => drop(self.end(Ending::Undecided).await),
        }
        outcome
    }

    async fn try_to_commit(&self, change: Change, effects: Effects) -> Result<Version, ServiceError> {
        let (Gates { ports, .. }, loaded) = (self.gates.as_ref(), &self.candidate);
        let permit = loaded.permit();
        let (deadline, now) = (permit.call().deadline, ports.clock.instant());
        if deadline.remaining(now).is_zero() {
            return Err(ServiceError::DeadlineExceeded);
        }
        let change_id = ChangeId(self.gates.new_id());
        let version = Version::following(change.proof.version);
        let authority = self.gates.authority(permit.permit(), AuditOutcome::Changed { change_id, version });
        let delivered = change.delivered.as_ref();
        let deliver =
            delivered.and_then(|delivered| self.gates.seal_passwords(change.proof.subject, version, delivered));
        let commit = Commit {
            subject: change.proof.subject,
            expected: change.proof.version,
            hash: self.gates.wrap(&change.hash, change.proof.subject, version)?,
            at: authority.event.at,
            changed_by: change.proof.changed_by,
            change_id,
            keep_history: loaded.policy().reuse_depth().saturating_sub(1),
            begins_overlap: effects.keeps_previous || !permit.call().caller.action().is_administrative(),
            remember: change.unspent.spend(version, authority.event.at),
            forget: self.to_forget(),
            ends_tokens: effects.ends_tokens || loaded.settings().preference.change_ends_access_tokens(),
            deliver,
            authority,
            deadline: Some(deadline.with_time_to_report(now)),
        };
        match ports.store.commit(&commit).await? {
            CommitOutcome::Committed(version) => {
                self.gates.committed(Some(permit.tenant()));
                if commit.deliver.is_some() {
                    self.gates.want_delivery();
                }
                Ok(version)
            }
            CommitOutcome::VersionMoved(current) => Err(ServiceError::VersionConflict { current }),
            CommitOutcome::SubjectGone => Err(permit.not_found()),
        }
    }
}

/// The result of checking the passwords of a change.
enum Checked {
    Good,
    WrongPassword,
    Reused,
}

fn is_same(one: &Password, other: &Password) -> bool {
    one.expose().as_bytes().ct_eq(other.expose().as_bytes()).into()
}
