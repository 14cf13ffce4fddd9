//! The address of a running service, what is trusted there, and the credentials for it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Arg, ArgMatches, Args, Command, FromArgMatches, value_parser};
use tonic::Request;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::Channel;
use zeroize::Zeroizing;

use super::connection::{connect, connect_lazily};
use super::environment::Environment;
use super::failure::Failure;
use super::tls::{ClientTls, TlsArgs};
use crate::config::{ADDRESS_VARIABLE, TOKEN_FILE_VARIABLE, TOKEN_VARIABLE};
use crate::server::OperatorFile;

const DEFAULT_ADDRESS: &str = "http://127.0.0.1:50051";

/// `--address`, `--token-file`, and the flags of TLS.
#[derive(Debug)]
pub(super) struct CallerArgs {
    address: Option<String>,
    token_file: Option<PathBuf>,
    tls: TlsArgs,
}

impl CallerArgs {
    /// The flags.
    pub(super) fn flags() -> impl Iterator<Item = Arg> {
        let flags = [
            Arg::new("address")
                .long("address")
                .value_name("URL")
                .help(format!("Address of the service to call [default: {DEFAULT_ADDRESS}] [env: {ADDRESS_VARIABLE}]")),
            Arg::new("token-file").long("token-file").value_name("FILE").value_parser(value_parser!(PathBuf)).help(
                format!("File with the access token [env: {TOKEN_FILE_VARIABLE}, or the token: {TOKEN_VARIABLE}]"),
            ),
        ];
        flags.into_iter().chain(TlsArgs::flags())
    }

    /// The service to call. Reads everything that its connection and its calls need, but does not connect: so what can't be
    /// right is found before a password is asked for.
    pub(super) fn service(&self, environment: &Environment) -> Result<Service, Failure> {
        let tls = self.tls.read(environment)?;
        let authorization = self.authorization(environment, tls.has_certificate())?;
        Ok(Service { address: self.address(environment).to_owned(), tls, authorization })
    }

    /// A connection to it, and the `authorization` header of its calls.
    pub(super) async fn connect(&self, environment: &Environment) -> Result<(Channel, Authorization), Failure> {
        self.service(environment)?.connect().await
    }

    fn address<'a>(&'a self, environment: &'a Environment) -> &'a str {
        self.address.as_deref().or_else(|| environment.text(ADDRESS_VARIABLE)).unwrap_or(DEFAULT_ADDRESS)
    }

    fn authorization(&self, environment: &Environment, is_optional: bool) -> Result<Authorization, Failure> {
        let given = environment.text(TOKEN_VARIABLE).filter(|token| !token.is_empty());
        let by_variable = || environment.text(TOKEN_FILE_VARIABLE).filter(|_| given.is_none()).map(Path::new);
        let file = self.token_file.as_deref().or_else(by_variable);
        let token = match file {
            Some(path) => OperatorFile::read_secret(path).map_err(Failure::failed)?,
            None => Zeroizing::new(given.unwrap_or_default().to_owned()),
        };
        let token = match token.trim() {
            "" if is_optional && file.is_none() => return Ok(Authorization(None)),
            "" => {
                let text =
                    format!("there is no access token: set {TOKEN_VARIABLE}, {TOKEN_FILE_VARIABLE} or --token-file");
                return Err(Failure::Usage(text));
            }
            token => token,
        };
        let mut authorization = MetadataValue::try_from(format!("Bearer {token}"))
            .map_err(|_| Failure::Usage("the access token holds characters that no token has".to_owned()))?;
        authorization.set_sensitive(true);
        Ok(Authorization(Some(authorization)))
    }
}

/// A service that is not connected yet.
pub(super) struct Service {
    address: String,
    tls: ClientTls,
    authorization: Authorization,
}

impl Service {
    /// A connection to it, and the `authorization` header of its calls. With a client certificate and no token, calls are
    /// sent without the header: the service decides.
    pub(super) async fn connect(self) -> Result<(Channel, Authorization), Failure> {
        Ok((connect(&self.address, self.tls).await?, self.authorization))
    }

    /// The same, with a connection that is made with the first call, and again when it was lost.
    pub(super) fn connect_lazily(self) -> Result<(Channel, Authorization), Failure> {
        Ok((connect_lazily(&self.address, self.tls)?, self.authorization))
    }
}

/// The `authorization` header of calls, if they have one.
#[derive(Clone)]
pub(super) struct Authorization(Option<MetadataValue<Ascii>>);

impl Authorization {
    /// A request with the header, and with a deadline.
    pub(super) fn request<T>(&self, message: T, within: Duration) -> Request<T> {
        let mut request = Request::new(message);
        self.apply(&mut request);
        request.set_timeout(within);
        request
    }

    /// Adds the header to a request.
    pub(super) fn apply<T>(&self, request: &mut Request<T>) {
        if let Some(value) = &self.0 {
            request.metadata_mut().insert("authorization", value.clone());
        }
    }
}

impl Args for CallerArgs {
    fn augment_args(command: Command) -> Command {
        command.args(Self::flags().map(|flag| flag.help_heading("Connection")))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for CallerArgs {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        Ok(Self {
            address: matches.get_one("address").cloned(),
            token_file: matches.get_one("token-file").cloned(),
            tls: TlsArgs::from_arg_matches(matches)?,
        })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}
