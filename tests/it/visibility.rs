//! What a watcher may see depends on the policies in force when an event is sent: here, on an operator's own.

use std::num::{NonZeroU32, NonZeroUsize};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use credentiald::ambient::{SystemClock, SystemEntropy};
use credentiald::authz::{CedarAuthorizer, Policies, PolicyFile, PolicyTexts};
use credentiald::domain::action::Action;
use credentiald::domain::attempts::{Backoff, COUNTED_FOR};
use credentiald::domain::caller::{Caller, EligibleCaller};
use credentiald::domain::names::{FreeName, TenantName};
use credentiald::domain::subject::{IamUser, Subject, SubjectAttributes, Tags};
use credentiald::domain::time::days;
use credentiald::hashing::{Cost, EngineSettings, HashEngine, KernelSetting, KeyRing};
use credentiald::policy::Baseline;
use credentiald::ports::store::{Creation, Deletion, NewSubject};
use credentiald::ports::{
    AccessRequest, Authorizer, BackgroundTraces, Clock, Deadline, Decision, NoMeter, Store, Unsealed,
};
use credentiald::redis::RedisNodes;
use credentiald::service::gates::{AttemptLimits, Installation, Ports, QuotaLimits, WatchLimits};
use credentiald::service::requests::WatchFrom;
use credentiald::service::{Call, Service, ServiceError, Watch};
use credentiald::store::sqlite;
use tempfile::TempDir;
use tokio::sync::watch;
use uuid::Uuid;

use crate::store::values::{add_tenant, authority, iam_user, ram_user, region, subject};

/// A service may watch, but of IAM users only those that are for production.
const ONLY_PRODUCTION: &str = r#"
    @id("only-production")
    forbid (principal is Service, action == Action::"verification:WatchChanges", resource is IamUser)
    unless { resource.hasTag("env") && resource.getTag("env") == "prod" };
"#;

/// An authorizer that permits nothing any more once a test switches it.
struct Revocable(CedarAuthorizer, AtomicBool);

impl Authorizer for Revocable {
    fn decide(&self, request: AccessRequest<'_>) -> Decision {
        if self.1.load(Ordering::SeqCst) {
            return Decision::Denied { policies: vec!["revoked".to_owned()] };
        }
        self.0.decide(request)
    }
}

struct Watched {
    service: Arc<Service>,
    store: Arc<dyn Store>,
    authorizer: Arc<Revocable>,
    acme: TenantName,
    _directory: TempDir,
}

impl Watched {
    async fn start() -> Self {
        let directory = TempDir::new().unwrap();
        let store: Arc<dyn Store> = Arc::new(sqlite::open(&directory.path().join("store.db")).await.unwrap());
        let acme = add_tenant(&*store, "acme").await;
        let (clock, entropy) = (Arc::new(SystemClock), Arc::new(SystemEntropy));
        let file = PolicyFile { name: "watch.cedar".to_owned(), text: ONLY_PRODUCTION.to_owned() };
        let policies = Policies::read(&PolicyTexts { built_in: true, files: vec![file] }).unwrap();
        let policies = CedarAuthorizer::new(watch::channel(Arc::new(policies)).1, Arc::new(NoMeter)).unwrap();
        let authorizer = Arc::new(Revocable(policies, AtomicBool::new(false)));
        let keys = Arc::new(KeyRing::parse("", Arc::clone(&entropy) as _).unwrap_or_else(|_| panic!("no keys")));
        let ports = Ports {
            store: Arc::clone(&store),
            hasher: Arc::new(engine(&clock)),
            pepper: Arc::clone(&keys) as _,
            denials: keys,
            sealer: Arc::new(Unsealed),
            jwts: None,
            hook: None,
            nodes: Arc::new(RedisNodes),
            authorizer: Arc::clone(&authorizer) as _,
            clock,
            entropy,
            meter: Arc::new(NoMeter),
            traces: BackgroundTraces::default(),
        };
        let service = Arc::new(Service::new(ports, installation()));
        let tends = Arc::clone(&service);
        tokio::spawn(async move { tends.tend_store(|error| panic!("{error}")).await });
        Self { service, store, authorizer, acme, _directory: directory }
    }

    async fn watch(&self) -> Watch {
        let caller = Caller::Service(self.acme.clone(), FreeName::parse("relay").unwrap());
        let call = Call {
            caller: EligibleCaller::new(caller, Action::WatchChanges).unwrap(),
            evidence: None,
            request_id: Uuid::new_v4(),
            correlation_id: None,
            deadline: Deadline::at(SystemClock.instant() + Duration::from_mins(1)),
        };
        self.service.watch_changes(call, WatchFrom::Oldest).await.unwrap()
    }

    async fn add(&self, subject: Subject) {
        let new = NewSubject { tenant: self.acme.clone(), subject, first_password: None };
        assert_eq!(self.store.create_subject(&new, &authority()).await.unwrap(), Creation::Created);
    }

    async fn add_iam_user(&self, id: &str, env: &str) {
        let mut user = subject(iam_user(id));
        let SubjectAttributes::IamUser(IamUser { tags, .. }) = &mut user.attributes else { panic!("an IAM user") };
        *tags = Tags::from([("env".to_owned(), env.to_owned())]);
        self.add(user).await;
    }
}

fn engine(clock: &Arc<SystemClock>) -> HashEngine {
    let settings = EngineSettings {
        kernel: KernelSetting::Portable,
        workers: NonZeroUsize::new(1),
        ..EngineSettings::of(Cost::DEFAULT)
    };
    HashEngine::start(settings, Arc::clone(clock) as Arc<dyn Clock>, &SystemEntropy).unwrap()
}

fn installation() -> Installation {
    let second = Duration::from_secs(1);
    let backoff = Backoff { allowance: 5, initial: second, longest: second, counts_for: COUNTED_FOR, stop_after: None };
    let (heartbeat, patience) = (Duration::from_millis(100), Duration::from_mins(1));
    Installation {
        region: region("cn-hangzhou"),
        attempts: AttemptLimits { pair: backoff, subject: backoff },
        quotas: QuotaLimits { per_caller: None, per_tenant: None, burst_seconds: NonZeroU32::MIN },
        baseline: Baseline::default(),
        // The laws' subjects are made soon after 1970.
        denials_readable: days(1),
        audit_kept: days(400),
        process: None,
        watches: WatchLimits { kept: days(36_600), heartbeat, patience, per_caller: 8, per_tenant: 8 },
        page_key: [0; 32],
    }
}

/// `name kind` of the next event.
async fn next(watch: &mut Watch) -> String {
    loop {
        if let Some(event) = watch.next().await.unwrap().unwrap().event {
            return format!("{} {}", event.name.key(), event.kind.as_str());
        }
    }
}

#[tokio::test]
async fn what_a_watcher_may_not_see_is_left_out_and_the_rest_goes_on() {
    let watched = Watched::start().await;
    let mut watch = watched.watch().await;
    watched.add_iam_user("tested", "test").await;
    watched.add_iam_user("used", "prod").await;
    watched.add(subject(ram_user("alice"))).await;
    let mut found = [next(&mut watch).await, next(&mut watch).await];
    found.sort();
    assert_eq!(found, ["alice created", "used created"]);

    // Its tags go with it, and with them what permitted to see it.
    let gone = watched.store.delete_subject(&watched.acme, &iam_user("used"), &authority()).await.unwrap();
    assert_eq!(gone, Deletion::Deleted);
    watched.store.delete_subject(&watched.acme, &ram_user("alice"), &authority()).await.unwrap();
    assert_eq!(next(&mut watch).await, "alice deleted");

    // Of the same name, and another subject.
    watched.add_iam_user("used", "prod").await;
    assert_eq!(next(&mut watch).await, "used created");
    // What the watches share is as new as what is read for one alone.
    for _ in 0..2 {
        let mut again = watched.watch().await;
        let mut found = [next(&mut again).await, next(&mut again).await, next(&mut again).await];
        found.sort();
        assert_eq!(found, ["alice created", "alice deleted", "used created"]);
    }
}

#[tokio::test]
async fn a_permission_that_is_taken_away_ends_the_watch() {
    let watched = Watched::start().await;
    let mut watch = watched.watch().await;
    watch.next().await.unwrap().unwrap();
    watched.authorizer.1.store(true, Ordering::SeqCst);
    let ended = loop {
        if let Err(ended) = watch.next().await.unwrap() {
            break ended;
        }
    };
    assert!(matches!(ended, ServiceError::AccessDenied { action: Action::WatchChanges, .. }), "{ended}");
    assert!(watch.next().await.is_none());
}
