//! JSON Web Tokens (RFC 7519) of other issuers, as the core sees them.

use std::sync::Arc;

use async_trait::async_trait;

use super::{ExternalIdentity, PeerCertificate};
use crate::domain::time::Timestamp;

/// A token that a caller presents.
#[derive(Clone, Copy)]
pub struct PresentedJwt<'a> {
    /// Its text.
    pub text: &'a str,
    /// The client certificate of its caller, if there is one.
    pub certificate: Option<&'a PeerCertificate>,
}

/// Verifies the tokens of the issuers that an operator has configured.
#[async_trait]
pub trait JwtVerifier: Send + Sync {
    /// The identity that a token proves at that time. May wait for keys that the issuer has added. The identity expires
    /// with the token, and is no longer valid once its key is removed, or the certificate that it is bound to is not valid.
    ///
    /// # Errors
    /// The check that refuses it.
    async fn verify(&self, presented: PresentedJwt<'_>, at: Timestamp)
    -> Result<Arc<dyn ExternalIdentity>, JwtRefusal>;
}

/// The check that refuses a token. For the log: a caller learns only that it is not authenticated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum JwtRefusal {
    /// There are no issuers.
    #[error("no issuers of JWTs are configured")]
    NoIssuers,
    /// Its text is too long.
    #[error("it is too long")]
    TooLong,
    /// Its text is no signed JWT.
    #[error("it is malformed, or names a member twice")]
    Malformed,
    /// It needs an extension.
    #[error("its header has `crit`: an extension that is not supported")]
    CriticalExtension,
    /// Its header names no key.
    #[error("its header has no `kid`")]
    NoKeyId,
    /// `iss` is not an issuer.
    #[error("its `iss` is not a configured issuer")]
    Issuer,
    /// The issuer may not use that algorithm.
    #[error("its `alg` is not allowed for the issuer")]
    Algorithm,
    /// The keys of the issuer could not be fetched for too long, or never.
    #[error("the keys of the issuer are not available")]
    NoKeys,
    /// The issuer has no such key.
    #[error("its `kid` is not a key of the issuer, or its `alg` does not fit the key")]
    Key,
    /// The signature is wrong.
    #[error("its signature is wrong")]
    Signature,
    /// It is a token of another type.
    #[error("its `typ` is not accepted")]
    Type,
    /// It is for another audience.
    #[error("its `aud` is another audience")]
    Audience,
    /// It never expires.
    #[error("it has no `exp`")]
    NoExpiry,
    /// It has expired.
    #[error("it has expired")]
    Expired,
    /// It is not valid yet.
    #[error("its `nbf` is in the future")]
    NotYetValid,
    /// It is about no subject.
    #[error("it has no `sub`")]
    NoSubject,
    /// No rule maps it to a caller.
    #[error("no rule of the issuer is for its claims")]
    NoRule,
    /// It is bound to another client certificate, or to anything else.
    #[error(
        "its `cnf` is not the client certificate of the caller: of the connection, or as a trusted proxy forwards it"
    )]
    Certificate,
}

impl JwtRefusal {
    /// Whether the token is one of a configured issuer: anyone can send other ones, as many as they like.
    pub const fn is_signed(self) -> bool {
        matches!(
            self,
            Self::Type
                | Self::Audience
                | Self::NoExpiry
                | Self::Expired
                | Self::NotYetValid
                | Self::NoSubject
                | Self::NoRule
                | Self::Certificate
        )
    }
}
