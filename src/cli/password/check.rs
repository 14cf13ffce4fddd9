//! `check`.

use clap::Args;
use serde_json::json;

use super::ConnectionArgs;
use super::subject::SubjectArgs;
use crate::cli::admin::object::Object;
use crate::cli::environment::Environment;
use crate::cli::failure::Failure;
use crate::cli::output::OutputArgs;
use crate::cli::terminal::{PASSWORD_FLAG, Terminal};
use crate::domain::text::printable;
use crate::grpc::generated::credential::v1 as wire;
use wire::verification_service_client::VerificationServiceClient;

/// Check whether the policy of a subject accepts a password.
///
/// Calls a running service, which names every rule that the password breaks. Does not compare it with stored passwords. Asks for
/// the password without showing it. Exit status 0 if it is accepted, 5 if it is not, 1 if the service refuses the call, 75
/// if it can't answer now.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  credentiald check --ram-user alice
  credentiald check --mail-domain example.com --password-stdin < password.txt")]
pub(in crate::cli) struct CheckArgs {
    #[command(flatten)]
    subject: SubjectArgs,
    /// Read the password from standard input, without a final line end.
    #[arg(long)]
    password_stdin: bool,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    connection: ConnectionArgs,
}

pub(in crate::cli) async fn run(
    args: &CheckArgs,
    environment: &Environment,
    terminal: &mut Terminal,
) -> Result<(), Failure> {
    let subject = Some(args.subject.required()?);
    let about = Object::of_subject(subject.as_ref());
    let service = args.connection.caller.service(environment)?;
    let password = terminal.secret("Password", PASSWORD_FLAG, args.password_stdin)?;
    let (channel, authorization) = service.connect().await?;
    let request = wire::CheckPasswordRequest { subject, password };
    let request = authorization.request(request, args.connection.within());
    let mut client = VerificationServiceClient::new(channel);
    let answer = args.connection.answer(&about, client.check_password(request)).await?;
    let wire::CheckPasswordResponse { accepted, violations } = answer.into_inner();
    let rules = violations.iter().map(|broken| json!({ "rule": broken.rule, "description": broken.description }));
    let result = json!({ "accepted": accepted, "violations": rules.collect::<Vec<_>>() });
    let word = if accepted { "accepted" } else { "not-accepted" };
    let mut lines: Vec<_> = violations.iter().map(|broken| printable(&broken.description)).collect();
    lines.insert(0, if accepted { "the password is accepted" } else { "the password is not accepted" }.to_owned());
    terminal.print(&args.output.shown(&result, &lines.join("\n  "), word))?;
    if accepted { Ok(()) } else { Err(Failure::not_accepted()) }
}
