//! A process that serves, and never outlives its test.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus};
use std::time::{Duration, Instant};

use super::installation::outcome;

/// Far longer than anything here takes on a machine that is busy.
pub const PATIENCE: Duration = Duration::from_mins(1);

/// A process of the binary that serves.
pub struct Serving {
    pub address: SocketAddr,
    child: Child,
    stdout: PathBuf,
    stderr: PathBuf,
    /// Whether it was started with a certificate.
    is_encrypted: bool,
}

impl Serving {
    /// Starts a command that serves, and waits until `healthcheck` says that it does.
    pub async fn start(command: Command, folder: &Path) -> Self {
        match Self::try_start(command, folder).await {
            Ok(serving) => serving,
            Err((status, log)) => panic!("it does not serve: {status}: {log}"),
        }
    }

    /// As `start`, where it may end instead: how, and what it said.
    pub async fn try_start(command: Command, folder: &Path) -> Result<Self, (ExitStatus, String)> {
        let mut serving = Self::begin(command, folder);
        serving.listening().await?;
        eventually("health", || serving.is_healthy().then_some(())).await;
        Ok(serving)
    }

    /// Starts a command and waits for nothing. Its address is not known yet.
    pub fn begin(mut command: Command, folder: &Path) -> Self {
        let output = |name| tempfile::Builder::new().prefix(name).tempfile_in(folder).unwrap().keep().unwrap();
        let ((stdout, stdout_path), (stderr, stderr_path)) = (output("stdout-"), output("stderr-"));
        let child = command.stdout::<File>(stdout).stderr::<File>(stderr).spawn().unwrap();
        let is_encrypted =
            command.get_args().any(|argument| argument == "--tls" || argument == "--tls-certificate-file")
                || command.get_envs().any(|(name, _)| name == "CREDENTIALD_TLS_CERTIFICATE_FILE");
        let nowhere = SocketAddr::from(([127, 0, 0, 1], 0));
        Self { address: nowhere, child, stdout: stdout_path, stderr: stderr_path, is_encrypted }
    }

    /// Waits until it says where it listens, where it does not end instead.
    pub async fn listening(&mut self) -> Result<(), (ExitStatus, String)> {
        let look = || match self.child.try_wait().unwrap() {
            Some(status) => Some(Err((status, self.log()))),
            None => self.logged_address().map(Ok),
        };
        self.address = eventually("an address", look).await?;
        Ok(())
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// What `healthcheck` says.
    pub fn is_healthy(&self) -> bool {
        let mut command = Command::new(env!("CARGO_BIN_EXE_credentiald"));
        command.args(["healthcheck", "--server-listen", &self.address.to_string()]).env_clear();
        if self.is_encrypted {
            // Which files is not looked at.
            command.args(["--tls-certificate-file", "x", "--tls-key-file", "x"]);
        }
        outcome(command).status == Some(0)
    }

    /// Everything on standard error so far.
    pub fn log(&self) -> String {
        String::from_utf8(fs::read(&self.stderr).unwrap()).unwrap()
    }

    /// Waits until the log holds these words.
    pub async fn logs(&self, words: &str) {
        eventually(words, || self.log().contains(words).then_some(())).await;
    }

    /// Waits until the log holds these words exactly so many times.
    pub async fn logs_times(&self, words: &str, count: usize) {
        eventually(words, || (self.log().matches(words).count() == count).then_some(())).await;
    }

    /// Whether it has not said yet where it listens.
    pub fn is_silent(&self) -> bool {
        self.logged_address().is_none()
    }

    /// Everything on standard error, of which nothing is left then.
    pub fn take_log(&self) -> String {
        let log = self.log();
        for path in [&self.stdout, &self.stderr] {
            fs::remove_file(path).unwrap();
        }
        log
    }

    /// Everything on standard output so far.
    pub fn printed(&self) -> String {
        String::from_utf8(fs::read(&self.stdout).unwrap()).unwrap()
    }

    /// Sends a signal, by its name without `SIG`.
    pub fn signal(&self, name: &str) {
        send_signal(name, self.id());
    }

    /// Waits for the end.
    pub async fn ended(&mut self) -> ExitStatus {
        eventually("the end", || self.child.try_wait().unwrap()).await
    }

    /// Stops the process in order, and answers everything that it logged.
    pub async fn stop(mut self) -> String {
        self.signal("TERM");
        let status = self.ended().await;
        assert!(status.success(), "{status}: {}", self.log());
        self.log()
    }

    /// Kills the process, which has no time to do anything about it.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Where the vendors' SDKs call it.
    pub fn http_address(&self) -> SocketAddr {
        self.logged("vendors' SDKs", "called_at").expect("it listens for the SDKs")
    }

    fn logged_address(&self) -> Option<SocketAddr> {
        self.logged("serving", "address")
    }

    /// The address in the line with these words, under that name.
    fn logged(&self, words: &str, name: &str) -> Option<SocketAddr> {
        let log = self.log();
        let mut whole_lines = log.split_inclusive('\n').filter(|line| line.ends_with('\n'));
        let line = whole_lines.find(|line| line.contains(words) && line.contains(name))?;
        let address = line.split(name).nth(1)?.trim_start_matches(['=', '"', ':']);
        address.split(['"', ' ', '\n']).next()?.parse().ok()
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends a signal to a process, by its name without `SIG`.
pub fn send_signal(name: &str, id: u32) {
    let status = Command::new("sh").args(["-c", "kill -s \"$0\" \"$1\"", name, &id.to_string()]).status();
    assert!(status.unwrap().success());
}

/// Looks again and again, until there is something.
pub async fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        pause(what, start).await;
    }
}

/// The same, where a look takes calls.
pub async fn eventually_async<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = look().await {
            return found;
        }
        pause(what, start).await;
    }
}

async fn pause(what: &str, start: Instant) {
    assert!(start.elapsed() < PATIENCE, "{what} was waited for in vain");
    tokio::time::sleep(Duration::from_millis(5)).await;
}
