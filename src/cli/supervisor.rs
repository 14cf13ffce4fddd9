//! What the supervisor that started the process is told: that it serves, reloads, stops, and still answers. systemd reads
//! this from a socket that it names in the environment (`sd_notify(3)`).

use std::convert::Infallible;
use std::ffi::OsStr;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use tokio::sync::watch;
use tonic::transport::Channel;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

use super::connection::connect;
use super::environment::Environment;
use super::failure::Failure;
use super::tls::ClientTls;
use crate::telemetry::Stage;

/// A supervisor, or none.
#[derive(Debug)]
pub(super) struct Supervisor {
    socket: Option<UnixDatagram>,
    /// How often it has to hear that the service answers.
    within: Option<Duration>,
}

impl Supervisor {
    /// For a process that nothing supervises.
    pub(super) const fn none() -> Self {
        Self { socket: None, within: None }
    }

    /// The one that the environment names. One that does not listen is no reason not to serve.
    pub(super) fn of(environment: &Environment) -> Self {
        let Some(name) = environment.variables().get("NOTIFY_SOCKET") else { return Self::none() };
        match connected(name.as_bytes()) {
            Ok(socket) => Self { socket: Some(socket), within: watchdog(environment) },
            Err(error) => {
                tracing::warn!(socket = ?name, %error, "the supervisor is not told anything: NOTIFY_SOCKET can't be used");
                Self::none()
            }
        }
    }

    /// Tells it lines of the form `NAME=value`. One that does not listen any more is not missed.
    pub(super) fn tell(&self, lines: &str) {
        if let Some(Err(error)) = self.socket.as_ref().map(|socket| socket.send(lines.as_bytes())) {
            tracing::debug!(%error, "the supervisor does not listen");
        }
    }

    /// Tells it when the service is ready, and what it does.
    pub(super) async fn follow(&self, mut stage: watch::Receiver<Stage>) -> Infallible {
        loop {
            match *stage.borrow_and_update() {
                Stage::Starting | Stage::Stopping => {}
                Stage::Serving => self.tell("READY=1\nSTATUS=serving"),
                Stage::StoreLost => self.tell("STATUS=the store does not answer"),
            }
            if stage.changed().await.is_err() {
                return std::future::pending().await;
            }
        }
    }

    /// Tells it, as often as it asks for, that the service at that address answers, for as long as it does, and until it stops.
    pub(super) async fn watch(&self, address: &str, mut stage: watch::Receiver<Stage>) -> Infallible {
        let Some(within) = self.within else { return std::future::pending().await };
        let mut answers = Answers { address, client: None };
        loop {
            // Four times, so that one answer that is late does not matter.
            let pause = within / 4;
            let asked = async {
                match tokio::time::timeout(pause, answers.next()).await {
                    Ok(Ok(())) => self.tell("WATCHDOG=1"),
                    Ok(Err(failure)) => tracing::warn!(%failure, "the service does not answer itself"),
                    Err(_) => tracing::warn!("the service does not answer itself in time"),
                }
                tokio::time::sleep(pause).await;
            };
            tokio::select! {
                () = asked => {}
                _ = stage.wait_for(|stage| *stage == Stage::Stopping) => return std::future::pending().await,
            }
        }
    }
}

/// The service, asked over its own port. The connection is kept, so that a service whose connections are all taken still
/// answers.
struct Answers<'a> {
    address: &'a str,
    client: Option<HealthClient<Channel>>,
}

impl Answers<'_> {
    /// Waits for an answer of any kind: a service that has lost its store answers, and starting it again would not help.
    async fn next(&mut self) -> Result<(), Failure> {
        let mut client = match self.client.take() {
            Some(client) => client,
            None => match connect(self.address, ClientTls::of_this_machine()).await {
                Ok(channel) => HealthClient::new(channel),
                Err(failure) => return tls_answer(failure),
            },
        };
        match client.check(HealthCheckRequest::default()).await {
            Ok(_) => {
                self.client = Some(client);
                Ok(())
            }
            Err(status) => tls_answer(Failure::caused("the connection is lost", &status)),
        }
    }
}

/// An alert of TLS is an answer as well: the service may require a client certificate.
fn tls_answer(failure: Failure) -> Result<(), Failure> {
    if failure.to_string().contains("alert: CertificateRequired") { Ok(()) } else { Err(failure) }
}

/// A socket to send to the one of that name. A name that begins with `@` is no file.
fn connected(name: &[u8]) -> io::Result<UnixDatagram> {
    let address = match name {
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name)?,
        [b'/', ..] => SocketAddr::from_pathname(OsStr::from_bytes(name))?,
        _ => return Err(io::Error::other("it is neither a path nor an abstract name")),
    };
    let socket = UnixDatagram::unbound()?;
    socket.connect_addr(&address)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// How often this process has to tell that it answers.
fn watchdog(environment: &Environment) -> Option<Duration> {
    let is_meant = environment.text("WATCHDOG_PID").is_none_or(|id| id == std::process::id().to_string());
    let microseconds = environment.text("WATCHDOG_USEC")?.parse().ok()?;
    (is_meant && microseconds > 0).then(|| Duration::from_micros(microseconds))
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn a_service_that_accepts_and_does_not_answer_is_not_alive() {
        let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = silent.local_addr().unwrap().to_string();
        let mut answers = Answers { address: &address, client: None };
        let answer = tokio::time::timeout(Duration::from_millis(100), answers.next()).await;
        assert!(!matches!(answer, Ok(Ok(()))), "{answer:?}");
        drop(silent);
        assert!(answers.next().await.is_err());
    }

    #[test]
    fn a_watchdog_of_another_process_and_nonsense_are_not_ours() {
        let within = |id: Option<String>, microseconds: &str| {
            let variables = [("WATCHDOG_USEC", Some(microseconds.to_owned())), ("WATCHDOG_PID", id)];
            let set = variables.into_iter().filter_map(|(name, value)| Some((name.into(), OsString::from(value?))));
            watchdog(&Environment::of(set))
        };
        let own = std::process::id();
        assert_eq!(within(None, "30000000"), Some(Duration::from_secs(30)));
        assert_eq!(within(Some(own.to_string()), "30000000"), Some(Duration::from_secs(30)));
        for (id, microseconds) in [(Some((own + 1).to_string()), "30000000"), (None, "0"), (None, "-1"), (None, "")] {
            assert_eq!(within(id, microseconds), None);
        }
    }

    #[test]
    fn sockets_that_do_not_exist_are_refused() {
        for name in ["", "relative", "vsock:2:1", "/does/not/exist", "@does-not-exist-for-this-test"] {
            assert!(connected(name.as_bytes()).is_err(), "{name}");
        }
    }
}
