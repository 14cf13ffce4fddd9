//! `healthcheck`.

use std::time::Duration;

use clap::Args;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use super::configuration::load_offline;
use super::connection::{connect, reachable};
use super::environment::Environment;
use super::failure::Failure;
use super::settings::SettingArgs;
use super::terminal::Terminal;

const ANSWER_WITHIN: Duration = Duration::from_secs(3);

/// Ask the service at the configured address whether it is serving.
///
/// Exit status 0 if it is, 1 if it is not or does not respond within three seconds.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  credentiald healthcheck --address 127.0.0.1:50051")]
pub(super) struct HealthcheckArgs {
    /// Address to ask, instead of the configured one.
    #[arg(long, value_name = "ADDRESS")]
    address: Option<String>,
    #[command(flatten)]
    settings: SettingArgs,
}

pub(super) async fn run(
    args: &HealthcheckArgs,
    environment: &Environment,
    terminal: &mut Terminal,
) -> Result<(), Failure> {
    let address = match &args.address {
        Some(address) => address.clone(),
        None => reachable(load_offline(&args.settings, environment)?.config.server.listen).to_string(),
    };
    let status = tokio::time::timeout(ANSWER_WITHIN, ask(&address)).await;
    match status.map_err(|_| Failure::failed(format!("{address} does not answer")))?? {
        ServingStatus::Serving => terminal.print("serving"),
        _ => Err(Failure::failed(format!("{address} is not serving"))),
    }
}

async fn ask(address: &str) -> Result<ServingStatus, Failure> {
    let mut client = HealthClient::new(connect(address).await?);
    let answer = client.check(HealthCheckRequest::default()).await;
    let answer = answer.map_err(|status| Failure::failed(format!("{address} answers: {}", status.message())))?;
    Ok(answer.into_inner().status())
}
