//! A folder in which the binary runs, with nothing in its environment but what a test puts there.

use std::ffi::OsStr;
use std::fs::{self, File, Permissions};
use std::io::{ErrorKind, Read, Seek, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::serving::{PATIENCE, Serving};
use super::tenant::Acme;

/// A folder of its own, whose default store is `credentiald-data/credentiald.db`.
pub struct Installation(TempDir);

/// How a run of the binary ended.
#[derive(Debug)]
pub struct Outcome {
    pub status: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Outcome {
    /// The run's standard output, where it succeeded.
    pub fn printed(self) -> String {
        assert_eq!(self.status, Some(0), "{}{}", self.stdout, self.stderr);
        self.stdout
    }
}

impl Installation {
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// The directory in which the store is.
    pub fn data(&self) -> PathBuf {
        self.path("credentiald-data")
    }

    /// The store.
    pub fn database(&self) -> PathBuf {
        self.data().join("credentiald.db")
    }

    /// The binary with those arguments, not yet running.
    pub fn command<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_credentiald"));
        command.args(arguments).env_clear().current_dir(self.0.path()).stdin(Stdio::null());
        command
    }

    /// Runs the binary to its end.
    pub fn run(&self, arguments: &[&str]) -> Outcome {
        outcome(self.command(arguments))
    }

    /// Runs the binary to its end, as the administrator with that token, with that on standard input.
    pub fn admin(&self, address: &str, token: &str, arguments: &[&str], input: &str) -> Outcome {
        self.call(address, token, &[&["admin"], arguments].concat(), input)
    }

    /// Runs the binary to its end, as the caller with that token, with that on standard input.
    pub fn call(&self, address: &str, token: &str, arguments: &[&str], input: &str) -> Outcome {
        with_input(self.calling(address, token, arguments), input)
    }

    /// The binary with those arguments, as the caller with that token, not yet running.
    pub fn calling(&self, address: &str, token: &str, arguments: &[&str]) -> Command {
        let mut command = self.command(arguments);
        command.env("CREDENTIALD_TOKEN", token).env("CREDENTIALD_ADDRESS", address);
        command
    }

    /// Makes the first operator token.
    pub fn bootstrap(&self) -> String {
        self.run(&["bootstrap"]).printed().trim().to_owned()
    }

    /// Serves on a free port.
    pub async fn serve(&self, arguments: &[&str]) -> Serving {
        self.serve_on("127.0.0.1:0", arguments).await
    }

    pub async fn serve_on(&self, listen: &str, arguments: &[&str]) -> Serving {
        let arguments = [&["serve", "--server-listen", listen], arguments].concat();
        Serving::start(self.command(&arguments), self.0.path()).await
    }

    pub async fn quickstart(&self, arguments: &[&str]) -> Serving {
        let arguments = [&["quickstart", "--server-listen", "127.0.0.1:0"], arguments].concat();
        let mut command = self.command(&arguments);
        // Its address is read in the log.
        command.env("CREDENTIALD_LOG_LEVEL", "info");
        Serving::start(command, self.0.path()).await
    }

    /// A tenant `acme` at a service that runs on this store, which was empty.
    pub async fn acme(&self, arguments: &[&str]) -> (Serving, Acme) {
        let token = self.bootstrap();
        let serving = self.serve(arguments).await;
        let acme = Acme::create(serving.address, &token).await;
        (serving, acme)
    }
}

/// Runs a command to its end, with that on standard input.
pub fn with_input(mut command: Command, input: &str) -> Outcome {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(input.as_bytes()).unwrap();
    file.rewind().unwrap();
    command.stdin(file);
    outcome(command)
}

/// Runs a command to its end, which a command that serves by mistake does not reach.
pub fn outcome(mut command: Command) -> Outcome {
    let [mut stdout, mut stderr] = [tempfile::tempfile().unwrap(), tempfile::tempfile().unwrap()];
    command.stdout(stdout.try_clone().unwrap()).stderr(stderr.try_clone().unwrap());
    let mut child = command.spawn().unwrap();
    let start = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if start.elapsed() > PATIENCE {
            child.kill().unwrap();
            break child.wait().unwrap();
        }
        std::thread::sleep(Duration::from_millis(2));
    };
    Outcome { status: status.code(), stdout: text(&mut stdout), stderr: text(&mut stderr) }
}

fn text(file: &mut File) -> String {
    let mut text = String::new();
    file.rewind().unwrap();
    file.read_to_string(&mut text).unwrap();
    text
}

/// The same command with file systems of its own, on which the script, in which `$PWD` is where the command runs, may
/// mount. They go away with the process.
pub fn with_mounts(script: &str, command: &Command) -> Command {
    let mut inside = Command::new("unshare");
    inside.args(["--user", "--map-root-user", "--mount", "sh", "-ec", &format!("{script}\nexec \"$0\" \"$@\"")]);
    inside.arg(command.get_program()).args(command.get_args());
    inside.env_clear().env("PATH", std::env::var_os("PATH").unwrap()).current_dir(command.get_current_dir().unwrap());
    inside.stdin(Stdio::null());
    inside
}

/// Fills the disk up with a file of zeros.
pub fn fill_disk(path: &Path) {
    let mut file = File::create(path).unwrap();
    let error = loop {
        if let Err(error) = file.write_all(&[0; 4096]) {
            break error;
        }
    };
    assert_eq!(error.kind(), ErrorKind::StorageFull);
}

/// Writes a file that only its owner can read.
pub fn write_secretly(path: &Path, content: impl AsRef<[u8]>) {
    fs::write(path, content).unwrap();
    fs::set_permissions(path, Permissions::from_mode(0o600)).unwrap();
}

/// Every file below a directory, with its content.
pub fn files(directory: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(self::files(&path));
        } else {
            let content = fs::read(&path).unwrap();
            files.push((path, content));
        }
    }
    files.sort();
    files
}
