//! Any sequence of operations does what a few maps would do.

use std::collections::BTreeMap;

use credentiald::domain::access_token::AccessToken;
use credentiald::domain::attempts::Forget;
use credentiald::domain::caller::Caller;
use credentiald::domain::credential::{ChangeId, ChangedBy, StoredHash};
use credentiald::domain::names::RamUserName;
use credentiald::domain::subject::SubjectId;
use credentiald::domain::tenant::{Tenant, TenantId};
use credentiald::ports::Store;
use credentiald::ports::store::{CommitOutcome, Creation, Deletion, FirstPassword, NewSubject};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use tokio::runtime::Handle;
use uuid::Uuid;

use super::backend::Backend;
use super::change_events;
use super::values::*;

pub async fn any_sequence_of_operations_does_what_the_model_does<B: Backend>(_: &mut B) {
    let config = Config { cases: 24, failure_persistence: None, ..Config::default() };
    let operations = prop::collection::vec(operation(), 1..60);
    let run = |operations: Vec<Operation>| {
        Handle::current().block_on(async {
            let mut backend = B::fresh().await;
            let mut model = Model::default();
            for operation in operations {
                model.follow(&*backend.store(), operation).await;
            }
            model.compare(&*backend.store()).await;
            backend.reopen().await;
            model.compare(&*backend.store()).await;
        });
        Ok(())
    };
    tokio::task::block_in_place(|| TestRunner::new(config).run(&operations, run)).unwrap();
}

const TENANTS: [&str; 2] = ["acme", "globex"];
const USERS: [&str; 2] = ["alice", "bob"];

#[derive(Debug, Clone, Copy)]
enum Operation {
    CreateTenant(usize),
    DeleteTenant(usize),
    CreateUser { user: (usize, usize), with_password: bool },
    DeleteUser((usize, usize)),
    Change { user: (usize, usize), stale_by: u64, keep_history: u32, forget: Option<(u8, u8)> },
    Fail(u8, u8),
    Forget(u8, u8),
    IssueToken((usize, usize)),
}

fn operation() -> impl Strategy<Value = Operation> {
    let user = || (0..TENANTS.len(), 0..USERS.len());
    let pair = || (0..2u8, 0..2u8);
    prop_oneof![
        2 => (0..TENANTS.len()).prop_map(Operation::CreateTenant),
        1 => (0..TENANTS.len()).prop_map(Operation::DeleteTenant),
        4 => (user(), any::<bool>()).prop_map(|(user, with_password)| Operation::CreateUser { user, with_password }),
        1 => user().prop_map(Operation::DeleteUser),
        8 => (user(), prop_oneof![4 => Just(0u64), 1 => 1..3u64], 0..4u32, prop::option::of(pair())).prop_map(
            |(user, stale_by, keep_history, forget)| Operation::Change { user, stale_by, keep_history, forget }
        ),
        3 => pair().prop_map(|(subject, caller)| Operation::Fail(subject, caller)),
        1 => pair().prop_map(|(subject, caller)| Operation::Forget(subject, caller)),
        2 => user().prop_map(Operation::IssueToken),
    ]
}

#[derive(Default)]
struct Model {
    tenants: BTreeMap<usize, BTreeMap<usize, User>>,
    failures: BTreeMap<(u8, u8), u32>,
    /// What watchers of each tenant receive, by subject.
    events: BTreeMap<usize, BTreeMap<Uuid, Vec<&'static str>>>,
    /// Who was deleted, to be looked for in vain.
    gone: Vec<SubjectId>,
    changes: u64,
    digests: u8,
}

struct User {
    id: SubjectId,
    version: u64,
    /// The newest first; the first is the current one.
    hashes: Vec<StoredHash>,
    tokens: Vec<u8>,
}

impl Model {
    async fn follow(&mut self, store: &dyn Store, operation: Operation) {
        match operation {
            Operation::CreateTenant(number) => {
                let new = Tenant { id: TenantId(Uuid::new_v4()), ..new_tenant(TENANTS[number], 1) };
                let created = store.create_tenant(&new, &authority()).await.unwrap();
                let expected = created_if(!self.tenants.contains_key(&number));
                assert_eq!(created, expected);
                self.tenants.entry(number).or_default();
            }
            Operation::DeleteTenant(number) => {
                let deleted = store.delete_tenant(&tenant(TENANTS[number]), &authority()).await.unwrap();
                let expected = match self.tenants.get(&number) {
                    None => Deletion::Absent,
                    Some(users) if users.is_empty() => Deletion::Deleted,
                    Some(_) => Deletion::NotEmpty,
                };
                assert_eq!(deleted, expected);
                self.tenants.retain(|key, users| *key != number || !users.is_empty());
                if deleted == Deletion::Deleted {
                    self.events.remove(&number);
                }
            }
            Operation::CreateUser { user, with_password } => self.create(store, user, with_password).await,
            Operation::DeleteUser((owner, name)) => {
                let deleted =
                    store.delete_subject(&tenant(TENANTS[owner]), &ram_user(USERS[name]), &authority()).await.unwrap();
                let removed = self.tenants.get_mut(&owner).and_then(|users| users.remove(&name));
                assert_eq!(deleted, if removed.is_some() { Deletion::Deleted } else { Deletion::Absent });
                if let Some(user) = removed {
                    self.happened(owner, user.id, "deleted");
                    self.gone.push(user.id);
                }
            }
            Operation::Change { user, stale_by, keep_history, forget } => {
                self.change(store, user, stale_by, keep_history, forget).await;
            }
            Operation::Fail(subject, caller) => {
                store.record_failure(&pair(subject, caller), at(1), &limit(), &event()).await.unwrap();
                *self.failures.entry((subject, caller)).or_default() += 1;
            }
            Operation::Forget(subject, caller) => {
                store.forget_failures(&pair(subject, caller)).await.unwrap();
                self.failures.remove(&(subject, caller));
            }
            Operation::IssueToken((owner, name)) => {
                let user = self.tenants.get_mut(&owner).and_then(|users| users.get_mut(&name));
                let id = user.as_ref().map_or(SubjectId(Uuid::nil()), |user| user.id);
                let caller = Caller::RamUser(tenant(TENANTS[owner]), RamUserName::parse(USERS[name]).unwrap(), id);
                let of_tenant = change_events::id_of(store, &tenant(TENANTS[owner])).await;
                let token = AccessToken { tenant: Some(of_tenant), ..token(caller) };
                let issued = add_token(store, &token, digest(self.digests)).await;
                assert_eq!(issued, user.is_some());
                if let Some(user) = user {
                    user.tokens.push(self.digests);
                    self.digests += 1;
                }
            }
        }
    }

    async fn create(&mut self, store: &dyn Store, (owner, name): (usize, usize), with_password: bool) {
        self.changes += 1;
        let first = FirstPassword {
            hash: hash(self.changes),
            changed_by: ChangedBy::Administrator,
            change_id: ChangeId(Uuid::new_v4()),
            deliver: None,
        };
        let new = NewSubject {
            tenant: tenant(TENANTS[owner]),
            subject: subject(ram_user(USERS[name])),
            first_password: with_password.then_some(first),
        };
        let created = store.create_subject(&new, &authority()).await.unwrap();
        let Some(users) = self.tenants.get_mut(&owner) else {
            return assert_eq!(created, Creation::TenantAbsent);
        };
        assert_eq!(created, created_if(!users.contains_key(&name)));
        let hashes = if with_password { vec![hash(self.changes)] } else { vec![] };
        let user = User { id: new.subject.id, version: u64::from(with_password), hashes, tokens: vec![] };
        users.entry(name).or_insert(user);
        if created == Creation::Created {
            self.happened(owner, new.subject.id, "created");
        }
    }

    fn happened(&mut self, owner: usize, subject: SubjectId, what: &'static str) {
        self.events.entry(owner).or_default().entry(subject.0).or_default().push(what);
    }

    async fn change(
        &mut self,
        store: &dyn Store,
        (owner, name): (usize, usize),
        stale_by: u64,
        keep_history: u32,
        forget: Option<(u8, u8)>,
    ) {
        self.changes += 1;
        let user = self.tenants.get_mut(&owner).and_then(|users| users.get_mut(&name));
        let (id, present) = user.as_ref().map_or((SubjectId(Uuid::nil()), 0), |user| (user.id, user.version));
        let expected = present + stale_by;
        let mut commit = change(id, (expected > 0).then_some(expected));
        commit.hash = hash(self.changes);
        commit.keep_history = keep_history;
        commit.forget = forget.map(|(subject, caller)| Forget::Pair(pair(subject, caller)));
        let outcome = store.commit(&commit).await.unwrap();
        let Some(user) = user else { return assert_eq!(outcome, CommitOutcome::SubjectGone) };
        if stale_by > 0 {
            let moved = (present > 0).then(|| version(present));
            return assert_eq!(outcome, CommitOutcome::VersionMoved(moved));
        }
        assert_eq!(outcome, CommitOutcome::Committed(version(present + 1)));
        user.version += 1;
        user.hashes.insert(0, commit.hash);
        user.hashes.truncate(usize::try_from(keep_history).unwrap() + 1);
        if let Some(pair) = forget {
            self.failures.remove(&pair);
        }
        self.happened(owner, id, "reset");
    }

    async fn compare(&self, store: &dyn Store) {
        let tenants = store.tenants(&page(10, None)).await.unwrap().items;
        let names: Vec<_> = self.tenants.keys().map(|number| tenant(TENANTS[*number])).collect();
        assert_eq!(tenants.into_iter().map(|tenant| tenant.name).collect::<Vec<_>>(), names);
        for (owner, users) in &self.tenants {
            for (name, user) in users {
                let entry = store.subject(&tenant(TENANTS[*owner]), &ram_user(USERS[*name])).await.unwrap().unwrap();
                assert_eq!(entry.subject.id, user.id);
                let credential = store.credential(user.id).await.unwrap();
                let stored = credential.map(|found| {
                    let hashes: Vec<_> = std::iter::once(found.hash)
                        .chain(found.history.into_iter().map(|earlier| earlier.hash))
                        .collect();
                    (found.version.number(), hashes)
                });
                assert_eq!(stored, (user.version > 0).then(|| (user.version, user.hashes.clone())));
            }
        }
        let living: Vec<u8> =
            self.tenants.values().flat_map(BTreeMap::values).flat_map(|user| user.tokens.clone()).collect();
        for number in 0..self.digests {
            let found = store.access_token(&digest(number)).await.unwrap();
            assert_eq!(found.is_some(), living.contains(&number));
        }
        for (owner, name) in TENANTS.into_iter().enumerate() {
            let mut received = BTreeMap::<_, Vec<_>>::new();
            for event in change_events::events_of(store, &tenant(name)).await {
                received.entry(event.subject.0).or_default().push(event.kind.as_str());
            }
            assert_eq!(received, self.events.get(&owner).cloned().unwrap_or_default());
        }
        for id in &self.gone {
            assert_eq!(store.credential(*id).await.unwrap(), None);
        }
        for (subject, caller) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
            let stored = store.failures(&pair(subject, caller)).await.unwrap();
            let by_caller = self.failures.get(&(subject, caller)).copied().unwrap_or(0);
            let by_all = self.failures.iter().filter(|((key, _), _)| *key == subject).map(|(_, count)| count).sum();
            assert_eq!((stored.by_caller.count, stored.by_all.count), (by_caller, by_all));
        }
    }
}

fn created_if(free: bool) -> Creation {
    if free { Creation::Created } else { Creation::AlreadyExists }
}
