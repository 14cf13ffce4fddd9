//! Composition root: builds the adapters and connects them to the ports.

mod audit_key;
mod bad_settings;
mod hook;
mod http;
mod import_keys;
mod jwt;
mod limits;
mod location;
mod operator_file;
mod pepper;
mod policies;
mod readiness;
mod refused;
mod reload;
mod serving;
mod tls;
mod traces;

use std::num::{NonZeroU32, NonZeroUsize};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};

use crate::ambient::{SystemClock, SystemEntropy, host_name};
use crate::authz::{AuthzError, CedarAuthorizer, ComparingAuthorizer, Policies};
use crate::config::{Config, HashKernel, LogCalls};
use crate::domain::names::FreeName;
use crate::domain::time::{days, minutes};
use crate::edge::LoggedCalls;
use crate::grpc::{DescriptorError, GrpcSettings};
use crate::hashing::{
    Ceiling, Cost, CostError, EngineError, EngineSettings, HashEngine, KernelSetting, RingInForce, Unmet,
};
use crate::http::VendorSettings;
use crate::jwt::Jwts;
use crate::listener::{BindError, Limits, RequestLimits, TlsInForce, raise_descriptor_limit};
use crate::policy::Baseline;
use crate::ports::{
    AuditSealer, Authorizer, Clock, Entropy, Hasher, HasherFigures, JwtVerifier, Meter, PasswordHook, Pepper, Store,
    StoreError, Unsealed,
};
use crate::redis::RedisNodes;
use crate::service::gates::{Installation, Ports};
use crate::service::requests::IssuedToken;
use crate::service::{Service, ServiceError};
use crate::store::{OpenError, Opening, SqlStore};
use crate::telemetry::{AtomicMeter, Metrics, Stage};

use limits::{attempt_limits, limits, quota_limits, watch_limits};
use reload::{Followed, Request, followed};
use traces::Tracing;

pub use audit_key::audit_key;
pub use bad_settings::{BadSettings, SettingProblem};
pub use hook::web_hook;
pub use import_keys::import_keys;
pub use jwt::{JwtFiles, jwt_issuers};
pub use location::{LocationError, location};
pub use operator_file::{OperatorFile, OperatorFileError};
pub use pepper::key_ring;
pub use policies::{CandidateFiles, PolicyFiles, candidate_policies, policies};
pub use refused::{RefusedFile, refused_passwords};
pub use reload::{FileSet, Reloaded, Reloader, Reloads};
pub use serving::Listeners;
pub use tls::{TlsFiles, tls};
pub use traces::collector;

/// The host in the vendors' answers. It is no name of a machine: answers show none.
const HOST: &str = "credentiald";

/// The service and everything that it uses. No network port is bound yet.
pub struct Server {
    service: Arc<Service>,
    store: Arc<SqlStore>,
    engine: Arc<HashEngine>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    meter: AtomicMeter,
    grpc: GrpcSettings,
    vendors: VendorSettings,
    limits: Limits,
    request_limits: RequestLimits,
    logged: LoggedCalls,
    traces: Tracing,
    tls: Option<TlsInForce>,
    jwts: Option<Jwts>,
    /// The files that operators change.
    followed: Vec<(Box<dyn Followed>, mpsc::Receiver<Request>)>,
    reloads: Reloads,
    stage: watch::Sender<Stage>,
    shutdown_delay: Duration,
    drain: Duration,
    /// Whether hashes may be stored that need a key of another system.
    may_need_import_keys: bool,
}

/// Why the service does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The settings name no store.
    #[error("the setting of the store {0}")]
    Location(#[from] LocationError),
    /// The store can't be opened.
    #[error(transparent)]
    Store(#[from] OpenError),
    /// The cost of a hash is not allowed.
    #[error(transparent)]
    Cost(#[from] CostError),
    /// The pepper keys can't be read, or files that are followed.
    #[error(transparent)]
    Settings(#[from] BadSettings),
    /// The key ring lacks keys that the store needs.
    #[error(transparent)]
    Pepper(#[from] Unmet),
    /// The store does not report which keys it needs.
    #[error("can't read from the store which pepper keys it needs")]
    KeysInUse(#[source] StoreError),
    /// The key of the page tokens can't be read.
    #[error("can't read the key that authenticates page tokens")]
    PageKey(#[source] StoreError),
    /// The hash engine does not start.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The schema of permissions can't be read.
    #[error(transparent)]
    Authz(#[from] AuthzError),
    /// The address can't be listened on.
    #[error(transparent)]
    Listen(#[from] BindError),
    /// The descriptors for reflection can't be read.
    #[error(transparent)]
    Grpc(#[from] DescriptorError),
}

impl Server {
    /// Opens the store and starts the hash engine.
    ///
    /// # Errors
    /// The part that does not start, and why.
    pub async fn build(config: &Config) -> Result<Self, StartError> {
        Self::build_around(config, |ports| ports).await
    }

    /// As [`Server::build`], for a command that does not serve. A service may be running on the same store.
    ///
    /// # Errors
    /// The part that does not start, and why.
    pub async fn build_beside(config: &Config) -> Result<Self, StartError> {
        Self::build_as(Opening::Beside, config, |ports| ports).await
    }

    /// As [`Server::build`], with custom ports in front of the real ones, as tests of races and of time need.
    ///
    /// # Errors
    /// The part that does not start, and why.
    pub async fn build_around(config: &Config, wrap: impl FnOnce(Ports) -> Ports) -> Result<Self, StartError> {
        Self::build_as(Opening::ToServe, config, wrap).await
    }

    async fn build_as(
        opening: Opening,
        config: &Config,
        wrap: impl FnOnce(Ports) -> Ports,
    ) -> Result<Self, StartError> {
        raise_descriptor_limit();
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let entropy: Arc<dyn Entropy> = Arc::new(SystemEntropy);
        let meter = meter(config);
        let refused = refused_passwords(&config.policy)?;
        let baseline = Baseline {
            refused: refused.as_ref().map(Reloader::list),
            refuse_subject_names: config.policy.refuse_subject_names,
        };
        let key_rings = pepper::key_rings(&config.pepper, &entropy)?;
        let key_ring = Arc::new(RingInForce::new(key_rings.in_force()));
        let import_keys = import_keys(&config.import)?;
        let may_need_import_keys = !import_keys.is_empty() || config.import.allow.allows_any_with_key();
        let (policies, candidates) = (policies(&config.policies)?, candidate_policies(&config.policies)?);
        let audit_key = audit_key(&config.audit)?;
        let store = location(config)?.open(opening, &clock, &entropy).await?;
        let store = Arc::new(store.measured_by(Arc::new(meter.clone()), Arc::clone(&clock)));
        if let Some(unmet) = key_ring.now().unmet(store.as_ref()).await.map_err(StartError::KeysInUse)? {
            return Err(unmet.into());
        }
        let (import_keys, measured_by) = (Arc::new(import_keys), Arc::new(meter.clone()));
        let engine = EngineSettings { import_keys, meter: measured_by, ..engine_settings(config)? };
        let engine = Arc::new(HashEngine::start(engine, Arc::clone(&clock), entropy.as_ref())?);
        let jwt_issuers = match opening {
            Opening::ToServe => jwt_issuers(&config.jwt)?,
            Opening::Beside => None,
        };
        let jwts = jwt_issuers.as_ref().map(|issuers| Jwts::new(issuers.in_force()));
        let hook = web_hook(&config.hook, &clock)?.map(|hook| Arc::new(hook) as Arc<dyn PasswordHook>);
        let process = config.audit.process_name.clone().or_else(host_name);
        let traces = traces::start(opening, config, process.as_ref(), &meter, (&clock, &entropy))?;
        let ports = wrap(Ports {
            store: Arc::clone(&store) as Arc<dyn Store>,
            hasher: Arc::clone(&engine) as Arc<dyn Hasher>,
            pepper: Arc::clone(&key_ring) as Arc<dyn Pepper>,
            denials: key_ring,
            sealer: audit_key.map_or_else(|| Arc::new(Unsealed) as Arc<dyn AuditSealer>, |key| Arc::new(key)),
            nodes: Arc::new(RedisNodes),
            authorizer: authorizer(policies.in_force(), candidates.as_ref().map(Reloader::in_force), &meter)?,
            jwts: jwts.clone().map(|jwts| Arc::new(jwts) as Arc<dyn JwtVerifier>),
            hook,
            clock,
            entropy,
            meter: Arc::new(meter.clone()),
            traces: traces.background.clone(),
        });
        let (clock, entropy) = (Arc::clone(&ports.clock), Arc::clone(&ports.entropy));
        let tls = match opening {
            Opening::ToServe => tls(&config.tls, &clock)?,
            Opening::Beside => None,
        };
        let tls_in_force = tls.as_ref().map(Reloader::in_force);
        // The built-in policies alone do not change.
        let policies = config.policies.directory.is_some().then_some(policies);
        let key_rings = config.pepper.keys_file.is_some().then_some(key_rings);
        let of_policies = [followed(refused), followed(policies), followed(candidates)].into_iter();
        let files = of_policies.chain([followed(tls), followed(jwt_issuers), followed(key_rings)]).flatten();
        let mut reloads = Reloads::default();
        let files = files.map(|files| (files, reloads.add())).collect();
        let (attempts, watches) = (attempt_limits(&config.attempts), watch_limits(&config.watch));
        let page_key = store.page_key().await.map_err(StartError::PageKey)?;
        let longest_request = Duration::from_millis(config.http.deadline_milliseconds);
        let installation = Installation {
            region: config.directory.region.clone(),
            attempts,
            quotas: quota_limits(&config.quotas),
            baseline,
            watches,
            denials_readable: minutes(config.policies.denial_message_hours.saturating_mul(60)),
            audit_kept: days(config.audit.kept_days),
            process,
            page_key,
        };
        Ok(Self {
            service: Arc::new(Service::new(ports, installation)),
            store,
            engine,
            clock,
            entropy,
            meter,
            grpc: GrpcSettings {
                reflection: config.server.reflection,
                longest_request: Duration::from_secs(config.server.longest_request_seconds),
                max_message_bytes: config.server.max_message_bytes,
            },
            vendors: VendorSettings { longest_request, host: HOST.to_owned() },
            limits: limits(config),
            request_limits: RequestLimits { body_bytes: config.server.max_message_bytes, body_within: longest_request },
            logged: logged_calls(config.log.calls),
            traces,
            tls: tls_in_force,
            jwts,
            followed: files,
            reloads,
            stage: watch::Sender::new(Stage::Starting),
            shutdown_delay: Duration::from_secs(config.server.shutdown_delay_seconds),
            drain: Duration::from_secs(config.server.drain_seconds),
            may_need_import_keys,
        })
    }

    /// The use cases, for callers in the same process.
    pub fn service(&self) -> &Arc<Service> {
        &self.service
    }

    /// The clock of the service.
    pub fn clock(&self) -> &dyn Clock {
        self.clock.as_ref()
    }

    /// The source of the service's randomness.
    pub fn entropy(&self) -> &dyn Entropy {
        self.entropy.as_ref()
    }

    /// Has the files that it follows read again while it serves.
    pub fn reloads(&self) -> Reloads {
        self.reloads.clone()
    }

    /// What the hash engine is and does.
    pub fn hasher(&self) -> Arc<dyn HasherFigures> {
        Arc::clone(&self.engine) as Arc<dyn HasherFigures>
    }

    /// Where the service is between start and stop, now and later.
    pub fn stage(&self) -> watch::Receiver<Stage> {
        self.stage.subscribe()
    }

    /// The metrics.
    pub fn metrics(&self) -> Metrics {
        Metrics::new(self.hasher(), self.meter.clone())
    }

    /// Issues the first operator's token, or none if an operator already has a valid one.
    pub async fn bootstrap(&self, name: FreeName) -> Result<Option<IssuedToken>, ServiceError> {
        self.service.bootstrap(name).await
    }

    /// Closes the store without having served.
    pub async fn close(self) {
        self.store.close().await;
    }
}

/// Decides by the policies in force, and compares the candidates with them if there are any.
fn authorizer(
    in_force: watch::Receiver<Arc<Policies>>,
    candidates: Option<watch::Receiver<Arc<Policies>>>,
    meter: &AtomicMeter,
) -> Result<Arc<dyn Authorizer>, AuthzError> {
    let meter: Arc<dyn Meter> = Arc::new(meter.clone());
    let in_force = CedarAuthorizer::new(in_force, Arc::clone(&meter))?;
    let Some(candidates) = candidates else { return Ok(Arc::new(in_force)) };
    Ok(Arc::new(ComparingAuthorizer::new(in_force, candidates, meter)))
}

/// The metrics, which name traces only if there are some.
fn meter(config: &Config) -> AtomicMeter {
    if config.traces.endpoint.is_empty() { AtomicMeter::default() } else { AtomicMeter::with_exemplars() }
}

/// Which calls get a line in the log.
pub const fn logged_calls(calls: LogCalls) -> LoggedCalls {
    match calls {
        LogCalls::Off => LoggedCalls::Off,
        LogCalls::Refusals => LoggedCalls::Refusals,
        LogCalls::All => LoggedCalls::All,
    }
}

/// The engine's settings.
///
/// # Errors
/// The cost or the ceiling is not allowed.
pub fn engine_settings(Config { hashing, import, .. }: &Config) -> Result<EngineSettings, CostError> {
    let cost = Cost::new(hashing.memory_kib, hashing.iterations, hashing.parallelism)?;
    Ok(EngineSettings {
        cost,
        ceiling: Ceiling::new(cost, NonZeroU32::new(hashing.ceiling_kib))?,
        kernel: match hashing.kernel {
            HashKernel::Auto => KernelSetting::Auto,
            HashKernel::Portable => KernelSetting::Portable,
        },
        workers: NonZeroUsize::new(hashing.workers),
        pairs: hashing.interleave > 1,
        longest_wait: Duration::from_secs(hashing.longest_wait_seconds),
        allowed: import.allow,
        forms: import.forms,
        ..EngineSettings::of(cost)
    })
}
