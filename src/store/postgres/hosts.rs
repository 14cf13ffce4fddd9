//! The servers, of which one takes writes: finding it, and following it when another takes over.

use std::time::Duration;

use futures_util::future;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgPool, PgSslMode};
use sqlx::{ConnectOptions, Connection};
use tokio::sync::Mutex;

use super::errors;
use super::url::{Host, Tls, Url};

/// How long one server has to let somebody in.
const CONNECTED_WITHIN: Duration = Duration::from_secs(2);

/// The servers of a store.
pub(super) struct Hosts {
    hosts: Vec<(Host, PgConnectOptions)>,
    /// Which takes writes, as far as is known.
    current: Mutex<usize>,
}

/// Why none of the servers is of use.
pub(super) struct NoneWritable {
    pub(super) host: Host,
    /// `None` where the server answers, and takes no writes.
    pub(super) error: Option<sqlx::Error>,
}

impl Hosts {
    pub(super) fn of(url: &Url) -> Self {
        let hosts = url.hosts.iter().map(|host| (host.clone(), options(url, host))).collect();
        Self { hosts, current: Mutex::new(0) }
    }

    /// A connection to the server that takes writes, and how others are made; or why the first one does not.
    pub(super) async fn connect(&self) -> Result<(PgConnection, PgConnectOptions), NoneWritable> {
        let mut current = self.current.lock().await;
        let tried = future::join_all(self.hosts.iter().map(|(_, options)| writable(options))).await;
        let mut reasons = Vec::new();
        for (number, (outcome, (host, options))) in tried.into_iter().zip(&self.hosts).enumerate() {
            match outcome {
                Ok(Some(connection)) => {
                    *current = number;
                    return Ok((connection, options.clone()));
                }
                Ok(None) => reasons.push(NoneWritable { host: host.clone(), error: None }),
                Err(error) => reasons.push(NoneWritable { host: host.clone(), error: Some(error) }),
            }
        }
        Err(reasons.swap_remove(0))
    }

    /// Lets the pool connect to the server that takes writes now. Where none does, or somebody looks already, nothing
    /// changes.
    pub(super) async fn follow(&self, pool: &PgPool) {
        if self.hosts.len() < 2 {
            return;
        }
        let Ok(mut current) = self.current.try_lock() else { return };
        let tried = future::join_all(self.hosts.iter().map(|(_, options)| writable(options))).await;
        let writable: Vec<usize> = tried
            .iter()
            .enumerate()
            .filter(|(_, outcome)| matches!(outcome, Ok(Some(_))))
            .map(|(number, _)| number)
            .collect();
        let Some(first) = writable.first().copied().filter(|_| !writable.contains(&current)) else { return };
        if let Some((host, options)) = self.hosts.get(first) {
            pool.set_connect_options(options.clone());
            *current = first;
            tracing::warn!(%host, "another server of the store takes writes now");
        }
    }
}

/// A connection, or `None` where the server takes no writes.
async fn writable(options: &PgConnectOptions) -> Result<Option<PgConnection>, sqlx::Error> {
    let attempt = async {
        let mut connection = options.connect().await?;
        if is_read_only(&mut connection).await? {
            connection.close().await.map(|()| None)
        } else {
            Ok(Some(connection))
        }
    };
    tokio::time::timeout(CONNECTED_WITHIN, attempt).await.unwrap_or_else(|_| Err(errors::overdue()))
}

/// Whether the session takes no writes: on a standby none does.
pub(super) async fn is_read_only(connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
    let setting: String = sqlx::query_scalar("SELECT current_setting('transaction_read_only')")
        .persistent(false)
        .fetch_one(connection)
        .await?;
    Ok(setting == "on")
}

fn options(url: &Url, host: &Host) -> PgConnectOptions {
    let mut options = PgConnectOptions::new_without_pgpass()
        .host(&host.name)
        .port(host.port)
        .username(&url.user)
        // Without one in the URL: none, instead of what the environment might hold.
        .password(url.password.as_deref().unwrap_or_default())
        .database(&url.database)
        .application_name(&url.application_name)
        .ssl_mode(match host.tls {
            Tls::Disable => PgSslMode::Disable,
            Tls::Require => PgSslMode::Require,
            Tls::VerifyCa => PgSslMode::VerifyCa,
            Tls::VerifyFull => PgSslMode::VerifyFull,
        });
    if let Some(path) = &url.root_certificate {
        options = options.ssl_root_cert(path);
    }
    if let Some((certificate, key)) = &url.client_certificate {
        options = options.ssl_client_cert(certificate).ssl_client_key(key);
    }
    options.disable_statement_logging()
}
