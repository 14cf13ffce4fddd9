//! Builds everything, and knows everyone.

mod location;
mod operator_file;
mod pepper;

use std::io;
use std::net::SocketAddr;
use std::num::{NonZeroU32, NonZeroUsize};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_stream::{Stream, StreamExt};
use tonic::transport::server::TcpIncoming;

use crate::ambient::{SystemClock, SystemEntropy};
use crate::authz::{AuthzError, CedarAuthorizer};
use crate::config::{Attempts, Config, HashKernel, Hashing, Policy, Watch};
use crate::domain::attempts::Backoff;
use crate::domain::names::FreeName;
use crate::domain::time::days;
use crate::grpc::{self, GrpcSettings, Health};
use crate::hashing::{Ceiling, Cost, CostError, EngineError, EngineSettings, HashEngine, KernelSetting, Unmet};
use crate::policy::{Baseline, RefusedList, RefusedPasswords};
use crate::ports::{Clock, Entropy, Hasher, HasherFigures, Store, StoreError};
use crate::service::gates::{AttemptLimits, Installation, Ports, WatchLimits};
use crate::service::requests::IssuedToken;
use crate::service::{Service, ServiceError};
use crate::store::{OpenError, Opening, SqlStore};
use crate::telemetry::Metrics;

pub use location::{LocationError, location};
pub use operator_file::{OperatorFile, OperatorFileError};
pub use pepper::{BadRing, RingProblem, key_ring};

/// How long it takes until another connection is accepted after one that could not be.
const ACCEPT_AGAIN_AFTER: Duration = Duration::from_millis(50);

/// The service with everything that it stands on. No port is bound yet.
pub struct Server {
    service: Arc<Service>,
    store: Arc<SqlStore>,
    engine: Arc<HashEngine>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    grpc: GrpcSettings,
    drain: Duration,
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
    /// The cost of a hash is not one that is allowed.
    #[error(transparent)]
    Cost(#[from] CostError),
    /// The pepper's keys can't be read.
    #[error(transparent)]
    KeyRing(#[from] BadRing),
    /// The ring lacks what the store needs.
    #[error(transparent)]
    Pepper(#[from] Unmet),
    /// The store does not tell which keys it needs.
    #[error("the store does not tell which pepper keys it needs")]
    KeysInUse(#[source] StoreError),
    /// The hash engine does not start.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The permissions can't be loaded.
    #[error(transparent)]
    Authz(#[from] AuthzError),
    /// The list of refused passwords can't be read.
    #[error("the refused passwords in {0}")]
    RefusedPasswords(OperatorFileError),
    /// The address is not to be had.
    #[error("{address} can't be listened on")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// What reflection answers from can't be read.
    #[error(transparent)]
    Grpc(#[from] tonic_reflection::server::Error),
    /// Serving ended.
    #[error("the connection to the network was lost")]
    Serve(#[source] tonic::transport::Error),
}

impl Server {
    /// Opens the store and starts the hash engine.
    ///
    /// # Errors
    /// What does not start, and why.
    pub async fn build(config: &Config) -> Result<Self, StartError> {
        Self::build_around(config, |ports| ports).await
    }

    /// As [`Server::build`], for a command that does not serve: a service may be running on the same store.
    ///
    /// # Errors
    /// What does not start, and why.
    pub async fn build_beside(config: &Config) -> Result<Self, StartError> {
        Self::build_as(Opening::Beside, config, |ports| ports).await
    }

    /// As [`Server::build`], with ports of one's own put before the real ones, as tests of races and of time do.
    ///
    /// # Errors
    /// What does not start, and why.
    pub async fn build_around(config: &Config, wrap: impl FnOnce(Ports) -> Ports) -> Result<Self, StartError> {
        Self::build_as(Opening::ToServe, config, wrap).await
    }

    async fn build_as(
        opening: Opening,
        config: &Config,
        wrap: impl FnOnce(Ports) -> Ports,
    ) -> Result<Self, StartError> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let entropy: Arc<dyn Entropy> = Arc::new(SystemEntropy);
        let baseline = baseline(&config.policy)?;
        let key_ring = key_ring(&config.pepper, &entropy)?;
        let store = Arc::new(location(config)?.open(opening, &clock, &entropy).await?);
        if let Some(unmet) = key_ring.unmet(store.as_ref()).await.map_err(StartError::KeysInUse)? {
            return Err(unmet.into());
        }
        let engine = HashEngine::start(engine_settings(&config.hashing)?, Arc::clone(&clock), entropy.as_ref())?;
        let engine = Arc::new(engine);
        let ports = wrap(Ports {
            store: Arc::clone(&store) as Arc<dyn Store>,
            hasher: Arc::clone(&engine) as Arc<dyn Hasher>,
            pepper: Arc::new(key_ring),
            authorizer: Arc::new(CedarAuthorizer::built_in()?),
            clock,
            entropy,
        });
        let (clock, entropy) = (Arc::clone(&ports.clock), Arc::clone(&ports.entropy));
        let region = config.directory.region.clone();
        let (attempts, watches) = (attempt_limits(&config.attempts), watch_limits(&config.watch));
        let installation = Installation { region, attempts, baseline, watches };
        Ok(Self {
            service: Arc::new(Service::new(ports, installation)),
            store,
            engine,
            clock,
            entropy,
            grpc: GrpcSettings {
                reflection: config.server.reflection,
                longest_request: Duration::from_secs(config.server.longest_request_seconds),
                max_message_bytes: config.server.max_message_bytes,
            },
            drain: Duration::from_secs(config.server.drain_seconds),
        })
    }

    /// The use cases, for who is in the same process.
    pub fn service(&self) -> &Arc<Service> {
        &self.service
    }

    /// The clock that the service goes by.
    pub fn clock(&self) -> &dyn Clock {
        self.clock.as_ref()
    }

    /// Where the service's randomness comes from.
    pub fn entropy(&self) -> &dyn Entropy {
        self.entropy.as_ref()
    }

    /// What is measured.
    pub fn metrics(&self) -> Metrics {
        Metrics::new(Arc::clone(&self.engine) as Arc<dyn HasherFigures>)
    }

    /// Issues the first operator's token, or nothing where an operator holds a valid one already.
    pub async fn bootstrap(&self, name: FreeName) -> Result<Option<IssuedToken>, ServiceError> {
        self.service.bootstrap(name).await
    }

    /// Closes the store without having served.
    pub async fn close(self) {
        self.store.close().await;
    }

    /// Serves until told to stop. Then health turns `NOT_SERVING`, and what is in flight has the drain time to finish.
    ///
    /// # Errors
    /// The network is lost.
    pub async fn serve(self, listener: TcpListener, stop: impl Future<Output = ()> + Send) -> Result<(), StartError> {
        let health = Health::starting().await;
        let (clock, entropy) = (Arc::clone(&self.clock), Arc::clone(&self.entropy));
        let router = grpc::router(&self.service, self.grpc, clock, entropy, &health)?;
        health.serving().await;
        // From the stop on: until when what is in flight may finish.
        let (drain, mut draining) = watch::channel(None);
        let (clock, drain_time) = (Arc::clone(&self.clock), self.drain);
        let service = Arc::clone(&self.service);
        tokio::spawn({
            let service = Arc::clone(&service);
            let failed = |error: &ServiceError| {
                tracing::warn!(
                    error = error as &dyn std::error::Error,
                    "the upkeep of the store fails; it is tried again"
                );
            };
            async move { service.tend_store(failed).await }
        });
        let stopped = async move {
            stop.await;
            health.not_serving().await;
            health.end_watches().await;
            service.end_watches();
            drain.send_replace(Some(clock.instant() + drain_time));
        };
        let serving = router.serve_with_incoming_shutdown(connections(listener), stopped);
        let mut until = draining.clone();
        let overdue = async move {
            let until = until.wait_for(Option::is_some).await.ok().and_then(|until| *until);
            match until {
                Some(until) => tokio::time::sleep_until(until.into()).await,
                // The other side is gone: serving is over already.
                None => std::future::pending().await,
            }
        };
        tokio::pin!(serving);
        let served = tokio::select! {
            served = &mut serving => served.map_err(StartError::Serve),
            () = overdue => {
                tracing::warn!("the drain time is over; what was still in flight is cut off");
                Ok(())
            }
        };
        // Changes whose callers hung up are concluded too, within what is left of the drain time.
        let until = draining.borrow_and_update().unwrap_or_else(|| self.clock.instant() + self.drain);
        match tokio::time::timeout_at(until.into(), self.service.concluded()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(error, "failed attempts are lost: the store does not take them");
            }
            Err(_) => tracing::warn!("changes without a caller were still under way"),
        }
        self.store.close().await;
        served
    }
}

/// Takes an address.
///
/// # Errors
/// It is not to be had: another program listens on it, or this one may not.
pub async fn listen(address: SocketAddr) -> Result<TcpListener, StartError> {
    TcpListener::bind(address).await.map_err(|source| StartError::Listen { address, source })
}

/// Connections as they come, whose small frames are sent at once. Where none is to be had, as when the process is out
/// of file descriptors, the next one is asked for a little later: the transport would ask again at once, and for ever.
fn connections(listener: TcpListener) -> impl Stream<Item = io::Result<TcpStream>> {
    TcpIncoming::from(listener).with_nodelay(Some(true)).then(|connection| async {
        if connection.is_err() {
            tokio::time::sleep(ACCEPT_AGAIN_AFTER).await;
        }
        connection
    })
}

/// The engine's settings.
///
/// # Errors
/// The cost or the ceiling is not one that is allowed.
pub fn engine_settings(hashing: &Hashing) -> Result<EngineSettings, CostError> {
    let cost = Cost::new(hashing.memory_kib, hashing.iterations, hashing.parallelism)?;
    Ok(EngineSettings {
        cost,
        ceiling: Ceiling::new(cost, NonZeroU32::new(hashing.ceiling_kib))?,
        kernel: match hashing.kernel {
            HashKernel::Auto => KernelSetting::Auto,
            HashKernel::Portable => KernelSetting::Portable,
        },
        workers: NonZeroUsize::new(hashing.workers),
        longest_wait: Duration::from_secs(hashing.longest_wait_seconds),
    })
}

fn attempt_limits(attempts: &Attempts) -> AttemptLimits {
    let initial = Duration::from_secs(attempts.backoff_seconds);
    AttemptLimits {
        pair: Backoff {
            allowance: attempts.allowance,
            initial,
            longest: Duration::from_secs(attempts.longest_backoff_seconds),
        },
        subject: Backoff {
            allowance: attempts.subject_allowance,
            initial,
            longest: Duration::from_secs(attempts.subject_longest_backoff_seconds),
        },
    }
}

fn watch_limits(watch: &Watch) -> WatchLimits {
    WatchLimits {
        kept: days(watch.kept_days),
        heartbeat: Duration::from_secs(watch.heartbeat_seconds),
        patience: Duration::from_secs(watch.patience_seconds),
        per_caller: watch.per_caller,
        per_tenant: watch.per_tenant,
    }
}

fn baseline(policy: &Policy) -> Result<Baseline, StartError> {
    let refused = refused_passwords(policy).map_err(StartError::RefusedPasswords)?;
    let refused = refused.map(|list| Arc::new(list) as Arc<dyn RefusedPasswords>);
    Ok(Baseline { refuse_subject_names: policy.refuse_subject_names, refused })
}

/// The list of refused passwords, where the settings name one.
///
/// # Errors
/// It can't be read.
pub fn refused_passwords(policy: &Policy) -> Result<Option<RefusedList>, OperatorFileError> {
    let list = |path| OperatorFile::read(path).map(|file| RefusedList::from_lines(&file.text));
    policy.refused_passwords_file.as_deref().map(list).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn small_frames_are_sent_at_once() {
        let listener = listen((std::net::Ipv4Addr::LOCALHOST, 0).into()).await.unwrap();
        let _client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let accepted = std::pin::pin!(connections(listener)).next().await.unwrap().unwrap();
        assert!(accepted.nodelay().unwrap());
    }
}
