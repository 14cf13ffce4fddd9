//! Requests that are signed with the secret of an access key.

use std::time::Duration;

use crate::domain::time::{Timestamp, minutes};

/// How far the time of a signed request may be off, either way.
pub const SIGNATURE_WINDOW: Duration = minutes(15);

/// What a signed request claims. Only [`Self::proven`] proves it.
pub trait SignedRequest: Send + Sync {
    /// The id of the access key that it names.
    fn access_key_id(&self) -> &str;

    /// What makes it unique for its key. `None` if its form has nothing of the kind: then a repeat of the same request is
    /// a legitimate retry, and is carried out again while its time allows. What protects a change of a password from that
    /// is the old password, which is no longer right.
    fn nonce(&self) -> Option<&str>;

    /// When it was signed.
    fn signed_at(&self) -> Timestamp;

    /// Checks that it was signed with that secret, within [`SIGNATURE_WINDOW`] of now. The time comes first, and depends on
    /// the request alone. MUST take the same time for every wrong signature.
    ///
    /// # Errors
    /// [`SignatureRefusal::Expired`] or [`SignatureRefusal::Mismatch`].
    fn proven(&self, secret: &str, now: Timestamp) -> Result<(), SignatureRefusal>;
}

/// Why a request is refused before its key is looked up. Repeats nothing of the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum SignatureProblem {
    /// It is not signed.
    #[error("the request is not signed")]
    Absent,
    /// The algorithm is not one that the service checks.
    #[error("the signature algorithm is not supported")]
    Algorithm,
    /// A part of the signature is missing, or can't be understood.
    #[error("the signature is incomplete or malformed: {0}")]
    Malformed(&'static str),
    /// A header that has to be signed is not.
    #[error("a header is not signed that has to be: {0}")]
    HeaderNotSigned(&'static str),
    /// A part of the request is one that this form of signature does not cover.
    #[error("the signature does not cover this {0}")]
    NotCovered(&'static str),
    /// The body is not the one that was signed.
    #[error("the digest of the body is another one")]
    BodyDigest,
    /// The time can't be understood.
    #[error("the time of the request is malformed")]
    Time,
}

/// Why a signed request proves no caller, as far as its sender may know.
///
/// The ids of access keys have 122 random bits, so none is found by trying. But an id is no secret: it is sent in the clear,
/// and stays in logs. So the sender of a request that is not signed rightly does not learn whether that key exists, is
/// disabled or has expired, nor whether its user is gone: all of this is a [`Self::Mismatch`], and costs the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[error("{}", self.message())]
pub enum SignatureRefusal {
    /// The id does not have the form of those that the service issues, such as one of a vendor. It is not looked up.
    ForeignKey,
    /// The signature was not made with a valid access key of that id.
    Mismatch,
    /// The time of the request is too far off.
    Expired,
    /// The signature is right, and a request with its nonce was accepted before.
    NonceUsed,
}

impl SignatureRefusal {
    /// The refusal in fixed words.
    pub const fn message(self) -> &'static str {
        match self {
            Self::ForeignKey => "the access key id is not of this service",
            Self::Mismatch => "the signature was not made with a valid access key of that id",
            Self::Expired => "the time of the request is more than 15 minutes off",
            Self::NonceUsed => "the nonce of the request was used before",
        }
    }
}
