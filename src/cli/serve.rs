//! `serve`.

use std::sync::Arc;

use clap::Args;
use futures_util::future::OptionFuture;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use super::configuration::load_and_log;
use super::environment::Environment;
use super::failure::Failure;
use super::settings::SettingArgs;
use crate::ambient::SystemClock;
use crate::config::Config;
use crate::listener::{bind, serve_scrapes};
use crate::server::{self, Server, StartError};
use crate::telemetry::scrapes;

/// Run the service until it is stopped.
///
/// On SIGTERM or Ctrl-C, health changes to `NOT_SERVING`. The service still accepts all requests for the shutdown
/// delay. Then it refuses new requests, and those in flight finish within the drain time. On SIGHUP, the files of TLS,
/// the refused passwords, the policies and the issuers of JWTs are read again.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  credentiald serve --config /etc/credentiald.toml
  CREDENTIALD_STORE_URL=sqlite:/var/lib/credentiald/credentiald.db credentiald serve --log-format json")]
pub(super) struct ServeArgs {
    #[command(flatten)]
    settings: SettingArgs,
}

pub(super) async fn run(args: &ServeArgs, environment: &Environment) -> Result<(), Failure> {
    let config = load_and_log(&args.settings, environment)?.config;
    let listeners = Listeners::bind(&config).await?;
    let server = Server::build(&config).await.map_err(cant_serve)?;
    serve(server, listeners, OnHangup::GoOn).await
}

/// The meaning of SIGHUP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OnHangup {
    /// Reload, for a service.
    GoOn,
    /// The terminal was closed.
    Stop,
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
pub(super) async fn serve(server: Server, listeners: Listeners, on_hangup: OnHangup) -> Result<(), Failure> {
    let Listeners { callers, metrics } = listeners;
    if let Some(metrics) = metrics {
        if let Ok(address) = metrics.local_addr() {
            tracing::info!(scraped_at = %address, "metrics");
        }
        tokio::spawn(serve_scrapes(metrics, Arc::new(SystemClock), scrapes(server.metrics(), &server.stage())));
    }
    let mut terminated = signal(SignalKind::terminate()).map_err(Failure::failed)?;
    let mut interrupted = signal(SignalKind::interrupt()).map_err(Failure::failed)?;
    let mut hung_up = signal(SignalKind::hangup()).map_err(Failure::failed)?;
    let reload = server.reload();
    let hangup = async move {
        while hung_up.recv().await.is_some() && on_hangup == OnHangup::GoOn {
            if let Some(reload) = &reload {
                reload.send_replace(());
            } else {
                tracing::info!("SIGHUP is ignored: there is nothing to reload");
            }
        }
    };
    let stop = async move {
        tokio::select! {
            _ = terminated.recv() => {}
            _ = interrupted.recv() => {}
            () = hangup => {}
        }
        tracing::info!("stopping");
    };
    if let Some(Ok(address)) = callers.http.as_ref().map(TcpListener::local_addr) {
        tracing::info!(called_at = %address, "HTTP for the vendors' SDKs");
    }
    if let Ok(address) = callers.grpc.local_addr() {
        tracing::info!(%address, "serving");
    }
    server.serve(callers, stop).await.map_err(cant_serve)?;
    tracing::info!("stopped");
    Ok(())
}

#[expect(clippy::needless_pass_by_value, reason = "it stands in `map_err`")]
pub(super) fn cant_serve(error: StartError) -> Failure {
    Failure::caused("can't serve", &error)
}
