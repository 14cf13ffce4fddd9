//! A text of policies is refused with its mistakes, or gives a set that decides. No set permits a caller of one tenant
//! anything on another one, and a set of which a policy fails denies.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use credentiald::authz::{AuthzError, CedarAuthorizer, Policies, PolicyFile, PolicyTexts};
use credentiald::domain::action::Action;
use credentiald::domain::caller::Caller;
use credentiald::domain::names::{FreeName, TenantName};
use credentiald::domain::resource::Resource;
use credentiald::ports::{AccessRequest, Authorizer, Counter, Decision, Gauge, Histogram, Meter};
use tokio::sync::watch;

use crate::texts;

/// Notes whether a policy has failed.
#[derive(Default)]
struct Failures(AtomicBool);

impl Meter for Failures {
    fn add(&self, counter: Counter, _: usize) {
        self.0.fetch_or(matches!(counter, Counter::PolicyFailures), Ordering::Relaxed);
    }
    fn change(&self, _: Gauge, _: i64) {}
    fn set(&self, _: Gauge, _: i64) {}
    fn observe(&self, _: Histogram, _: Duration) {}
}

struct Fixture {
    in_force: watch::Sender<Arc<Policies>>,
    authorizer: CedarAuthorizer,
    failures: Arc<Failures>,
    requests: Vec<(Caller, Action, Resource)>,
}

thread_local! {
    static FIXTURE: Fixture = Fixture::new();
}

impl Fixture {
    fn new() -> Self {
        let built_in = Policies::read(&PolicyTexts { built_in: true, files: Vec::new() }).unwrap();
        let (in_force, followed) = watch::channel(Arc::new(built_in));
        let failures = Arc::new(Failures::default());
        let authorizer = CedarAuthorizer::new(followed, Arc::clone(&failures) as _).unwrap();
        let acme = || TenantName::parse("acme").unwrap();
        let name = || FreeName::parse("relay").unwrap();
        let callers = [Caller::Root(acme()), Caller::Service(acme(), name()), Caller::Operator(name())];
        let resources = [
            "tenant/acme",
            "acs:dm:cn-hangzhou:acme:domain/example.com",
            "tenant/other",
            "acs:dm:cn-hangzhou:other:domain/example.com",
        ];
        let resources = resources.map(|text| Resource::parse(text).expect("a resource"));
        let actions = [Action::VerifyPassword, Action::ResetPassword, Action::ModifyPwByDomain, Action::DescribeTenant];
        let mut requests = Vec::new();
        for caller in &callers {
            for action in actions {
                let applying = resources.iter().filter(|resource| authorizer.applies(action, resource));
                requests.extend(applying.map(|resource| (caller.clone(), action, resource.clone())));
            }
        }
        assert!(requests.len() > 12, "the requests apply");
        Self { in_force, authorizer, failures, requests }
    }

    fn decide_all(&self) {
        for (caller, action, resource) in &self.requests {
            self.failures.0.store(false, Ordering::Relaxed);
            let decision = self.authorizer.decide(AccessRequest { caller, action: *action, resource });
            let is_permitted = matches!(decision, Decision::Permitted { .. });
            let crosses = caller.tenant().is_some_and(|own| resource.tenant() != Some(own));
            assert!(!(is_permitted && crosses), "{caller:?} {action:?} {resource:?}: {decision:?}");
            assert!(!(is_permitted && self.failures.0.load(Ordering::Relaxed)), "a policy failed: {decision:?}");
        }
    }
}

pub fn run(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let file = PolicyFile { name: "fuzzed.cedar".to_owned(), text: text.to_owned() };
    match Policies::read(&PolicyTexts { built_in: text.len() % 2 == 0, files: vec![file] }) {
        Ok(policies) => {
            assert!(policies.count() > policies.built_in_count(), "a file that holds no policy is refused");
            FIXTURE.with(|fixture| {
                fixture.in_force.send_replace(Arc::new(policies));
                fixture.decide_all();
            });
        }
        Err(AuthzError::Policies(problems)) => {
            assert!(!problems.is_empty() && problems.iter().all(|problem| !problem.to_string().is_empty()));
        }
        Err(AuthzError::Schema(problem)) => panic!("the schema does not depend on the policies: {problem}"),
    }
}

pub fn seeds() -> Vec<Vec<u8>> {
    texts(&[
        "@id(\"all\")\npermit (principal, action, resource);",
        "@id(\"only-production\")\nforbid (principal is Service, action == Action::\"verification:WatchChanges\", \
         resource is IamUser)\nunless { resource.hasTag(\"env\") && resource.getTag(\"env\") == \"prod\" };",
        "@id(\"overflow\")\nforbid (principal, action, resource) when { 9223372036854775807 + 1 == 0 };",
        "@id(\"a\")\npermit (principal == ?principal, action, resource);",
        "@id(\"b\")\npermit (principal, action in [Action::\"admin:ResetPassword\"], resource in Tenant::\"acme\")\n\
         when { principal is Root || principal.tenant == Tenant::\"acme\" };",
    ])
}
