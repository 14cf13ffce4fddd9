//! The servers, of which one takes writes: finds it, and follows it when another takes over.

use std::fmt;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use parking_lot::Mutex;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgSslMode};
use sqlx::{ConnectOptions, Connection};
use tokio::sync::Mutex as Turn;

use super::errors;
use super::url::{Host, Tls, Url};

/// Time limit for one server to accept a connection.
pub(super) const CONNECTED_WITHIN: Duration = Duration::from_secs(5);

/// The servers of a store.
pub(super) struct Hosts {
    all: Vec<(Host, PgConnectOptions)>,
    writable: Mutex<Writable>,
    /// Held while searching for the server that takes writes: one search at a time, because each asks all servers.
    search: Turn<()>,
}

/// Which server takes writes.
#[derive(Default)]
struct Writable {
    /// The last server known to take writes.
    last: Option<usize>,
    is_lost: bool,
}

/// Why none of the servers is usable.
#[derive(Debug)]
pub(super) struct NoneWritable {
    pub(super) host: Host,
    /// `None` if the server answers but takes no writes.
    pub(super) error: Option<sqlx::Error>,
}

impl Hosts {
    pub(super) fn of(url: &Url) -> Self {
        let all = url.hosts.iter().map(|host| (host.clone(), options(url, host))).collect();
        Self { all, writable: Mutex::default(), search: Turn::default() }
    }

    /// Connects to the server that takes writes: the last known one or, after a loss, the first to say that it does.
    pub(super) async fn connect(&self) -> Result<(PgConnection, Host), NoneWritable> {
        if let Some(number) = self.known() {
            return self.first_writable(Some(number)).await;
        }
        let _search = self.search.lock().await;
        // Another search may have found it in the meantime.
        self.first_writable(self.known()).await
    }

    /// Notes that the server that took writes was lost.
    pub(super) fn lose(&self) {
        self.writable.lock().is_lost = true;
    }

    /// The first server, or only that one, to accept a connection and take writes; otherwise why the first in the list
    /// does not.
    async fn first_writable(&self, only: Option<usize>) -> Result<(PgConnection, Host), NoneWritable> {
        let asked = self.all.iter().enumerate().filter(|(number, _)| only.is_none_or(|only| only == *number));
        let mut answers: FuturesUnordered<_> =
            asked.map(async |(number, (host, options))| (number, host, writable(options).await)).collect();
        let mut reasons = Vec::new();
        while let Some((number, host, answer)) = answers.next().await {
            let error = match answer {
                Ok(Some(connection)) => {
                    self.found(number, host);
                    return Ok((connection, host.clone()));
                }
                Ok(None) => None,
                Err(error) => Some(error),
            };
            reasons.push((number, NoneWritable { host: host.clone(), error }));
        }
        self.lose();
        reasons.sort_by_key(|(number, _)| *number);
        Err(reasons.swap_remove(0).1)
    }

    fn known(&self) -> Option<usize> {
        let writable = self.writable.lock();
        writable.last.filter(|_| !writable.is_lost)
    }

    fn found(&self, number: usize, host: &Host) {
        let before = std::mem::replace(&mut *self.writable.lock(), Writable { last: Some(number), is_lost: false });
        if before.last.is_some_and(|before| before != number) {
            tracing::warn!(%host, "switched to another database server, which accepts writes");
        }
    }
}

impl fmt::Display for NoneWritable {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, error } = self;
        match error {
            Some(_) => write!(formatter, "the database at {host} can't be used"),
            None => write!(formatter, "the database at {host} accepts no writes"),
        }
    }
}

impl std::error::Error for NoneWritable {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.error.as_ref().map(|error| error as _)
    }
}

/// A connection, or `None` if the server takes no writes.
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

/// Whether the session is read-only, as every session on a standby is.
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
        // Without a password in the URL, use none, instead of one that the environment may hold.
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
