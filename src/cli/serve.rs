//! `serve`.

use std::error::Error;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use futures_util::future::OptionFuture;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::configuration::{load, load_and_log};
use super::environment::Environment;
use super::failure::Failure;
use super::settings::SettingArgs;
use super::signals::asked_to_end;
use super::supervisor::Supervisor;
use crate::ambient::SystemClock;
use crate::config::{Config, Effective};
use crate::listener::{SCRAPE_CONNECTIONS, SingleLimits, WhenFull, bind, serve_single};
use crate::server::{self, Reloaded, Reloads, Server, StartError};
use crate::telemetry::{Level, scrapes};

/// The limits of the server of metrics.
const SCRAPE_LIMITS: SingleLimits = SingleLimits {
    connections: SCRAPE_CONNECTIONS,
    when_full: WhenFull::CloseOldest,
    each_within: Duration::from_secs(10),
};
/// How long the end of a reload is waited for. A file system that hangs must not keep later signals from being handled.
const RELOADED_WITHIN: Duration = Duration::from_secs(30);

/// Run the service until it is stopped.
///
/// On SIGTERM or Ctrl-C, health changes to `NOT_SERVING`. The service still accepts all requests for the shutdown
/// delay. Then it refuses new requests, and those in flight finish within the drain time. On SIGHUP, the files of TLS,
/// the refused passwords, the policies, the issuers of JWTs, the pepper keys and the log level are read again. The service
/// tells systemd when it is ready, reloads and stops (`Type=notify`).
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  credentiald serve --config /etc/credentiald/credentiald.toml
  CREDENTIALD_STORE_URL=sqlite:/var/lib/credentiald/credentiald.db credentiald serve --log-format json")]
pub(super) struct ServeArgs {
    #[command(flatten)]
    settings: SettingArgs,
}

pub(super) async fn run(args: &ServeArgs, environment: &Environment) -> Result<(), Failure> {
    // From here on, the signal does not end the process. One that comes before the service serves is handled then.
    let hung_up = signal(SignalKind::hangup()).map_err(Failure::failed)?;
    let (effective, level) = load_and_log(&args.settings, environment)?;
    let listeners = Listeners::bind(&effective.config).await?;
    let server = Server::build(&effective.config).await.map_err(cant_serve)?;
    let configuration = Configuration { args: &args.settings, environment, effective, level };
    let on_hangup = OnHangup::Reload(Box::new(configuration));
    serve(server, listeners, hung_up, on_hangup, &Supervisor::of(environment)).await
}

/// The meaning of SIGHUP.
pub(super) enum OnHangup<'a> {
    /// Reload, for a service.
    Reload(Box<Configuration<'a>>),
    /// The terminal was closed.
    Stop,
}

/// The configuration that is in force, and where it came from.
pub(super) struct Configuration<'a> {
    args: &'a SettingArgs,
    environment: &'a Environment,
    effective: Effective,
    level: Level,
}

impl Configuration<'_> {
    /// Reads the configuration again, and takes what can change from it: the level of the log. Says which of the other
    /// settings differ.
    async fn reload(&mut self) -> Result<(), Failure> {
        let (args, environment) = (self.args.clone(), self.environment.clone());
        let loaded = tokio::task::spawn_blocking(move || load(&args, &environment)).await;
        let new = loaded.unwrap_or_else(|_| Err(Failure::failed("reading it failed")))?;
        let level = &new.config.log.level;
        let cant = |error| Failure::caused("the level of the log does not change", &error);
        if self.level.set(level).map_err(cant)? {
            tracing::info!(log_level = level, "the new level of the log is in force");
        }
        let at_start: Vec<_> = self.effective.differing(&new).filter(|key| *key != "log.level").collect();
        if !at_start.is_empty() {
            let settings = at_start.join(", ");
            tracing::warn!(
                settings,
                "these settings have changed in the configuration; they take effect at the next start"
            );
        }
        Ok(())
    }
}

/// The listeners.
pub(super) struct Listeners {
    /// For callers.
    pub(super) callers: server::Listeners,
    /// For scrapes of metrics.
    metrics: Option<TcpListener>,
}

impl Listeners {
    /// Binds the configured addresses.
    pub(super) async fn bind(config: &Config) -> Result<Self, Failure> {
        let listen = async |address| bind(address).await.map_err(|error| cant_serve(error.into()));
        let optional = async |address: Option<_>| OptionFuture::from(address.map(listen)).await.transpose();
        let grpc = listen(config.server.listen).await?;
        let http = optional(config.http.listen).await?;
        Ok(Self { callers: server::Listeners { grpc, http }, metrics: optional(config.metrics.listen).await? })
    }
}

/// Serves until SIGTERM or Ctrl-C. Metrics are served to the end, also while requests in flight finish.
pub(super) async fn serve(
    server: Server,
    listeners: Listeners,
    hung_up: Signal,
    on_hangup: OnHangup<'_>,
    supervisor: &Supervisor,
) -> Result<(), Failure> {
    let Listeners { callers, metrics } = listeners;
    if let Some(metrics) = metrics {
        if let Ok(address) = metrics.local_addr() {
            tracing::info!(scraped_at = %address, "metrics");
        }
        let clock = Arc::new(SystemClock);
        let scrapes = scrapes(server.metrics(), &server.stage());
        let report = |error: &io::Error, left_out| {
            let error = error as &dyn Error;
            tracing::warn!(error, left_out, "can't accept connections to the metrics; it will be retried");
        };
        tokio::spawn(serve_single(metrics, SCRAPE_LIMITS, clock, std::future::pending(), report, scrapes));
    }
    let asked_to_end = asked_to_end()?;
    let stage = server.stage();
    let hangup = hang_ups(hung_up, on_hangup, server.reloads(), supervisor);
    let stop = async move {
        tokio::select! {
            () = asked_to_end => {}
            () = hangup => {}
        }
        tracing::info!("stopping");
        supervisor.tell("STOPPING=1\nSTATUS=stopping");
    };
    if let Some(Ok(address)) = callers.http.as_ref().map(TcpListener::local_addr) {
        tracing::info!(called_at = %address, "HTTP for the vendors' SDKs");
    }
    let address = callers.grpc.local_addr().map_err(Failure::failed)?;
    tracing::info!(%address, "serving");
    let hasher = server.hasher();
    tokio::select! {
        ended = server.serve(callers, stop) => ended.map_err(cant_serve)?,
        never = supervisor.follow(stage.clone()) => match never {},
        never = supervisor.watch(&*hasher, stage.clone()) => match never {},
    }
    tracing::info!("stopped");
    Ok(())
}

/// Handles each SIGHUP. Ends if one means to stop.
async fn hang_ups(mut hung_up: Signal, on_hangup: OnHangup<'_>, reloads: Reloads, supervisor: &Supervisor) {
    let OnHangup::Reload(mut configuration) = on_hangup else {
        hung_up.recv().await;
        return;
    };
    while hung_up.recv().await.is_some() {
        supervisor.tell("RELOADING=1");
        if tokio::time::timeout(RELOADED_WITHIN, reload(&mut configuration, &reloads)).await.is_err() {
            tracing::warn!("the reload takes too long: send SIGHUP again once all files can be read");
        }
        supervisor.tell("READY=1");
    }
}

/// Reads the configuration and all files again, and says what became of each.
async fn reload(configuration: &mut Configuration<'_>, reloads: &Reloads) {
    if let Err(failure) = configuration.reload().await {
        tracing::warn!(%failure, "the configuration is not read again: the settings before stay in force");
    }
    let reloaded = reloads.ask().await;
    let are = |is: fn(Reloaded) -> Option<&'static str>| {
        reloaded.iter().filter_map(|&reloaded| is(reloaded)).collect::<Vec<_>>().join(", ")
    };
    let in_force = are(|reloaded| if let Reloaded::InForce(name) = reloaded { Some(name) } else { None });
    let unchanged = are(|reloaded| if let Reloaded::Unchanged(name) = reloaded { Some(name) } else { None });
    let refused = are(|reloaded| if let Reloaded::Refused(name) = reloaded { Some(name) } else { None });
    tracing::info!(in_force, unchanged, refused, "reloaded");
}

#[expect(clippy::needless_pass_by_value, reason = "it stands in `map_err`")]
pub(super) fn cant_serve(error: StartError) -> Failure {
    Failure::caused("can't serve", &error)
}
