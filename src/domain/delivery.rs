//! The delivery of an account's passwords to the nodes of its instance.

use std::fmt;
use std::time::Duration;

use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::credential::Version;
use super::names::{AccountName, InstanceId, Region, TenantName};
use super::password::Password;
use super::sealed::Sealed;
use super::subject::SubjectId;
use super::tenant::TenantId;
use super::time::{Timestamp, Window};

/// No attempt and no lease lies further ahead than this: they are at most a minute ahead, and the clocks of processes may be
/// apart by [`Window::LEEWAY`]. One that does was set before the clock was put back, and is over.
pub const FURTHEST_AHEAD: Duration = Duration::from_mins(1).saturating_add(Window::LEEWAY);

/// The SHA-256 of a password in hexadecimal, as nodes keep it. It is wiped, and never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordDigest(Zeroizing<String>);

impl PasswordDigest {
    /// That of a password.
    pub fn of(password: &Password) -> Self {
        let digest = Zeroizing::new(<[u8; 32]>::from(Sha256::digest(password.expose().as_bytes())));
        // Large enough from the start, so that it is never moved.
        let mut text = Zeroizing::new(String::with_capacity(64));
        for byte in digest.iter() {
            for half in [byte >> 4, byte & 15] {
                text.push(char::from_digit(half.into(), 16).unwrap_or('0'));
            }
        }
        Self(text)
    }

    fn parse(text: &str) -> Option<Self> {
        let is_hexadecimal = text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        (text.len() == 64 && is_hexadecimal).then(|| Self(Zeroizing::new(text.to_owned())))
    }

    /// The text, for a node.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PasswordDigest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("PasswordDigest(hidden)")
    }
}

/// The passwords of one account that are to be delivered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveredPasswords {
    /// The new one.
    pub current: PasswordDigest,
    /// The one that it replaced, if its owner proved it.
    pub previous: Option<PasswordDigest>,
}

impl DeliveredPasswords {
    /// The new password, and the one before if its owner has proven it.
    pub fn of(new: &Password, previous: Option<&Password>) -> Self {
        Self { current: PasswordDigest::of(new), previous: previous.map(PasswordDigest::of) }
    }

    /// The form that is sealed.
    pub fn to_text(&self) -> Zeroizing<String> {
        let previous = self.previous.as_ref().map_or("", |digest| digest.expose());
        Zeroizing::new(format!("{} {previous}", self.current.expose()))
    }

    /// Reads the form that is sealed.
    pub fn parse(text: &str) -> Option<Self> {
        let (current, previous) = text.split_once(' ')?;
        let previous = if previous.is_empty() { None } else { Some(PasswordDigest::parse(previous)?) };
        Some(Self { current: PasswordDigest::parse(current)?, previous })
    }

    /// What they are bound to when they are sealed.
    pub fn seal_bound(subject: SubjectId, version: Version) -> String {
        format!("{subject} {version}")
    }
}

/// How far the delivery of a password is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeliveryPhase {
    /// The password is added on each node, and those before stay.
    Adding,
    /// It is on every node. Those that are not valid any more are removed.
    Settling,
    /// It is on every node, and so is the one before, until the overlap ends.
    Overlapping,
    /// It is on every node, and no other one is.
    Done,
    /// It is not delivered any more: the account has the name of the endpoint's own user, or what was stored can't be understood.
    Superseded,
    /// The account is deleted. Every password is removed from each node; then nothing is left of the delivery.
    Withdrawing,
    /// The account was made again. The password takes the place of those of the deleted one on each node as soon as it is reached:
    /// no client has a right to these.
    Replacing,
}

impl DeliveryPhase {
    /// Every phase.
    pub const ALL: [Self; 7] = [
        Self::Adding,
        Self::Settling,
        Self::Overlapping,
        Self::Done,
        Self::Superseded,
        Self::Withdrawing,
        Self::Replacing,
    ];

    /// One word, the same in the store and the log.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Adding => "adding",
            Self::Settling => "settling",
            Self::Overlapping => "overlapping",
            Self::Done => "done",
            Self::Superseded => "superseded",
            Self::Withdrawing => "withdrawing",
            Self::Replacing => "replacing",
        }
    }

    /// The phase with that word.
    pub fn of(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|phase| phase.as_str() == word)
    }

    /// Whether something is left to do on a node now.
    pub const fn is_pending(self) -> bool {
        matches!(self, Self::Adding | Self::Settling | Self::Withdrawing | Self::Replacing)
    }
}

/// The delivery of an account's last password, as administrators see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryState {
    /// The version of the password.
    pub version: Version,
    /// How far it is.
    pub phase: DeliveryPhase,
    /// When the password was set, or the account deleted.
    pub set_at: Timestamp,
    /// When the next attempt is due, if there is one.
    pub due_at: Option<Timestamp>,
    /// How many attempts failed in this phase.
    pub attempts: u32,
    /// How many nodes the last attempt was for.
    pub nodes: u32,
    /// How many of these have what the phase is for.
    pub reached: u32,
    /// Why the last attempt failed.
    pub failure: Option<String>,
    /// When a node last had other passwords than were delivered, and which one.
    pub drift: Option<(Timestamp, String)>,
}

/// A delivery that is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DueDelivery {
    /// The account.
    pub subject: SubjectId,
    /// Its name.
    pub account: AccountName,
    /// The id of its tenant.
    pub tenant: TenantId,
    /// The region of its instance.
    pub region: Region,
    /// The version of the password to deliver.
    pub version: Version,
    /// Grows with each write.
    pub revision: i64,
    /// The password and the one before, unless they are missing.
    pub passwords: Option<Sealed>,
    /// How far it is.
    pub phase: DeliveryPhase,
    /// How many attempts failed in this phase.
    pub attempts: u32,
    /// The version of the account's password now.
    pub current: Option<Version>,
    /// The overlap of that password.
    pub overlap: Option<Window>,
    /// When a node last had other passwords than were delivered, and which one.
    pub drift: Option<(Timestamp, String)>,
}

/// What an attempt made of a delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryStep {
    /// How far it is now.
    pub phase: DeliveryPhase,
    /// When the next attempt is due.
    pub due_at: Option<Timestamp>,
    /// How many attempts failed in this phase.
    pub attempts: u32,
    /// How many nodes the attempt was for.
    pub nodes: u32,
    /// How many of these have what the phase is for.
    pub reached: u32,
    /// Why it failed.
    pub failure: Option<String>,
    /// Which node had other passwords than were delivered, if one had.
    pub drift: Option<(Timestamp, String)>,
}

/// Instances with deliveries that are due.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DueInstances {
    /// Whether any instance has an endpoint.
    pub has_endpoints: bool,
    /// Those with deliveries that are due, the longest first.
    pub due: Vec<(TenantName, InstanceId)>,
}

/// The deliveries that are not complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DeliveryBacklog {
    /// How many there are, up to a limit.
    pub pending: u32,
    /// How many of these have failed at least once.
    pub failing: u32,
    /// When the oldest of these passwords was set, or its account deleted.
    pub oldest: Option<Timestamp>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn password(text: &str) -> Password {
        Password::parse(text.to_owned()).unwrap()
    }

    /// Computed with `sha256sum`.
    #[test]
    fn a_digest_is_what_a_node_keeps() {
        let digest = PasswordDigest::of(&password("hello"));
        assert_eq!(digest.expose(), "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824");
        assert!(!format!("{digest:?}").contains("2cf24"));
    }

    #[test]
    fn passwords_are_read_as_they_were_sealed() {
        for previous in [None, Some(PasswordDigest::of(&password("before")))] {
            let passwords = DeliveredPasswords { current: PasswordDigest::of(&password("now")), previous };
            assert_eq!(DeliveredPasswords::parse(&passwords.to_text()), Some(passwords));
        }
        for bad in ["", " ", "abc ", &"a".repeat(64), &format!("{} x", "a".repeat(64))] {
            assert_eq!(DeliveredPasswords::parse(bad), None, "{bad}");
        }
    }
}
