//! Decisions that were made before. A decision depends on nothing but the policies, the caller, the action and the
//! resource.

use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Weak};

use parking_lot::Mutex;

use super::Policies;
use crate::domain::action::Action;
use crate::domain::caller::Caller;
use crate::domain::resource::Resource;
use crate::ports::{AccessRequest, Decision};

/// How many decisions are remembered.
const PLACES: usize = 4096;
/// The longest ids of policies and tags that are remembered with a decision, in bytes: in all places together, 8 MiB.
const LONGEST: usize = 2048;

/// The last decisions. Each request has one place, where it replaces what was there.
pub(super) struct Remembered {
    /// With a random key, so that callers cannot choose names that share a place.
    hashes: RandomState,
    places: Vec<Mutex<Option<Box<Made>>>>,
}

/// A decision, with all that it depends on.
struct Made {
    policies: Weak<Policies>,
    caller: Caller,
    action: Action,
    resource: Resource,
    decision: Decision,
}

impl Made {
    fn is_for(&self, request: AccessRequest<'_>, policies: &Arc<Policies>) -> bool {
        let own = AccessRequest { caller: &self.caller, action: self.action, resource: &self.resource };
        self.policies.as_ptr() == Arc::as_ptr(policies) && own == request
    }
}

impl Default for Remembered {
    fn default() -> Self {
        Self { hashes: RandomState::new(), places: std::iter::repeat_with(Mutex::default).take(PLACES).collect() }
    }
}

impl Remembered {
    /// The decision that those policies made on such a request, if it is remembered.
    pub(super) fn get(&self, request: AccessRequest<'_>, policies: &Arc<Policies>) -> Option<Decision> {
        let place = self.place(request)?.lock();
        place.as_ref().filter(|made| made.is_for(request, policies)).map(|made| made.decision.clone())
    }

    /// Remembers a decision that those policies made, unless it is too long.
    pub(super) fn put(&self, request: AccessRequest<'_>, policies: &Arc<Policies>, decision: &Decision) {
        if length(request.resource, decision) > LONGEST {
            return;
        }
        let AccessRequest { caller, action, resource } = request;
        let (caller, resource, decision) = (caller.clone(), resource.clone(), decision.clone());
        let made = Made { policies: Arc::downgrade(policies), caller, action, resource, decision };
        if let Some(place) = self.place(request) {
            *place.lock() = Some(Box::new(made));
        }
    }

    fn place(&self, request: AccessRequest<'_>) -> Option<&Mutex<Option<Box<Made>>>> {
        let hash = self.hashes.hash_one(request);
        self.places.get(usize::try_from(hash % PLACES as u64).ok()?)
    }
}

/// The length of what has no short bound of its own.
fn length(resource: &Resource, decision: &Decision) -> usize {
    let (Decision::Permitted { policies } | Decision::Denied { policies }) = decision;
    let tags = match resource {
        Resource::Subject { tags, .. } => tags.iter().map(|(key, value)| key.len() + value.len()).sum(),
        Resource::Installation | Resource::Tenant(_) | Resource::Instance { .. } => 0,
    };
    tags + policies.iter().map(String::len).sum::<usize>()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use tokio::sync::watch;

    use super::super::{CedarAuthorizer, PolicyFile, PolicyTexts};
    use super::*;
    use crate::domain::names::{FreeName, TenantName};
    use crate::ports::{Authorizer, Counter, Gauge, Histogram, Meter};

    #[derive(Default)]
    struct Failures(AtomicUsize);

    impl Meter for Failures {
        fn add(&self, counter: Counter, count: usize) {
            if counter == Counter::PolicyFailures {
                self.0.fetch_add(count, Ordering::Relaxed);
            }
        }
        fn change(&self, _: Gauge, _: i64) {}
        fn set(&self, _: Gauge, _: i64) {}
        fn observe(&self, _: Histogram, _: Duration) {}
    }

    fn policies(text: &str) -> Arc<Policies> {
        let files = vec![PolicyFile { name: "x.cedar".to_owned(), text: text.to_owned() }];
        Arc::new(Policies::read(&PolicyTexts { built_in: true, files }).unwrap())
    }

    fn permits(decision: &Decision) -> bool {
        matches!(decision, Decision::Permitted { .. })
    }

    /// A decision asked twice is asked of the policies once, and of those in force; each part of the request counts.
    #[test]
    fn a_remembered_decision_is_the_one_that_the_policies_in_force_make() {
        let (send, in_force) = watch::channel(policies(
            "@id(\"x\") permit (principal is Service, action == Action::\"admin:DescribeTenant\", resource)
                 when { principal.name == \"relay\" };",
        ));
        let authorizer = CedarAuthorizer::new(in_force, Arc::new(Failures::default())).unwrap();
        let service = |name| Caller::Service(TenantName::parse("acme").unwrap(), FreeName::parse(name).unwrap());
        let tenant = |name| Resource::Tenant(TenantName::parse(name).unwrap());
        let (relay, other, acme, umbrella) = (service("relay"), service("other"), tenant("acme"), tenant("umbrella"));
        let ask = || {
            let mut answers = Vec::new();
            for (caller, action, resource) in [
                (&relay, Action::DescribeTenant, &acme),
                (&other, Action::DescribeTenant, &acme),
                (&relay, Action::GetPasswordPolicy, &acme),
                (&relay, Action::DescribeTenant, &umbrella),
            ] {
                let request = AccessRequest { caller, action, resource };
                let decision = authorizer.decide(request);
                assert_eq!(authorizer.explain(request).unwrap(), decision);
                assert_eq!(authorizer.decide(request), decision);
                answers.push(permits(&decision));
            }
            answers
        };
        assert_eq!(ask(), [true, false, false, false]);
        send.send_replace(policies(
            "@id(\"x\") permit (principal is Service, action == Action::\"admin:GetPasswordPolicy\", resource);",
        ));
        assert_eq!(ask(), [false, false, true, false]);
    }

    #[test]
    fn a_long_decision_is_not_remembered() {
        let policies = policies("@id(\"x\") permit (principal is Service, action, resource);");
        let remembered = Remembered::default();
        let caller = Caller::Operator(FreeName::parse("jane").unwrap());
        for (length, is_remembered) in [(LONGEST, true), (LONGEST + 1, false)] {
            let resource = Resource::Tenant(TenantName::parse(&format!("t{length}")).unwrap());
            let request = AccessRequest { caller: &caller, action: Action::DescribeTenant, resource: &resource };
            let decision = Decision::Denied { policies: vec!["x".repeat(length)] };
            remembered.put(request, &policies, &decision);
            assert_eq!(remembered.get(request, &policies), is_remembered.then_some(decision), "{length}");
        }
    }

    #[test]
    fn a_policy_that_fails_is_reported_each_time() {
        let (_send, in_force) = watch::channel(policies(
            "@id(\"z\") forbid (principal, action, resource) when { 9223372036854775807 + 1 == 0 };",
        ));
        let failures = Arc::new(Failures::default());
        let authorizer = CedarAuthorizer::new(in_force, Arc::clone(&failures) as _).unwrap();
        let caller = Caller::Root(TenantName::parse("acme").unwrap());
        let resource = Resource::Tenant(TenantName::parse("acme").unwrap());
        for times in 1..=3 {
            let request = AccessRequest { caller: &caller, action: Action::GeneratePassword, resource: &resource };
            assert!(!permits(&authorizer.decide(request)));
            assert_eq!(failures.0.load(Ordering::Relaxed), times);
        }
    }
}
