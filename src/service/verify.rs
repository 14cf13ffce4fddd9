//! `VerifyPassword`: wrong, unknown subject and no password are one answer, at one cost.

use std::sync::Arc;

use super::gates::{Candidate, Reserved};
use super::requests::Verification;
use super::{Call, Service, ServiceError};
use crate::domain::password::Password;
use crate::domain::subject::SubjectName;
use crate::domain::time::Timestamp;

impl Service {
    /// Tells whether a password is the subject's.
    pub async fn verify_password(
        &self,
        call: Call,
        name: SubjectName,
        password: Password,
    ) -> Result<Verification, ServiceError> {
        let tenant = call.own_tenant()?.clone();
        let permit = self.gates.permit_subject(call, tenant, name).await?;
        let candidate = self.gates.load_candidate(permit).await?;
        let password = Arc::new(password);
        let hashes = |candidate: &Candidate| self.gates.hashes_of_a_verification(candidate, &password);
        let reserved = self.gates.reserve(candidate, hashes).await?;
        let when_matched = age(reserved.candidate(), self.gates.now());
        let conclude = |mut reserved: Reserved| async move { reserved.verify(password).await };
        let matched = self.gates.conclude(reserved, conclude).await?;
        Ok(if matched { when_matched } else { Verification::NotMatched })
    }
}

/// What a match means: the password may have passed its maximum age.
fn age(candidate: &Candidate, now: Timestamp) -> Verification {
    let Candidate::Known(loaded) = candidate else { return Verification::NotMatched };
    let Some(credential) = loaded.credential() else { return Verification::NotMatched };
    let lifetime = loaded.policy().lifetime();
    let age = now.since(credential.changed_at).unwrap_or_default();
    match lifetime.maximum_age {
        Some(maximum) if age >= maximum && lifetime.hard_expiry => Verification::Expired,
        Some(maximum) if age >= maximum => Verification::ChangeRequired,
        _ => Verification::MatchedCurrent,
    }
}
