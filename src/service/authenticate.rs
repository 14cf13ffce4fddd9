//! Authentication of callers.

use std::sync::Arc;

use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::gates::Gates;
use super::{Call, Service, ServiceError};
use crate::domain::access_token::TokenDigest;
use crate::domain::caller::Caller;
use crate::ports::{
    CallerProof, CertificateRefusal, Evidence, ExternalIdentity, JwtRefusal, PresentedJwt, SignatureProblem,
    SignatureRefusal, SignedRequest,
};

/// The prefix of every bearer token's text, so that scanners for leaked secrets recognize it.
const PREFIX: &str = "cdt_";
/// The prefix of every access key's secret.
const SECRET_PREFIX: &str = "cdk_";
/// 256 random bits.
const TOKEN_BYTES: usize = 32;

/// The check that refuses a caller's proof. For the log: a caller learns only that it is not authenticated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum ProofRefusal {
    /// It refuses a JWT.
    #[error("{0}")]
    Jwt(JwtRefusal),
    /// It refuses the certificate that a trusted proxy forwards.
    #[error("{0}")]
    Certificate(CertificateRefusal),
    /// It refuses a signed request.
    #[error("{0}")]
    Signature(SignatureRefusal),
    /// It can't check the signature of a request.
    #[error("{0}")]
    Unchecked(SignatureProblem),
}

impl Service {
    /// The caller of an access token, and the evidence for the caller from now on.
    ///
    /// # Errors
    /// There is no such token, or it has expired.
    pub async fn authenticate(&self, token_text: &str) -> Result<(Caller, Evidence), ServiceError> {
        if token_text.len() != PREFIX.len() + 2 * TOKEN_BYTES {
            return Err(ServiceError::Unauthenticated);
        }
        let digest = digest(token_text);
        match self.gates.access_token(&digest).await? {
            Some(token) if token.is_valid_at(self.gates.now()) => {
                let evidence = Evidence::of_token(&token);
                Ok((token.caller, evidence))
            }
            _ => Err(ServiceError::Unauthenticated),
        }
    }

    /// The caller whose access key signed a request, and the evidence for the caller from now on. Takes one request from
    /// the quotas of the caller, and spends the nonce of the request.
    ///
    /// # Errors
    /// No valid access key signed it, its nonce was used before, or a quota is used up.
    pub async fn authenticate_signed(&self, request: &dyn SignedRequest) -> Result<(Caller, Evidence), ServiceError> {
        let key = self.gates.access_key_of(request).await?;
        let evidence = Evidence::of_token(&key);
        Ok((key.caller, evidence))
    }

    /// Counts a request that is refused because its signature can't be checked.
    pub fn count_unchecked_signature(&self) {
        self.gates.count_refused_signature();
    }

    /// The caller of an identity from outside, and the evidence for the caller from now on: the ids of the tenant and
    /// the subject that have these names now. Ones that get the names later are others.
    ///
    /// # Errors
    /// The identity is not valid, or its tenant or subject does not exist.
    pub async fn authenticate_external(
        &self,
        identity: Arc<dyn ExternalIdentity>,
    ) -> Result<(Caller, Evidence), ServiceError> {
        let found = self.gates.caller_named(identity.caller()).await?;
        let (caller, tenant) = found.ok_or(ServiceError::Unauthenticated)?;
        let proof = CallerProof::External { identity, subject: caller.subject_id() };
        let evidence = Evidence { proof, tenant, beside: None };
        let holds = evidence.holds_outside_the_store(self.gates.now());
        holds.then_some((caller, evidence)).ok_or(ServiceError::Unauthenticated)
    }

    /// Takes one request from the quotas of a caller that was just authenticated.
    ///
    /// # Errors
    /// A quota is used up.
    pub fn take_quota(&self, caller: &Caller) -> Result<(), ServiceError> {
        self.gates.take_quota(caller)
    }

    /// The identity that a JWT proves.
    ///
    /// # Errors
    /// The check that refuses it. For the log, not for the caller.
    pub async fn identity_of_jwt(&self, jwt: PresentedJwt<'_>) -> Result<Arc<dyn ExternalIdentity>, JwtRefusal> {
        self.gates.verify_jwt(jwt).await
    }

    /// Whether the log should have a line about that refusal, since callers can cause any number of them: `None`, or how
    /// many like it were left out before.
    pub fn log_refused_proof(&self, refusal: ProofRefusal) -> Option<u64> {
        self.gates.log_refused_proof(refusal)
    }

    /// The evidence of a call that has a client certificate besides another proof: from now on, both must hold.
    ///
    /// # Errors
    /// The certificate is not valid now, or names another caller.
    pub fn with_certificate(
        &self,
        evidence: Evidence,
        certificate: &Arc<dyn ExternalIdentity>,
        caller: &Caller,
    ) -> Result<Evidence, ServiceError> {
        let is_of_caller = certificate.is_valid_at(self.gates.now()) && certificate.caller().is_name_of(caller);
        let evidence = Evidence { beside: Some(Arc::clone(certificate)), ..evidence };
        is_of_caller.then_some(evidence).ok_or(ServiceError::Unauthenticated)
    }

    /// Checks a caller's evidence again, once its message is there: that may be long after the headers.
    ///
    /// # Errors
    /// It no longer proves the caller.
    pub async fn still_authenticated(&self, call: &Call) -> Result<(), ServiceError> {
        self.gates.check_evidence(call).await
    }
}

/// A fresh bearer token's text, and its digest, which is stored.
pub(super) fn new_token(gates: &Gates) -> (Zeroizing<String>, TokenDigest) {
    let text = new_text(gates, PREFIX);
    let digest = digest(&text);
    (text, digest)
}

/// A fresh secret of an access key.
pub(super) fn new_secret(gates: &Gates) -> Zeroizing<String> {
    new_text(gates, SECRET_PREFIX)
}

fn new_text(gates: &Gates, prefix: &str) -> Zeroizing<String> {
    let bytes = Zeroizing::new(gates.random::<TOKEN_BYTES>());
    let mut text = Zeroizing::new(String::with_capacity(prefix.len() + 2 * TOKEN_BYTES));
    text.push_str(prefix);
    for byte in bytes.iter() {
        for half in [byte >> 4, byte & 0xf] {
            text.extend(char::from_digit(half.into(), 16));
        }
    }
    text
}

/// A machine secret of 256 random bits needs no slow hash.
fn digest(token_text: &str) -> TokenDigest {
    TokenDigest(Sha256::digest(token_text.as_bytes()).into())
}
