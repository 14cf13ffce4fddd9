//! Values for the laws, and the verbs that put them into a store.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use credentiald::domain::access_token::{AccessToken, AccessTokenForm, AccessTokenStatus, TokenDigest, TokenId};
use credentiald::domain::action::Action;
use credentiald::domain::attempts::{Backoff, COUNTED_FOR, CallerKey, Pair, SubjectKey};
use credentiald::domain::audit_event::{AuditEvent, AuditOutcome, Repeats};
use credentiald::domain::caller::Caller;
use credentiald::domain::client_token::{ClientTokenKey, RememberedChange};
use credentiald::domain::credential::{
    ChangeId, ChangedBy, ExpectedVersion, HashDigest, StoredHash, Version, VersionedHash,
};
use credentiald::domain::endpoint::{Comparison, Discovery, Endpoint, NodeAddress, StoredEndpoint, Transport};
use credentiald::domain::named_caller::NamedCaller;
use credentiald::domain::names::{
    AccountName, DomainName, FreeName, IamUserId, IamUserName, InstanceId, MasterName, NodeUser, PepperKeyId,
    RamUserName, Region, TenantName,
};
use credentiald::domain::page::PageRequest;
use credentiald::domain::sealed::Sealed;
use credentiald::domain::subject::{
    IamUser, Instance, InstanceAccount, InstanceAccountStatus, InstanceStatus, MailDomain, MailDomainStatus, RamUser,
    Subject, SubjectAttributes, SubjectId, SubjectName, Tags,
};
use credentiald::domain::tenant::{Tenant, TenantId};
use credentiald::domain::time::{Timestamp, Window, minutes};
use credentiald::ports::store::{
    Authority, Commit, CommitOutcome, Creation, FirstPassword, NewSubject, StandingQuery, TokenInsertion, TokenProof,
};
use credentiald::ports::{CallerProof, Evidence, ExternalIdentity, Store};
use uuid::Uuid;

pub fn at(micros: i64) -> Timestamp {
    Timestamp::from_micros(micros)
}

pub fn version(number: u64) -> Version {
    Version::new(number).unwrap()
}

/// A digest of a replaced hash, whichever.
pub const DIGEST: HashDigest = HashDigest(u32::MAX);

/// A hash: every other one looks as if it were wrapped.
pub fn hash(number: u64) -> StoredHash {
    if number.is_multiple_of(2) {
        return StoredHash::new(Some(pepper_key("2026")), format!("wrapped{number}"));
    }
    StoredHash::new(None, format!("$argon2id$v=19$m=47104,t=1,p=1$c2FsdHNhbHRzYWx0$hash{number}"))
}

/// The hash of an earlier version as [`make_change`] makes it.
pub fn earlier(number: u64) -> VersionedHash {
    VersionedHash { version: version(number), hash: hash(number) }
}

pub fn pepper_key(id: &str) -> PepperKeyId {
    PepperKeyId::parse(id).unwrap()
}

pub fn tenant(name: &str) -> TenantName {
    TenantName::parse(name).unwrap()
}

pub fn ram_user(name: &str) -> SubjectName {
    SubjectName::RamUser(RamUserName::parse(name).unwrap())
}

pub fn mail_domain(name: &str) -> SubjectName {
    SubjectName::MailDomain(DomainName::parse(name).unwrap())
}

pub fn iam_user(id: &str) -> SubjectName {
    SubjectName::IamUser(IamUserId::parse(id).unwrap())
}

pub fn account(instance: &str, name: &str) -> SubjectName {
    SubjectName::account(instance_id(instance), AccountName::parse(name).unwrap())
}

pub fn instance_id(id: &str) -> InstanceId {
    InstanceId::parse(id).unwrap()
}

pub fn region(name: &str) -> Region {
    Region::parse(name).unwrap()
}

pub fn operator() -> Caller {
    Caller::Operator(FreeName::parse("boss").unwrap())
}

pub fn authority() -> Authority {
    Authority::of_process(event())
}

pub fn event() -> AuditEvent {
    event_of(AuditOutcome::Done)
}

pub fn event_of(outcome: AuditOutcome) -> AuditEvent {
    AuditEvent {
        id: Uuid::new_v4(),
        at: at(1),
        request_id: Uuid::new_v4(),
        correlation_id: Some("from the caller".to_owned()),
        caller: operator(),
        action: Action::CreateTenant,
        resource: "installation".to_owned(),
        subject: None,
        tenant: Some(tenant_id(&tenant("acme"))),
        process: Some(FreeName::parse("node-1").unwrap()),
        policies: vec!["p0".to_owned()],
        outcome,
    }
}

/// An event that stands for several refusals.
pub fn repeated_refusal() -> AuditEvent {
    let repeats = Some(Repeats { count: 7, since: at(1) });
    event_of(AuditOutcome::Denied { repeats })
}

pub fn pair(subject: u8, caller: u8) -> Pair {
    Pair { subject: SubjectKey([subject; 32]), name: None, caller: CallerKey([caller; 32]) }
}

/// What is remembered under a client token of a subject of `acme`.
pub async fn remembered(store: &dyn Store, subject: SubjectId, token: &ClientTokenKey) -> Option<RememberedChange> {
    let (acme, pair) = (tenant("acme"), pair(1, 1));
    let query = StandingQuery { tenant: &acme, subject: Some(subject), pair: &pair, token: Some(token) };
    store.standing(&query).await.unwrap().unwrap().remembered
}

/// Three wrong passwords in a row are free; each further one costs a second.
pub fn limit() -> Backoff {
    let second = Duration::from_secs(1);
    Backoff { allowance: 3, initial: second, longest: second, counts_for: COUNTED_FOR, stop_after: None }
}

pub fn digest(number: u8) -> TokenDigest {
    TokenDigest([number; 32])
}

pub fn token(caller: Caller) -> AccessToken {
    let tenant = caller.tenant().map(tenant_id);
    let (form, status) = (AccessTokenForm::Bearer, AccessTokenStatus::Active);
    let (created_at, expires_at, last_used_at) = (at(10), at(20), None);
    AccessToken { id: TokenId(Uuid::new_v4()), caller, tenant, created_at, expires_at, form, status, last_used_at }
}

pub fn access_key(caller: Caller) -> AccessToken {
    AccessToken { form: AccessTokenForm::AccessKey, ..token(caller) }
}

/// Adds a bearer token. Returns whether it was added.
pub async fn add_token(store: &dyn Store, token: &AccessToken, digest: TokenDigest) -> bool {
    let inserted = store.insert_access_token(token, TokenProof::Digest(&digest), &authority()).await.unwrap();
    inserted == TokenInsertion::Inserted
}

pub fn secret(key: &str, text: &str) -> Sealed {
    Sealed::new(pepper_key(key), text.to_owned())
}

/// An identity from outside that expires at 20, and its recognition, which the test may end.
#[derive(Debug)]
pub struct Identity {
    caller: NamedCaller,
    pub recognized: AtomicBool,
}

impl ExternalIdentity for Identity {
    fn caller(&self) -> &NamedCaller {
        &self.caller
    }

    fn is_valid_at(&self, time: Timestamp) -> bool {
        time < at(20) && self.recognized.load(Ordering::Relaxed)
    }
}

/// An identity of that name, and the evidence for its caller.
pub fn external(name: &str, tenant: Option<TenantId>, subject: Option<SubjectId>) -> (Arc<Identity>, Evidence) {
    let caller = NamedCaller::parse(name).unwrap();
    let identity = Arc::new(Identity { caller, recognized: AtomicBool::new(true) });
    let proof = CallerProof::External { identity: Arc::clone(&identity) as _, subject };
    (identity, Evidence { proof, tenant, beside: None })
}

/// The id of the first tenant of that name.
pub fn tenant_id(name: &TenantName) -> TenantId {
    let mut bytes = [0; 16];
    bytes.iter_mut().zip(name.as_str().bytes()).for_each(|(place, byte)| *place = byte);
    TenantId(Uuid::from_bytes(bytes))
}

pub fn page(size: u32, after: Option<String>) -> PageRequest {
    PageRequest { size, after }
}

/// A subject of that name, with the attributes that its kind has.
pub fn subject(name: SubjectName) -> Subject {
    let attributes = match &name {
        SubjectName::MailDomain(_) => SubjectAttributes::MailDomain(MailDomain {
            region: region("cn-hangzhou"),
            status: MailDomainStatus::Verified,
        }),
        SubjectName::RamUser(_) => SubjectAttributes::RamUser(RamUser),
        SubjectName::IamUser(_) => SubjectAttributes::IamUser(IamUser {
            user_name: IamUserName::parse("Jane Doe").unwrap(),
            tags: Tags::from([("team".to_owned(), "\"blue\" & grün".to_owned())]),
        }),
        SubjectName::InstanceAccount(..) => SubjectAttributes::InstanceAccount(InstanceAccount {
            region: region("cn-shanghai"),
            instance_status: InstanceStatus::Normal,
            status: InstanceAccountStatus::Available,
        }),
    };
    Subject { id: SubjectId(Uuid::new_v4()), name, attributes, created_at: at(5) }
}

pub fn instance(id: &str) -> Instance {
    Instance { id: instance_id(id), region: region("cn-shanghai"), status: InstanceStatus::Normal, created_at: at(4) }
}

/// The first tenant of that name, made then.
pub fn new_tenant(name: &str, created_at: i64) -> Tenant {
    let name = tenant(name);
    Tenant { id: tenant_id(&name), name, created_at: at(created_at) }
}

pub async fn add_tenant(store: &dyn Store, name: &str) -> TenantName {
    let tenant = new_tenant(name, 3);
    assert_eq!(store.create_tenant(&tenant, &authority()).await.unwrap(), Creation::Created);
    tenant.name
}

pub async fn add_instance(store: &dyn Store, tenant: &TenantName, id: &str) {
    assert_eq!(store.create_instance(tenant, &instance(id), &authority()).await.unwrap(), Creation::Created);
}

/// Adds a subject without a password.
pub async fn add_subject(store: &dyn Store, tenant: &TenantName, name: SubjectName) -> Subject {
    add_subject_with(store, tenant, name, None).await
}

/// Adds a subject whose first password has hash 1.
pub async fn add_subject_with_password(store: &dyn Store, tenant: &TenantName, name: SubjectName) -> Subject {
    let first = FirstPassword {
        hash: hash(1),
        changed_by: ChangedBy::Administrator,
        change_id: ChangeId(Uuid::new_v4()),
        deliver: None,
    };
    add_subject_with(store, tenant, name, Some(first)).await
}

async fn add_subject_with(
    store: &dyn Store,
    tenant: &TenantName,
    name: SubjectName,
    first_password: Option<FirstPassword>,
) -> Subject {
    let new = NewSubject { tenant: tenant.clone(), subject: subject(name), first_password };
    assert_eq!(store.create_subject(&new, &authority()).await.unwrap(), Creation::Created);
    new.subject
}

/// A RAM user of a tenant of its own, with hash 1 at version 1.
pub async fn alice(store: &dyn Store) -> SubjectId {
    let acme = add_tenant(store, "acme").await;
    add_subject_with_password(store, &acme, ram_user("alice")).await.id
}

/// The change that follows `expected`: hash and time are numbered like the version that it makes.
pub fn change(subject: SubjectId, expected: Option<u64>) -> Commit {
    let next = expected.unwrap_or(0) + 1;
    let change_id = ChangeId(Uuid::new_v4());
    Commit {
        subject,
        expected: expected.map(version),
        hash: hash(next),
        at: at(i64::try_from(next).unwrap()),
        changed_by: ChangedBy::Subject,
        change_id,
        keep_history: 3,
        begins_overlap: true,
        remember: None,
        forget: None,
        ends_tokens: false,
        deliver: None,
        authority: Authority::of_process(event_of(AuditOutcome::Changed { change_id, version: version(next) })),
        deadline: None,
    }
}

/// Makes the change that follows `expected`.
pub async fn make_change(store: &dyn Store, subject: SubjectId, expected: u64) {
    let outcome = store.commit(&change(subject, Some(expected))).await.unwrap();
    assert_eq!(outcome, CommitOutcome::Committed(version(expected + 1)));
}

pub fn client_token(number: u8) -> ClientTokenKey {
    ClientTokenKey([number; 32])
}

/// The change that follows `expected`, made then, and remembered under that client token for a minute.
pub fn change_under(subject: SubjectId, expected: u64, token: ClientTokenKey, now: Timestamp) -> Commit {
    let mut commit = change(subject, Some(expected));
    commit.at = now;
    let remembered = RememberedChange {
        version: version(expected + 1),
        expected_version: expected.is_multiple_of(2).then_some(ExpectedVersion(expected)),
        window: Window { start: now, length: minutes(1) },
    };
    commit.remember = Some((token, remembered));
    commit
}

/// An endpoint with that many nodes.
pub fn endpoint(nodes: u16) -> StoredEndpoint {
    let discovery = match nodes % 3 {
        0 => Discovery::Named,
        1 => Discovery::Cluster,
        _ => Discovery::Sentinel(MasterName::parse("mymaster").unwrap()),
    };
    let nodes = (1..=nodes).map(|port| NodeAddress::parse(&format!("redis.example.com:{port}")).unwrap()).collect();
    let user = NodeUser::parse("admin").unwrap();
    StoredEndpoint {
        id: Uuid::new_v4(),
        endpoint: Endpoint {
            nodes,
            discovery,
            transport: Transport::Tls { ca: Some("PEM".to_owned()) },
            user,
            saves_acl: true,
            comparison: Some(Comparison { every: Duration::from_mins(5), mends: true }),
        },
        secret: secret("a", "endpoint"),
        set_at: at(6),
    }
}
