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
    use uuid::Uuid;

    use super::super::{CedarAuthorizer, PolicyFile, PolicyTexts};
    use super::*;
    use crate::domain::names::{DomainName, FreeName, IamUserId, RamUserName, Region, TenantName};
    use crate::domain::subject::{SubjectId, SubjectName, Tags};
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

    /// Those policies, with these callers in the group of admins.
    fn policies(text: &str, admins: &[&str]) -> Arc<Policies> {
        let groups = format!("admins = {admins:?}");
        let file = |name: &str, text: &str| PolicyFile { name: name.to_owned(), text: text.to_owned() };
        let files = vec![file("x.cedar", text), file("groups.toml", &groups)];
        Arc::new(Policies::read(&PolicyTexts { built_in: false, files }).unwrap())
    }

    fn permits(decision: &Decision) -> bool {
        matches!(decision, Decision::Permitted { .. })
    }

    /// Asks twice of the policies in force: the second time without an evaluation. Returns whether they permit, and whether
    /// even the first answer was remembered.
    fn asked_twice(authorizer: &CedarAuthorizer, request: AccessRequest<'_>) -> (bool, bool) {
        let remembered = || authorizer.remembered.get(request, &authorizer.policies());
        let before = remembered();
        let fresh = authorizer.explain(request).unwrap();
        assert_eq!(before.clone().unwrap_or_else(|| fresh.clone()), fresh, "{request:?}");
        for _ in 0..2 {
            assert_eq!(authorizer.decide(request), fresh, "{request:?}");
            assert_eq!(remembered().as_ref(), Some(&fresh), "{request:?}");
        }
        (permits(&fresh), before.is_some())
    }

    /// Permits a mail domain by its name, region and status, and users by tags and groups.
    const BY_ALL_PARTS: &str = r#"
        @id("domain") permit (principal is Service, action == Action::"admin:DescribeMailDomain", resource is MailDomain) when {
            principal.name == "relay" && resource.name == "example.com" && resource.region == "cn-hangzhou"
                && resource has status && resource.status == "verified" };
        @id("user") permit (principal is Service, action == Action::"admin:DescribeIamUser", resource is IamUser) when {
            resource.hasTag("env") && resource.getTag("env") == "prod" };
        @id("group") permit (principal in Group::"admins", action == Action::"admin:DescribeTenant", resource);"#;

    /// Each part of a request counts, and letters of a domain's name in another case are the same name.
    #[test]
    fn a_remembered_decision_is_the_one_that_the_policies_in_force_make() {
        let (send, in_force) = watch::channel(policies(BY_ALL_PARTS, &["acme/ram-user/jane"]));
        let authorizer = CedarAuthorizer::new(in_force, Arc::new(Failures::default())).unwrap();
        let [acme, umbrella] = ["acme", "umbrella"].map(|name| TenantName::parse(name).unwrap());
        let service = |name| Caller::Service(acme.clone(), FreeName::parse(name).unwrap());
        let id = SubjectId(Uuid::nil());
        let jane = Caller::RamUser(acme.clone(), RamUserName::parse("jane").unwrap(), id);
        let domain = |tenant: &TenantName, name, region, status| Resource::Subject {
            tenant: tenant.clone(),
            name: SubjectName::MailDomain(DomainName::parse(name).unwrap()),
            region: Some(Region::parse(region).unwrap()),
            status,
            tags: Tags::new(),
        };
        let user = |env: Option<&str>| Resource::Subject {
            tenant: acme.clone(),
            name: SubjectName::IamUser(IamUserId::parse("7").unwrap()),
            region: None,
            status: None,
            tags: env.map(|env| ("env".to_owned(), env.to_owned())).into_iter().collect(),
        };
        let (of_domain, of_user) = (Action::DescribeMailDomain, Action::DescribeIamUser);
        let ask = || {
            let mut answers = Vec::new();
            for (caller, action, resource) in [
                (service("relay"), of_domain, domain(&acme, "example.com", "cn-hangzhou", Some("verified"))),
                (service("relay"), of_domain, domain(&acme, "Example.COM", "cn-hangzhou", Some("verified"))),
                (service("relay"), of_domain, domain(&acme, "example.org", "cn-hangzhou", Some("verified"))),
                (service("relay"), of_domain, domain(&acme, "example.com", "cn-beijing", Some("verified"))),
                (service("relay"), of_domain, domain(&acme, "example.com", "cn-hangzhou", Some("other"))),
                (service("relay"), of_domain, domain(&acme, "example.com", "cn-hangzhou", None)),
                (service("relay"), of_domain, domain(&umbrella, "example.com", "cn-hangzhou", Some("verified"))),
                (service("other"), of_domain, domain(&acme, "example.com", "cn-hangzhou", Some("verified"))),
                (
                    service("relay"),
                    Action::DeleteMailDomain,
                    domain(&acme, "example.com", "cn-hangzhou", Some("verified")),
                ),
                (service("relay"), of_user, user(Some("prod"))),
                (service("relay"), of_user, user(Some("dev"))),
                (service("relay"), of_user, user(None)),
                (jane.clone(), Action::DescribeTenant, Resource::Tenant(acme.clone())),
                (jane.clone(), Action::DescribeTenant, Resource::Tenant(umbrella.clone())),
            ] {
                answers.push(asked_twice(&authorizer, AccessRequest { caller: &caller, action, resource: &resource }));
            }
            answers
        };
        let mut expected = [(false, false); 14];
        // The second is the first in other letters.
        (expected[0], expected[1], expected[9], expected[12]) =
            ((true, false), (true, true), (true, false), (true, false));
        assert_eq!(ask(), expected);
        // Jane leaves the group.
        send.send_replace(policies(BY_ALL_PARTS, &[]));
        expected[12] = (false, false);
        assert_eq!(ask(), expected);
        send.send_replace(policies("@id(\"all\") permit (principal, action, resource);", &[]));
        assert!(ask()[..6].iter().all(|(is_permitted, _)| *is_permitted));
    }

    #[test]
    fn a_long_decision_is_not_remembered() {
        let policies = policies("@id(\"all\") permit (principal is Service, action, resource);", &[]);
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
            "@id(\"fails\") forbid (principal, action, resource) when { 9223372036854775807 + 1 == 0 };",
            &[],
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
