//! The candidate password policies of a tenant: compared with those in force, then adopted or dropped.

use crate::domain::candidate_policy::{CandidateStep, TenantPolicies};
use crate::domain::credential::Version;
use crate::domain::names::TenantName;
use crate::domain::subject::SubjectKind;
use crate::domain::tenant_settings::{SettingGroup, TenantSettings, UnreadableSettings};
use crate::ports::StoreError;
use crate::ports::retries::TRIES_IN_A_RACE;
use crate::service::requests::DescribedCandidate;
use crate::service::{Call, Service, ServiceError};

impl Service {
    /// Changes a group of the candidate. Without a candidate, or if it is damaged, starts from the settings in force. One with a
    /// setting of a later version is not replaced. Returns the new candidate's version and settings.
    pub async fn change_candidate<G: SettingGroup>(
        &self,
        call: Call,
        tenant: Option<TenantName>,
        change: G::Change,
    ) -> Result<(Version, TenantSettings), ServiceError> {
        let changed = |old: &TenantSettings| G::changed(old, &change).map_err(ServiceError::InvalidFields);
        changed(&TenantSettings::default())?;
        let directory = self.directory(call, tenant).await?;
        for _ in 0..TRIES_IN_A_RACE {
            let TenantPolicies { settings: in_force, candidate, .. } = directory.policies().await?;
            let (there, version) = candidate.map(|there| (there.settings, there.version)).unzip();
            let settings = match there {
                Some(Err(later @ UnreadableSettings::LaterVersion)) => return Err(StoreError::from(later).into()),
                Some(Ok(there)) => changed(&there)?,
                Some(Err(UnreadableSettings::Damaged)) | None => changed(&in_force)?,
            };
            if let Some(version) = directory.change_candidate(version, &CandidateStep::Set(settings)).await? {
                return Ok((version, settings));
            }
        }
        Err(ServiceError::Internal("the candidate kept changing"))
    }

    /// The candidate, how it compares, and which users it affects at once.
    pub async fn describe_candidate(
        &self,
        call: Call,
        tenant: Option<TenantName>,
    ) -> Result<Option<DescribedCandidate>, ServiceError> {
        let directory = self.directory(call, tenant).await?;
        let (TenantPolicies { settings, candidate, .. }, comparisons) = directory.compared().await?;
        let Some(candidate) = candidate else { return Ok(None) };
        let [ram_users, iam_users] = [SubjectKind::RamUser, SubjectKind::IamUser];
        let adopted = candidate.adopted(&settings).map_err(StoreError::from)?;
        let ram_users = directory.users_by_age(ram_users, &settings, &adopted).await?;
        let iam_users = directory.users_by_age(iam_users, &settings, &adopted).await?;
        let version = candidate.version;
        Ok(Some(DescribedCandidate { version, settings: adopted, comparisons, ram_users, iam_users }))
    }

    /// Puts the candidate in force if it has that version. Returns the settings in force.
    pub async fn adopt_candidate(
        &self,
        call: Call,
        tenant: Option<TenantName>,
        version: Option<Version>,
    ) -> Result<TenantSettings, ServiceError> {
        self.end_candidate(call, tenant, version, CandidateStep::Adopt).await
    }

    /// Drops the candidate if it has that version.
    pub async fn drop_candidate(
        &self,
        call: Call,
        tenant: Option<TenantName>,
        version: Option<Version>,
    ) -> Result<(), ServiceError> {
        self.end_candidate(call, tenant, version, CandidateStep::Drop).await.map(drop)
    }

    async fn end_candidate(
        &self,
        call: Call,
        tenant: Option<TenantName>,
        version: Option<Version>,
        step: CandidateStep,
    ) -> Result<TenantSettings, ServiceError> {
        let directory = self.directory(call, tenant).await?;
        let is_done = directory.change_candidate(version, &step).await?.is_some();
        let TenantPolicies { settings, candidate, .. } = directory.policies().await?;
        if is_done {
            return Ok(settings);
        }
        Err(ServiceError::VersionConflict { current: candidate.map(|candidate| candidate.version) })
    }
}
