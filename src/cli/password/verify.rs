//! `verify`.

use clap::Args;
use serde_json::json;
use tonic::transport::Channel;
use tonic::{Request, Status};

use super::ConnectionArgs;
use super::relying::RelyingArgs;
use super::subject::SubjectArgs;
use crate::cli::admin::object::Object;
use crate::cli::environment::Environment;
use crate::cli::failure::{Failure, Kind};
use crate::cli::output::{Format, OutputArgs};
use crate::cli::terminal::{PASSWORD_FLAG, Terminal};
use crate::grpc::generated::credential::v1 as wire;
use wire::VerifyPasswordResult;
use wire::verification_service_client::VerificationServiceClient;

/// Verify the password of a subject of the caller's tenant.
///
/// Calls a running service. Asks for the password without showing it. Exit status 0 if the password is right, 3 if it is wrong
/// or there is no such subject, 4 if it is right but has to be changed, 75 if that can't be decided now.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  export CREDENTIALD_TOKEN_FILE=relay.token
  credentiald verify --ram-user alice
  credentiald verify --instance-id r-1 --account-name app --password-stdin < password.txt
  credentiald verify --http 127.0.0.1:8090 --subject-kind ram-user --origin-header X-Real-IP")]
pub(in crate::cli) struct VerifyArgs {
    #[command(flatten)]
    subject: SubjectArgs,
    /// Read the password from standard input, without a final line end.
    #[arg(long, conflicts_with = "protocol")]
    password_stdin: bool,
    /// Where the password comes from, for example the IP address of the client that signs in: wrong passwords count for
    /// each origin apart.
    #[arg(long, value_name = "TEXT", conflicts_with = "protocol")]
    origin: Option<String>,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    connection: ConnectionArgs,
    #[command(flatten)]
    relying: RelyingArgs,
}

pub(in crate::cli) async fn run(
    args: &VerifyArgs,
    environment: &Environment,
    terminal: &mut Terminal,
) -> Result<(), Failure> {
    if let Some(answered) = args.relying.run(&args.connection, environment, terminal).await {
        return answered;
    }
    let subject = args.subject.required()?;
    let about = Object::of_subject(Some(&subject));
    let service = args.connection.caller.service(environment)?;
    let request = wire::VerifyPasswordRequest {
        subject: Some(subject),
        password: terminal.secret("Password", PASSWORD_FLAG, args.password_stdin)?,
        origin: args.origin.clone().unwrap_or_default(),
    };
    let (channel, authorization) = service.connect().await?;
    let request = authorization.request(request, args.connection.within());
    let result = args.connection.answer(&about, ask(channel, request)).await?;
    let word = result.as_str_name().to_ascii_lowercase().replace('_', "-");
    let outcome = accepted(result);
    if args.output.format() == Format::Table {
        let named = |failure: Failure| Failure::of(failure.kind(), format!("{about}: {}", failure.message()));
        return terminal.print(outcome.map_err(named)?);
    }
    terminal.print(&args.output.shown(&json!({ "result": word }), "", &word))?;
    outcome.map(drop)
}

pub(super) async fn ask(
    channel: Channel,
    request: Request<wire::VerifyPasswordRequest>,
) -> Result<VerifyPasswordResult, Status> {
    Ok(VerificationServiceClient::new(channel).verify_password(request).await?.into_inner().result())
}

/// What a result means.
pub(super) fn accepted(result: VerifyPasswordResult) -> Result<&'static str, Failure> {
    let to_change = |text: &str| Err(Failure::of(Kind::PasswordToChange, text));
    match result {
        VerifyPasswordResult::MatchedCurrent => Ok("the password is right"),
        VerifyPasswordResult::MatchedPrevious => Ok("the password is the previous one, which is still valid"),
        VerifyPasswordResult::ChangeRequired => to_change("the password is right, but has to be changed"),
        VerifyPasswordResult::Expired => {
            to_change("the password is right, but has expired: an administrator has to reset it")
        }
        VerifyPasswordResult::NotMatched => {
            Err(Failure::wrong_password("the password is wrong, or there is no such subject"))
        }
        VerifyPasswordResult::Unspecified => Err(Failure::failed("the service answered with no result that is known")),
    }
}
