//! `VerifyPassword`: a wrong password, an unknown subject and no password get the same response, at the same cost.

use std::sync::Arc;

use super::gates::{Matched, Reserved, SubjectOrName};
use super::requests::Verification;
use super::{Call, Service, ServiceError};
use crate::domain::names::Origin;
use crate::domain::password::Password;
use crate::domain::subject::SubjectName;
use crate::policy::Expiry;

impl Service {
    /// Verifies a password of the subject. The attempt counts for the caller and the origin.
    pub async fn verify_password(
        &self,
        call: Call,
        name: SubjectName,
        password: Password,
        origin: Option<Origin>,
    ) -> Result<Verification, ServiceError> {
        let tenant = call.own_tenant()?.clone();
        let permit = self.gates.permit_subject(call, tenant, name).await?;
        let candidate = self.gates.load_or_name(permit, origin.as_ref()).await?;
        let password = Arc::new(password);
        let hashes = |candidate: &SubjectOrName| self.gates.hashes_of_a_verification(candidate, &password);
        let reserved = self.gates.reserve(candidate, origin.as_ref(), hashes).await?;
        let now = self.gates.now();
        let conclude = |mut reserved: Reserved<SubjectOrName>| async move {
            let matched = reserved.verify(password).await?;
            // Of the password that was verified: it may be another one than before a wait.
            let subject = reserved.candidate().subject();
            Ok((matched, subject.map_or(Expiry::NotExpired, |loaded| loaded.expiry(now))))
        };
        Ok(match self.gates.conclude(reserved, conclude).await? {
            (None, _) => Verification::NotMatched,
            (Some(Matched::Previous), _) => Verification::MatchedPrevious,
            (Some(Matched::Current), Expiry::NotExpired) => Verification::MatchedCurrent,
            (Some(Matched::Current), Expiry::ChangeRequired) => Verification::ChangeRequired,
            (Some(Matched::Current), Expiry::Expired) => Verification::Expired,
        })
    }
}
