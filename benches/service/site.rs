//! A server on a store that is filled by the command `import`, in either database.

use std::fs::{self, Permissions};
use std::io::{BufWriter, Write};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use argon2::{Algorithm, Argon2, Params, Version};
use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use credentiald::hashing::Cost;
use tempfile::TempDir;

use crate::callers::Subject;
use crate::client::generated::credential::admin::v1::admin_service_client::AdminServiceClient;
use crate::client::generated::credential::admin::v1::{CallerKind, CreateTenantRequest};
use crate::client::{Connections, Token};
use crate::process::{Process, free_address};
use crate::server::{BINARY, LONG, token, until_serving};
use crate::support::postgres::Cluster;

const TENANT: &str = "scale";
const DATABASE: &str = "credentiald";

/// What keeps the store.
pub enum Database {
    Sqlite,
    Postgres(Box<Cluster>),
}

impl Database {
    /// A PostgreSQL server, as durable as it is by default, and with the memory that is usual for this many rows.
    pub async fn postgres() -> Self {
        let cluster = Cluster::with_roles().await;
        cluster.configure("fsync = on\ntrack_commit_timestamp = off\nshared_buffers = 1GB\n");
        Self::Postgres(Box::new(cluster))
    }
}

/// A server, and its store.
pub struct Site {
    program: PathBuf,
    pub process: Process,
    address: SocketAddr,
    cost: Cost,
    operator: String,
    database: Database,
    folder: TempDir,
}

/// A file that the service does not refuse for being open to everybody.
fn write_secretly(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, Permissions::from_mode(0o600)).unwrap();
}

impl Site {
    /// Starts a server of a program on an empty store.
    pub async fn start(program: &Path, cost: Cost, database: Database) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = |role: &str| match &database {
            Database::Sqlite => format!("sqlite:{}", folder.path().join("store.db").display()),
            Database::Postgres(cluster) => cluster.url_as(role, DATABASE),
        };
        // The grants are those of this build's tables; another build's server owns its own.
        let runs = if program == Path::new(BINARY) { "credentiald_runs" } else { "credentiald_migrates" };
        write_secretly(&folder.path().join("url"), &url(runs));
        if let Database::Postgres(cluster) = &database {
            write_secretly(&folder.path().join("migrates"), &url("credentiald_migrates"));
            let mut migrate = Command::new(program);
            migrate.arg("migrate").arg("--store-url-file").arg(folder.path().join("migrates"));
            assert!(migrate.stdout(Stdio::null()).status().unwrap().success());
            if program == Path::new(BINARY) {
                cluster.grant(DATABASE).await;
            }
        }
        let bootstrap = command(program, cost, &folder, "bootstrap").output().unwrap();
        let operator = String::from_utf8(bootstrap.stdout).unwrap().trim().to_owned();
        let (process, address) = serve(program, cost, &folder).await;
        let site = Self { program: program.to_owned(), process, address, cost, operator, database, folder };
        let mut connections = Connections::open(site.address, 1).await.unwrap();
        let (connection, origin) = connections.next();
        let tenant = TENANT.to_owned();
        let request = Token::new(&site.operator).request(CreateTenantRequest { tenant }, LONG);
        AdminServiceClient::with_origin(connection, origin).create_tenant(request).await.unwrap();
        site
    }

    /// Imports so many RAM users, and answers how many came in a second. All have the same password.
    pub fn fill(&self, count: u64) -> f64 {
        let mut import = Command::new(&self.program);
        import.args(["import", "-", "--format", "csv", "--address", &format!("http://{}", self.address)]);
        import.env("CREDENTIALD_TOKEN", &self.operator).stdin(Stdio::piped()).stdout(Stdio::null());
        let hash = hash(self.cost);
        let began = Instant::now();
        // What it says of its progress is on the terminal.
        let mut import = import.spawn().unwrap();
        let mut rows = BufWriter::new(import.stdin.take().unwrap());
        writeln!(rows, "tenant,kind,name,hash").unwrap();
        for number in 0..count {
            writeln!(rows, "{TENANT},ram-user,{},\"{hash}\"", name(number)).unwrap();
        }
        rows.into_inner().unwrap().flush().unwrap();
        assert!(import.wait().unwrap().success());
        count as f64 / began.elapsed().as_secs_f64()
    }

    /// Kills the server, starts it again, and answers how long it takes until it serves.
    pub async fn start_again(&mut self) -> Duration {
        self.process.kill();
        let began = Instant::now();
        (self.process, self.address) = serve(&self.program, self.cost, &self.folder).await;
        began.elapsed()
    }

    /// Some of so many users, from all over, and connections for them.
    pub async fn subjects(&self, some: u64, of: u64) -> (Vec<Subject>, Connections) {
        let mut connections = Connections::open(self.address, 1).await.unwrap();
        let (connection, origin) = connections.next();
        let mut admin = AdminServiceClient::with_origin(connection, origin);
        let operator = Token::new(&self.operator);
        let mut subjects = Vec::new();
        for number in (0..of).step_by(usize::try_from(of / some).unwrap()) {
            let name = name(number);
            let token = token(&mut admin, &operator, TENANT, CallerKind::RamUser, &name).await;
            subjects.push(Subject::new(&name, token));
        }
        (subjects, connections)
    }

    /// What the store takes on the disk, in MiB.
    pub async fn mib_on_disk(&self) -> f64 {
        let bytes = match &self.database {
            Database::Sqlite => {
                let files = fs::read_dir(self.folder.path()).unwrap().map(Result::unwrap);
                let of_store = files.filter(|file| file.file_name().to_string_lossy().starts_with("store.db"));
                of_store.map(|file| file.metadata().unwrap().len()).sum()
            }
            Database::Postgres(cluster) => cluster.bytes(DATABASE).await,
        };
        bytes as f64 / f64::from(1 << 20)
    }
}

fn command(program: &Path, cost: Cost, folder: &TempDir, name: &str) -> Command {
    let mut command = Command::new(program);
    command.arg(name).arg("--store-url-file").arg(folder.path().join("url"));
    command.args(["--hashing-memory-kib", &cost.memory_kib().to_string()]);
    command.args(["--hashing-iterations", &cost.iterations().to_string()]);
    command.args(["--hashing-parallelism", &cost.parallelism().to_string()]);
    command
}

async fn serve(program: &Path, cost: Cost, folder: &TempDir) -> (Process, SocketAddr) {
    let address = free_address();
    let mut serve = command(program, cost, folder, "serve");
    serve.args(["--server-listen", &address.to_string()]);
    let log: PathBuf = folder.path().join("log");
    let mut process = Process::start(&serve, &log);
    until_serving(&mut process, address).await;
    (process, address)
}

/// Sorted as an export is: by name.
fn name(number: u64) -> String {
    format!("user-{number:08}")
}

/// Of the first password, as another system would have stored it.
fn hash(cost: Cost) -> String {
    let (memory, iterations, lanes) = (cost.memory_kib(), cost.iterations(), cost.parallelism());
    let parameters = Params::new(memory, iterations, lanes, Some(32)).unwrap();
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, parameters);
    let (salt, mut tag) = (*b"0123456789abcdef", [0; 32]);
    argon2.hash_password_into(Subject::password(1).as_bytes(), &salt, &mut tag).unwrap();
    let [salt, tag] = [&salt[..], &tag].map(|bytes| STANDARD_NO_PAD.encode(bytes));
    format!("$argon2id$v=19$m={memory},t={iterations},p={lanes}${salt}${tag}")
}
