//! The server that is measured, with its directory.

use std::fs::{self, Permissions};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use credentiald::ambient::SystemEntropy;
use credentiald::domain::names::PepperKeyId;
use credentiald::hashing::{Cost, new_key};
use tempfile::TempDir;
use tonic_health::ServingStatus;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

use crate::callers::{Change, Subject};
use crate::client::generated::credential::admin::v1::admin_service_client::AdminServiceClient;
use crate::client::generated::credential::admin::v1::create_ram_user_request::FirstPassword;
use crate::client::generated::credential::admin::v1::{
    AccessTokenForm, CallerKind, CreateRamUserRequest, CreateTenantRequest, IssueAccessTokenRequest,
};
use crate::client::{Connection, Connections, Token};
use crate::process::{Process, free_address};
use crate::support::signer::AccessKey;

/// The program, built as for the image.
pub const BINARY: &str = env!("CARGO_BIN_EXE_credentiald");

/// Each carries 256 calls at a time.
const CONNECTIONS: usize = 16;
/// How many subjects are made at a time.
const MAKERS: usize = 16;
/// What administrators wait for at most.
pub const LONG: Duration = Duration::from_secs(30);

/// A tenant with subjects of its own.
pub struct Tenant {
    pub root: Token,
    pub service: Token,
    pub subjects: Vec<Subject>,
}

/// A server that runs, on a store of its own.
pub struct Server {
    pub address: SocketAddr,
    pub process: Process,
    pub connections: Connections,
    /// The tenant that makes the load.
    pub tenant: Tenant,
    /// Another one.
    pub neighbour: Tenant,
    _folder: TempDir,
}

impl Server {
    /// Starts a program on a fresh store, and fills that with so many subjects.
    pub async fn start(program: &Path, cost: Cost, subjects: usize) -> Self {
        Self::start_with(program, cost, "bench", subjects, &[]).await
    }

    /// As `start`, with the name of the tenant, and more flags.
    pub async fn start_with(program: &Path, cost: Cost, tenant: &str, subjects: usize, flags: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let address = free_address();
        let command = |name: &str| {
            let mut command = Command::new(program);
            command.arg(name).arg("--store-url").arg(format!("sqlite:{}", folder.path().join("store.db").display()));
            command.args(["--hashing-memory-kib", &cost.memory_kib().to_string()]);
            command.args(["--hashing-iterations", &cost.iterations().to_string()]);
            command.args(["--hashing-parallelism", &cost.parallelism().to_string()]);
            command
        };
        let bootstrap = command("bootstrap").output().unwrap();
        let operator = Token::new(String::from_utf8(bootstrap.stdout).unwrap().trim());
        let mut serve = command("serve");
        serve.args(["--server-listen", &address.to_string()]).args(flags);
        let mut process = Process::start(&serve, &folder.path().join("log"));
        until_serving(&mut process, address).await;
        let mut connections = Connections::open(address, CONNECTIONS).await.unwrap();
        let tenant = Tenant::create(tenant, subjects, &operator, &mut connections).await;
        let neighbour = Tenant::create("neighbour", 8, &operator, &mut connections).await;
        Self { address, process, connections, tenant, neighbour, _folder: folder }
    }

    /// Callers who change so many subjects' passwords. They are the tenant's until they are given back.
    pub fn changers(&mut self, count: usize, deadline: Duration) -> Vec<Change> {
        let subjects = self.tenant.subjects.drain(..count);
        subjects.map(|subject| Change::new(subject, &mut self.connections, deadline)).collect()
    }

    pub fn give_back(&mut self, changers: Vec<Change>) {
        self.tenant.subjects.extend(changers.into_iter().map(Change::into_subject));
    }

    /// Memory that is resident, in MiB.
    pub fn resident_mib(&self) -> f64 {
        self.process.resident_bytes() as f64 / f64::from(1 << 20)
    }
}

impl Tenant {
    async fn create(name: &str, subjects: usize, operator: &Token, connections: &mut Connections) -> Self {
        let (connection, origin) = connections.next();
        let mut admin = AdminServiceClient::with_origin(connection, origin);
        let tenant = name.to_owned();
        admin.create_tenant(operator.request(CreateTenantRequest { tenant }, LONG)).await.unwrap();
        let root = token(&mut admin, operator, name, CallerKind::Root, "").await;
        let service = token(&mut admin, operator, name, CallerKind::Service, "relay").await;
        let makers = (0..MAKERS).map(|maker| {
            let (connection, origin) = connections.next();
            let (mut admin, root) = (AdminServiceClient::with_origin(connection, origin), root.clone());
            tokio::spawn(async move {
                let mut made = Vec::new();
                for number in (maker..subjects).step_by(MAKERS) {
                    made.push(subject(&mut admin, &root, &format!("user-{number}")).await);
                }
                made
            })
        });
        let mut made = Vec::new();
        for maker in makers.collect::<Vec<_>>() {
            made.extend(maker.await.unwrap());
        }
        Self { root, service, subjects: made }
    }
}

async fn subject(admin: &mut AdminServiceClient<Connection>, root: &Token, name: &str) -> Subject {
    let request = CreateRamUserRequest {
        tenant: String::new(),
        user_name: name.to_owned(),
        first_password: Some(FirstPassword::Password(Subject::password(1))),
        password_reset_required: false,
    };
    admin.create_ram_user(root.request(request, LONG)).await.unwrap();
    Subject::new(name, token(admin, root, "", CallerKind::RamUser, name).await)
}

pub async fn token(
    admin: &mut AdminServiceClient<Connection>,
    issuer: &Token,
    tenant: &str,
    kind: CallerKind,
    name: &str,
) -> Token {
    let request = IssueAccessTokenRequest {
        tenant: tenant.to_owned(),
        caller_kind: kind.into(),
        caller_name: name.to_owned(),
        ..IssueAccessTokenRequest::default()
    };
    Token::new(&admin.issue_access_token(issuer.request(request, LONG)).await.unwrap().into_inner().token)
}

/// Flags that serve the vendors' SDKs at an address. The ring of keys that they need is made in that folder.
pub fn edge_flags(http: SocketAddr, folder: &Path) -> [String; 4] {
    let ring_file = folder.join("ring");
    let ring = new_key(&PepperKeyId::parse("bench").unwrap(), &SystemEntropy);
    fs::write(&ring_file, ring.as_bytes()).unwrap();
    fs::set_permissions(&ring_file, Permissions::from_mode(0o600)).unwrap();
    let ring_file = ring_file.to_str().unwrap().to_owned();
    ["--http-listen".to_owned(), http.to_string(), "--pepper-keys-file".to_owned(), ring_file]
}

/// An access key of a RAM user.
pub async fn access_key(admin: &mut AdminServiceClient<Connection>, root: &Token, name: &str) -> AccessKey {
    let request = IssueAccessTokenRequest {
        caller_kind: CallerKind::RamUser.into(),
        caller_name: name.to_owned(),
        form: AccessTokenForm::AccessKey.into(),
        ..IssueAccessTokenRequest::default()
    };
    let issued = admin.issue_access_token(root.request(request, LONG)).await.unwrap().into_inner();
    AccessKey { id: issued.access_token.unwrap().access_key_id, secret: issued.access_key_secret }
}

/// Waits until a server says that it is serving.
pub async fn until_serving(process: &mut Process, address: SocketAddr) {
    let start = Instant::now();
    while !is_serving(address).await {
        assert!(!process.has_ended() && start.elapsed() < LONG, "the server does not start");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

pub async fn is_serving(address: SocketAddr) -> bool {
    let Ok(connection) = Connection::open(address).await else { return false };
    let origin = format!("http://{address}").parse().unwrap();
    let answer = HealthClient::with_origin(connection, origin).check(HealthCheckRequest::default()).await;
    answer.is_ok_and(|answer| answer.into_inner().status == ServingStatus::Serving as i32)
}
