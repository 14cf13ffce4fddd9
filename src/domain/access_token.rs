//! Access tokens: how programs prove their identity. A bearer token is sent; an access key signs.

use std::time::Duration;

use uuid::Uuid;

use super::caller::Caller;
use super::tenant::TenantId;
use super::time::{Timestamp, days};

/// How long a token is valid by default.
pub const DEFAULT_TIME_TO_LIVE: Duration = days(90);
/// How long a token is valid at most.
pub const MAX_TIME_TO_LIVE: Duration = days(366);

/// How many unexpired access keys a caller has at most: one in use, and one to replace it.
pub const MAX_ACCESS_KEYS: u32 = 2;

/// The SHA-256 of a token's text. A machine secret of 256 random bits needs no slow hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenDigest(pub [u8; 32]);

/// The id of an access token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TokenId(pub Uuid);

/// What the ids of access keys begin with.
const KEY_ID_PREFIX: &str = "CDAK";

impl TokenId {
    /// The token whose [access key id](AccessToken::access_key_id) that is, or `None` if it does not have that form.
    pub fn of_access_key(id: &str) -> Option<Self> {
        let digits = id.strip_prefix(KEY_ID_PREFIX)?;
        let is_written_so = digits.len() == 32 && digits.bytes().all(|b| matches!(b, b'0'..=b'9' | b'A'..=b'F'));
        Uuid::try_parse(digits).ok().filter(|_| is_written_so).map(Self)
    }
}

/// The nonce of a signed request together with its access key, as a digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NonceKey(pub [u8; 32]);

/// How a token proves its caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccessTokenForm {
    /// Its text is sent.
    Bearer,
    /// Its secret signs.
    AccessKey,
}

/// The state of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccessTokenStatus {
    /// It proves its caller.
    Active,
    /// It proves nothing until it is enabled again.
    Inactive,
}

/// An access token, without its text or its secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessToken {
    /// Its id.
    pub id: TokenId,
    /// The caller that it authenticates. If that is a subject, the token is bound to the subject's immutable id.
    pub caller: Caller,
    /// The tenant that it is bound to; `None` for an operator.
    pub tenant: Option<TenantId>,
    /// When it was issued.
    pub created_at: Timestamp,
    /// When it expires.
    pub expires_at: Timestamp,
    /// How it proves its caller.
    pub form: AccessTokenForm,
    /// Whether it proves its caller at all.
    pub status: AccessTokenStatus,
    /// When it last signed a request, to the minute. Not known of bearer tokens.
    pub last_used_at: Option<Timestamp>,
}

impl AccessToken {
    /// Whether the token is valid at that time: until its expiry, while it is active. A clock that is behind its time of
    /// issue is no reason to refuse it.
    pub fn is_valid_at(&self, now: Timestamp) -> bool {
        self.status == AccessTokenStatus::Active && now < self.expires_at
    }

    /// The id that requests signed with it name, if it is an access key.
    pub fn access_key_id(&self) -> Option<String> {
        (self.form == AccessTokenForm::AccessKey).then(|| format!("{KEY_ID_PREFIX}{:X}", self.id.0.simple()))
    }

    /// What the secret of an access key is bound to: sealed for one token and one caller, it opens for no other. Sealed
    /// secrets depend on it: it never changes. A caller that is a subject is its id, another one its name.
    pub fn seal_bound(&self) -> String {
        let tenant = self.tenant.map(|id| id.0).unwrap_or_default();
        let caller = self.caller.subject_id().map_or_else(|| self.caller.name().to_owned(), |id| id.0.to_string());
        format!("{} {tenant} {} {caller}", self.id.0, self.caller.kind().as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::names::{FreeName, RamUserName, TenantName};
    use crate::domain::subject::SubjectId;

    fn key_of(caller: Caller) -> AccessToken {
        AccessToken {
            id: TokenId(Uuid::from_u128(0xABC)),
            caller,
            tenant: Some(TenantId(Uuid::from_u128(7))),
            created_at: Timestamp::from_micros(0),
            expires_at: Timestamp::from_micros(1),
            form: AccessTokenForm::AccessKey,
            status: AccessTokenStatus::Active,
            last_used_at: None,
        }
    }

    #[test]
    fn a_secret_is_bound_to_ids_that_never_change() {
        let acme = TenantName::parse("acme").unwrap();
        let before = "00000000-0000-0000-0000-000000000abc 00000000-0000-0000-0000-000000000007";
        for (caller, bound) in [
            (Caller::Root(acme.clone()), "root root"),
            (Caller::Service(acme.clone(), FreeName::parse("relay").unwrap()), "service relay"),
            (
                Caller::RamUser(acme, RamUserName::parse("alice").unwrap(), SubjectId(Uuid::from_u128(9))),
                "ram-user 00000000-0000-0000-0000-000000000009",
            ),
        ] {
            assert_eq!(key_of(caller).seal_bound(), format!("{before} {bound}"));
        }
    }

    #[test]
    fn an_access_key_id_leads_to_its_token_in_one_form_alone() {
        let key = key_of(Caller::Root(TenantName::parse("acme").unwrap()));
        let id = key.access_key_id().unwrap();
        assert_eq!(id, "CDAK00000000000000000000000000000ABC");
        assert_eq!(TokenId::of_access_key(&id), Some(key.id));
        let hyphenated = format!("CDAK{}", key.id.0);
        for other in ["", "CDAK", "LTAI5tExample", &id.to_lowercase(), &id[..35], &format!("{id}0"), &hyphenated] {
            assert_eq!(TokenId::of_access_key(other), None, "{other}");
        }
    }
}
