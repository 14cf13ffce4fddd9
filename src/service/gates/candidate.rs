//! Whose password is tried, loaded with a permit.

use super::attempts::{name_key, subject_key};
use super::pepper::Opened;
use super::recall::ReplayedChange;
use super::{Gates, SubjectPermit};
use crate::domain::attempts::SubjectKey;
use crate::domain::candidate_policy::TenantPolicies;
use crate::domain::credential::{Credential, PasswordHash, Version};
use crate::domain::subject::Subject;
use crate::domain::tenant::TenantId;
use crate::domain::tenant_settings::TenantSettings;
use crate::domain::time::Timestamp;
use crate::policy::{Expiry, Policy};
use crate::service::{Call, ServiceError};

/// A subject with its credential, loaded with a permit.
pub struct Loaded {
    permit: SubjectPermit,
    subject: Subject,
    policies: TenantPolicies,
    policy: Policy,
    opened: Option<Opened>,
}

impl Loaded {
    /// The subject.
    pub fn subject(&self) -> &Subject {
        &self.subject
    }

    /// The settings of its tenant.
    pub fn settings(&self) -> &TenantSettings {
        &self.policies.settings
    }

    /// The settings of its tenant, and the candidate.
    pub fn policies(&self) -> &TenantPolicies {
        &self.policies
    }

    /// The policy for its passwords.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Its credential, if it has one.
    pub fn credential(&self) -> Option<&Credential> {
        self.opened.as_ref().map(|opened| &opened.credential)
    }

    /// The version of its credential.
    pub fn version(&self) -> Option<Version> {
        self.credential().map(|credential| credential.version)
    }

    /// The permit that it was loaded with.
    pub fn permit(&self) -> &SubjectPermit {
        &self.permit
    }

    /// Whether its password has to be replaced: for its age, or because an administrator set it for now.
    pub fn expiry(&self, now: Timestamp) -> Expiry {
        let state = self.credential().map(Credential::state);
        state.map_or(Expiry::NotExpired, |state| self.policy.lifetime().expiry_of(&state, now))
    }

    /// The hashes that a new password must not match, the current one's first: as many as the policy looks back.
    pub(super) fn used(&self) -> impl Iterator<Item = &PasswordHash> {
        let hashes = self.opened.iter().flat_map(|opened| opened.current.iter().chain(&opened.earlier));
        hashes.take(self.policy.reuse_depth() as usize)
    }
}

/// Whose password is tried. Which of them it is decides what an attempt on it can do.
pub trait Candidate: Send + Sync + Sized + 'static {
    /// The permit to try it.
    fn permit(&self) -> &SubjectPermit;

    /// The call that tries it.
    fn call(&self) -> &Call {
        self.permit().call()
    }

    /// The settings that its password is held to.
    fn settings(&self) -> &TenantSettings;

    /// What attempts on it are counted under: itself, and its name if it has an id besides.
    fn keys(&self) -> (SubjectKey, Option<SubjectKey>);

    /// The hash that a password is verified against, if there is one.
    fn hash(&self) -> Option<&PasswordHash>;

    /// The hash of the previous password, if it is valid as well.
    fn previous_hash(&self) -> Option<&PasswordHash> {
        None
    }

    /// Handles changes during a wait.
    fn catch_up(&mut self, gates: &Gates) -> impl Future<Output = Result<(), ServiceError>> + Send;
}

/// Its password is to be changed.
impl Candidate for Loaded {
    fn permit(&self) -> &SubjectPermit {
        &self.permit
    }

    fn settings(&self) -> &TenantSettings {
        &self.policies.settings
    }

    fn keys(&self) -> (SubjectKey, Option<SubjectKey>) {
        (subject_key(self.subject.id), Some(name_key(self.policies.tenant, &self.subject.name)))
    }

    fn hash(&self) -> Option<&PasswordHash> {
        self.opened.as_ref()?.current.as_ref()
    }

    fn previous_hash(&self) -> Option<&PasswordHash> {
        self.opened.as_ref()?.previous.as_ref()
    }

    /// The change was decided on the old version, and need not hash if there is a new one.
    async fn catch_up(&mut self, gates: &Gates) -> Result<(), ServiceError> {
        let before = self.version();
        gates.reload(self).await?;
        let current = self.version();
        if current == before { Ok(()) } else { Err(ServiceError::VersionConflict { current }) }
    }
}

/// The password that the change set is tried, even if it is no longer the current one.
impl Candidate for ReplayedChange {
    fn permit(&self) -> &SubjectPermit {
        self.loaded.permit()
    }

    fn settings(&self) -> &TenantSettings {
        self.loaded.settings()
    }

    fn keys(&self) -> (SubjectKey, Option<SubjectKey>) {
        self.loaded.keys()
    }

    fn hash(&self) -> Option<&PasswordHash> {
        Some(&self.hash)
    }

    async fn catch_up(&mut self, _: &Gates) -> Result<(), ServiceError> {
        Ok(())
    }
}

/// A subject whose password is verified, or a name without one.
pub enum SubjectOrName {
    /// A subject.
    Subject(Box<Loaded>),
    /// A name, with the settings that a subject of that name would be held to.
    Name(Box<SubjectPermit>, TenantId, TenantSettings),
}

impl SubjectOrName {
    /// The subject, if there is one.
    pub fn subject(&self) -> Option<&Loaded> {
        match self {
            Self::Subject(loaded) => Some(loaded),
            Self::Name(..) => None,
        }
    }
}

impl Candidate for SubjectOrName {
    fn permit(&self) -> &SubjectPermit {
        match self {
            Self::Subject(loaded) => &loaded.permit,
            Self::Name(permit, ..) => permit,
        }
    }

    fn settings(&self) -> &TenantSettings {
        match self {
            Self::Subject(loaded) => loaded.settings(),
            Self::Name(_, _, settings) => settings,
        }
    }

    fn keys(&self) -> (SubjectKey, Option<SubjectKey>) {
        match self {
            Self::Subject(loaded) => loaded.keys(),
            Self::Name(permit, tenant, _) => (name_key(*tenant, permit.name()), None),
        }
    }

    fn hash(&self) -> Option<&PasswordHash> {
        self.subject()?.hash()
    }

    fn previous_hash(&self) -> Option<&PasswordHash> {
        self.subject()?.previous_hash()
    }

    /// A verification applies to the current state.
    async fn catch_up(&mut self, gates: &Gates) -> Result<(), ServiceError> {
        match self {
            Self::Subject(loaded) => gates.reload(loaded).await,
            Self::Name(..) => Ok(()),
        }
    }
}

impl Gates {
    /// Loads a subject with its credential. Reports what is missing.
    pub(in crate::service) async fn load(&self, permit: SubjectPermit) -> Result<Loaded, ServiceError> {
        let subject = permit.subject()?.clone();
        let (caller, action) = (permit.call().caller(), permit.call().caller.action());
        // Deleted and recreated since the caller was authenticated: the credentials belonged to the earlier subject.
        if action.is_by_the_subject() && caller.subject_id() != Some(subject.id) {
            return Err(ServiceError::Unauthenticated);
        }
        let policies = self.tenant_policies(permit.permit(), permit.tenant()).await?;
        let policy = self.policy(&subject, &policies.settings);
        let opened = self.credential(&subject, action, &policy).await?;
        Ok(Loaded { permit, subject, policies, policy, opened })
    }

    /// Loads a subject with its credential, if there is one. Does not report what is missing.
    pub(in crate::service) async fn load_or_name(&self, permit: SubjectPermit) -> Result<SubjectOrName, ServiceError> {
        if permit.subject().is_err() {
            let TenantPolicies { tenant, settings, .. } =
                self.tenant_policies(permit.permit(), permit.tenant()).await?;
            return Ok(SubjectOrName::Name(Box::new(permit), tenant, settings));
        }
        Ok(SubjectOrName::Subject(Box::new(self.load(permit).await?)))
    }

    /// Loads the credential again.
    pub(super) async fn reload(&self, loaded: &mut Loaded) -> Result<(), ServiceError> {
        let action = loaded.permit.call().caller.action();
        loaded.opened = self.credential(&loaded.subject, action, &loaded.policy).await?;
        Ok(())
    }
}
