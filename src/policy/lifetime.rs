//! Minimum and maximum age of passwords.

use std::time::Duration;

use crate::domain::credential::{ChangedBy, CredentialState};
use crate::domain::time::Timestamp;

/// How long a password has to be kept, and how long it may be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Lifetime {
    /// How long a subject has to wait after its own change for the next one.
    pub minimum_age: Duration,
    /// After how long a password has to be changed, if ever.
    pub maximum_age: Option<Duration>,
    /// Whether only an administrator can replace a password that is older than that.
    pub hard_expiry: bool,
}

/// The effect of a password's age.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expiry {
    /// None.
    NotExpired,
    /// It has passed its maximum age, and has to be changed.
    ChangeRequired,
    /// It has passed its maximum age, and only an administrator can replace it.
    Expired,
}

impl Lifetime {
    /// The rest of the minimum age of a password that was set then.
    pub fn too_young_for(&self, changed_at: Timestamp, now: Timestamp) -> Duration {
        self.minimum_age.saturating_sub(age(changed_at, now))
    }

    /// Whether a password has to be replaced: for its age, or because an administrator set it for now.
    pub fn expiry_of(&self, password: &CredentialState, now: Timestamp) -> Expiry {
        match self.expiry(password.changed_at, now) {
            Expiry::NotExpired if password.changed_by == ChangedBy::AdministratorForNow => Expiry::ChangeRequired,
            by_age => by_age,
        }
    }

    /// The effect of the age of a password that was set then.
    fn expiry(&self, changed_at: Timestamp, now: Timestamp) -> Expiry {
        match self.maximum_age {
            Some(maximum) if age(changed_at, now) >= maximum && self.hard_expiry => Expiry::Expired,
            Some(maximum) if age(changed_at, now) >= maximum => Expiry::ChangeRequired,
            _ => Expiry::NotExpired,
        }
    }
}

/// The age of a password. If the clock is behind the last change, as if that had been now.
fn age(changed_at: Timestamp, now: Timestamp) -> Duration {
    now.since(changed_at).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SET: Timestamp = Timestamp::from_micros(1_000_000_000);

    fn lifetime(hard_expiry: bool) -> Lifetime {
        Lifetime { minimum_age: Duration::from_mins(5), maximum_age: Some(Duration::from_hours(24)), hard_expiry }
    }

    #[test]
    fn a_password_is_too_young_until_the_minute_and_expires_on_the_day() {
        let after = |minutes: u64| SET.after(Duration::from_mins(minutes));
        for (now, left) in
            [(after(0), 5), (after(4), 1), (after(5), 0), (after(600), 0), (SET.before(Duration::from_mins(1)), 5)]
        {
            assert_eq!(lifetime(false).too_young_for(SET, now), Duration::from_mins(left), "{now:?}");
        }
        for (now, has_expired) in [
            (after(0), false),
            (after(1439), false),
            (after(1440), true),
            (SET.before(Duration::from_hours(48)), false),
        ] {
            let [soft, hard] = [false, true].map(|hard| lifetime(hard).expiry(SET, now));
            let expected = if has_expired {
                (Expiry::ChangeRequired, Expiry::Expired)
            } else {
                (Expiry::NotExpired, Expiry::NotExpired)
            };
            assert_eq!((soft, hard), expected, "{now:?}");
        }
    }

    #[test]
    fn without_a_maximum_age_nothing_expires() {
        let lifetime = Lifetime { hard_expiry: true, ..Lifetime::default() };
        assert_eq!(lifetime.expiry(SET, SET.after(Duration::from_hours(100_000))), Expiry::NotExpired);
    }
}
