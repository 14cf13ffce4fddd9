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

/// The client certificate of a connection, which the handshake has verified.
#[derive(Debug, Clone)]
pub struct PeerCertificate {
    /// Its SHA-256 (`x5t#S256`, RFC 8705, section 3.1).
    pub thumbprint: [u8; 32],
    /// The identity that it gives, if it names a caller.
    pub identity: Option<Arc<dyn ExternalIdentity>>,
}

impl Evidence {
    /// The evidence for the caller of an access token.
    pub const fn of_token(token: &AccessToken) -> Self {
        Self { proof: CallerProof::Token(token.id), tenant: token.tenant }
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
        match &self.proof {
            CallerProof::Token(_) => true,
            CallerProof::External { identity, .. } => identity.is_valid_at(at),
        }
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
        is_same_proof && self.tenant == other.tenant
    }
}

impl Eq for Evidence {}
