//! A real Redis server of a test's own, and clients of it.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::ports::free_port;
use super::serving::PATIENCE;

/// The password of the user `admin`, which may only set users.
pub const ADMIN_PASSWORD: &str = "Gq8wNz3kXr6vBt2";

/// The users of a node, where `app` has that password.
pub fn users(password: &str) -> String {
    format!(
        "user default off\nuser admin on >{ADMIN_PASSWORD} +acl +cluster\nuser app on >{password} ~app:* +get +set +ping\n"
    )
}

/// What a server answers to a command of a user, over TLS without a look at its certificate if that is wanted.
fn answered(port: u16, [user, password]: [&str; 2], is_encrypted: bool, command: &[&str]) -> String {
    let mut asked = Command::new("redis-cli");
    asked.args(["-p", &port.to_string(), "--user", user, "--pass", password, "--no-auth-warning"]);
    if is_encrypted {
        asked.args(["--tls", "--insecure"]);
    }
    String::from_utf8(asked.args(command).output().unwrap().stdout).unwrap().trim().to_owned()
}

/// A node with the users `admin` and `app`. It is killed when this is dropped.
pub struct Node {
    directory: TempDir,
    port: u16,
    arguments: Vec<String>,
    process: Option<Child>,
}

impl Node {
    /// Starts a node whose user `app` has that password.
    pub fn start(password: &str) -> Self {
        Self::start_with(password, |_| Vec::new())
    }

    /// The same, with more arguments, which may depend on the node's folder.
    pub fn start_with(password: &str, arguments: impl FnOnce(&Path) -> Vec<String>) -> Self {
        Self::start_as(&users(password), arguments)
    }

    /// The same, with these users.
    pub fn start_as(users: &str, arguments: impl FnOnce(&Path) -> Vec<String>) -> Self {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("users.acl"), users).unwrap();
        let arguments = arguments(directory.path());
        let mut node = Self { directory, port: 0, arguments, process: None };
        // Another program may take a free port first.
        let served = (0..5).any(|_| {
            node.port = free_port();
            node.serves()
        });
        assert!(served, "{:?}", fs::read_to_string(node.log()));
        node
    }

    /// Starts a node on a port that is nobody else's, also while the node is down, with the users of a file.
    pub fn on(port: u16, users: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("users.acl"), users).unwrap();
        let mut node = Self { directory, port, arguments: Vec::new(), process: None };
        node.run();
        node
    }

    /// Its address.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// The file of its users.
    pub fn users(&self) -> String {
        fs::read_to_string(self.directory.path().join("users.acl")).unwrap()
    }

    /// Starts it, and waits until it serves.
    pub fn run(&mut self) {
        assert!(self.serves(), "{:?}", fs::read_to_string(self.log()));
    }

    fn log(&self) -> PathBuf {
        self.directory.path().join("redis.log")
    }

    /// Starts it. Returns whether it serves, rather than ending because its port is taken.
    fn serves(&mut self) -> bool {
        let _ = fs::remove_file(self.log());
        let mut command = Command::new("redis-server");
        let is_encrypted = self.is_encrypted();
        let port = if is_encrypted { 0 } else { self.port };
        command.args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--logfile", "redis.log"]);
        command.args(["--aclfile", "users.acl"]).args(&self.arguments).current_dir(self.directory.path());
        if is_encrypted {
            command.args(["--tls-port", &self.port.to_string()]);
        }
        let process = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let mut process = process.expect("these tests need Debian's redis-server");
        let start = Instant::now();
        while !fs::read_to_string(self.log()).is_ok_and(|log| log.contains("Ready to accept connections")) {
            if process.try_wait().unwrap().is_some() {
                return false;
            }
            assert!(start.elapsed() < PATIENCE, "{:?}", fs::read_to_string(self.log()));
            std::thread::sleep(Duration::from_millis(10));
        }
        self.process = Some(process);
        true
    }

    /// What it answers to a command of the user `admin`.
    pub fn answer(&self, command: &[&str]) -> String {
        self.answer_to(["admin", ADMIN_PASSWORD], command)
    }

    /// What it answers to a command of a user with that password.
    pub fn answer_to(&self, user: [&str; 2], command: &[&str]) -> String {
        answered(self.port, user, self.is_encrypted(), command)
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port
    }

    fn is_encrypted(&self) -> bool {
        self.arguments.iter().any(|argument| argument == "--tls-cert-file")
    }

    /// Kills it.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().unwrap();
            process.wait().unwrap();
        }
    }

    /// Whether the user `app` may sign in with that password.
    pub fn takes(&self, password: &str) -> bool {
        Connection::to(self).command(&["AUTH", "app", password]).starts_with("+OK")
    }

    /// Which of the passwords the user `app` may sign in with.
    pub fn taken<'a>(&self, passwords: &[&'a str]) -> Vec<&'a str> {
        passwords.iter().copied().filter(|password| self.takes(password)).collect()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A Sentinel, which watches a node. It is killed when this is dropped.
pub struct Sentinel {
    _directory: TempDir,
    port: u16,
    process: Child,
}

impl Sentinel {
    /// Starts one with more lines of configuration, and waits until it watches the node as `mymaster`.
    pub fn start(watched: &Node, settings: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        let started = (0..5).find_map(|_| {
            let port = free_port();
            let monitor = format!("sentinel monitor mymaster 127.0.0.1 {} 1", watched.port);
            let of_port = format!("port {port}\nbind 127.0.0.1\nlogfile sentinel.log\n{monitor}\n{settings}\n");
            fs::write(path("sentinel.conf"), of_port).unwrap();
            let mut command = Command::new("redis-server");
            command.args(["sentinel.conf", "--sentinel"]).current_dir(directory.path());
            let process = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
            let (mut process, start) = (process.expect("these tests need Debian's redis-server"), Instant::now());
            let log = || fs::read_to_string(path("sentinel.log")).unwrap_or_default();
            while !log().contains("+monitor master mymaster") {
                if process.try_wait().unwrap().is_some() {
                    return None;
                }
                assert!(start.elapsed() < PATIENCE, "{}", log());
                std::thread::sleep(Duration::from_millis(10));
            }
            Some((port, process))
        });
        let (port, process) = started.unwrap_or_else(|| panic!("{:?}", fs::read_to_string(path("sentinel.log"))));
        Self { _directory: directory, port, process }
    }

    /// Its address.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// What it answers to a command of a user with that password.
    pub fn answer_to(&self, user: [&str; 2], command: &[&str]) -> String {
        answered(self.port, user, false, command)
    }
}

impl Drop for Sentinel {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

/// A connection of a client.
pub struct Connection(BufReader<TcpStream>);

impl Connection {
    pub fn to(node: &Node) -> Self {
        Self::try_to(&node.address()).expect("the node listens")
    }

    /// The same to any address, if something listens there.
    pub fn try_to(address: &str) -> Option<Self> {
        let stream = TcpStream::connect(address).ok()?;
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Some(Self(BufReader::new(stream)))
    }

    /// Sends a command. Returns the first line of the answer.
    pub fn command(&mut self, parts: &[&str]) -> String {
        let parts: Vec<_> = parts.iter().map(|part| format!("${}\r\n{part}\r\n", part.len())).collect();
        let text = format!("*{}\r\n{}", parts.len(), parts.concat());
        self.0.get_mut().write_all(text.as_bytes()).unwrap();
        let mut line = String::new();
        self.0.read_line(&mut line).unwrap();
        line
    }
}
