//! PostgreSQL servers of one's own: one for all tests of a run, and others for tests that stop theirs.
//!
//! A server ends with whoever started it, however that ends: a process beside it waits for the end of a pipe that nobody
//! else holds.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, Command, Stdio};

use credentiald::store::postgres::{self, Url};
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection};
use tokio::sync::OnceCell;
use uuid::Uuid;

use super::ports::steady_port;

/// Debian's `nobody`: a server does not run as root.
const NOBODY: u32 = 65534;

/// A server.
pub struct Cluster {
    pub port: u16,
    /// Of every role.
    pub password: String,
    directory: PathBuf,
    /// Its end ends the server.
    _lifeline: ChildStdin,
}

/// The server that all tests share, with the database of `docs/postgresql.md` in it, migrated.
pub async fn shared() -> &'static Cluster {
    static SHARED: OnceCell<Cluster> = OnceCell::const_new();
    SHARED.get_or_init(Cluster::with_store).await
}

impl Cluster {
    /// A server with the database of `docs/postgresql.md` in it, made and migrated as it says there.
    pub async fn with_store() -> Self {
        let cluster = Self::with_roles().await;
        postgres::migrate(&cluster.url_of("credentiald_migrates", "credentiald")).await.unwrap();
        cluster.grant("credentiald").await;
        cluster
    }

    /// A server with the roles and the empty database of `docs/postgresql.md` in it.
    pub async fn with_roles() -> Self {
        let cluster = tokio::task::spawn_blocking(Self::start).await.unwrap();
        let [before, _] = documented_statements();
        cluster.run("postgres", &before).await;
        cluster
    }

    /// Grants what `docs/postgresql.md` says after a migration, as the owner of the tables.
    pub async fn grant(&self, database: &str) {
        let [_, after] = documented_statements();
        let mut owner = PgConnection::connect(&self.url_as("credentiald_migrates", database)).await.unwrap();
        for statement in after {
            sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut owner).await.unwrap();
        }
        owner.close().await.unwrap();
    }

    /// An empty server.
    pub fn start() -> Self {
        let (directory, password) = (new_directory(), Uuid::new_v4().to_string());
        let password_file = directory.join("password");
        fs::write(&password_file, &password).unwrap();
        hand_over(&password_file);
        let mut initdb = program("initdb", &directory);
        initdb.args(["-D", "data", "-U", "superuser", "--pwfile", "password", "--auth", "scram-sha-256"]);
        // Other than by bytes, so that a query which depends on the collation shows.
        initdb.args(["--encoding", "UTF8", "--locale", "C.UTF-8", "--locale-provider", "icu", "--icu-locale", "en-US"]);
        succeed(&mut initdb);
        let port = steady_port();
        let settings = format!(
            "port = {port}\nlisten_addresses = '127.0.0.1'\nunix_socket_directories = '{}'\nmax_connections = 300\n\
             fsync = off\ntrack_commit_timestamp = on\n",
            directory.display()
        );
        append(&directory.join("data/postgresql.conf"), &settings);
        let lifeline = watch(&directory);
        let cluster = Self { port, password, directory, _lifeline: lifeline };
        cluster.run_again();
        cluster
    }

    /// A standby that follows this server.
    pub fn standby(&self) -> Self {
        self.standby_on(steady_port())
    }

    /// The same, on a port of one's own.
    pub fn standby_on(&self, port: u16) -> Self {
        let directory = new_directory();
        let mut copy = program("pg_basebackup", &directory);
        copy.args([
            "-h",
            "127.0.0.1",
            "-p",
            &self.port.to_string(),
            "-U",
            "superuser",
            "-D",
            "data",
            "-R",
            "-c",
            "fast",
        ]);
        succeed(copy.env("PGPASSWORD", &self.password));
        let settings = format!("port = {port}\nunix_socket_directories = '{}'\n", directory.display());
        append(&directory.join("data/postgresql.conf"), &settings);
        let lifeline = watch(&directory);
        let cluster = Self { port, password: self.password.clone(), directory, _lifeline: lifeline };
        cluster.run_again();
        cluster
    }

    /// Lets a standby take over.
    pub fn promote(&self) {
        self.control(&["promote", "-w"]);
    }

    /// Ends the server as a crash does.
    pub fn crash(&self) {
        self.control(&["stop", "-w", "-m", "immediate"]);
    }

    /// Ends the server in order, without waiting for whoever is connected.
    pub fn stop(&self) {
        self.control(&["stop", "-w", "-m", "fast"]);
    }

    /// Starts a server that is not running, on a disk of a few MiB for its tables. The disk is gone when the server ends.
    pub fn run_on_small_disk(&self) {
        let mount = "cp -a data/base base; mount -t tmpfs -o size=48m,mode=700 tmpfs data/base; cp -a base/. data/base/; \
                     rm -r base; exec unshare --user --map-user=65534 --map-group=65534 \"$0\" \"$@\"";
        let mut command = as_nobody(Command::new("unshare"), &self.directory);
        command.args(["--user", "--map-root-user", "--mount", "sh", "-ec", mount]).arg(path_of("pg_ctl"));
        succeed(command.args(["-D", "data", "start", "-w", "-l", "log"]));
    }

    /// Fills the small disk to the last page.
    pub fn fill_disk(&self) {
        self.on_small_disk("! cat /dev/zero > \"$0\" 2> /dev/null");
    }

    /// Takes away what fills the small disk.
    pub fn clear_disk(&self) {
        self.on_small_disk("rm \"$0\"");
    }

    /// Runs a script about a file of ballast, which only the server sees, and only its user can write.
    fn on_small_disk(&self, script: &str) {
        let pid = fs::read_to_string(self.directory.join("data/postmaster.pid")).unwrap();
        let root = PathBuf::from(format!("/proc/{}/root", pid.lines().next().unwrap()));
        let ballast = root.join(self.directory.strip_prefix("/").unwrap()).join("data/base/ballast");
        succeed(as_nobody(Command::new("sh"), &self.directory).args(["-c", script]).arg(ballast));
    }

    /// Starts a server that is not running.
    pub fn run_again(&self) {
        self.control(&["start", "-w", "-l", "log"]);
    }

    /// Gives the server a certificate for that name, and answers the authority to be trusted: itself.
    pub fn certify(&self, name: &str) -> PathBuf {
        let mut openssl = as_nobody(Command::new("openssl"), &self.directory);
        openssl.args(["req", "-x509", "-nodes", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]);
        openssl.args(["-days", "2", "-subj", &format!("/CN={name}"), "-addext", &format!("subjectAltName=DNS:{name}")]);
        openssl.args(["-addext", "basicConstraints=CA:FALSE", "-keyout", "data/server.key", "-out", "data/server.crt"]);
        succeed(&mut openssl);
        self.configure("ssl = on\n");
        self.directory.join("data/server.crt")
    }

    /// Adds to the settings, which begin to hold.
    pub fn configure(&self, settings: &str) {
        append(&self.directory.join("data/postgresql.conf"), settings);
        self.control(&["restart", "-w", "-l", "log"]);
    }

    /// What a database takes on the disk.
    pub async fn bytes(&self, database: &str) -> u64 {
        let mut connection = self.connection(database).await;
        let bytes: i64 =
            sqlx::query_scalar("SELECT pg_database_size(current_database())").fetch_one(&mut connection).await.unwrap();
        u64::try_from(bytes).unwrap()
    }

    /// What the server has logged.
    pub fn log(&self) -> String {
        fs::read_to_string(self.directory.join("log")).unwrap()
    }

    fn control(&self, arguments: &[&str]) {
        let mut command = program("pg_ctl", &self.directory);
        command.args(["-D", "data"]).args(arguments);
        succeed(&mut command);
    }

    /// A new database with an empty store.
    pub async fn new_store(&self) -> String {
        let name = format!("store_{}", Uuid::new_v4().simple());
        let create = format!("CREATE DATABASE {name} TEMPLATE credentiald OWNER credentiald_migrates");
        self.run("postgres", &[create]).await;
        name
    }

    /// The URL of a database, as whoever runs the service has it.
    pub fn url(&self, database: &str) -> String {
        self.url_as("credentiald_runs", database)
    }

    pub fn url_as(&self, role: &str, database: &str) -> String {
        format!("postgres://{role}:{}@127.0.0.1:{}/{database}", self.password, self.port)
    }

    pub fn url_of(&self, role: &str, database: &str) -> Url {
        Url::parse(&self.url_as(role, database)).unwrap()
    }

    /// A connection past the store, by which everything is permitted.
    pub async fn connection(&self, database: &str) -> PgConnection {
        let options = PgConnectOptions::new_without_pgpass()
            .host("127.0.0.1")
            .port(self.port)
            .username("superuser")
            .password(&self.password)
            .database(database);
        options.connect().await.unwrap()
    }

    /// Runs statements past the store.
    pub async fn run<S: AsRef<str>>(&self, database: &str, statements: &[S]) {
        let mut connection = self.connection(database).await;
        for statement in statements {
            let statement = statement.as_ref().replace("'…'", &format!("'{}'", self.password));
            sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut connection).await.unwrap();
        }
        connection.close().await.unwrap();
    }
}

/// The statements of `docs/postgresql.md` before and after the migration.
fn documented_statements() -> [Vec<String>; 2] {
    let text = include_str!("../../../docs/postgresql.md");
    let blocks = text.split("```sql\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    let statements = |block: &str| block.split_inclusive(';').map(str::trim).map(str::to_owned).collect::<Vec<_>>();
    let found: Vec<Vec<String>> = blocks.map(|block| statements(block.trim())).collect();
    found.try_into().expect("the document has a block for before the migration, and one for after it")
}

/// A directory that belongs to whoever runs the server.
fn new_directory() -> PathBuf {
    let directory = tempfile::Builder::new().prefix("credentiald-postgres-").tempdir().unwrap().keep();
    fs::set_permissions(&directory, Permissions::from_mode(0o700)).unwrap();
    hand_over(&directory);
    directory
}

fn hand_over(path: &Path) {
    if is_root() {
        chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
    }
}

fn is_root() -> bool {
    fs::metadata("/proc/self").unwrap().uid() == 0
}

fn append(path: &Path, text: &str) {
    let before = fs::read_to_string(path).unwrap();
    fs::write(path, before + text).unwrap();
}

/// Stops the server of that directory and removes it when the pipe ends.
fn watch(directory: &Path) -> ChildStdin {
    let mut watchdog = as_nobody(Command::new("sh"), Path::new("/"));
    watchdog.args(["-c", "read -r _; \"$0\" -D \"$1/data\" -w -m immediate stop; rm -rf \"$1\""]);
    watchdog.arg(path_of("pg_ctl")).arg(directory).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    // What ends the tests from the terminal leaves it alone.
    watchdog.process_group(0).spawn().unwrap().stdin.take().unwrap()
}

fn program(name: &str, directory: &Path) -> Command {
    as_nobody(Command::new(path_of(name)), directory)
}

fn as_nobody(mut command: Command, directory: &Path) -> Command {
    command.current_dir(directory).stdin(Stdio::null()).env_remove("PGPASSWORD");
    if is_root() {
        command.uid(NOBODY).gid(NOBODY);
    }
    command
}

/// The newest PostgreSQL that Debian has installed.
fn path_of(name: &str) -> PathBuf {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten();
    let paths = versions.map(|version| version.unwrap().path().join("bin").join(name));
    paths.filter(|path| path.exists()).max().expect("these tests need a PostgreSQL server: Debian's postgresql-15")
}

fn succeed(command: &mut Command) {
    let output = command.output().unwrap();
    let printed = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    assert!(output.status.success(), "{command:?}: {}", printed.concat());
}
