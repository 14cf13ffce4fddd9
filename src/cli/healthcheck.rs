//! `healthcheck`.

use std::time::Duration;

use clap::Args;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use super::admin::refusal;
use super::configuration::load_offline;
use super::connection::{connect, reachable};
use super::environment::Environment;
use super::failure::Failure;
use super::settings::SettingArgs;
use super::terminal::Terminal;
use super::tls::{ClientTls, TlsArgs};

const ANSWER_WITHIN: Duration = Duration::from_secs(3);

/// Ask the service at the configured address whether it is serving.
///
/// Exit status 0 if it is, 1 if it is not or does not respond within three seconds. The configured address is asked
/// over TLS if `tls.certificate_file` is set, and may have any certificate: it is on this machine. With `--address` the
/// certificate is verified.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  credentiald healthcheck --address 127.0.0.1:50051
  credentiald healthcheck --address https://passwords.example.com:50051 --ca-file ca.pem")]
pub(super) struct HealthcheckArgs {
    /// Address to ask, instead of the configured one.
    #[arg(long, value_name = "ADDRESS")]
    address: Option<String>,
    #[command(flatten)]
    tls: TlsArgs,
    #[command(flatten)]
    settings: SettingArgs,
}

pub(super) async fn run(
    args: &HealthcheckArgs,
    environment: &Environment,
    terminal: &mut Terminal,
) -> Result<(), Failure> {
    let tls = args.tls.read(environment)?;
    let (address, tls) = if let Some(address) = &args.address {
        (address.clone(), tls)
    } else {
        let config = load_offline(&args.settings, environment)?.config;
        let scheme = if config.tls.certificate_file.is_some() { "https://" } else { "" };
        (format!("{scheme}{}", reachable(config.server.listen)), tls.trusting_anything())
    };
    let status = tokio::time::timeout(ANSWER_WITHIN, ask(&address, tls)).await;
    match status.map_err(|_| Failure::failed(format!("{address} does not answer")))?.map_err(Failure::lasting)? {
        ServingStatus::Serving => terminal.print("serving"),
        _ => Err(Failure::failed(format!("{address} is not serving"))),
    }
}

async fn ask(address: &str, tls: ClientTls) -> Result<ServingStatus, Failure> {
    let mut client = HealthClient::new(connect(address, tls).await?);
    let answer = client.check(HealthCheckRequest::default()).await;
    let answer = answer.map_err(|status| Failure::failed(format!("{address} answers: {}", refusal::text(&status))))?;
    Ok(answer.into_inner().status())
}
