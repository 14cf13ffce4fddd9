//! `generate`.

use clap::Args;
use serde_json::json;

use super::ConnectionArgs;
use super::subject::SubjectArgs;
use crate::cli::admin::object::Object;
use crate::cli::environment::Environment;
use crate::cli::failure::Failure;
use crate::cli::output::OutputArgs;
use crate::cli::terminal::Terminal;
use crate::grpc::generated::credential::v1 as wire;
use wire::verification_service_client::VerificationServiceClient;

/// Generate a password that the policy of a subject accepts.
///
/// Calls a running service. Prints the password alone. Nothing is stored.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  credentiald generate --ram-user alice
  credentiald generate --instance-id r-1 --account-name app --output json")]
pub(in crate::cli) struct GenerateArgs {
    #[command(flatten)]
    subject: SubjectArgs,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    connection: ConnectionArgs,
}

pub(in crate::cli) async fn run(
    args: &GenerateArgs,
    environment: &Environment,
    terminal: &mut Terminal,
) -> Result<(), Failure> {
    let subject = Some(args.subject.required()?);
    let about = Object::of_subject(subject.as_ref());
    let (channel, authorization) = args.connection.connect(environment).await?;
    let request = authorization.request(wire::GeneratePasswordRequest { subject }, args.connection.within());
    let mut client = VerificationServiceClient::new(channel);
    let password = args.connection.answer(&about, client.generate_password(request)).await?.into_inner().password;
    terminal.print(&args.output.shown(&json!({ "password": password }), &password, &password))
}
