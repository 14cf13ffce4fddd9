//! `quickstart`.

mod certificates;
mod demonstration;
mod directory;
mod edge;

use std::path::PathBuf;

use clap::Args;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use super::configuration::{load, load_and_log};
use super::environment::Environment;
use super::failure::Failure;
use super::serve::{Listeners, OnHangup, cant_serve, serve};
use super::settings::SettingArgs;
use super::supervisor::Supervisor;
use super::terminal::Terminal;
use crate::ambient::SystemClock;
use crate::config::{Config, Effective};
use crate::ports::Clock;
use crate::server::Server;
use certificates::Certificates;
use directory::{Addresses, Directory};
use edge::{LISTEN, RING, make_ring};

/// The file of the commands, in the directory of the store.
const SCRIPT: &str = "quickstart.sh";

/// Try it: run a service with a small demonstration directory, and print commands to paste.
///
/// Keeps its store in a separate directory, listens on loopback only, and serves until stopped. A second start keeps
/// the data, sets new passwords for the demonstration subjects, and prints calls that succeed again.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  credentiald quickstart
  credentiald quickstart --tls
  credentiald quickstart --open
  credentiald quickstart --edge
  credentiald quickstart --data-dir /tmp/demonstration --server-listen 127.0.0.1:50052")]
pub(super) struct QuickstartArgs {
    /// Directory of the store.
    #[arg(long, value_name = "DIRECTORY", default_value = "credentiald-data")]
    data_dir: PathBuf,
    /// Serve over TLS, with a CA and a certificate that are made in the directory of the store.
    #[arg(long)]
    tls: bool,
    /// Write the commands to quickstart.sh in the directory of the store as well, to open in an editor and paste from.
    #[arg(long)]
    open: bool,
    /// Serve the vendors' SDKs too, on 127.0.0.1:8080 or on `--http-listen`, and print calls in Python. Makes access keys,
    /// and in the directory of the store a ring of pepper keys for their secrets.
    #[arg(long)]
    edge: bool,
    #[command(flatten)]
    settings: SettingArgs,
}

impl QuickstartArgs {
    /// The settings, with the demonstration's own store and TLS instead of those that the configuration names.
    fn load(&self, certificates: Option<&Certificates>, environment: &Environment) -> Result<Effective, Failure> {
        if self.settings.sets("store.url") {
            return Err(Failure::usage("the demonstration keeps its store in --data-dir, not in --store-url"));
        }
        let ring = self.data_dir.join(RING);
        if self.edge {
            make_ring(&ring)?;
        }
        let store = format!("sqlite:{}", self.data_dir.join("credentiald.db").display());
        let path = |path: Option<&PathBuf>| path.map(|path| path.display().to_string()).unwrap_or_default();
        let own = [
            ("store.url", store),
            ("store.url_file", String::new()),
            ("tls.certificate_file", path(certificates.map(|files| &files.certificate))),
            ("tls.client_ca_file", String::new()),
            ("tls.client_crl_file", String::new()),
            ("tls.client_callers_file", String::new()),
            ("tls.key_file", path(certificates.map(|files| &files.key))),
        ];
        let listen = (self.edge && !self.settings.sets("http.listen")).then(|| ("http.listen", LISTEN.to_owned()));
        // Once there is a ring, the store needs it.
        let ring = ring.exists().then(|| ("pepper.keys_file", ring.display().to_string()));
        let own = own.into_iter().chain(listen).chain(ring);
        let settings = own.fold(self.settings.clone(), |settings, (key, value)| settings.with(key, value));
        // Nothing that is as it should be comes between the commands.
        let is_quiet = load(&settings, environment)?.is_default("log.level");
        let settings = if is_quiet { settings.with("log.level", "warn".to_owned()) } else { settings };
        let (effective, _) = load_and_log(&settings, environment)?;
        let Config { server, http, .. } = &effective.config;
        let listens = [("server.listen", Some(server.listen)), ("http.listen", http.listen)];
        for (key, listen) in listens {
            if let Some(listen) = listen.filter(|listen| !listen.ip().is_loopback()) {
                let message =
                    format!("{listen} is not a loopback address, and the tokens of the demonstration are public");
                return Err(vec![effective.mistake(key, message)].into());
            }
        }
        Ok(effective)
    }
}

pub(super) async fn run(
    args: &QuickstartArgs,
    environment: &Environment,
    terminal: &mut Terminal,
) -> Result<(), Failure> {
    let certificates = args.tls.then(|| Certificates::of(&args.data_dir)).transpose();
    let certificates = certificates.map_err(|error| Failure::caused("can't find --data-dir", &error))?;
    let config = args.load(certificates.as_ref(), environment)?.config;
    // The port first: if it is taken, the demonstration subjects keep their passwords.
    let listeners = Listeners::bind(&config).await?;
    let bound = |listener: &TcpListener| listener.local_addr().map_err(|error| Failure::caused("can't serve", &error));
    let sdks = listeners.callers.http.as_ref().filter(|_| args.edge);
    let addresses = Addresses { grpc: bound(&listeners.callers.grpc)?, sdks: sdks.map(bound).transpose()? };
    if let Some(certificates) = &certificates {
        certificates.make(addresses.grpc.ip(), SystemClock.now())?;
    }
    let server = Server::build(&config).await.map_err(cant_serve)?;
    let demonstration = Directory::new(&server)?.demonstrate(addresses, certificates.map(|files| files.ca)).await?;
    if args.open {
        let path = args.data_dir.join(SCRIPT);
        let written = certificates::write(&path, &demonstration.script(), 0o600);
        written.map_err(|error| Failure::caused(format!("can't write {}", path.display()), &error))?;
        terminal.print(&format!("The commands are in {} too.\n", path.display()))?;
    }
    terminal.print(&demonstration.text())?;
    drop(demonstration);
    let hung_up = signal(SignalKind::hangup()).map_err(Failure::failed)?;
    serve(server, listeners, hung_up, OnHangup::Stop, &Supervisor::none()).await
}
