//! Tells the supervisor that started the process when the service is ready, reloads and stops, and that it still gets on.
//! systemd reads this from a socket that it names in the environment (`sd_notify(3)`).

use std::convert::Infallible;
use std::ffi::OsStr;
use std::io;
#[cfg(target_os = "linux")]
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use tokio::sync::watch;

use super::environment::Environment;
use crate::ports::{EngineFigures, HasherFigures};
use crate::telemetry::Stage;

/// A supervisor, or none.
#[derive(Debug)]
pub(super) struct Supervisor {
    socket: Option<UnixDatagram>,
    /// How often it has to hear that the process gets on.
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

    /// Tells it, as often as it asks for, that the process gets on, for as long as it does, and until it stops. Asked inside
    /// the process: over its own port, a service that is full would not answer.
    pub(super) async fn watch(&self, hasher: &dyn HasherFigures, mut stage: watch::Receiver<Stage>) -> Infallible {
        let Some(within) = self.within else { return std::future::pending().await };
        let mut workers = HashWorkers::default();
        loop {
            // Four times, so that one sign of life that is late does not matter.
            let pause = within / 4;
            let asked = async {
                // Connections are accepted in the task that this runs in, and served in other ones.
                match tokio::time::timeout(pause, tokio::spawn(std::future::ready(()))).await {
                    Ok(_) if workers.get_on(hasher) => self.tell("WATCHDOG=1"),
                    Ok(_) => tracing::warn!("hashes wait, and none was begun since the last look"),
                    Err(_) => tracing::warn!("tasks of the process do not run in time"),
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

/// Whether the hash workers get on.
#[derive(Debug, Default)]
struct HashWorkers {
    /// The hashes that they had taken when they were last looked at.
    taken: Option<u64>,
}

impl HashWorkers {
    /// Whether they have taken a hash since the last look, or none waits for them.
    fn get_on(&mut self, hasher: &dyn HasherFigures) -> bool {
        let EngineFigures { waiting, begun, abandoned, .. } = hasher.figures();
        self.have_got_on(waiting, begun.saturating_add(abandoned))
    }

    fn have_got_on(&mut self, waiting: u32, taken: u64) -> bool {
        let before = self.taken.replace(taken);
        waiting == 0 || before != Some(taken)
    }
}

/// A socket to send to the one of that name. On Linux, a name that begins with `@` is no file.
fn connected(name: &[u8]) -> io::Result<UnixDatagram> {
    let address = match name {
        #[cfg(target_os = "linux")]
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name)?,
        [b'/', ..] => SocketAddr::from_pathname(OsStr::from_bytes(name))?,
        _ => return Err(io::Error::other("it is neither a path nor an abstract name")),
    };
    let socket = UnixDatagram::unbound()?;
    socket.connect_addr(&address)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// How often this process has to tell that it gets on.
fn watchdog(environment: &Environment) -> Option<Duration> {
    let is_meant = environment.text("WATCHDOG_PID").is_none_or(|id| id == std::process::id().to_string());
    let microseconds = environment.text("WATCHDOG_USEC")?.parse().ok()?;
    (is_meant && microseconds > 0).then(|| Duration::from_micros(microseconds))
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::*;

    #[test]
    fn hash_workers_get_on_if_they_take_hashes_or_none_waits() {
        let mut workers = HashWorkers::default();
        let looks =
            [(3, 0, true), (3, 0, false), (2, 1, true), (9, 1, false), (0, 1, true), (1, 1, false), (1, 2, true)];
        for (look, (waiting, taken, gets_on)) in looks.into_iter().enumerate() {
            assert_eq!(workers.have_got_on(waiting, taken), gets_on, "look {look}");
        }
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
