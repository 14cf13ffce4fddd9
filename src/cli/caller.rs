//! The address of a running service, what is trusted there, and the credentials for it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Arg, ArgMatches, Args, Command, FromArgMatches, ValueHint, value_parser};
use tokio::sync::oneshot;
use tonic::Request;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::Channel;
use zeroize::Zeroizing;

use super::connection::{connect, connect_lazily, reachable};
use super::environment::Environment;
use super::failure::Failure;
use super::profile::{Profile, Profiles};
use super::settings::SettingArgs;
use super::tls::{ClientTls, TlsArgs};
use crate::config::{
    ADDRESS_VARIABLE, FILE_VARIABLE, PROFILE_VARIABLE, Setting, TENANT_VARIABLE, TOKEN_FILE_VARIABLE, TOKEN_VARIABLE,
};
use crate::server::OperatorFile;

const DEFAULT_ADDRESS: &str = "http://127.0.0.1:50051";

/// `--address`, `--profile`, `--config`, `--token-file`, and the flags of TLS.
#[derive(Debug, Default)]
pub(super) struct CallerArgs {
    address: Option<String>,
    profile: Option<String>,
    config: Option<PathBuf>,
    token_file: Option<PathBuf>,
    tls: TlsArgs,
}

/// What is known of a service before its connection.
struct Known {
    address: String,
    /// The profile that it is from.
    profile: Profile,
    /// The file of its certificate, if it is on this machine and uses TLS.
    certificate_file: Option<PathBuf>,
}

impl CallerArgs {
    /// The flags.
    pub(super) fn flags() -> impl Iterator<Item = Arg> {
        let flags = [
            Arg::new("address").long("address").value_name("URL").value_hint(ValueHint::Url).help(format!(
                "Address of the service to call [default: that of the profile, or {DEFAULT_ADDRESS}] [env: {ADDRESS_VARIABLE}]"
            )),
            Arg::new("profile").long("profile").value_name("NAME").conflicts_with("address").help(format!(
                "Profile that `credentiald login` made [default: the last one] [env: {PROFILE_VARIABLE}]"
            )),
            Arg::new("config")
                .long("config")
                .value_name("FILE")
                .value_parser(value_parser!(PathBuf))
                .conflicts_with_all(["address", "profile"])
                .help(format!("Configuration of a service on this machine, to call it there [env: {FILE_VARIABLE}]")),
            Arg::new("token-file").long("token-file").value_name("FILE").value_parser(value_parser!(PathBuf)).help(
                format!("File with the access token [env: {TOKEN_FILE_VARIABLE}, or the token: {TOKEN_VARIABLE}]"),
            ),
        ];
        flags.into_iter().chain(TlsArgs::flags())
    }

    /// Those that name all that a profile has.
    pub(super) fn of(profile: &Profile) -> Self {
        let Profile { address, token_file, .. } = profile.clone();
        Self { address: Some(address), token_file, tls: TlsArgs::of(files(profile)), ..Self::default() }
    }

    /// The file with the settings of the service, if one is named.
    pub(super) fn settings(&self) -> SettingArgs {
        SettingArgs::of_file(self.config.clone())
    }

    /// The service to call. Reads everything that its connection and its calls need, but does not connect: so what can't be
    /// right is found before a password is asked for.
    pub(super) fn service(&self, environment: &Environment) -> Result<Service, Failure> {
        let Known { address, profile, certificate_file } = self.known(environment)?;
        let tls = self.tls.or(files(&profile), environment).read(environment)?;
        let tls = match certificate_file {
            Some(path) => tls.trusting(&path)?,
            None => tls,
        };
        let authorization = self.authorization(profile.token_file.as_deref(), environment, tls.has_certificate())?;
        let tenant = variable(environment, TENANT_VARIABLE).map(str::to_owned).or(profile.tenant);
        Ok(Service { address, tls, authorization, tenant })
    }

    /// A connection to it, and the `authorization` header of its calls.
    pub(super) async fn connect(&self, environment: &Environment) -> Result<(Channel, Authorization), Failure> {
        self.service(environment)?.connect().await
    }

    /// What flags name; otherwise what the environment names; otherwise the current profile.
    fn known(&self, environment: &Environment) -> Result<Known, Failure> {
        let profiles = || Profiles::read(environment);
        let variable = |name| variable(environment, name);
        if let Some(address) = &self.address {
            return Ok(Known::at(address));
        }
        if let Some(name) = &self.profile {
            return Ok(Known::by(profiles()?.named(name)?));
        }
        if self.config.is_some() {
            return self.configured(environment);
        }
        if let Some(address) = variable(ADDRESS_VARIABLE) {
            return Ok(Known::at(address));
        }
        if let Some(name) = variable(PROFILE_VARIABLE) {
            return Ok(Known::by(profiles()?.named(name)?));
        }
        let listen = Setting::of_key("server.listen").map(Setting::variable).unwrap_or_default();
        if variable(FILE_VARIABLE).or(variable(&listen)).is_some() {
            return self.configured(environment);
        }
        Ok(profiles()?.current().map_or_else(|| Known::at(DEFAULT_ADDRESS), Known::by))
    }

    /// The service that has these settings, on this machine.
    fn configured(&self, environment: &Environment) -> Result<Known, Failure> {
        let config = self.settings().with("server.allow_plaintext", "true".to_owned()).load(environment)?.config;
        let certificate_file = config.tls.certificate_file;
        let scheme = if certificate_file.is_some() { "https" } else { "http" };
        let address = format!("{scheme}://{}", reachable(config.server.listen));
        Ok(Known { certificate_file, ..Known::at(&address) })
    }

    fn authorization(
        &self,
        of_profile: Option<&Path>,
        environment: &Environment,
        is_optional: bool,
    ) -> Result<Authorization, Failure> {
        // A token of the environment is for another service than that of the profile.
        let given = variable(environment, TOKEN_VARIABLE).filter(|_| of_profile.is_none());
        let by_variable = || variable(environment, TOKEN_FILE_VARIABLE).map(Path::new).filter(|_| given.is_none());
        let file = self.token_file.as_deref().or(of_profile).or_else(by_variable);
        let token = Zeroizing::new(given.unwrap_or_default().to_owned());
        match file {
            Some(path) => Authorization::in_file(path),
            None if token.trim().is_empty() && is_optional => Ok(Authorization { header: None, file: None }),
            None => Ok(Authorization { header: Some(header(&token)?), file: None }),
        }
    }
}

/// The header with a token.
fn header(token: &str) -> Result<MetadataValue<Ascii>, Failure> {
    let token = token.trim();
    if token.is_empty() {
        let text = format!(
            "there is no access token: set {TOKEN_VARIABLE}, {TOKEN_FILE_VARIABLE} or --token-file, or run credentiald login"
        );
        return Err(Failure::usage(text));
    }
    let mut header = MetadataValue::try_from(format!("Bearer {token}"))
        .map_err(|_| Failure::usage("the access token holds characters that no token has"))?;
    header.set_sensitive(true);
    Ok(header)
}

impl Known {
    fn at(address: &str) -> Self {
        Self { address: address.to_owned(), profile: Profile::default(), certificate_file: None }
    }

    fn by(profile: &Profile) -> Self {
        Self { address: profile.address.clone(), profile: profile.clone(), certificate_file: None }
    }
}

/// The files of TLS that a profile names.
fn files(profile: &Profile) -> [Option<PathBuf>; 3] {
    let Profile { ca_file, cert_file, key_file, .. } = profile.clone();
    [ca_file, cert_file, key_file]
}

/// A variable that is set and not empty.
fn variable<'a>(environment: &'a Environment, name: &str) -> Option<&'a str> {
    environment.text(name).filter(|text| !text.is_empty())
}

/// A service that is not connected yet.
pub(super) struct Service {
    address: String,
    tls: ClientTls,
    authorization: Authorization,
    tenant: Option<String>,
}

impl Service {
    /// The tenant of administration commands that name none.
    pub(super) fn tenant(&self) -> Option<&str> {
        self.tenant.as_deref()
    }

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
pub(super) struct Authorization {
    header: Option<MetadataValue<Ascii>>,
    /// The file that its token is from.
    file: Option<PathBuf>,
}

impl Authorization {
    fn in_file(path: &Path) -> Result<Self, Failure> {
        let token = OperatorFile::read_secret(path).map_err(Failure::failed)?;
        Ok(Self { header: Some(header(&token)?), file: Some(path.to_owned()) })
    }

    /// The same, with the token that is in its file now. The file is read in a thread that is not waited for longer than the
    /// caller waits: a file system may not answer.
    pub(super) async fn read_again(&self) -> Result<Self, Failure> {
        let Some(path) = self.file.clone() else { return Ok(self.clone()) };
        let (sender, receiver) = oneshot::channel();
        let read = move || drop(sender.send(Self::in_file(&path)));
        std::thread::Builder::new().spawn(read).map_err(Failure::failed)?;
        receiver.await.map_err(Failure::failed)?
    }

    /// Whether the token is from a file, which may get another one.
    pub(super) const fn is_from_file(&self) -> bool {
        self.file.is_some()
    }

    /// A request with the header, and with a deadline.
    pub(super) fn request<T>(&self, message: T, within: Duration) -> Request<T> {
        let mut request = Request::new(message);
        self.apply(&mut request);
        request.set_timeout(within);
        request
    }

    /// Adds the header to a request.
    pub(super) fn apply<T>(&self, request: &mut Request<T>) {
        if let Some(value) = &self.header {
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
            profile: matches.get_one("profile").cloned(),
            config: matches.get_one("config").cloned(),
            token_file: matches.get_one("token-file").cloned(),
            tls: TlsArgs::from_arg_matches(matches)?,
        })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}
