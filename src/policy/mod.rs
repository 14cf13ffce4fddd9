//! Pure rules: which passwords a subject may have, and how long it may keep them.

use std::time::Duration;

use crate::domain::password::{NewPassword, Password};
use crate::domain::settings::TenantSettings;
use crate::domain::subject::Subject;

/// A password that a policy accepted. Only this module makes one, and only from one is a hash made that is stored.
pub struct AcceptedPassword(Password);

impl AcceptedPassword {
    /// The password.
    pub fn password(&self) -> &Password {
        &self.0
    }

    /// Gives the password up to be hashed.
    pub fn into_password(self) -> Password {
        self.0
    }
}

/// A rule that a password breaks. Holds numbers and fixed words only, so that it can't hold a part of the password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The rule's stable id.
    pub rule: &'static str,
}

impl std::fmt::Display for Violation {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.rule)
    }
}

/// How long a password may be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Lifetime {
    /// How long after its own change a subject has to wait for the next.
    pub minimum_age: Duration,
    /// After how long a password has to be changed, where it has to.
    pub maximum_age: Option<Duration>,
    /// Whether only an administrator can replace a password that is older than that.
    pub hard_expiry: bool,
}

/// What an operator asks of every password on top of each policy.
#[derive(Default)]
pub struct Baseline {}

/// An ordered list of rules, and what else holds for the passwords of one subject.
pub struct Policy {
    reuse_depth: u32,
    lifetime: Lifetime,
}

impl Policy {
    /// The policy of a subject: its kind's, with the tenant's settings, and the operator's baseline on top.
    pub fn of_subject(_subject: &Subject, _settings: &TenantSettings, _baseline: &Baseline) -> Self {
        Self { reuse_depth: 0, lifetime: Lifetime::default() }
    }

    /// Every rule that the password breaks, in the order of the rules.
    pub fn violations(&self, _password: &NewPassword) -> Vec<Violation> {
        Vec::new()
    }

    /// Accepts a password that breaks no rule.
    ///
    /// # Errors
    /// Every rule that it breaks.
    pub fn accept(&self, password: NewPassword) -> Result<AcceptedPassword, Vec<Violation>> {
        let violations = self.violations(&password);
        if violations.is_empty() { Ok(AcceptedPassword(password.into_password())) } else { Err(violations) }
    }

    /// Generates a password that the policy accepts. `fill` fills a buffer with unpredictable bytes. `None` where the
    /// rules leave too little to choose from.
    pub fn generate(&self, _fill: &mut dyn FnMut(&mut [u8])) -> Option<AcceptedPassword> {
        None
    }

    /// How many of the last passwords, the current one included, may not come again.
    pub fn reuse_depth(&self) -> u32 {
        self.reuse_depth
    }

    /// How long a password may be kept.
    pub fn lifetime(&self) -> Lifetime {
        self.lifetime
    }
}
