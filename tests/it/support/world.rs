//! A server of one's own, with a tenant in it.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use credentiald::config::{Config, Effective, Sources};
use credentiald::domain::names::FreeName;
use credentiald::ports::{EngineFigures, HasherFigures, Store};
use credentiald::server::{Listeners, Server};
use credentiald::service::Service;
use credentiald::service::gates::Ports;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::certificates::ClientTls;
use super::client::Client;
use super::clock::MovedClock;

/// The tenant that every world has.
pub const TENANT: &str = "acme";

/// A running server on a store of its own, its operator, and the root of a tenant `acme`.
pub struct World {
    pub address: SocketAddr,
    /// Where the vendors' SDKs call it, if the settings say so.
    pub http: Option<SocketAddr>,
    pub operator: Client,
    pub root: Client,
    pub directory: Arc<TempDir>,
    store: Arc<dyn Store>,
    running: Running,
}

type Wrap = Box<dyn FnOnce(Ports) -> Ports + Send>;

/// How a world differs from the usual one.
#[derive(Default)]
pub struct Setup {
    settings: Vec<(String, String)>,
    tls: Option<ClientTls>,
    wraps: Vec<Wrap>,
}

impl Setup {
    /// Sets a setting, by its key.
    #[must_use]
    pub fn with(mut self, key: &str, value: &str) -> Self {
        self.settings.push((key.to_owned(), value.to_owned()));
        self
    }

    /// Lets the callers of the world speak TLS, which the settings have to turn on.
    #[must_use]
    pub fn over(mut self, tls: ClientTls) -> Self {
        self.tls = Some(tls);
        self
    }

    /// Puts a store of one's own before the real one.
    #[must_use]
    pub fn around(mut self, wrap: impl FnOnce(Arc<dyn Store>) -> Arc<dyn Store> + Send + 'static) -> Self {
        self.wraps.push(Box::new(|ports| Ports { store: wrap(ports.store), ..ports }));
        self
    }

    /// Lets the server go by a clock that the test moves.
    #[must_use]
    pub fn by(mut self, clock: &MovedClock) -> Self {
        let clock = Arc::new(clock.clone());
        self.wraps.push(Box::new(|ports| Ports { clock, ..ports }));
        self
    }

    pub async fn start(self) -> World {
        let directory = Arc::new(tempfile::tempdir().unwrap());
        let config = config(&database(&directory), self.settings);
        let mut store = None;
        let wrap = |ports: Ports| {
            store = Some(Arc::clone(&ports.store));
            self.wraps.into_iter().fold(ports, |ports, wrap| wrap(ports))
        };
        let server = Server::build_around(&config, wrap).await.unwrap();
        let store = store.expect("the ports were built");
        let name = FreeName::parse("first").unwrap();
        let operator = server.bootstrap(name).await.unwrap().expect("the store is empty");
        let running = Running::start(server, &config).await;
        let anybody = Client::new(running.address);
        let anybody = self.tls.map_or(anybody.clone(), |tls| anybody.over(&tls));
        let operator = anybody.with_token(&operator.text);
        operator.ok("CreateTenant", json!({ "tenant": TENANT })).await;
        let root = root_of(&anybody, &operator, TENANT).await;
        World { address: running.address, http: running.http, operator, root, directory, store, running }
    }
}

/// A server that runs.
struct Running {
    address: SocketAddr,
    http: Option<SocketAddr>,
    service: Arc<Service>,
    engine: Arc<dyn HasherFigures>,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

impl Running {
    async fn start(server: Server, config: &Config) -> Self {
        let grpc = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let http = match config.http.listen {
            Some(address) => Some(TcpListener::bind(address).await.unwrap()),
            None => None,
        };
        let address = grpc.local_addr().unwrap();
        let called_at = http.as_ref().map(|http| http.local_addr().unwrap());
        let listeners = Listeners { grpc, http };
        let (service, engine) = (Arc::clone(server.service()), server.hasher());
        let (stop, stopped) = oneshot::channel::<()>();
        let stopped = async {
            let _ = stopped.await;
        };
        let task = tokio::spawn(async move { server.serve(listeners, stopped).await.unwrap() });
        Self { address, http: called_at, service, engine, stop: Some(stop), task }
    }

    /// Stops the server in order.
    async fn stop(mut self) {
        drop(self.stop.take());
        (&mut self.task).await.unwrap();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

pub fn database(directory: &TempDir) -> PathBuf {
    directory.path().join("credentiald.db")
}

pub fn config(database: &std::path::Path, settings: Vec<(String, String)>) -> Config {
    let mut flags = BTreeMap::from([("store.url".to_owned(), format!("sqlite:{}", database.display()))]);
    flags.extend(settings);
    let sources =
        Sources { file: None, environment: BTreeMap::<String, OsString>::new(), flags: flags.into_iter().collect() };
    Effective::load(&sources).map_err(|mistakes| format!("{mistakes:?}")).unwrap().config
}

async fn root_of(anybody: &Client, operator: &Client, tenant: &str) -> Client {
    let request = json!({ "tenant": tenant, "caller_kind": "CALLER_KIND_ROOT" });
    let issued = operator.ok("IssueAccessToken", request).await;
    anybody.with_token(issued["token"].as_str().unwrap())
}

impl World {
    pub async fn start() -> Self {
        Setup::default().start().await
    }

    /// The use cases, for what no edge reaches.
    pub fn service_itself(&self) -> &Service {
        &self.running.service
    }

    /// What the hash engine has done since the server was started.
    pub fn engine(&self) -> EngineFigures {
        self.running.engine.figures()
    }

    /// A caller without credentials.
    pub fn anybody(&self) -> Client {
        Client::new(self.address)
    }

    /// The root of another, new tenant.
    pub async fn tenant(&self, tenant: &str) -> Client {
        self.operator.ok("CreateTenant", json!({ "tenant": tenant })).await;
        root_of(&self.anybody(), &self.operator, tenant).await
    }

    /// The caller of a new token of the tenant `acme`.
    pub async fn caller(&self, kind: &str, name: &str) -> Client {
        let request = json!({ "caller_kind": format!("CALLER_KIND_{kind}"), "caller_name": name });
        let issued = self.root.ok("IssueAccessToken", request).await;
        self.anybody().with_token(issued["token"].as_str().unwrap())
    }

    /// A relying system.
    pub async fn service(&self) -> Client {
        self.caller("SERVICE", "relay").await
    }

    pub async fn mail_domain(&self, name: &str, password: &str) {
        self.root.ok("CreateMailDomain", json!({ "domain_name": name, "password": password })).await;
    }

    /// A RAM user, as the caller that it is.
    pub async fn ram_user(&self, name: &str, password: &str) -> Client {
        self.root.ok("CreateRamUser", json!({ "user_name": name, "password": password })).await;
        self.caller("RAM_USER", name).await
    }

    /// An IAM user, as the caller that it is.
    pub async fn iam_user(&self, id: &str, password: &str) -> Client {
        self.root.ok("CreateIamUser", json!({ "user_id": id, "password": password })).await;
        self.caller("IAM_USER", id).await
    }

    pub async fn instance_account(&self, instance: &str, account: &str, password: &str) {
        self.root.ok("CreateInstance", json!({ "instance_id": instance })).await;
        let request = json!({ "instance_id": instance, "account_name": account, "password": password });
        self.root.ok("CreateInstanceAccount", request).await;
    }

    /// What `VerifyPassword` says, asked by a relying system.
    pub async fn verify(&self, subject: Value, password: &str) -> String {
        let reply =
            self.service().await.ok("VerifyPassword", json!({ "subject": subject, "password": password })).await;
        reply["result"].as_str().unwrap().to_owned()
    }

    /// Another server on the same store, beside this one: what it knows in memory is its own.
    pub async fn replica(&self) -> Self {
        let directory = Arc::new(tempfile::tempdir().unwrap());
        let config = config(&database(&directory), Vec::new());
        let store = Arc::clone(&self.store);
        let shared = |ports| Ports { store: Arc::clone(&store), ..ports };
        let running = Running::start(Server::build_around(&config, shared).await.unwrap(), &config).await;
        let (operator, root) = (self.operator.at(running.address), self.root.at(running.address));
        Self { address: running.address, http: running.http, operator, root, directory, store, running }
    }

    /// What `VerifyPassword` says of the passwords, one after the other.
    pub async fn verify_each(&self, subject: &Value, passwords: &[&str]) -> Vec<String> {
        let mut found = Vec::new();
        for password in passwords {
            found.push(self.verify(subject.clone(), password).await);
        }
        found
    }

    /// Stops the server in order, and starts another on the same store.
    pub async fn restart(self) -> Self {
        self.restart_with(&[]).await
    }

    /// The same, with settings for the other.
    pub async fn restart_with(self, settings: &[(&str, &str)]) -> Self {
        let settings = settings.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let Self { operator, root, directory, running, .. } = self;
        running.stop().await;
        let config = config(&database(&directory), settings);
        let mut store = None;
        let remembered = |ports: Ports| {
            store = Some(Arc::clone(&ports.store));
            ports
        };
        let running = Running::start(Server::build_around(&config, remembered).await.unwrap(), &config).await;
        let (operator, root) = (operator.at(running.address), root.at(running.address));
        Self {
            address: running.address,
            http: running.http,
            operator,
            root,
            directory,
            store: store.expect("ports"),
            running,
        }
    }
}
