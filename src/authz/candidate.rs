//! Candidate policies: they decide every request beside the policies in force, and nothing comes of it but a count and a
//! log line.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::watch;

use super::authorizer::{Prepared, refused};
use super::{CedarAuthorizer, Policies};
use crate::domain::action::Action;
use crate::domain::caller::Caller;
use crate::ports::meter::CandidateDecision;
use crate::ports::{AccessRequest, Authorizer, Counter, Decision, Meter};

/// How many sorts of differences are logged. The others are only counted.
const SORTS: usize = 1000;

/// Decides by the policies in force, and records what the candidates would decide otherwise.
pub struct ComparingAuthorizer {
    in_force: CedarAuthorizer,
    candidate: watch::Receiver<Arc<Policies>>,
    differences: Mutex<Differences>,
    meter: Arc<dyn Meter>,
}

/// The differences since the candidates were read.
#[derive(Default)]
struct Differences {
    candidate: Option<Arc<Policies>>,
    /// How many there are of each sort: a caller, an action, and whether the candidates permit it.
    counts: HashMap<(Caller, Action, bool), u64>,
}

impl ComparingAuthorizer {
    /// Compares the decisions of the authorizer with those by the candidates, now and later.
    pub fn new(in_force: CedarAuthorizer, candidate: watch::Receiver<Arc<Policies>>, meter: Arc<dyn Meter>) -> Self {
        Self { in_force, candidate, differences: Mutex::default(), meter }
    }

    fn compare(&self, request: AccessRequest<'_>, prepared: &Prepared, in_force: &Policies, decision: &Decision) {
        let candidate = Arc::clone(&self.candidate.borrow());
        let would_be = if candidate.groups().are_of_the_same_file(in_force.groups()) {
            prepared.decision(&candidate)
        } else {
            match self.in_force.prepare(request, &candidate) {
                Ok(prepared) => prepared.decision(&candidate),
                Err(error) => refused(request, error.as_ref()),
            }
        };
        let (permits, policies) = match (&would_be, decision) {
            (Decision::Permitted { policies }, Decision::Denied { .. }) => (true, policies),
            (Decision::Denied { policies }, Decision::Permitted { .. }) => (false, policies),
            _ => return self.meter.count(Counter::CandidateDecisions(CandidateDecision::Same)),
        };
        let counted = if permits { CandidateDecision::Permits } else { CandidateDecision::Denies };
        self.meter.count(Counter::CandidateDecisions(counted));
        let AccessRequest { caller, action, resource } = request;
        let sort = (caller.clone(), action, permits);
        if let Some(count) = self.differences.lock().add(sort, candidate) {
            let (action, would) = (action.name(), if permits { "permit" } else { "deny" });
            let message = "the candidate policies decide otherwise";
            tracing::info!(%caller, action, %resource, would, ?policies, count, "{message}");
        }
    }
}

impl Authorizer for ComparingAuthorizer {
    fn decide(&self, request: AccessRequest<'_>) -> Decision {
        let policies = self.in_force.policies();
        match self.in_force.prepare(request, &policies) {
            Ok(prepared) => {
                let (decision, _) = self.in_force.decide_prepared(&prepared, &policies);
                self.compare(request, &prepared, &policies, &decision);
                decision
            }
            Err(error) => refused(request, error.as_ref()),
        }
    }
}

impl Differences {
    /// Counts a difference. Returns the count if it is to be logged: the first of its sort, the tenth, the hundredth and
    /// so on.
    fn add(&mut self, sort: (Caller, Action, bool), candidate: Arc<Policies>) -> Option<u64> {
        if !self.candidate.as_ref().is_some_and(|known| Arc::ptr_eq(known, &candidate)) {
            *self = Self { candidate: Some(candidate), counts: HashMap::new() };
        }
        if self.counts.len() >= SORTS && !self.counts.contains_key(&sort) {
            return None;
        }
        let count = self.counts.entry(sort).or_default();
        *count = count.saturating_add(1);
        let is_power_of_ten = count.checked_ilog10().is_some_and(|digits| 10_u64.pow(digits) == *count);
        is_power_of_ten.then_some(*count)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::{PolicyFile, PolicyTexts};
    use super::*;
    use crate::domain::names::{FreeName, TenantName};
    use crate::domain::resource::Resource;
    use crate::ports::{Gauge, Histogram, NoMeter};

    /// The counters in the order in which they were counted.
    #[derive(Default)]
    struct Counted(Mutex<Vec<Counter>>);

    impl Meter for Counted {
        fn add(&self, counter: Counter, _: usize) {
            self.0.lock().push(counter);
        }
        fn change(&self, _: Gauge, _: i64) {}
        fn set(&self, _: Gauge, _: i64) {}
        fn observe(&self, _: Histogram, _: Duration) {}
    }

    fn policies(text: &str) -> watch::Receiver<Arc<Policies>> {
        let file = PolicyFile { name: "x.cedar".to_owned(), text: text.to_owned() };
        let policies = Policies::read(&PolicyTexts { built_in: true, files: vec![file] }).unwrap();
        watch::channel(Arc::new(policies)).1
    }

    fn service(name: &str) -> Caller {
        Caller::Service(TenantName::parse("acme").unwrap(), FreeName::parse(name).unwrap())
    }

    #[test]
    fn candidates_are_counted_and_decide_nothing() {
        let in_force =
            policies("@id(\"x\") permit (principal is Service, action == Action::\"admin:DescribeTenant\", resource);");
        let candidate = "@id(\"y\") permit (principal is Service, action == Action::\"admin:ListRamUsers\", resource);
            @id(\"z\") forbid (principal is Root, action, resource) when { 9223372036854775807 + 1 == 0 };";
        let in_force = CedarAuthorizer::new(in_force, Arc::new(NoMeter)).unwrap();
        let counted = Arc::new(Counted::default());
        let comparing = ComparingAuthorizer::new(in_force, policies(candidate), Arc::clone(&counted) as _);
        let resource = Resource::Tenant(TenantName::parse("acme").unwrap());
        let root = Caller::Root(TenantName::parse("acme").unwrap());
        let expected = [
            (service("relay"), Action::DescribeTenant, true, CandidateDecision::Denies),
            (service("relay"), Action::ListRamUsers, false, CandidateDecision::Permits),
            (service("relay"), Action::GeneratePassword, true, CandidateDecision::Same),
            (root, Action::GeneratePassword, true, CandidateDecision::Denies),
        ];
        for (caller, action, permitted, _) in &expected {
            let decision = comparing.decide(AccessRequest { caller, action: *action, resource: &resource });
            assert_eq!(matches!(decision, Decision::Permitted { .. }), *permitted, "{action:?}");
        }
        let expected: Vec<_> = expected.iter().map(|row| Counter::CandidateDecisions(row.3)).collect();
        assert_eq!(*counted.0.lock(), expected);
    }

    #[test]
    fn candidates_are_decided_with_their_own_groups() {
        let text = "@id(\"x\") permit (principal in Group::\"readers\", action, resource);";
        let grouped = |callers: &str| {
            let files = [("x.cedar", text.to_owned()), ("groups.toml", format!("readers = [{callers}]"))];
            let files = files.map(|(name, text)| PolicyFile { name: name.to_owned(), text });
            let policies = Policies::read(&PolicyTexts { built_in: false, files: files.to_vec() }).unwrap();
            watch::channel(Arc::new(policies)).1
        };
        let counted = Arc::new(Counted::default());
        let in_force = CedarAuthorizer::new(grouped(""), Arc::new(NoMeter)).unwrap();
        let comparing =
            ComparingAuthorizer::new(in_force, grouped("\"acme/service/relay\""), Arc::clone(&counted) as _);
        let resource = Resource::Tenant(TenantName::parse("acme").unwrap());
        for name in ["relay", "other"] {
            let (caller, action) = (service(name), Action::DescribeTenant);
            let decision = comparing.decide(AccessRequest { caller: &caller, action, resource: &resource });
            assert!(matches!(decision, Decision::Denied { .. }), "{name}");
        }
        let expected = [CandidateDecision::Permits, CandidateDecision::Same].map(Counter::CandidateDecisions);
        assert_eq!(*counted.0.lock(), expected);
    }

    #[test]
    fn few_of_many_differences_are_logged() {
        let text = "@id(\"x\") permit (principal is Service, action == Action::\"admin:DescribeTenant\", resource);";
        let candidate = policies(text).borrow().clone();
        let mut differences = Differences::default();
        let mut add = |name: &str, candidate: &Arc<Policies>| {
            differences.add((service(name), Action::VerifyPassword, false), Arc::clone(candidate))
        };
        let logged: Vec<_> = (0..1500).filter_map(|_| add("relay", &candidate)).collect();
        assert_eq!(logged, [1, 10, 100, 1000]);
        let callers = (0..2 * SORTS).filter_map(|number| add(&format!("relay-{number}"), &candidate)).count();
        assert_eq!(callers, SORTS - 1);
        // Others are counted from the beginning.
        assert_eq!(add("relay", &policies(text).borrow().clone()), Some(1));
    }
}
