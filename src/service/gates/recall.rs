//! The meaning of a request's client token: no change yet, or a change that was made.

use std::sync::Arc;

use super::Gates;
use super::attempts::{caller_key, digest};
use super::candidate::Loaded;
use super::reserve::Reserved;
use crate::domain::action::Action;
use crate::domain::caller::Caller;
use crate::domain::client_token::{ClientTokenKey, REMEMBERED_FOR, RememberedChange};
use crate::domain::credential::{ExpectedVersion, PasswordHash, Version};
use crate::domain::names::ClientToken;
use crate::domain::password::Password;
use crate::domain::subject::SubjectId;
use crate::domain::time::{Timestamp, Window};
use crate::service::ServiceError;
use crate::service::requests::Guards;

/// Proves that no change of that subject was made yet under a request's client token, if it has one.
pub struct Unspent {
    pub(super) subject: SubjectId,
    guards: Guards,
    key: Option<ClientTokenKey>,
}

impl Unspent {
    /// The version that the caller expects.
    pub(in crate::service) fn expected_version(&self) -> Option<ExpectedVersion> {
        self.guards.expected_version
    }

    /// What to remember for a change that makes that version, and under which key.
    pub(super) fn spend(&self, version: Version, now: Timestamp) -> Option<(ClientTokenKey, RememberedChange)> {
        let window = Window::from(now, REMEMBERED_FOR);
        let remembered = RememberedChange { version, expected_version: self.guards.expected_version, window };
        self.key.map(|key| (key, remembered))
    }
}

/// What was found under a request's client token.
pub enum Recalled {
    /// No change: it may be made.
    Nothing(Loaded, Unspent),
    /// A change that was made.
    Replayed(ReplayedChange),
}

/// A change that was made, with the hash of the password that it set.
pub struct ReplayedChange {
    pub(super) loaded: Loaded,
    pub(super) version: Version,
    pub(super) hash: PasswordHash,
}

impl Gates {
    /// Recalls what was remembered under a request's client token when the credential was loaded: a later change fails the
    /// compare-and-set.
    pub(in crate::service) fn recall(&self, loaded: Loaded, guards: Guards) -> Result<Recalled, ServiceError> {
        let subject = loaded.subject().id;
        let call = loaded.permit().call();
        let key = guards.client_token.as_ref();
        let key = key.map(|token| client_token_key(call.caller(), call.caller.action(), subject, token));
        let Some(remembered) = loaded.remembered().filter(|remembered| remembered.window.is_open(self.now())) else {
            return Ok(Recalled::Nothing(loaded, Unspent { subject, guards, key }));
        };
        if remembered.expected_version != guards.expected_version {
            return Err(ServiceError::ClientTokenMismatch);
        }
        let version = remembered.version;
        let Some(stored) = loaded.credential().and_then(|credential| credential.hash_of(version)) else {
            return Err(ServiceError::VersionConflict { current: loaded.version() });
        };
        let hash = self.ports.pepper.open(stored, subject, version)?;
        Ok(Recalled::Replayed(ReplayedChange { loaded, version, hash }))
    }

    /// Returns the result of a change that was already made, if the password is the one that it set: this is an attempt
    /// like any other. Changes nothing.
    pub(in crate::service) async fn repeat(
        self: &Arc<Self>,
        made: ReplayedChange,
        password: Arc<Password>,
    ) -> Result<Version, ServiceError> {
        let version = made.version;
        let hashes = |made: &ReplayedChange| self.hashes_of_a_verification(made, &password);
        let reserved = self.reserve(made, None, hashes).await?;
        let conclude = |mut reserved: Reserved<_>| async move { reserved.matches(&password).await };
        match self.conclude(reserved, conclude).await? {
            Some(_) => Ok(version),
            None => Err(ServiceError::ClientTokenMismatch),
        }
    }
}

/// The key of a client token: another one for another caller, RPC or subject.
pub(super) fn client_token_key(
    caller: &Caller,
    action: Action,
    subject: SubjectId,
    token: &ClientToken,
) -> ClientTokenKey {
    ClientTokenKey(digest(&[
        b"client token",
        &caller_key(caller, action, None).0,
        action.name().as_bytes(),
        subject.0.as_bytes(),
        token.as_str().as_bytes(),
    ]))
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::domain::names::{FreeName, RamUserName, TenantName};

    #[test]
    fn a_token_is_another_one_for_another_caller_rpc_or_subject() {
        let [acme, globex] = ["acme", "globex"].map(|name| TenantName::parse(name).unwrap());
        let [first, second] = [1, 2].map(|number| SubjectId(Uuid::from_u128(number)));
        let [token, other_token] = ["t-1", "t-2"].map(|text| ClientToken::parse(text).unwrap());
        let alice = RamUserName::parse("alice").unwrap();
        let rpc = Action::ModifyPwByDomain;
        let root = Caller::Root(acme.clone());
        let keys = [
            client_token_key(&root, rpc, first, &token),
            client_token_key(&root, rpc, first, &other_token),
            client_token_key(&root, rpc, second, &token),
            client_token_key(&root, Action::ModifyAccountPassword, first, &token),
            client_token_key(&Caller::Root(globex), rpc, first, &token),
            client_token_key(&Caller::Service(acme.clone(), FreeName::parse("alice").unwrap()), rpc, first, &token),
            client_token_key(&Caller::RamUser(acme.clone(), alice.clone(), first), rpc, first, &token),
            client_token_key(&Caller::RamUser(acme, alice, second), rpc, first, &token),
        ];
        for (place, one) in keys.iter().enumerate() {
            assert!(keys.iter().skip(place + 1).all(|other| one != other), "{place}");
        }
    }
}
