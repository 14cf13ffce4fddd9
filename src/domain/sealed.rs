//! Texts that the service seals under the keys of the pepper, so that the store alone does not reveal them.

use std::fmt;

use super::names::PepperKeyId;

/// What a text is sealed for. Each purpose has a key of its own, so that what is sealed for one opens for no other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SealPurpose {
    /// The secret of an access key.
    AccessKeySecret,
    /// The password of the user that sets passwords on the nodes of an instance.
    NodeCredential,
    /// The SHA-256 of passwords that are to be delivered to the nodes of an instance.
    DeliveredPasswords,
}

impl SealPurpose {
    /// Every purpose.
    pub const ALL: [Self; 3] = [Self::AccessKeySecret, Self::NodeCredential, Self::DeliveredPasswords];

    /// The label that its keys are derived with. Sealed texts depend on it: it never changes.
    pub const fn label(self) -> &'static str {
        match self {
            Self::AccessKeySecret => "credentiald access key 1",
            Self::NodeCredential => "credentiald node credential 1",
            Self::DeliveredPasswords => "credentiald delivered passwords 1",
        }
    }
}

/// What the secret belongs to, in words.
impl fmt::Display for SealPurpose {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::AccessKeySecret => "access token",
            Self::NodeCredential => "endpoint",
            Self::DeliveredPasswords => "the delivery to subject",
        })
    }
}

/// A sealed text, with the id of the key.
#[derive(Clone, PartialEq, Eq)]
pub struct Sealed {
    key: PepperKeyId,
    text: String,
}

impl Sealed {
    /// Takes the stored form.
    pub const fn new(key: PepperKeyId, text: String) -> Self {
        Self { key, text }
    }

    /// The id of the pepper key that it is sealed under.
    pub const fn key(&self) -> &PepperKeyId {
        &self.key
    }

    /// The text, for the store and the pepper.
    pub fn expose(&self) -> &str {
        &self.text
    }
}

impl fmt::Debug for Sealed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Sealed").field("key", &self.key).finish_non_exhaustive()
    }
}
