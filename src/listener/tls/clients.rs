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
    let shared =
        roots(cas).map_err(|message| found(TlsPart::ClientCas, message)).unwrap_or_else(|()| RootCertStore::empty());
    let crls = texts.client_crls.as_ref().map_or_else(|| Ok(Vec::new()), |crls| revocations(crls));
    let crls = crls.map_err(|message| found(TlsPart::ClientCrls, message)).unwrap_or_default();
    let (mut all, mut own) = (shared.clone(), Vec::new());
    for (domain, file) in rules.into_iter().flat_map(CallerRules::ca_files) {
        let text = texts.trust_domain_cas.get(file).map_or("", |text| text);
        match roots(text) {
            Ok(roots) if share_a_key(&roots, &all) => {
                let message = format!("{file} holds a CA that vouches for another trust domain as well");
                found(TlsPart::ClientCallers, message);
            }
            Ok(roots) => {
                all.extend(roots.roots.iter().cloned());
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

/// Whether a key is that of a CA in both.
fn share_a_key(one: &RootCertStore, other: &RootCertStore) -> bool {
    let keys =
        |roots: &RootCertStore| roots.roots.iter().map(|ca| ca.subject_public_key_info.clone()).collect::<Vec<_>>();
    let others = keys(other);
    keys(one).iter().any(|key| others.contains(key))
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

fn roots(text: &str) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    for ca in certificates(text)? {
        roots.add(ca).map_err(|_| "holds a certificate that can't be a CA".to_owned())?;
    }
    Ok(roots)
}

fn revocations(text: &str) -> Result<Vec<CertificateRevocationListDer<'static>>, String> {
    items(text, "revocation list")
}
