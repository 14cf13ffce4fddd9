//! A store, and the servers of it: processes of the binary.

use std::ffi::OsString;
use std::net::{SocketAddr, TcpListener};
use std::process::Command;
use std::sync::atomic::{AtomicU16, Ordering};

use crate::moved_clock::MovedClock;
use crate::support::installation::{Installation, with_mounts, write_secretly};
use crate::support::serving::Serving;

/// Hashes as cheap as the service permits, and room for wrong passwords, since they are meant here.
const SETTINGS: [&str; 14] = [
    "--hashing-memory-kib",
    "7168",
    "--hashing-iterations",
    "5",
    "--hashing-ceiling-kib",
    "7168",
    "--attempts-allowance",
    "100",
    "--attempts-longest-backoff-seconds",
    "1",
    "--attempts-subject-allowance",
    "1000",
    "--attempts-subject-longest-backoff-seconds",
    "1",
];

/// How often a server is started at most.
const STARTS: usize = 20;

/// A folder with the binary's configuration, and a store there or elsewhere.
pub struct Site {
    pub installation: Installation,
    settings: Vec<String>,
    environment: Vec<(OsString, OsString)>,
}

impl Site {
    /// On an embedded store.
    pub fn sqlite() -> Self {
        let settings = SETTINGS.map(str::to_owned).to_vec();
        Self { installation: Installation::new(), settings, environment: Vec::new() }
    }

    /// On a PostgreSQL store, which has been migrated.
    pub fn postgres(url: &str) -> Self {
        Self::sqlite().with("--store-url-file", "store.url").with_file("store.url", url)
    }

    /// With another value of a setting, by its flag.
    pub fn with(mut self, flag: &str, value: &str) -> Self {
        match self.settings.iter().position(|setting| setting == flag) {
            Some(at) => value.clone_into(&mut self.settings[at + 1]),
            None => self.settings.extend([flag, value].map(str::to_owned)),
        }
        self
    }

    /// With servers that go by that clock.
    pub fn by(mut self, clock: &MovedClock) -> Self {
        self.environment.extend(clock.environment().map(|(name, value)| (name.into(), value.into())));
        self
    }

    /// With a file that only it can read.
    pub fn with_file(self, name: &str, text: &str) -> Self {
        write_secretly(&self.installation.path(name), text);
        self
    }

    /// Makes the first operator's token.
    pub fn bootstrap(&self) -> String {
        self.run(&["bootstrap"]).trim().to_owned()
    }

    /// Runs the binary to its end on this store, and answers what it printed.
    pub fn run(&self, command: &[&str]) -> String {
        // Only the store's: not every command knows the others.
        let at = self.settings.iter().position(|setting| setting == "--store-url-file");
        let store = at.map_or(&[][..], |at| &self.settings[at..at + 2]);
        let arguments: Vec<&str> = command.iter().copied().chain(store.iter().map(String::as_str)).collect();
        self.installation.run(&arguments).printed()
    }

    /// Starts a server, and waits for nothing.
    pub fn begin(&self, address: SocketAddr) -> Serving {
        Serving::begin(self.serving(address), &self.installation.path(""))
    }

    /// As [`Self::begin`], with file systems of its own that the script mounts.
    pub fn begin_with_mounts(&self, script: &str, address: SocketAddr) -> Serving {
        Serving::begin(with_mounts(script, &self.serving(address)), &self.installation.path(""))
    }

    /// Starts a server, and waits until it listens.
    pub async fn serve(&self, address: SocketAddr) -> Serving {
        let mut serving = self.begin(address);
        self.listening(&mut serving, address).await;
        serving
    }

    /// Waits until a server listens. One whose database does not answer in time ends, and is started again, as whoever
    /// supervises it would.
    pub async fn listening(&self, serving: &mut Serving, address: SocketAddr) {
        for _ in 0..STARTS {
            match serving.listening().await {
                Ok(()) => return,
                Err((_, log)) if log.contains("can't be used") => *serving = self.begin(address),
                Err((status, log)) => panic!("it does not serve: {status}: {log}"),
            }
        }
        panic!("it does not serve: {}", serving.log());
    }

    fn serving(&self, address: SocketAddr) -> Command {
        let address = address.to_string();
        let mut arguments = vec!["serve", "--server-listen", &address];
        arguments.extend(self.settings.iter().map(String::as_str));
        let mut command = self.installation.command(&arguments);
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }
}

/// An address that nobody else is given while whoever listens there is dead: below the ports that the system gives out.
pub fn steady_address() -> SocketAddr {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let of_process = u16::try_from(std::process::id() % 100).unwrap() * 100;
    let free = (0..100).map(|_| 20_000 + of_process + NEXT.fetch_add(1, Ordering::SeqCst) % 100).find(|port| {
        // Tried, because other programs may listen there.
        TcpListener::bind(("127.0.0.1", *port)).is_ok()
    });
    SocketAddr::from(([127, 0, 0, 1], free.expect("an address is free")))
}
