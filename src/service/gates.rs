//! The only holder of the ports. Every use of a port passes through here, and each gate returns a proof that the next
//! one requires: `Permit → Loaded → Unspent → Reserved → (Proof, Unproven) → Change`.
//!
//! Proofs own what they prove, so that a proof can't be spent on another subject, and no code elsewhere can make one.
//! This compiles:
//!
//! ```
//! use credentiald::domain::credential::PasswordHash;
//! use credentiald::service::gates::{Change, Permit, Proof, Reserved, SubjectOrName, Unproven, Unspent};
//! fn pass_on(permit: Permit) -> Permit { permit }
//! fn change(proof: Proof, unproven: Unproven, unspent: Unspent) -> Change {
//!     Change::of(proof, unproven, unspent).ok().unwrap()
//! }
//! fn keep(hash: PasswordHash, reserved: Reserved<SubjectOrName>) -> (PasswordHash, Reserved<SubjectOrName>) {
//!     (hash, reserved)
//! }
//! ```
//!
//! What leaves out a check does not:
//!
//! ```compile_fail,E0451
//! use credentiald::service::gates::Permit;
//! fn forge(other: Permit) -> Permit { Permit { ..other } }
//! ```
//! ```compile_fail,E0061
//! use credentiald::service::gates::{Change, Unproven};
//! fn skip_the_old_password(unproven: Unproven) -> Change { Change::of(unproven).ok().unwrap() }
//! ```
//! ```compile_fail,E0061
//! use credentiald::service::gates::{Change, Proof, Unproven};
//! fn skip_the_client_token(proof: Proof, unproven: Unproven) -> Change { Change::of(proof, unproven).ok().unwrap() }
//! ```
//! ```compile_fail,E0616
//! use credentiald::{domain::credential::PasswordHash, service::gates::Unproven};
//! fn take_the_hash_out(unproven: Unproven) -> PasswordHash { unproven.hash }
//! ```
//! ```compile_fail,E0599
//! use credentiald::service::gates::{Change, Reserved, SubjectOrName};
//! async fn change_without_a_subject(mut reserved: Reserved<SubjectOrName>, change: Change) { reserved.commit(change).await; }
//! ```

mod attempts;
mod audit;
mod callers;
mod candidate;
mod change;
mod comparisons;
mod delivered;
mod delivery;
mod delivery_events;
mod delivery_plans;
mod denials;
mod directory;
mod failures;
mod feeds;
mod held;
mod hook;
mod imports;
mod lasting;
mod nodes;
mod pepper;
mod permit;
mod posture;
mod quotas;
mod recall;
mod refusals;
mod reserve;
mod signed;
mod subjects;
mod upgrade;
mod upkeep;
mod verify;
mod watcher;
mod watches;

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::task::JoinHandle;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use crate::domain::access_token::{AccessToken, TokenDigest};
use crate::domain::audit_event::{AuditEvent, AuditOutcome};
use crate::domain::candidate_policy::TenantPolicies;
use crate::domain::credential::{StoredHash, Version};
use crate::domain::names::{FreeName, Region, TenantName};
use crate::domain::password::Password;
use crate::domain::subject::{GivenAttributes, Subject, SubjectAttributes, SubjectId, SubjectName};
use crate::domain::tenant_settings::TenantSettings;
use crate::domain::time::Timestamp;
use crate::policy::{AcceptedPassword, Baseline, Policy};
use crate::ports::call_record::for_same_call;
use crate::ports::store::Authority;
use crate::ports::{
    AdmittedHashes, AuditSealer, Authorizer, BackgroundTraces, Clock, DenialCipher, Entropy, HashDemand, Hasher,
    JwtVerifier, LimitedLines, Meter, Nodes, PasswordHook, Pepper, Places, Salt, Store,
};
use crate::service::error::Missing;
use crate::service::requests::WantedPassword;
use crate::service::{ProofRefusal, ServiceError};

pub use attempts::{AttemptLimits, ReadFailures};
pub use audit::AuditReader;
pub use candidate::{Candidate, Loaded, SubjectOrName};
pub use change::{Change, PasswordToStore, Presented, Proof, Unproven};
pub(super) use directory::{Directory, Scope};
pub use imports::ImportPermits;
pub(super) use imports::{Existing, ExistingPassword, ImportId, NewBatch, Newcomer};
pub use permit::{Permit, SubjectPermit};
pub use quotas::QuotaLimits;
pub use recall::{Recalled, ReplayedChange, Unspent};
pub use reserve::Reserved;
pub use verify::Matched;
pub use watcher::Watcher;
pub use watches::{WatchLimits, WatchSlot};

/// What the core needs from outside.
pub struct Ports {
    /// The store.
    pub store: Arc<dyn Store>,
    /// The hash engine.
    pub hasher: Arc<dyn Hasher>,
    /// The pepper, which wraps hashes before they are stored.
    pub pepper: Arc<dyn Pepper>,
    /// The encryption of refusals for administrators.
    pub denials: Arc<dyn DenialCipher>,
    /// The signatures of the audit log.
    pub sealer: Arc<dyn AuditSealer>,
    /// The verifier of JWTs, if issuers are configured.
    pub jwts: Option<Arc<dyn JwtVerifier>>,
    /// The hook of another system that verifies passwords, if one is configured.
    pub hook: Option<Arc<dyn PasswordHook>>,
    /// The nodes of instances.
    pub nodes: Arc<dyn Nodes>,
    /// Permission decisions.
    pub authorizer: Arc<dyn Authorizer>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// The source of randomness.
    pub entropy: Arc<dyn Entropy>,
    /// The metrics.
    pub meter: Arc<dyn Meter>,
    /// The traces of work that no call asks for.
    pub traces: BackgroundTraces,
}

/// What an operator sets for all tenants.
pub struct Installation {
    /// The default region of requests that create or name something without a region.
    pub region: Region,
    /// The limits for attempts.
    pub attempts: AttemptLimits,
    /// The quotas of requests.
    pub quotas: QuotaLimits,
    /// Requirements for every password on top of each policy.
    pub baseline: Baseline,
    /// The limits for watches.
    pub watches: WatchLimits,
    /// How long administrators can decode the message of a refusal.
    pub denials_readable: Duration,
    /// How long audit events are kept.
    pub audit_kept: Duration,
    /// The name of this process in audit events.
    pub process: Option<FreeName>,
    /// The key that authenticates page tokens: the same for all processes on one store.
    pub page_key: [u8; 32],
}

/// The only holder of the ports.
pub struct Gates {
    ports: Ports,
    installation: Installation,
    under_way: attempts::UnderWay,
    held: held::Held,
    at_hook: Arc<Places<SubjectId>>,
    refusals: refusals::Refusals,
    comparisons: comparisons::Pending,
    quotas: quotas::Quotas,
    refused_proofs: Mutex<LimitedLines<ProofRefusal>>,
    signatures: signed::Signatures,
    watches: Arc<watches::Watches>,
    deliveries: delivery::Deliveries,
    detached: TaskTracker,
}

/// A waiting caller. If this is dropped before the response is there, the caller has hung up.
struct Waiting(Option<Arc<dyn AdmittedHashes>>);

impl Drop for Waiting {
    fn drop(&mut self) {
        if let Some(hashes) = &self.0 {
            hashes.abandon();
        }
    }
}

impl Gates {
    /// Creates the gates in front of the ports.
    pub fn new(ports: Ports, installation: Installation) -> Self {
        let (under_way, refusals, comparisons, refused_proofs, signatures, watches, deliveries) = Default::default();
        let held = held::Held::new(Arc::clone(&ports.meter));
        let quotas = quotas::Quotas::new(installation.quotas, &ports.clock);
        Self {
            ports,
            installation,
            under_way,
            held,
            at_hook: Places::new(1),
            refusals,
            comparisons,
            quotas,
            refused_proofs,
            signatures,
            watches,
            deliveries,
            detached: TaskTracker::new(),
        }
    }

    /// Concludes a reserved attempt whether its caller waits or not: hanging up neither refunds it nor interrupts a
    /// commit. If none of its hashes has begun by then, none is computed.
    pub(super) async fn conclude<C: Candidate, T: Send + 'static, Task>(
        &self,
        reserved: Reserved<C>,
        task: impl FnOnce(Reserved<C>) -> Task,
    ) -> Result<T, ServiceError>
    where
        Task: Future<Output = Result<T, ServiceError>> + Send + 'static,
    {
        let mut caller = Waiting(Some(Arc::clone(&reserved.hashes)));
        let concluded = self.detach(task(reserved)).await;
        caller.0 = None;
        concluded.map_err(|_| ServiceError::Internal("a detached task was lost"))?
    }

    /// Runs work that continues whether its caller waits or not.
    pub(super) fn detach<T: Send + 'static>(&self, work: impl Future<Output = T> + Send + 'static) -> JoinHandle<T> {
        self.detached.spawn(for_same_call(work))
    }

    /// Waits until all detached work is concluded, and records the failed attempts that the store did not take before.
    pub(super) async fn concluded(&self) -> Result<(), ServiceError> {
        self.detached.close();
        self.detached.wait().await;
        self.record_all_held().await
    }

    /// The key that authenticates page tokens.
    pub(super) fn page_key(&self) -> &[u8; 32] {
        &self.installation.page_key
    }

    /// The name of this process in audit events.
    pub(super) fn process(&self) -> Option<FreeName> {
        self.installation.process.clone()
    }

    /// The region of resources that are created without one.
    pub(super) fn default_region(&self) -> &Region {
        &self.installation.region
    }

    /// A subject that is created now.
    pub(super) fn new_subject(&self, id: SubjectId, name: SubjectName, given: GivenAttributes) -> Subject {
        let attributes = SubjectAttributes::given(&name, given, self.default_region());
        Subject { id, name, attributes, created_at: self.now() }
    }

    /// The policy for a subject's passwords.
    fn policy(&self, subject: &Subject, settings: &TenantSettings) -> Policy {
        Policy::of_subject(subject, settings, &self.installation.baseline)
    }

    /// The password that an administrator or a caller wants, accepted by the policy; if it was generated, also the
    /// password for the response.
    pub(super) fn wanted(
        &self,
        policy: &Policy,
        wanted: WantedPassword,
        is_temporary: bool,
    ) -> Result<(PasswordToStore, Option<Arc<Password>>), ServiceError> {
        match wanted {
            WantedPassword::Given(password) => {
                let accepted = policy.accept(password).map_err(ServiceError::PolicyViolation)?;
                Ok((PasswordToStore::of(accepted, true, is_temporary), None))
            }
            WantedPassword::Generated => {
                let password = PasswordToStore::of(self.generate(policy)?, false, is_temporary);
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
        self.ports.entropy.id()
    }

    /// Fresh random values, with one question to the generator: each is a call of the system.
    pub(super) fn many_random<const N: usize>(&self, count: usize) -> Vec<[u8; N]> {
        let mut values = vec![[0; N]; count];
        self.ports.entropy.fill(values.as_flattened_mut());
        values
    }

    /// Adds an operator's token to a store that holds no valid one. There is no caller yet that could be permitted.
    pub(super) async fn bootstrap(
        &self,
        token: &AccessToken,
        digest: &TokenDigest,
        event: &AuditEvent,
    ) -> Result<bool, ServiceError> {
        Ok(self.ports.store.bootstrap(token, digest, event).await?)
    }

    /// The settings of the permitted tenant, and its candidate.
    async fn tenant_policies(&self, _permit: &Permit, tenant: &TenantName) -> Result<TenantPolicies, ServiceError> {
        self.ports.store.tenant_policies(tenant).await?.ok_or(ServiceError::NotFound(Missing::Tenant))
    }

    /// Hashes a subject's first password; there is no old one to prove.
    pub(super) async fn hash_first(
        &self,
        permit: &SubjectPermit,
        subject: SubjectId,
        password: &PasswordToStore,
    ) -> Result<StoredHash, ServiceError> {
        let hashes = self.ports.hasher.admit(permit.tenant(), HashDemand::ONE, permit.call().deadline)?;
        let hash = hashes.hash(password.shared(), self.salt()).await?;
        self.wrap(&hash, subject, Version::FIRST)
    }

    fn salt(&self) -> Salt {
        self.random()
    }

    /// The authority for the writes of a permitted request.
    fn authority(&self, permit: &Permit, outcome: AuditOutcome) -> Authority {
        let event = self.event(permit, outcome);
        Authority { event, evidence: permit.call().evidence.clone(), tenant: permit.tenant() }
    }

    /// The audit event of a permitted request that writes nothing else.
    fn event(&self, permit: &Permit, outcome: AuditOutcome) -> AuditEvent {
        permit.event(self.new_id(), self.now(), self.process(), outcome)
    }
}
