//! `quickstart`.

mod demonstration;
mod directory;

use std::path::PathBuf;

use clap::Args;

use super::configuration::load_and_log;
use super::environment::Environment;
use super::failure::Failure;
use super::serve::{Listeners, OnHangup, cant_serve, serve};
use super::settings::SettingArgs;
use super::terminal::Terminal;
use crate::config::Effective;
use crate::server::Server;
use directory::Directory;

/// Try it: run a service with a small demonstration directory, and print four calls to paste.
///
/// Keeps its store in a separate directory, listens on loopback only, and serves until stopped. A second start keeps
/// the data, sets new passwords for the demonstration subjects, and prints calls that succeed again.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  credentiald quickstart
  credentiald quickstart --data-dir /tmp/demonstration --server-listen 127.0.0.1:50052")]
pub(super) struct QuickstartArgs {
    /// Directory of the store.
    #[arg(long, value_name = "DIRECTORY", default_value = "credentiald-data")]
    data_dir: PathBuf,
    #[command(flatten)]
    settings: SettingArgs,
}

impl QuickstartArgs {
    /// The settings, with the demonstration's own store whatever the configuration names.
    fn load(&self, environment: &Environment) -> Result<Effective, Failure> {
        if self.settings.sets("store.url") {
            return Err(Failure::Usage(
                "the demonstration keeps its store in --data-dir, not in --store-url".to_owned(),
            ));
        }
        let store = format!("sqlite:{}", self.data_dir.join("credentiald.db").display());
        let effective = load_and_log(
            &self.settings.clone().with("store.url", store).with("store.url_file", String::new()),
            environment,
        )?;
        let listen = effective.config.server.listen;
        if listen.ip().is_loopback() {
            return Ok(effective);
        }
        let message = format!("{listen} is not a loopback address, and the tokens of the demonstration are public");
        Err(vec![effective.mistake("server.listen", message)].into())
    }
}

pub(super) async fn run(
    args: &QuickstartArgs,
    environment: &Environment,
    terminal: &mut Terminal,
) -> Result<(), Failure> {
    let config = args.load(environment)?.config;
    // The port first: if it is taken, the demonstration subjects keep their passwords.
    let listeners = Listeners::bind(&config).await?;
    let address = listeners.grpc.local_addr().map_err(|error| Failure::caused("can't serve", &error))?;
    let server = Server::build(&config).await.map_err(cant_serve)?;
    let demonstration = Directory::new(&server)?.demonstrate(address).await?;
    terminal.print(&demonstration.text())?;
    drop(demonstration);
    serve(server, listeners, OnHangup::Stop).await
}
