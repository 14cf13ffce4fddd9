//! TLS of the commands that call a service: what they trust, and their own certificate.

use std::error::Error;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{Arg, ArgMatches, Args, Command, FromArgMatches, value_parser};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, DigitallySignedStruct, SignatureScheme};
use tonic::transport::{Certificate, ClientTlsConfig, Endpoint, Identity};

use super::environment::Environment;
use super::failure::Failure;
use crate::config::{CA_FILE_VARIABLE, CERT_FILE_VARIABLE, KEY_FILE_VARIABLE};
use crate::server::OperatorFile;

/// `--ca-file`, `--cert-file` and `--key-file`.
#[derive(Debug, Clone, Default)]
pub(super) struct TlsArgs([Option<PathBuf>; 3]);

/// The flags, their variables and their help.
const FLAGS: [(&str, &str, &str); 3] = [
    ("ca-file", CA_FILE_VARIABLE, "PEM file with the CA of the service's certificate, instead of the system's CAs"),
    ("cert-file", CERT_FILE_VARIABLE, "PEM file with a client certificate and its intermediate certificates"),
    ("key-file", KEY_FILE_VARIABLE, "PEM file with the private key of the client certificate"),
];

impl TlsArgs {
    pub(super) fn flags() -> [Arg; 3] {
        FLAGS.map(|(name, variable, help)| {
            Arg::new(name)
                .long(name)
                .value_name("FILE")
                .value_parser(value_parser!(PathBuf))
                .help(format!("{help} [env: {variable}]"))
        })
    }

    /// Those that name these files.
    pub(super) const fn of(files: [Option<PathBuf>; 3]) -> Self {
        Self(files)
    }

    /// The files.
    pub(super) fn files(&self) -> [Option<PathBuf>; 3] {
        self.0.clone()
    }

    /// Those that flags or variables name, and otherwise these.
    pub(super) fn or(&self, others: [Option<PathBuf>; 3], environment: &Environment) -> Self {
        let variables = FLAGS.map(|(_, variable, _)| environment.text(variable).filter(|path| !path.is_empty()));
        let variables = variables.map(|path| path.map(PathBuf::from));
        let mut given = self.0.clone().into_iter().zip(variables).zip(others);
        Self([(); 3].map(|()| given.next().and_then(|((flag, variable), other)| flag.or(variable).or(other))))
    }

    /// Reads the files that flags or variables name.
    pub(super) fn read(&self, environment: &Environment) -> Result<ClientTls, Failure> {
        let Self([ca, cert, key]) = self.or([None, None, None], environment);
        let trust = match ca {
            Some(path) => Trust::Ca(certificates(&path)?),
            None => Trust::System,
        };
        let identity = match (cert, key) {
            (None, None) => None,
            (Some(cert), Some(key)) => {
                let key = OperatorFile::read_secret(&key).map_err(Failure::failed)?;
                Some(Identity::from_pem(certificates(&cert)?, key.as_str()))
            }
            _ => return Err(Failure::usage("--cert-file and --key-file belong together")),
        };
        Ok(ClientTls { trust, identity })
    }
}

impl Args for TlsArgs {
    fn augment_args(command: Command) -> Command {
        command.args(Self::flags().map(|flag| flag.help_heading("Connection")))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for TlsArgs {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        Ok(Self(FLAGS.map(|(name, ..)| matches.get_one(name).cloned())))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

/// The text of a file that holds at least one certificate.
fn certificates(path: &Path) -> Result<String, Failure> {
    let text = OperatorFile::read(path).map_err(Failure::failed)?.text.to_string();
    match CertificateDer::from_pem_slice(text.as_bytes()) {
        Ok(_) => Ok(text),
        Err(_) => Err(Failure::failed(format!("{} holds no certificate in PEM", path.display()))),
    }
}

/// What a client trusts, and what it proves itself with.
#[derive(Clone)]
pub(super) struct ClientTls {
    trust: Trust,
    identity: Option<Identity>,
}

#[derive(Clone)]
enum Trust {
    /// The CAs that this system trusts.
    System,
    /// The CAs in this PEM text.
    Ca(String),
    /// The certificate that is in this file of the service, which is on this machine.
    Certificate(CertificateDer<'static>),
    /// Any certificate. For a question whose answer is no secret, put to this machine.
    Anything,
}

impl ClientTls {
    /// Whether it says anything that only TLS can do.
    pub(super) fn is_given(&self) -> bool {
        self.identity.is_some() || matches!(self.trust, Trust::Ca(_))
    }

    /// Whether there is a client certificate.
    pub(super) fn has_certificate(&self) -> bool {
        self.identity.is_some()
    }

    /// The same, for a question to this machine under an address that the certificate does not name.
    pub(super) fn trusting_anything(self) -> Self {
        Self { trust: Trust::Anything, ..self }
    }

    /// The same, for a service on this machine under an address that its certificate does not name: trusts the certificate in
    /// its file, unless a CA is given.
    pub(super) fn trusting(self, certificate_file: &Path) -> Result<Self, Failure> {
        if matches!(self.trust, Trust::Ca(_)) {
            return Ok(self);
        }
        let text = certificates(certificate_file)?;
        let certificate = CertificateDer::from_pem_slice(text.as_bytes()).map_err(Failure::failed)?;
        Ok(Self { trust: Trust::Certificate(certificate), ..self })
    }

    /// Sets up an endpoint for TLS.
    pub(super) fn apply(self, endpoint: Endpoint) -> Result<Endpoint, Failure> {
        let host = endpoint.uri().host().unwrap_or_default();
        let mut config = ClientTlsConfig::new().domain_name(host.trim_matches(['[', ']']));
        if let Some(identity) = self.identity {
            config = config.identity(identity);
        }
        let applied = match self.trust {
            Trust::System => endpoint.tls_config(config.with_native_roots()),
            Trust::Ca(text) => endpoint.tls_config(config.ca_certificate(Certificate::from_pem(text))),
            Trust::Certificate(certificate) => {
                endpoint.tls_config_with_verifier(config, OnlyTheKey::of(Some(certificate)))
            }
            Trust::Anything => endpoint.tls_config_with_verifier(config, OnlyTheKey::of(None)),
        };
        applied.map_err(|error| Failure::caused("TLS can't be set up", &error))
    }
}

/// Accepts a certificate whose holder has its key: this one, or every one.
#[derive(Debug)]
struct OnlyTheKey {
    certificate: Option<CertificateDer<'static>>,
    provider: Arc<CryptoProvider>,
}

impl OnlyTheKey {
    fn of(certificate: Option<CertificateDer<'static>>) -> Arc<Self> {
        Arc::new(Self { certificate, provider: Arc::new(aws_lc_rs::default_provider()) })
    }
}

impl ServerCertVerifier for OnlyTheKey {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        match &self.certificate {
            Some(certificate) if certificate != end_entity => {
                Err(CertificateError::ApplicationVerificationFailure.into())
            }
            _ => Ok(ServerCertVerified::assertion()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, signature, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, signature, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// What to do about an alert of the service, by the end of its text: an error of HTTP/2 keeps only the text of the error
/// below it.
const ALERTS: [(&str, &str); 5] = [
    (
        "alert: CertificateRequired",
        "the service requires a client certificate: name one with --cert-file and --key-file",
    ),
    ("alert: UnknownCA", "the service does not trust the CA of the client certificate"),
    ("alert: CertificateExpired", "the client certificate has expired, or is not valid yet"),
    ("alert: CertificateRevoked", "the client certificate is revoked"),
    ("alert: ProtocolVersion", "the service requires a newer version of TLS"),
];

/// What to do about an error of TLS, where that is known.
pub(super) fn advice(error: &(dyn Error + 'static)) -> Option<&'static str> {
    use rustls::Error as Tls;
    let errors = || std::iter::successors(Some(error), |&error| error.source());
    let alert = |(name, advice)| errors().any(|error| error.to_string().ends_with(name)).then_some(advice);
    if let Some(advice) = ALERTS.into_iter().find_map(alert) {
        return Some(advice);
    }
    Some(match errors().find_map(tls_error)? {
        Tls::InvalidCertificate(CertificateError::UnknownIssuer) => {
            "no CA that is trusted here signed the service's certificate: name its CA with --ca-file"
        }
        Tls::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        ) => "the service's certificate is for another name: use a name that it has in --address",
        Tls::InvalidCertificate(CertificateError::ApplicationVerificationFailure) => {
            "the service shows another certificate than the one in `tls.certificate_file`"
        }
        Tls::InvalidCertificate(CertificateError::Expired | CertificateError::ExpiredContext { .. }) => {
            "the service's certificate has expired"
        }
        Tls::InvalidCertificate(CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. }) => {
            "the service's certificate is not valid yet: is the clock right?"
        }
        Tls::InvalidMessage(_) => "the service does not speak TLS at that address: use http://",
        _ => return None,
    })
}

/// The error of TLS in an error, if it is one. An `io::Error` does not name what it wraps as its source.
fn tls_error<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a rustls::Error> {
    let wrapped = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
    error.downcast_ref().or_else(|| wrapped?.downcast_ref())
}
