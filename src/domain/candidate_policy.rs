//! A tenant's candidate password policies: compared with those in force, and never enforced.

use std::collections::BTreeMap;

use super::credential::Version;
use super::tenant::TenantId;
use super::tenant_settings::{TenantSettings, UnreadableSettings};

/// The settings of a tenant as they are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TenantPolicies {
    /// The tenant.
    pub tenant: TenantId,
    /// The settings in force.
    pub settings: TenantSettings,
    /// The candidate, if there is one.
    pub candidate: Option<CandidatePolicy>,
}

/// The candidate of a tenant, for both kinds of users.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CandidatePolicy {
    /// Its version. It only grows, also after the candidate was dropped.
    pub version: Version,
    /// The settings in force at the time with the changes to their password policies. Only these
    /// two policies are used. If they can't be read, the candidate is not compared, and can be dropped.
    pub settings: Result<TenantSettings, UnreadableSettings>,
}

impl CandidatePolicy {
    /// What the settings in force become when the candidate is adopted.
    pub fn adopted(&self, in_force: &TenantSettings) -> Result<TenantSettings, UnreadableSettings> {
        self.settings.map(|candidate| TenantSettings { ram: candidate.ram, iam: candidate.iam, ..*in_force })
    }
}

/// What is done with the candidate of a tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CandidateStep {
    /// The settings become the candidate; nothing was compared with it yet.
    Set(TenantSettings),
    /// It is put in force, and is no longer a candidate.
    Adopt,
    /// It is no longer a candidate.
    Drop,
}

/// How a candidate compares with the policies in force: counts, without a subject and without a password.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Comparisons {
    /// How many requests both judged.
    pub compared: u64,
    /// The requests that only the candidate refuses.
    pub would_be_refused: Refusals,
    /// The requests that only the policy in force refuses.
    pub would_be_accepted: Refusals,
}

/// Requests that are refused by one policy and not by the other.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Refusals {
    /// How many.
    pub requests: u64,
    /// How many broke each rule. A request may break several.
    pub rules: BTreeMap<String, u64>,
}

impl Comparisons {
    /// Counts a request by what refuses it: under the policy in force, and under the candidate.
    pub fn count(&mut self, in_force: &[&str], candidate: &[&str]) {
        self.compared = self.compared.saturating_add(1);
        match (in_force, candidate) {
            ([], [_, ..]) => self.would_be_refused.count(candidate),
            ([_, ..], []) => self.would_be_accepted.count(in_force),
            _ => {}
        }
    }

    /// Adds other counts.
    pub fn add(&mut self, other: &Self) {
        self.compared = self.compared.saturating_add(other.compared);
        self.would_be_refused.add(&other.would_be_refused);
        self.would_be_accepted.add(&other.would_be_accepted);
    }
}

impl Refusals {
    fn count(&mut self, rules: &[&str]) {
        self.add(&Self { requests: 1, rules: rules.iter().map(|rule| ((*rule).to_owned(), 1)).collect() });
    }

    fn add(&mut self, other: &Self) {
        self.requests = self.requests.saturating_add(other.requests);
        for (rule, count) in &other.rules {
            let sum = self.rules.entry(rule.clone()).or_default();
            *sum = sum.saturating_add(*count);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_different_verdicts_are_differences() {
        let mut counts = Comparisons::default();
        counts.count(&[], &[]);
        counts.count(&["A"], &["B", "C"]);
        assert_eq!(counts, Comparisons { compared: 2, ..Comparisons::default() });
        counts.count(&[], &["B", "C"]);
        counts.count(&["A"], &[]);
        let mut twice = counts.clone();
        twice.add(&counts);
        let refusals = |requests, rules: &[&str]| Refusals {
            requests,
            rules: rules.iter().map(|rule| ((*rule).to_owned(), requests)).collect(),
        };
        assert_eq!(twice.compared, 8);
        assert_eq!(twice.would_be_refused, refusals(2, &["B", "C"]));
        assert_eq!(twice.would_be_accepted, refusals(2, &["A"]));
    }
}
