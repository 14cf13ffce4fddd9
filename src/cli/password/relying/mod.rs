//! `verify` for systems that have a sign-in of their own: by the protocol of checkpassword, by `pam_exec`, and over HTTP.
//!
//! Each answer is of that moment: nothing is kept.

mod checkpassword;
mod http;
mod names;
mod pam;

use std::ffi::OsString;
use std::io::{ErrorKind, Read};
use std::time::Duration;

use clap::Args;
use clap::builder::PossibleValuesParser;
use tokio::sync::oneshot;
use tonic::transport::Channel;

use super::verify::{accepted, ask};
use crate::cli::admin::refusal;
use crate::cli::caller::Authorization;
use crate::cli::environment::Environment;
use crate::cli::failure::Failure;
use crate::cli::password::ConnectionArgs;
use crate::cli::terminal::Terminal;
use crate::domain::names::Origin;
use crate::domain::subject::SubjectKind;
use crate::edge::Reason;
use crate::grpc::generated::credential::v1 as wire;
use http::Address;
use names::Names;

/// More than a user name and a password have.
const MAX_INPUT_BYTES: u64 = 8192;

/// How to answer a system that has a sign-in of its own.
#[derive(Debug, Args)]
#[command(next_help_heading = "For systems with a sign-in of their own")]
pub(super) struct RelyingArgs {
    /// Answer as checkpassword does: read user name and password from descriptor 3, and run the program if the password is
    /// right. Exit status 1 if it is wrong or has to be changed, 2 for a bad call, 111 otherwise.
    #[arg(long, group = "protocol", conflicts_with_all = ["subject", "instance_id", "OutputArgs"])]
    checkpassword: bool,
    /// Answer as a program of `pam_exec` with `expose_authtok`: read the user name from `PAM_USER`, the password from standard
    /// input.
    #[arg(long, group = "protocol", conflicts_with_all = ["subject", "instance_id", "OutputArgs"])]
    pam: bool,
    /// Answer requests for nginx's `auth_request` until stopped, at a loopback address or at unix:PATH: 200 if the password is
    /// right, 401 if it is wrong, 403 if it has to be changed, 503 if that can't be decided now.
    #[arg(long, group = "protocol", conflicts_with_all = ["subject", "instance_id", "OutputArgs"], value_name = "ADDRESS", value_parser = Address::parse)]
    http: Option<Address>,
    /// Kind of subject that user names mean. For `mail-domain`, what follows the `@` is the name; for `instance-account`,
    /// user names are account@instance.
    #[arg(long, value_name = "KIND", requires = "protocol",
        value_parser = PossibleValuesParser::new(SubjectKind::ALL.iter().map(|kind| kind.as_str())))]
    subject_kind: Option<String>,
    /// User names are name@DOMAIN, and the subject is called name. Others are wrong.
    #[arg(long, requires = "protocol")]
    domain: Option<String>,
    /// Header in which the proxy sends the address of its client, as in X-Real-IP. The proxy must set it in every request.
    #[arg(long, value_name = "NAME", requires = "http")]
    origin_header: Option<String>,
    /// With --checkpassword: the program to run if the password is right, and its arguments.
    #[arg(requires = "checkpassword", trailing_var_arg = true)]
    program: Vec<OsString>,
}

impl RelyingArgs {
    /// Answers in the way that is chosen, if one is.
    pub(super) async fn run(
        &self,
        connection: &ConnectionArgs,
        environment: &Environment,
        terminal: &mut Terminal,
    ) -> Option<Result<(), Failure>> {
        if self.checkpassword {
            Some(checkpassword::run(self, connection, environment).await)
        } else if self.pam {
            Some(pam::run(self, connection, environment).await)
        } else {
            Some(http::run(self.http.as_ref()?, self, connection, environment, terminal).await)
        }
    }

    fn names(&self) -> Result<Names, Failure> {
        let kind = self.subject_kind.as_deref().and_then(SubjectKind::of);
        let kind = kind.ok_or_else(|| Failure::usage("--subject-kind says what user names mean: add it"))?;
        Names::new(kind, self.domain.clone()).map_err(Failure::usage)
    }
}

/// Verifies the passwords of those who sign in.
#[derive(Clone)]
struct Verifier {
    names: Names,
    channel: Channel,
    authorization: Authorization,
    within: Duration,
}

/// The name and the password of a sign-in, and where it comes from, if that is known.
struct SignIn<'a> {
    user: &'a str,
    password: &'a str,
    origin: Option<&'a str>,
}

impl Verifier {
    /// Succeeds if the password is right and can be used.
    async fn verify(&self, sign_in: SignIn<'_>) -> Result<(), Failure> {
        let Some(subject) = self.names.subject(sign_in.user) else {
            return Err(Failure::wrong_password("no subject has such a name"));
        };
        // One that can't be an origin counts together with all that have none.
        let origin = sign_in.origin.filter(|origin| Origin::parse(origin).is_ok()).unwrap_or_default();
        let request = wire::VerifyPasswordRequest {
            subject: Some(subject),
            password: sign_in.password.to_owned(),
            origin: origin.to_owned(),
        };
        let request = self.authorization.request(request, self.within);
        match ask(self.channel.clone(), request).await {
            Ok(result) => accepted(result).map(drop),
            // No subject can have that name, or no password be that text.
            Err(status) if refusal::reason(&status) == Some(Reason::InvalidField) => {
                Err(Failure::wrong_password(refusal::text(&status)))
            }
            Err(status) => Err(refusal::failure(&status)),
        }
    }
}

/// Reads to the end, in a thread that nothing waits for: the writer may never close.
async fn read(mut input: impl Read + Send + 'static, name: &'static str) -> Result<Vec<u8>, Failure> {
    let (sender, receiver) = oneshot::channel();
    let read = move || {
        let mut bytes = Vec::new();
        let done = match input.by_ref().take(MAX_INPUT_BYTES + 1).read_to_end(&mut bytes) {
            Ok(count) if count as u64 > MAX_INPUT_BYTES => Err(ErrorKind::FileTooLarge.into()),
            read => read.map(|_| bytes),
        };
        let _ = sender.send(done);
    };
    std::thread::Builder::new().spawn(read).map_err(Failure::failed)?;
    let done = receiver.await.map_err(Failure::failed)?;
    done.map_err(|error| Failure::caused(format!("can't read {name}"), &error))
}
