//! The address of a running service, and the access token for it.

use std::path::PathBuf;

use clap::{Arg, ArgMatches, Args, Command, FromArgMatches, value_parser};
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::Channel;
use zeroize::Zeroizing;

use super::connection::connect;
use super::environment::Environment;
use super::failure::Failure;
use crate::config::{ADDRESS_VARIABLE, TOKEN_VARIABLE};
use crate::server::OperatorFile;

const DEFAULT_ADDRESS: &str = "http://127.0.0.1:50051";

/// `--address` and `--token-file`.
#[derive(Debug)]
pub(super) struct CallerArgs {
    address: Option<String>,
    token_file: Option<PathBuf>,
}

impl CallerArgs {
    /// The two flags.
    pub(super) fn flags() -> [Arg; 2] {
        [
            Arg::new("address")
                .long("address")
                .value_name("URL")
                .help(format!("Address of the service to call [default: {DEFAULT_ADDRESS}] [env: {ADDRESS_VARIABLE}]")),
            Arg::new("token-file")
                .long("token-file")
                .value_name("FILE")
                .value_parser(value_parser!(PathBuf))
                .help(format!("File with the access token, instead of the variable {TOKEN_VARIABLE}")),
        ]
    }

    /// The `authorization` header of a call.
    pub(super) fn authorization(&self, environment: &Environment) -> Result<MetadataValue<Ascii>, Failure> {
        let token = match &self.token_file {
            Some(path) => OperatorFile::read_secret(path).map_err(Failure::failed)?,
            None => Zeroizing::new(environment.text(TOKEN_VARIABLE).unwrap_or_default().to_owned()),
        };
        let token = match token.trim() {
            "" => {
                return Err(Failure::Usage(format!("there is no access token: set {TOKEN_VARIABLE} or --token-file")));
            }
            token => token,
        };
        let mut authorization = MetadataValue::try_from(format!("Bearer {token}"))
            .map_err(|_| Failure::Usage("the access token holds characters that no token has".to_owned()))?;
        authorization.set_sensitive(true);
        Ok(authorization)
    }

    /// A connection to the service.
    pub(super) async fn connect(&self, environment: &Environment) -> Result<Channel, Failure> {
        let address = self.address.as_deref().or_else(|| environment.text(ADDRESS_VARIABLE));
        connect(address.unwrap_or(DEFAULT_ADDRESS)).await
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
        Ok(Self { address: matches.get_one("address").cloned(), token_file: matches.get_one("token-file").cloned() })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}
