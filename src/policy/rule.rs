//! Rules, and a policy as an ordered list of rules.

use std::fmt;
use std::ops::RangeInclusive;

use crate::domain::password::NewPassword;

use super::accepted::AcceptedPassword;
use super::finding::Finding;
use super::generate;
use super::lifetime::Lifetime;
use super::rules::{MaxLength, MinLength};

/// One check of a password. It is independent of other rules, so that their order changes no verdict.
pub trait Rule: Send + Sync {
    /// The stable id, `UPPER_SNAKE`: the reason that programs see.
    fn id(&self) -> &'static str;

    /// The problem of a password in normalization form C, or `None` if the rule holds.
    fn check(&self, password: &str) -> Option<Finding>;
}

/// A rule that a password breaks. Holds numbers and fixed words only, so that it can't hold a part of the password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Violation {
    /// The rule's stable id.
    pub rule: &'static str,
    /// The rule's bound and what was found.
    pub finding: Finding,
}

impl fmt::Display for Violation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.finding.fmt(formatter)
    }
}

/// An ordered list of rules, and the other settings for the passwords of one subject.
pub struct Policy {
    rules: Vec<Box<dyn Rule>>,
    length: RangeInclusive<usize>,
    reuse_depth: u32,
    lifetime: Lifetime,
}

impl Policy {
    /// A policy of two rules, minimum and maximum length, without reuse depth and lifetime.
    pub(super) fn of_length(length: RangeInclusive<usize>) -> Self {
        let rules: Vec<Box<dyn Rule>> = vec![Box::new(MinLength(*length.start())), Box::new(MaxLength(*length.end()))];
        Self { rules, length, reuse_depth: 0, lifetime: Lifetime::default() }
    }

    /// The policy with one more rule, which can only make it stricter.
    #[must_use]
    pub fn and(mut self, rule: impl Rule + 'static) -> Self {
        self.rules.push(Box::new(rule));
        self
    }

    /// The policy with one more rule, if a setting turns that on.
    pub(super) fn and_where(self, is_on: bool, rule: impl Rule + 'static) -> Self {
        if is_on { self.and(rule) } else { self }
    }

    pub(super) fn with_reuse_depth(self, reuse_depth: u32) -> Self {
        Self { reuse_depth, ..self }
    }

    pub(super) fn with_lifetime(self, lifetime: Lifetime) -> Self {
        Self { lifetime, ..self }
    }

    /// The rules, in order.
    pub fn rules(&self) -> impl ExactSizeIterator<Item = &dyn Rule> {
        self.rules.iter().map(AsRef::as_ref)
    }

    /// Every rule that the password breaks, in the order of the rules.
    pub fn violations(&self, password: &NewPassword) -> Vec<Violation> {
        let password = password.password().expose();
        self.rules()
            .filter_map(|rule| rule.check(password).map(|finding| Violation { rule: rule.id(), finding }))
            .collect()
    }

    /// The names of the rules that the password breaks.
    pub fn broken_rules(&self, password: &NewPassword) -> Vec<&'static str> {
        self.violations(password).iter().map(|violation| violation.rule).collect()
    }

    /// Accepts a password that breaks no rule.
    ///
    /// # Errors
    /// Every rule that it breaks.
    pub fn accept(&self, password: NewPassword) -> Result<AcceptedPassword, Vec<Violation>> {
        let violations = self.violations(&password);
        if violations.is_empty() { Ok(AcceptedPassword::of(password)) } else { Err(violations) }
    }

    /// Generates a password that the policy accepts. `fill` fills a buffer with unpredictable bytes. Returns `None` if
    /// the rules leave too little choice.
    pub fn generate(&self, fill: &mut dyn FnMut(&mut [u8])) -> Option<AcceptedPassword> {
        generate::candidates(&self.length, fill).find_map(|candidate| self.accept(candidate).ok())
    }

    /// How many of the last passwords, the current one included, may not be reused.
    pub fn reuse_depth(&self) -> u32 {
        self.reuse_depth
    }

    /// How long a password may be kept.
    pub fn lifetime(&self) -> Lifetime {
        self.lifetime
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::rules::MinDifferent;

    #[test]
    fn every_broken_rule_is_reported_in_the_order_of_the_list() {
        let policy = Policy::of_length(8..=32).and_where(false, MinDifferent(9)).and(MinDifferent(4));
        let password = NewPassword::parse("abc".to_owned()).unwrap();
        let violations = policy.violations(&password);
        assert_eq!(
            violations.iter().map(|violation| violation.rule).collect::<Vec<_>>(),
            ["MIN_LENGTH", "MIN_DIFFERENT_CHARACTERS"]
        );
        assert_eq!(violations[0].to_string(), "at least 8 characters are required, found 3");
    }
}
