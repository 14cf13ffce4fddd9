//! Evidence of the caller's identity.

use std::fmt;
use std::sync::Arc;

use crate::domain::access_token::{AccessToken, TokenId};
use crate::domain::named_caller::NamedCaller;
use crate::domain::subject::SubjectId;
use crate::domain::tenant::TenantId;
use crate::domain::time::Timestamp;

/// What proved the caller's identity when the call began. It is checked again before anything is done for the call, and
/// in the transaction of each write: a proof may be revoked, expire or end with its tenant or its subject during a call.
#[derive(Debug, Clone)]
pub struct Evidence {
    /// The proof.
    pub proof: CallerProof,
    /// The tenant that it is bound to; `None` for an operator.
    pub tenant: Option<TenantId>,
    /// The client certificate that names the same caller, if the call had one. The evidence ends with it, too.
    pub beside: Option<Arc<dyn ExternalIdentity>>,
}

/// A way to prove a caller.
#[derive(Debug, Clone)]
pub enum CallerProof {
    /// An access token. Its row holds the rest.
    Token(TokenId),
    /// An identity from outside. It names its caller: the ids of tenant and subject were looked up when the call began.
    External {
        /// The identity.
        identity: Arc<dyn ExternalIdentity>,
        /// The subject that the caller is, if it is one.
        subject: Option<SubjectId>,
    },
}

/// A caller's identity that another party vouches for, such as a client certificate.
pub trait ExternalIdentity: fmt::Debug + Send + Sync {
    /// The caller that it names.
    fn caller(&self) -> &NamedCaller;

    /// Whether it is valid at that time: it has not expired, its issuer is trusted, it is not revoked, and it names the
    /// same caller. Asked during every call and in every transaction: MUST NOT block.
    fn is_valid_at(&self, at: Timestamp) -> bool;
}

/// A client certificate that was verified: that of a connection, or one that a trusted proxy forwards with a call.
#[derive(Debug, Clone)]
pub struct PeerCertificate {
    /// Its SHA-256 (`x5t#S256`, RFC 8705, section 3.1).
    pub thumbprint: [u8; 32],
    /// Whether it is still valid.
    pub validity: Arc<dyn CertificateValidity>,
    /// What it names.
    pub holder: CertificateHolder,
}

/// What a client certificate names.
#[derive(Debug, Clone)]
pub enum CertificateHolder {
    /// Nothing: calls with it need a token.
    Unnamed,
    /// A caller.
    Caller(Arc<dyn ExternalIdentity>),
    /// A proxy, whose calls are those of its clients.
    Proxy(Arc<dyn TrustedProxy>),
}

/// Whether a client certificate can still be used.
pub trait CertificateValidity: fmt::Debug + Send + Sync {
    /// Whether it has not expired at that time, its issuer is trusted, and it is not revoked. Asked like
    /// [`ExternalIdentity::is_valid_at`]: MUST NOT block.
    fn is_valid_at(&self, at: Timestamp) -> bool;
}

/// A proxy that may name its clients: it forwards the certificate that each has proved to it.
pub trait TrustedProxy: fmt::Debug + Send + Sync {
    /// The header that has the certificate, in lower case.
    fn header(&self) -> &'static str;

    /// The certificate in a value of that header. It is valid for as long as the proxy is trusted, too.
    ///
    /// # Errors
    /// The check that refuses it.
    fn client(self: Arc<Self>, value: &str) -> Result<PeerCertificate, CertificateRefusal>;
}

/// The check that refuses a forwarded certificate. For the log: a caller learns only that it is not authenticated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum CertificateRefusal {
    /// The header can't be read as one certificate.
    #[error("the header is repeated, malformed, or does not hold exactly one certificate")]
    Malformed,
    /// A connection with that certificate would be refused.
    #[error("the certificate is of another CA, has expired, is revoked, or is not for clients")]
    Invalid,
    /// The proxy has lost its rule, or its own certificate is no longer valid.
    #[error("the proxy is no longer trusted")]
    Proxy,
}

impl PeerCertificate {
    /// The identity that it gives, if it names a caller.
    pub const fn identity(&self) -> Option<&Arc<dyn ExternalIdentity>> {
        match &self.holder {
            CertificateHolder::Caller(identity) => Some(identity),
            CertificateHolder::Unnamed | CertificateHolder::Proxy(_) => None,
        }
    }
}

impl Evidence {
    /// The evidence for the caller of an access token.
    pub const fn of_token(token: &AccessToken) -> Self {
        Self { proof: CallerProof::Token(token.id), tenant: token.tenant, beside: None }
    }

    /// The access token, if it is one.
    pub const fn token(&self) -> Option<TokenId> {
        match self.proof {
            CallerProof::Token(token) => Some(token),
            CallerProof::External { .. } => None,
        }
    }

    /// Whether it holds at that time, as far as it does not depend on the store.
    pub fn holds_outside_the_store(&self, at: Timestamp) -> bool {
        let proof = match &self.proof {
            CallerProof::Token(_) => None,
            CallerProof::External { identity, .. } => Some(identity),
        };
        proof.into_iter().chain(&self.beside).all(|identity| identity.is_valid_at(at))
    }
}

impl PartialEq for Evidence {
    /// Whether both are the same evidence: an identity is only equal to itself.
    fn eq(&self, other: &Self) -> bool {
        let is_same_proof = match (&self.proof, &other.proof) {
            (CallerProof::Token(one), CallerProof::Token(other)) => one == other,
            (CallerProof::External { identity: one, subject }, CallerProof::External { identity, subject: other }) => {
                Arc::ptr_eq(one, identity) && subject == other
            }
            _ => false,
        };
        let is_same_beside = match (&self.beside, &other.beside) {
            (Some(one), Some(other)) => Arc::ptr_eq(one, other),
            (one, other) => one.is_none() && other.is_none(),
        };
        is_same_proof && is_same_beside && self.tenant == other.tenant
    }
}

impl Eq for Evidence {}
