//! One permitted subject. What is written to it is written under the permit's own authority.

use std::time::Duration;

use super::directory::{created, deleted};
use super::{Gates, SubjectPermit};
use crate::domain::audit_event::AuditOutcome;
use crate::domain::delivery::DeliveryState;
use crate::domain::overlap::{MOST_CALLERS, OverlapState};
use crate::domain::password::NewPassword;
use crate::domain::subject::Subject;
use crate::policy::Policy;
use crate::ports::store::{Authority, FirstPassword, NewSubject, SubjectStatus};
use crate::service::ServiceError;
use crate::service::error::Missing;
use crate::service::requests::DescribedSubject;

impl Gates {
    /// The policy for the passwords of a subject, which may not exist yet. A given password is also judged by the tenant's
    /// candidate.
    pub(in crate::service) async fn policy_of(
        &self,
        permit: &SubjectPermit,
        subject: &Subject,
        given: Option<&NewPassword>,
    ) -> Result<Policy, ServiceError> {
        let policies = self.tenant_policies(permit.permit(), permit.tenant()).await?;
        if let Some(password) = given {
            self.compare(&policies, subject, |_, policy| policy.broken_rules(password));
        }
        Ok(self.policy(subject, &policies.settings))
    }

    pub(in crate::service) async fn create_subject(
        &self,
        permit: &SubjectPermit,
        subject: Subject,
        first_password: Option<FirstPassword>,
    ) -> Result<(), ServiceError> {
        let new = NewSubject { tenant: permit.tenant().clone(), subject, first_password };
        created(self.ports.store.create_subject(&new, &self.subject_authority(permit)?).await?)?;
        self.committed(Some(permit.tenant()));
        self.want_delivery();
        Ok(())
    }

    pub(in crate::service) async fn subject(&self, permit: &SubjectPermit) -> Result<DescribedSubject, ServiceError> {
        let found = self.ports.store.subject(permit.tenant(), permit.name()).await?;
        found.map(|entry| self.described(entry)).ok_or_else(|| permit.not_found())
    }

    pub(in crate::service) async fn set_subject_status(
        &self,
        permit: &SubjectPermit,
        status: SubjectStatus,
    ) -> Result<DescribedSubject, ServiceError> {
        let authority = self.subject_authority_over_known(permit)?;
        if !self.ports.store.set_subject_status(permit.tenant(), permit.name(), status, &authority).await? {
            return Err(permit.not_found());
        }
        self.subject(permit).await
    }

    pub(in crate::service) async fn delete_subject(&self, permit: &SubjectPermit) -> Result<(), ServiceError> {
        let authority = self.subject_authority_over_known(permit)?;
        let outcome = self.ports.store.delete_subject(permit.tenant(), permit.name(), &authority).await?;
        deleted(outcome, permit.not_found())?;
        self.committed(Some(permit.tenant()));
        self.want_delivery();
        Ok(())
    }

    /// The two passwords of the subject, and which callers use which.
    pub(in crate::service) async fn overlap(&self, permit: &SubjectPermit) -> Result<OverlapState, ServiceError> {
        let state = self.ports.store.overlap(permit.subject()?.id, MOST_CALLERS).await?;
        let mut state = state.ok_or_else(|| permit.not_found())?;
        // An overlap that is over is kept a while longer, but is no longer valid.
        state.overlap.window = state.overlap.window.filter(|window| window.is_open(self.now()));
        if state.overlap.window.is_none() {
            state.previous = None;
        }
        Ok(state)
    }

    pub(in crate::service) async fn set_overlap(
        &self,
        permit: &SubjectPermit,
        length: Duration,
    ) -> Result<OverlapState, ServiceError> {
        let authority = self.subject_authority(permit)?;
        self.ports.store.set_overlap(permit.subject()?.id, length, &authority).await?;
        self.want_delivery();
        self.overlap(permit).await
    }

    pub(in crate::service) async fn end_overlap(&self, permit: &SubjectPermit) -> Result<OverlapState, ServiceError> {
        let authority = self.subject_authority(permit)?;
        self.ports.store.end_overlap(permit.subject()?.id, &authority).await?;
        self.want_delivery();
        self.overlap(permit).await
    }

    /// How far the last password of an account is delivered, or of one that is deleted, withdrawn.
    pub(in crate::service) async fn delivery(
        &self,
        permit: &SubjectPermit,
    ) -> Result<Option<DeliveryState>, ServiceError> {
        let store = &self.ports.store;
        match permit.subject() {
            // An account that was made again without a password leaves the one before it to be withdrawn.
            Ok(subject) => match store.delivery(subject.id).await? {
                None => Ok(store.withdrawal(permit.tenant(), permit.name()).await?),
                found => Ok(found),
            },
            // An account that is deleted may not be gone from the nodes.
            Err(missing) => Ok(Some(store.withdrawal(permit.tenant(), permit.name()).await?.ok_or(missing)?)),
        }
    }

    /// The authority to write to the subject, whose tenant has to exist.
    pub(super) fn subject_authority(&self, permit: &SubjectPermit) -> Result<Authority, ServiceError> {
        let permit = permit.permit();
        permit.tenant().ok_or(ServiceError::NotFound(Missing::Tenant))?;
        Ok(self.authority(permit, AuditOutcome::Done))
    }

    /// The same over a subject that was found when it was permitted. One that was made since is another one.
    fn subject_authority_over_known(&self, permit: &SubjectPermit) -> Result<Authority, ServiceError> {
        let authority = self.subject_authority(permit)?;
        permit.lookup().subject_id().ok_or_else(|| permit.not_found())?;
        Ok(authority)
    }
}
