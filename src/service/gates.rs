//! The only holder of the ports. What they are used for has to pass through here, and each gate hands out a proof that
//! the next one asks for: `Permit → Loaded → Unspent → Reserved → (Proof, Unproven) → Change`.
//!
//! Proofs own what they prove, so that one cannot be spent on another subject, and none can be made elsewhere:
//!
//! ```compile_fail
//! use credentiald::service::gates::Permit;
//! fn forge() -> Permit { Permit { } }
//! ```
//! ```compile_fail
//! use credentiald::service::gates::{Change, Unproven};
//! fn skip_the_old_password(unproven: Unproven) -> Change { Change::of(unproven) }
//! ```
//! ```compile_fail
//! use credentiald::service::gates::{Change, Proof, Unproven};
//! fn skip_the_client_token(proof: Proof, unproven: Unproven) -> Change { Change::of(proof, unproven).ok().unwrap() }
//! ```
//! ```compile_fail
//! use credentiald::service::gates::Unproven;
//! fn take_the_hash_out(unproven: Unproven) -> credentiald::domain::credential::PasswordHash { unproven.hash }
//! ```
//! ```compile_fail
//! use credentiald::service::gates::{Gates, SubjectPermit};
//! async fn skip_the_old_password(gates: &Gates, permit: SubjectPermit) { gates.commit(permit).await; }
//! ```

mod attempts;
mod change;
mod directory;
mod feeds;
mod held;
mod imports;
mod pepper;
mod permit;
mod posture;
mod recall;
mod refusals;
mod reserve;
mod upgrade;
mod upkeep;
mod verify;
mod watcher;
mod watches;

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use crate::domain::access_token::{AccessToken, TokenDigest, TokenId};
use crate::domain::audit_event::{AuditEvent, AuditOutcome};
use crate::domain::credential::{StoredHash, Version};
use crate::domain::names::{Region, TenantName};
use crate::domain::password::Password;
use crate::domain::settings::TenantSettings;
use crate::domain::subject::{Subject, SubjectId};
use crate::domain::tenant::TenantId;
use crate::domain::time::Timestamp;
use crate::policy::{AcceptedPassword, Baseline, Policy};
use crate::ports::store::{AccessTokens, Authority, Overlaps, Tenants};
use crate::ports::{AdmittedHashes, Authorizer, Clock, Entropy, Hasher, Pepper, Salt, Store};
use crate::service::error::Missing;
use crate::service::requests::WantedPassword;
use crate::service::{Call, ServiceError};

pub use attempts::AttemptLimits;
pub use change::{Change, PasswordToStore, Presented, Proof, Unproven};
pub use imports::ImportPermits;
pub(super) use imports::{NewBatch, Newcomer};
pub use permit::{Permit, SubjectPermit};
pub use recall::{Recalled, ReplayedChange, Unspent};
pub use reserve::{Candidate, Loaded, Reserved};
pub use verify::Matched;
pub use watcher::Watcher;
pub use watches::WatchLimits;
pub use watches::WatchSlot;

/// What the core needs from outside.
pub struct Ports {
    /// The store.
    pub store: Arc<dyn Store>,
    /// The hash engine.
    pub hasher: Arc<dyn Hasher>,
    /// What wraps hashes before they are stored.
    pub pepper: Arc<dyn Pepper>,
    /// Who may do what.
    pub authorizer: Arc<dyn Authorizer>,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// Where randomness comes from.
    pub entropy: Arc<dyn Entropy>,
}

/// What an operator sets for all tenants.
pub struct Installation {
    /// The region of what is created, or asked for, without one.
    pub region: Region,
    /// How attempts are limited.
    pub attempts: AttemptLimits,
    /// What is asked of every password on top of each policy.
    pub baseline: Baseline,
    /// How watches are limited.
    pub watches: WatchLimits,
    /// How long audit events are kept.
    pub audit_kept: Duration,
    /// What the tokens of lists are authenticated with: the same for all who serve from one store.
    pub page_key: [u8; 32],
}

/// The only holder of the ports.
pub struct Gates {
    ports: Ports,
    installation: Installation,
    under_way: attempts::UnderWay,
    held: held::Held,
    refusals: refusals::Refusals,
    watches: Arc<watches::Watches>,
    detached: TaskTracker,
}

/// A caller who waits. Dropped before the answer is there, it has hung up.
struct Waiting(Option<Arc<dyn AdmittedHashes>>);

impl Drop for Waiting {
    fn drop(&mut self) {
        if let Some(hashes) = &self.0 {
            hashes.abandon();
        }
    }
}

impl Gates {
    /// Puts the gates before the ports.
    pub fn new(ports: Ports, installation: Installation) -> Self {
        let (under_way, held, refusals, watches) = Default::default();
        Self { ports, installation, under_way, held, refusals, watches, detached: TaskTracker::new() }
    }

    /// Concludes a reserved attempt whether its caller waits or not: hanging up neither refunds it nor tears a commit.
    /// Only where none of its hashes has begun, none is computed for nobody.
    pub(super) async fn conclude<T: Send + 'static, Task>(
        &self,
        reserved: Reserved,
        task: impl FnOnce(Reserved) -> Task,
    ) -> Result<T, ServiceError>
    where
        Task: Future<Output = Result<T, ServiceError>> + Send + 'static,
    {
        let mut caller = Waiting(Some(Arc::clone(&reserved.hashes)));
        let concluded = self.detached.spawn(task(reserved)).await;
        caller.0 = None;
        concluded.map_err(|_| ServiceError::Internal("a detached task was lost"))?
    }

    /// Work that goes on whether its caller waits or not.
    pub(super) fn detach<T: Send + 'static>(&self, work: impl Future<Output = T> + Send + 'static) -> JoinHandle<T> {
        self.detached.spawn(work)
    }

    /// Waits until everything that was detached is concluded, and records what the store did not take before.
    pub(super) async fn concluded(&self) -> Result<(), ServiceError> {
        self.detached.close();
        self.detached.wait().await;
        self.record_all_held().await
    }

    /// What the tokens of lists are authenticated with.
    pub(super) fn page_key(&self) -> &[u8; 32] {
        &self.installation.page_key
    }

    /// The region of what is created without one.
    pub(super) fn default_region(&self) -> &Region {
        &self.installation.region
    }

    /// The policy for a subject's passwords.
    pub(super) fn policy(&self, subject: &Subject, settings: &TenantSettings) -> Policy {
        Policy::of_subject(subject, settings, &self.installation.baseline)
    }

    /// The password that an administrator or a caller wants, accepted by the policy, and once more where it was generated:
    /// to be answered.
    pub(super) fn wanted(
        &self,
        policy: &Policy,
        wanted: WantedPassword,
    ) -> Result<(PasswordToStore, Option<Arc<Password>>), ServiceError> {
        match wanted {
            WantedPassword::Given(password) => {
                let accepted = policy.accept(password).map_err(ServiceError::PolicyViolation)?;
                Ok((PasswordToStore::given(accepted), None))
            }
            WantedPassword::Generated => {
                let password = PasswordToStore::generated(self.generate(policy)?);
                let generated = password.shared();
                Ok((password, Some(generated)))
            }
        }
    }

    /// A password that the policy accepts.
    pub(super) fn generate(&self, policy: &Policy) -> Result<AcceptedPassword, ServiceError> {
        policy
            .generate(&mut |buffer| self.ports.entropy.fill(buffer))
            .ok_or(ServiceError::Internal("the policy leaves no password to generate"))
    }

    /// The time of day.
    pub(super) fn now(&self) -> Timestamp {
        self.ports.clock.now()
    }

    /// Unpredictable bytes.
    pub(super) fn random<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        self.ports.entropy.fill(&mut bytes);
        bytes
    }

    /// A fresh id.
    pub(super) fn new_id(&self) -> Uuid {
        uuid::Builder::from_random_bytes(self.random()).into_uuid()
    }

    /// The tenants, for what was permitted.
    pub(super) fn tenants(&self, _permit: &Permit) -> &dyn Tenants {
        self.ports.store.as_ref()
    }

    /// The overlaps, for what was permitted.
    pub(super) fn overlaps(&self, _permit: &SubjectPermit) -> &dyn Overlaps {
        self.ports.store.as_ref()
    }

    /// The access tokens, for what was permitted.
    pub(super) fn access_tokens(&self, _permit: &Permit) -> &dyn AccessTokens {
        self.ports.store.as_ref()
    }

    /// The access token with that digest: the one thing that is looked up before anybody is known.
    pub(super) async fn access_token(&self, digest: &TokenDigest) -> Result<Option<AccessToken>, ServiceError> {
        Ok(self.ports.store.access_token(digest).await?)
    }

    /// The tenant that a token is bound to, where it is to one: like a subject's attributes, read to ask for permission.
    pub(super) async fn tenant_of_token(&self, id: TokenId) -> Result<Option<TenantName>, ServiceError> {
        let token = self.ports.store.access_token_of(id).await?;
        Ok(token.and_then(|token| token.caller.tenant().cloned()))
    }

    /// Adds an operator's token to a store that holds no valid one. Nobody is there who could be permitted.
    pub(super) async fn bootstrap(
        &self,
        token: &AccessToken,
        digest: &TokenDigest,
        event: &AuditEvent,
    ) -> Result<bool, ServiceError> {
        Ok(self.ports.store.bootstrap(token, digest, event).await?)
    }

    /// The id and the settings of the tenant that was permitted.
    async fn tenant_settings(
        &self,
        _permit: &Permit,
        tenant: &TenantName,
    ) -> Result<(TenantId, TenantSettings), ServiceError> {
        self.ports.store.tenant_settings(tenant).await?.ok_or(ServiceError::NotFound(Missing::Tenant))
    }

    /// Hashes a subject's first password; there is no old one to prove.
    pub(super) async fn hash_first(
        &self,
        permit: &SubjectPermit,
        subject: SubjectId,
        password: &PasswordToStore,
    ) -> Result<StoredHash, ServiceError> {
        let hashes = self.ports.hasher.admit(permit.tenant(), 1, permit.call().deadline)?;
        let hash = hashes.hash(password.shared(), self.salt()).await?;
        self.wrap(&hash, subject, Version::FIRST)
    }

    fn salt(&self) -> Salt {
        self.random()
    }

    /// In whose name a permitted request writes.
    pub(super) fn authority(&self, permit: &Permit, outcome: AuditOutcome) -> Authority {
        let event = self.event(permit, outcome);
        Authority { event, evidence: permit.call().evidence, tenant: permit.tenant() }
    }

    /// Whether what proved the caller of a call still does.
    pub(super) async fn check_evidence(&self, call: &Call) -> Result<(), ServiceError> {
        let Some(evidence) = &call.evidence else { return Ok(()) };
        let is_proven = self.ports.store.is_proven(evidence, self.now()).await?;
        is_proven.then_some(()).ok_or(ServiceError::Unauthenticated)
    }

    /// The record of what came of a permitted request that writes nothing else.
    pub(super) fn event(&self, permit: &Permit, outcome: AuditOutcome) -> AuditEvent {
        permit.event(self.new_id(), self.now(), outcome)
    }
}
