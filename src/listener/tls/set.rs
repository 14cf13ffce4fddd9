//! The files of TLS as one set. A set is used as a whole or not at all.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::{Error as PemError, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoServerSessionStorage, ServerConfig};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::version::{TLS12, TLS13};
use x509_parser::prelude::{FromDer, X509Certificate};
use zeroize::Zeroizing;

use super::clients::client_verifier;
use super::{HandshakeTime, Protocol, unix_time};
use crate::domain::caller_rules::{CallerRules, CertificateRule, SpiffeId};
use crate::domain::time::Timestamp;
use crate::ports::Clock;

/// The names of the protocols (RFC 7301, RFC 9113).
const H2: &[u8] = b"h2";
const HTTP_1_1: &[u8] = b"http/1.1";

/// The texts of the files, and what the settings say beside them.
#[derive(PartialEq, Eq)]
pub struct TlsTexts {
    /// The certificate of the service and its intermediates, PEM.
    pub certificate: Zeroizing<String>,
    /// Its private key, PEM.
    pub key: Zeroizing<String>,
    /// The CAs of client certificates, PEM.
    pub client_cas: Option<Zeroizing<String>>,
    /// Whether every client needs a certificate, if there are CAs for it.
    pub requires_clients: bool,
    /// Their revocation lists, PEM.
    pub client_crls: Option<Zeroizing<String>>,
    /// The rules by which client certificates name callers.
    pub client_callers: Option<Zeroizing<String>>,
    /// The CAs of the trust domains that have their own, PEM, by the names of the files in the rules.
    pub trust_domain_cas: BTreeMap<String, Zeroizing<String>>,
    /// Whether TLS 1.2 is allowed, besides 1.3.
    pub allow_tls12: bool,
}

/// A set that fits together.
pub struct TlsSet {
    http1: Arc<ServerConfig>,
    http2: Arc<ServerConfig>,
    clients: Option<Arc<dyn ClientCertVerifier>>,
    callers: CallerRules,
    /// In seconds since 1970.
    expiry: i64,
}

/// A part of a set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TlsPart {
    /// The certificate of the service.
    Certificate,
    /// Its private key.
    Key,
    /// The CAs of client certificates.
    ClientCas,
    /// Their revocation lists.
    ClientCrls,
    /// The rules by which client certificates name callers.
    ClientCallers,
}

/// A mistake in a set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsProblem {
    /// The part that it is in.
    pub part: TlsPart,
    /// The mistake. Contains no part of a key.
    pub message: String,
}

impl TlsSet {
    /// Reads a set, which would replace the one before. A certificate that is in force already may have expired since:
    /// new revocation lists and rules must not wait for the next certificate.
    ///
    /// # Errors
    /// Every mistake in it.
    pub fn read(texts: &TlsTexts, before: Option<&TlsTexts>, clock: &Arc<dyn Clock>) -> Result<Self, Vec<TlsProblem>> {
        let provider = Arc::new(default_provider());
        let is_in_force = before.is_some_and(|before| before.certificate == texts.certificate);
        let chain = certificates(&texts.certificate);
        let chain = if is_in_force { chain } else { chain.and_then(|chain| in_its_time(chain, clock.now())) };
        let chain = chain.map_err(|message| TlsProblem { part: TlsPart::Certificate, message });
        let expiry = chain.as_ref().ok().and_then(|chain| expiry_of(chain, clock.now())).unwrap_or_default();
        let key = private_key(&texts.key).map_err(|message| TlsProblem { part: TlsPart::Key, message });
        let callers = caller_rules(texts);
        let clients = client_verifier(texts, callers.as_ref().ok(), &provider);
        let pair = match (chain, key) {
            (Ok(chain), Ok(key)) => certified(chain, key, &provider).map_err(|problem| vec![problem]),
            (chain, key) => Err([chain.err(), key.err()].into_iter().flatten().collect()),
        };
        let (pair, clients, callers) = match (pair, clients, callers) {
            (Ok(pair), Ok(clients), Ok(callers)) => (pair, clients, callers),
            (pair, clients, callers) => {
                return Err([pair.err(), clients.err(), callers.err()].into_iter().flatten().flatten().collect());
            }
        };
        let problem = |error: &dyn fmt::Display| {
            vec![TlsProblem { part: TlsPart::Certificate, message: format!("can't be used: {error}") }]
        };
        let versions: &[_] = if texts.allow_tls12 { &[&TLS13, &TLS12] } else { &[&TLS13] };
        let time = Arc::new(HandshakeTime(Arc::clone(clock)));
        let config = ServerConfig::builder_with_details(provider, time).with_protocol_versions(versions);
        let config = config.map_err(|error| problem(&error))?;
        let config = match &clients {
            Some(verifier) => config.with_client_cert_verifier(Arc::clone(verifier)),
            None => config.with_no_client_auth(),
        };
        let mut server = config.with_cert_resolver(Arc::new(SingleCertAndKey::from(pair)));
        if clients.is_some() {
            // A resumed session is not verified again: each handshake is a full one.
            server.session_storage = Arc::new(NoServerSessionStorage {});
            server.send_tls13_tickets = 0;
        }
        let speaking = |protocol: &[u8]| {
            let mut server = server.clone();
            server.alpn_protocols = vec![protocol.to_vec()];
            Arc::new(server)
        };
        Ok(Self { http1: speaking(HTTP_1_1), http2: speaking(H2), clients, callers, expiry })
    }

    /// The earliest expiry in the chain of the service, in seconds since 1970.
    pub const fn expiry(&self) -> i64 {
        self.expiry
    }

    /// What an id stands for.
    pub(super) fn rule_of(&self, id: &SpiffeId) -> Option<&CertificateRule> {
        self.callers.rule_of(id)
    }

    /// Whether a client with these certificates could connect at that time.
    pub(super) fn verifies(&self, chain: &[CertificateDer<'_>], at: Timestamp) -> bool {
        match (&self.clients, chain) {
            (Some(verifier), [leaf, rest @ ..]) => verifier.verify_client_cert(leaf, rest, unix_time(at)).is_ok(),
            _ => false,
        }
    }

    pub(super) fn server_config(&self, protocol: Protocol) -> Arc<ServerConfig> {
        Arc::clone(match protocol {
            Protocol::Http1 => &self.http1,
            Protocol::Http2 => &self.http2,
        })
    }
}

/// Every item of one kind in a PEM text, at least one.
pub(super) fn items<T: PemObject>(text: &str, kind: &str) -> Result<Vec<T>, String> {
    let items: Result<Vec<_>, _> = T::pem_slice_iter(text.as_bytes()).collect();
    match items {
        Ok(items) if items.is_empty() => Err(format!("holds no {kind} in PEM")),
        Ok(items) => Ok(items),
        Err(error) => Err(format!("is not valid PEM: {}", described(&error))),
    }
}

/// Every certificate of a PEM text.
pub(super) fn certificates(text: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    items(text, "certificate")
}

fn caller_rules(texts: &TlsTexts) -> Result<CallerRules, Vec<TlsProblem>> {
    let rules =
        texts.client_callers.as_ref().map_or_else(|| Ok(CallerRules::default()), |text| CallerRules::parse(text));
    rules.map_err(|mistakes| {
        let problem = |message| TlsProblem { part: TlsPart::ClientCallers, message };
        mistakes.into_iter().map(problem).collect()
    })
}

fn private_key(text: &str) -> Result<PrivateKeyDer<'static>, String> {
    PrivateKeyDer::from_pem_slice(text.as_bytes()).map_err(|error| match error {
        PemError::NoItemsFound if text.contains("-----BEGIN ENCRYPTED PRIVATE KEY-----") => {
            "is encrypted; the service can't ask for its passphrase".to_owned()
        }
        PemError::NoItemsFound => "holds no private key in PEM".to_owned(),
        error => format!("is not valid PEM: {}", described(&error)),
    })
}

/// A mistake in PEM, without any of the text: it may be a part of a key.
fn described(error: &PemError) -> &'static str {
    match error {
        PemError::MissingSectionEnd { .. } => "a section has no end",
        PemError::IllegalSectionStart { .. } => "a section begins in a wrong way",
        PemError::Base64Decode(_) => "a section is not base64",
        _ => "it can't be read",
    }
}

/// The earliest expiry in the chain, in seconds since 1970. Intermediates that have expired already do not count: they
/// decide nothing.
fn expiry_of(chain: &[CertificateDer<'_>], now: Timestamp) -> Option<i64> {
    let expiry = |der: &CertificateDer<'_>| {
        let (_, certificate) = X509Certificate::from_der(der).ok()?;
        Some(certificate.validity().not_after.timestamp())
    };
    let (own, intermediates) = chain.split_first()?;
    let intermediates = intermediates.iter().filter_map(expiry).filter(|expiry| *expiry >= now.as_seconds());
    expiry(own).into_iter().chain(intermediates).min()
}

/// Refuses a certificate that clients would refuse for its dates. Those of its intermediates decide nothing: clients may
/// know another way from the certificate to a CA.
fn in_its_time(chain: Vec<CertificateDer<'static>>, now: Timestamp) -> Result<Vec<CertificateDer<'static>>, String> {
    let Some(leaf) = chain.first() else { return Ok(chain) };
    let (_, leaf) = X509Certificate::from_der(leaf).map_err(|_| "is not a certificate".to_owned())?;
    let validity = leaf.validity();
    let seconds = now.as_seconds();
    if seconds < validity.not_before.timestamp() {
        return Err(format!("is not valid before {}", validity.not_before));
    }
    if seconds > validity.not_after.timestamp() {
        return Err(format!("has expired: it was valid until {}", validity.not_after));
    }
    Ok(chain)
}

fn certified(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    provider: &CryptoProvider,
) -> Result<CertifiedKey, TlsProblem> {
    use rustls::{Error, InconsistentKeys};
    CertifiedKey::from_der(chain, key, provider).map_err(|error| match error {
        Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
            TlsProblem { part: TlsPart::Key, message: "is not the key of the certificate".to_owned() }
        }
        Error::InvalidCertificate(_) => {
            TlsProblem { part: TlsPart::Certificate, message: "is not a certificate".to_owned() }
        }
        _ => TlsProblem { part: TlsPart::Key, message: "is not a private key that can be used".to_owned() },
    })
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair, date_time_ymd};

    use super::*;

    #[test]
    fn a_chain_expires_with_its_earliest_certificate_but_for_intermediates_that_expired_before() {
        let certificate = |year| {
            let mut params = CertificateParams::default();
            params.not_after = date_time_ymd(year, 1, 1);
            params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().clone()
        };
        let in_2030 = Timestamp::from_micros(1_893_456_000_000_000);
        for years in [&[2050, 2040, 2060][..], &[2040], &[2040, 2050], &[2040, 2020, 2029], &[2050, 2020, 2040]] {
            let chain: Vec<_> = years.iter().map(|year| certificate(*year)).collect();
            assert_eq!(expiry_of(&chain, in_2030), Some(2_208_988_800), "{years:?}");
        }
        // The certificate of the service itself always counts.
        assert_eq!(expiry_of(&[certificate(2020), certificate(2040)], in_2030), Some(1_577_836_800));
        assert_eq!(expiry_of(&[], in_2030), None);
    }
}
