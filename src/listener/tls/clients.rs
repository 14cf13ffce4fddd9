//! The verification of client certificates: those of each trust domain by its own CAs.

use std::collections::HashMap;
use std::sync::Arc;

use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{VerifierBuilderError, WebPkiClientVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, Error, RootCertStore, SignatureScheme};
use x509_parser::prelude::{FromDer, X509Certificate};

use super::peer::only_spiffe_id;
use super::set::{certificates, items};
use super::{TlsPart, TlsProblem, TlsTexts};
use crate::domain::caller_rules::CallerRules;

/// Verifies client certificates, if there are CAs for them. Without rules, as if there were none.
pub(super) fn client_verifier(
    texts: &TlsTexts,
    rules: Option<&CallerRules>,
    provider: &Arc<CryptoProvider>,
) -> Result<Option<Arc<dyn ClientCertVerifier>>, Vec<TlsProblem>> {
    let Some(cas) = &texts.client_cas else { return Ok(None) };
    let mut problems = Vec::new();
    let mut found = |part, message| problems.push(TlsProblem { part, message });
    let shared = roots(cas).map_err(|message| found(TlsPart::ClientCas, message));
    let (shared, shared_cas) = shared.unwrap_or_else(|()| (RootCertStore::empty(), Vec::new()));
    let crls = texts.client_crls.as_ref().map_or_else(|| Ok(Vec::new()), |crls| revocations(crls));
    let crls = crls.map_err(|message| found(TlsPart::ClientCrls, message)).unwrap_or_default();
    let (mut all, mut all_cas, mut own) = (shared.clone(), shared_cas, Vec::new());
    for (domain, file) in rules.into_iter().flat_map(CallerRules::ca_files) {
        let text = texts.trust_domain_cas.get(file).map_or("", |text| text);
        match roots(text) {
            Ok((_, cas)) if overlap(&cas, &all_cas) => {
                let message = format!("{file} holds a CA that vouches for another trust domain as well");
                found(TlsPart::ClientCallers, message);
            }
            Ok((roots, cas)) => {
                all.extend(roots.roots.iter().cloned());
                all_cas.extend(cas);
                own.push((domain.to_owned(), roots));
            }
            Err(message) => found(TlsPart::ClientCallers, format!("{file} {message}")),
        }
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    let verifier = |roots: RootCertStore| {
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider));
        let verifier = verifier.with_crls(crls.clone());
        let verifier = if texts.requires_clients { verifier } else { verifier.allow_unauthenticated() };
        verifier.build().map_err(|error| {
            let part = match error {
                VerifierBuilderError::InvalidCrl(_) => TlsPart::ClientCrls,
                _ => TlsPart::ClientCas,
            };
            vec![TlsProblem { part, message: format!("can't be used: {error}") }]
        })
    };
    let shared = verifier(shared)?;
    if own.is_empty() {
        return Ok(Some(shared));
    }
    let own = own.into_iter().map(|(domain, roots)| Ok((domain, verifier(roots)?)));
    let own: Result<_, Vec<TlsProblem>> = own.collect();
    Ok(Some(Arc::new(TrustDomains { all: verifier(all)?, shared, own: own? })))
}

/// What a certificate of a CA says about whom it vouches for.
struct Ca {
    subject: Vec<u8>,
    issuer: Vec<u8>,
    key: Vec<u8>,
}

impl Ca {
    fn read(certificate: &CertificateDer<'_>) -> Option<Self> {
        let (_, ca) = X509Certificate::from_der(certificate).ok()?;
        let [subject, issuer] = [ca.subject(), ca.issuer()].map(|name| name.as_raw().to_vec());
        Some(Self { subject, issuer, key: ca.public_key().raw.to_vec() })
    }

    /// Whether the other one has signed it, going by their names.
    fn is_signed_by(&self, other: &Self) -> bool {
        self.issuer == other.subject && self.issuer != self.subject
    }
}

/// Whether a CA of one set is also in the other, or has signed one there: it vouches for the certificates of both.
fn overlap(one: &[Ca], other: &[Ca]) -> bool {
    one.iter()
        .any(|ca| other.iter().any(|other| ca.key == other.key || ca.is_signed_by(other) || other.is_signed_by(ca)))
}

/// Verifies certificates of several trust domains: one with an id by the CAs of its trust domain alone.
#[derive(Debug)]
struct TrustDomains {
    all: Arc<dyn ClientCertVerifier>,
    /// The CAs of the trust domains that have none of their own.
    shared: Arc<dyn ClientCertVerifier>,
    own: HashMap<String, Arc<dyn ClientCertVerifier>>,
}

impl ClientCertVerifier for TrustDomains {
    fn verify_client_cert(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        // First, so that nothing else reads a certificate that no CA has signed.
        let verified = self.all.verify_client_cert(leaf, intermediates, now)?;
        let id = X509Certificate::from_der(leaf).ok().and_then(|(_, leaf)| only_spiffe_id(&leaf));
        let Some(id) = id else { return Ok(verified) };
        let of_domain = self.own.get(id.trust_domain()).unwrap_or(&self.shared);
        of_domain.verify_client_cert(leaf, intermediates, now)
    }

    fn client_auth_mandatory(&self) -> bool {
        self.all.client_auth_mandatory()
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.all.root_hint_subjects()
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.all.verify_tls12_signature(message, leaf, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.all.verify_tls13_signature(message, leaf, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.all.supported_verify_schemes()
    }
}

/// The CAs in a PEM.
fn roots(text: &str) -> Result<(RootCertStore, Vec<Ca>), String> {
    let (mut roots, mut cas) = (RootCertStore::empty(), Vec::new());
    let unusable = || "holds a certificate that can't be a CA".to_owned();
    for ca in certificates(text)? {
        cas.push(Ca::read(&ca).ok_or_else(unusable)?);
        roots.add(ca).map_err(|_| unusable())?;
    }
    Ok((roots, cas))
}

fn revocations(text: &str) -> Result<Vec<CertificateRevocationListDer<'static>>, String> {
    items(text, "revocation list")
}
