//! `login`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;

use super::admin::refusal;
use super::caller::CallerArgs;
use super::environment::Environment;
use super::failure::Failure;
use super::profile::{Profile, Profiles};
use super::table::{plain, trimmed};
use super::terminal::Terminal;
use super::tls::TlsArgs;
use crate::domain::names::{FreeName, TenantName};
use crate::domain::text::printable;
use crate::edge::Reason;
use crate::grpc::generated::credential::v1 as wire;
use wire::verification_service_client::VerificationServiceClient;

const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// Remember how to call a service, as a profile that other commands then use.
///
/// Asks for the access token without showing it, and calls the service once to check that it accepts the token. The profile
/// is in ~/.config/credentiald/profiles.toml, the token in a file beside it; only you can read them. Commands without an
/// address use the profile that was last named here.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  credentiald login --address https://passwords.example.com:50051 --ca-file ca.pem --tenant acme
  credentiald login staging --address https://staging.example.com:50051 --token-file staging.token
  credentiald login staging       use this one from now on
  credentiald login --list
  credentiald logout staging      forget it")]
pub(super) struct LoginArgs {
    /// Name of the profile.
    #[arg(default_value = "default", value_parser = name)]
    name: String,
    /// Address of the service, with `https://` before it. Without it, the profile must exist, and is used from now on.
    #[arg(long, value_name = "URL")]
    address: Option<String>,
    /// Tenant for administration commands that do not name one.
    #[arg(long, value_name = "NAME", requires = "address", value_parser = tenant)]
    tenant: Option<String>,
    /// File with the access token. It stays where it is.
    #[arg(long, value_name = "FILE", requires = "address")]
    token_file: Option<PathBuf>,
    /// Read the access token from standard input.
    #[arg(long, requires = "address", conflicts_with = "token_file")]
    token_stdin: bool,
    /// List the profiles.
    #[arg(long, conflicts_with_all = ["address", "name"])]
    list: bool,
    #[command(flatten)]
    tls: TlsArgs,
}

/// Parses the name of a profile, which is also that of a file.
pub(super) fn name(text: &str) -> Result<String, String> {
    match FreeName::parse(text) {
        Ok(_) if !text.starts_with(['.', '-']) => Ok(text.to_owned()),
        Ok(_) => Err("must not begin with `.` or `-`".to_owned()),
        Err(problem) => Err(problem.to_string()),
    }
}

fn tenant(text: &str) -> Result<String, String> {
    TenantName::parse(text).map(|_| text.to_owned()).map_err(|problem| problem.to_string())
}

pub(super) async fn run(args: &LoginArgs, environment: &Environment, terminal: &mut Terminal) -> Result<(), Failure> {
    let mut profiles = Profiles::read(environment)?;
    if args.list {
        return terminal.print(&listed(&profiles));
    }
    let Some(address) = &args.address else {
        if !profiles.all().any(|(name, ..)| name == args.name) {
            let text = format!("there is no profile `{}`: --address makes it", args.name);
            return Err(Failure::usage(text));
        }
        profiles.select(&args.name, None)?;
        return terminal.print(&format!("profile `{}` is used from now on", args.name));
    };
    let [ca_file, cert_file, key_file] = args.tls.files().map(|file| file.as_deref().map(absolute).transpose());
    let mut profile = Profile {
        address: address.clone(),
        ca_file: ca_file?,
        cert_file: cert_file?,
        key_file: key_file?,
        token_file: args.token_file.as_deref().map(absolute).transpose()?,
        tenant: args.tenant.clone(),
    };
    let mut typed = None;
    if profile.token_file.is_none() && profile.cert_file.is_none() {
        let token = terminal.secret("Access token", "--token-file or --token-stdin", args.token_stdin)?;
        let tried = profiles.tried_token(&token)?;
        profile.token_file = Some(tried.path().to_owned());
        typed = Some(tried);
    }
    call(CallerArgs::of(&profile), environment).await?;
    // Only now: an earlier token of that name may be the only copy.
    if let Some(tried) = typed {
        profile.token_file = Some(profiles.keep_token(&args.name, tried)?);
    }
    profiles.select(&args.name, Some(profile))?;
    terminal.print(&format!("profile `{}` ({}) is used from now on", args.name, printable(address)))
}

/// Calls the service with a request that it refuses to every caller, after it has found out which one it is.
async fn call(caller: CallerArgs, environment: &Environment) -> Result<(), Failure> {
    let (channel, authorization) = caller.connect(environment).await?;
    let request = authorization.request(wire::GeneratePasswordRequest::default(), ANSWER_WITHIN);
    match VerificationServiceClient::new(channel).generate_password(request).await {
        Err(status) if refusal::is_of_connection(&status) => Err(refusal::failure(&status)),
        Err(status) if refusal::reason(&status) == Some(Reason::Unauthenticated) => {
            Err(Failure::failed(refusal::text(&status)).with_line("the profile was not made"))
        }
        _ => Ok(()),
    }
}

fn absolute(path: &Path) -> Result<PathBuf, Failure> {
    std::path::absolute(path).map_err(Failure::failed)
}

fn listed(profiles: &Profiles) -> String {
    let mut table = plain();
    table.set_header(["PROFILE", "ADDRESS", "TENANT", "CURRENT"]);
    for (name, profile, is_current) in profiles.all() {
        let tenant = profile.tenant.as_deref().unwrap_or("-");
        table.add_row([name, &printable(&profile.address), &printable(tenant), if is_current { "yes" } else { "no" }]);
    }
    if table.is_empty() { "none".to_owned() } else { trimmed(&table) }
}
