//! Many subjects at once.

use std::collections::BTreeMap;
use std::sync::Arc;

use credentiald::domain::audit_event::AuditOutcome;
use credentiald::domain::change_event::{ChangeKind, Position};
use credentiald::domain::credential::{ChangeId, ChangedBy, StoredHash, VersionedHash};
use credentiald::domain::names::TenantName;
use credentiald::domain::subject::SubjectName;
use credentiald::ports::Store;
use credentiald::ports::store::{Absent, Authority, ImportedSubject, Lookup};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use tokio::runtime::Handle;
use uuid::Uuid;

use super::backend::Backend;
use super::values::*;

fn imported(tenant: &TenantName, name: SubjectName, number: u64) -> ImportedSubject {
    ImportedSubject {
        tenant: tenant.clone(),
        subject: subject(name),
        hash: Some(hash(number)),
        changed_by: ChangedBy::Administrator,
        changed_at: at(7),
        change_id: ChangeId(Uuid::new_v4()),
    }
}

pub async fn a_batch_is_read_back_as_it_was(backend: &mut impl Backend) {
    let store = backend.store();
    let (acme, globex) = (add_tenant(&*store, "acme").await, add_tenant(&*store, "globex").await);
    add_instance(&*store, &acme, "r-1").await;
    let names = [ram_user("x"), iam_user("x"), mail_domain("Mail.Example.com"), account("r-1", "x")];
    let mut batch: Vec<_> = names.into_iter().zip(1..).map(|(name, number)| imported(&acme, name, number)).collect();
    batch.push(imported(&globex, ram_user("x"), 5));
    // What means something to a database in one of its formats means nothing in a value.
    batch[0].hash = Some(StoredHash::new(None, "\\N\t'\"\\.\r\n\\".to_owned()));
    batch[2].hash = None;
    let event = event_of(AuditOutcome::Imported { subjects: 5, unchanged: 2 });
    assert!(store.import(&batch, &[Authority::of_process(event.clone())]).await.unwrap());

    backend.reopen().await;
    let store = backend.store();
    let wanted: Vec<_> = batch.iter().rev().map(|one| (&one.tenant, &one.subject.name)).collect();
    let found = store.look_up_all(&wanted).await.unwrap();
    for (found, one) in found.into_iter().zip(batch.iter().rev()) {
        assert_eq!(found.lookup, Lookup::Found(one.subject.clone()));
        let hash = one.hash.clone().map(|hash| VersionedHash { version: version(1), hash });
        assert_eq!(found.hash, hash);
        let Some(credential) = store.credential(one.subject.id).await.unwrap() else {
            assert_eq!(hash, None);
            continue;
        };
        assert_eq!((credential.version, credential.changed_at), (version(1), at(7)));
        assert_eq!((credential.changed_by, credential.history.len()), (ChangedBy::Administrator, 0));
    }
    assert_eq!(backend.audit_events().await.last(), Some(&event.id));
    while store.number_change_events().await.unwrap().more {}
    let events = store.change_events(tenant_id(&acme), Position(0), 100).await.unwrap().events;
    let mut events: Vec<_> = events.into_iter().map(|(_, event)| (event.subject, event.kind)).collect();
    let kind = |one: &ImportedSubject| ChangeKind::Created { version: one.hash.as_ref().map(|_| version(1)) };
    let mut expected: Vec<_> = batch.iter().take(4).map(|one| (one.subject.id, kind(one))).collect();
    events.sort_by_key(|(subject, _)| subject.0);
    expected.sort_by_key(|(subject, _)| subject.0);
    assert_eq!(events, expected, "relying systems learn of each");
}

pub async fn what_is_missing_is_reported_for_each_name(backend: &mut impl Backend) {
    let store = backend.store();
    let (acme, globex) = (add_tenant(&*store, "acme").await, tenant("globex"));
    add_instance(&*store, &acme, "r-1").await;
    add_subject(&*store, &acme, ram_user("bare")).await;
    let absent = |region| Lookup::Missing(Absent::Subject { region });
    let cases = [
        (&acme, account("r-1", "nobody"), absent(Some(region("cn-shanghai")))),
        (&acme, account("r-2", "nobody"), Lookup::Missing(Absent::Instance)),
        (&acme, ram_user("nobody"), absent(None)),
        (&acme, mail_domain("nobody"), absent(None)),
        (&globex, ram_user("bare"), Lookup::Missing(Absent::Tenant)),
        (&globex, account("r-1", "nobody"), Lookup::Missing(Absent::Tenant)),
        (&acme, ram_user("nobody"), absent(None)),
    ];
    let names: Vec<_> = cases.iter().map(|(tenant, name, _)| (*tenant, name)).collect();
    let found = store.look_up_all(&names).await.unwrap();
    for (found, (tenant, name, expected)) in found.iter().zip(&cases) {
        assert_eq!((&found.lookup, &found.hash), (expected, &None), "{tenant} {name}");
    }
    let bare = ram_user("bare");
    let found = store.look_up_all(&[(&acme, &bare)]).await.unwrap().remove(0);
    assert!(matches!(found.lookup, Lookup::Found(_)) && found.hash.is_none());
    assert_eq!(store.look_up_all(&[]).await.unwrap(), []);
}

pub async fn a_batch_that_does_not_fit_changes_nothing(backend: &mut impl Backend) {
    let store = backend.store();
    let acme = add_tenant(&*store, "acme").await;
    add_subject_with_password(&*store, &acme, ram_user("there")).await;
    let before = backend.audit_events().await;
    for misfit in [
        imported(&acme, ram_user("there"), 2),
        imported(&acme, ram_user("new"), 2),
        imported(&acme, account("r-1", "app"), 2),
        imported(&tenant("globex"), ram_user("new"), 2),
    ] {
        let batch = [imported(&acme, ram_user("new"), 1), misfit, imported(&acme, ram_user("newer"), 3)];
        assert!(!store.import(&batch, &[authority()]).await.unwrap(), "{:?}", batch[1].subject.name);
        for name in ["new", "newer"] {
            assert_eq!(store.subject(&acme, &ram_user(name)).await.unwrap(), None);
        }
    }
    assert_eq!(backend.audit_events().await, before);
    let there = ram_user("there");
    let found = store.look_up_all(&[(&acme, &there)]).await.unwrap().remove(0);
    assert_eq!(found.hash, Some(earlier(1)));
}

/// A subject of any kind: with a hash or not, in a place that exists or not.
fn any_row() -> impl Strategy<Value = (usize, usize, usize, bool)> {
    (prop_oneof![8 => 0..2usize, 1 => Just(2)], prop_oneof![8 => 0..4usize, 1 => Just(4)], 0..12usize, any::<bool>())
}

fn any_name(kind: usize, number: usize) -> SubjectName {
    match kind {
        0 => ram_user(&format!("u{number}")),
        1 => iam_user(&format!("u{number}")),
        2 => mail_domain(&format!("M{number}.example.com")),
        3 => account("r-1", &format!("u{number}")),
        _ => account("r-2", &format!("u{number}")),
    }
}

/// Whatever is imported: what a map would keep is there, and nothing else.
pub async fn any_batch_is_stored_as_a_whole_or_not_at_all<B: Backend>(_: &mut B) {
    let config = Config { cases: 12, failure_persistence: None, ..Config::default() };
    let batches = prop::collection::vec(prop::collection::vec(any_row(), 0..8), 1..12);
    let run = |batches: Vec<Vec<_>>| {
        Handle::current().block_on(async {
            let mut backend = B::fresh().await;
            follow(&*backend.store(), batches.clone()).await;
            backend = B::fresh().await;
            // All at once they mean the same.
            follow(&*backend.store(), vec![batches.concat()]).await;
        });
        Ok(())
    };
    tokio::task::block_in_place(|| TestRunner::new(config).run(&batches, run)).unwrap();
}

async fn follow(store: &dyn Store, batches: Vec<Vec<(usize, usize, usize, bool)>>) {
    let tenants = [add_tenant(store, "acme").await, add_tenant(store, "globex").await, tenant("initech")];
    for tenant in &tenants[..2] {
        add_instance(store, tenant, "r-1").await;
    }
    let mut model: BTreeMap<_, ImportedSubject> = BTreeMap::new();
    let mut expected_events = 0;
    for (round, rows) in (1..).zip(batches) {
        let fits = |(tenant, kind, ..): &(usize, usize, usize, bool)| *tenant < 2 && *kind < 4;
        let mut names: Vec<_> = rows.iter().map(|(tenant, kind, number, _)| (*tenant, *kind, *number)).collect();
        names.sort_unstable();
        names.dedup();
        let expected =
            names.len() == rows.len() && rows.iter().all(fits) && names.iter().all(|name| !model.contains_key(name));
        let one = |(tenant, kind, number, has_hash): &(usize, usize, usize, bool)| {
            let one = imported(&tenants[*tenant], any_name(*kind, *number), round);
            ImportedSubject { hash: one.hash.filter(|_| *has_hash), ..one }
        };
        let batch: Vec<_> = rows.iter().map(one).collect();
        assert_eq!(store.import(&batch, &[authority()]).await.unwrap(), expected, "{rows:?}");
        if expected {
            expected_events += batch.len();
            model.extend(rows.iter().map(|(tenant, kind, number, _)| (*tenant, *kind, *number)).zip(batch));
        }
    }
    let everything: Vec<_> = (0..3).flat_map(|t| (0..5).flat_map(move |k| (0..12).map(move |n| (t, k, n)))).collect();
    let names: Vec<_> = everything.iter().map(|(_, kind, number)| any_name(*kind, *number)).collect();
    let wanted: Vec<_> = everything.iter().zip(&names).map(|((tenant, ..), name)| (&tenants[*tenant], name)).collect();
    for (found, key) in store.look_up_all(&wanted).await.unwrap().into_iter().zip(&everything) {
        let Some(one) = model.get(key) else {
            assert!(matches!(found.lookup, Lookup::Missing(_)), "{key:?}: {found:?}");
            continue;
        };
        assert_eq!(found.lookup, Lookup::Found(one.subject.clone()));
        assert_eq!(found.hash.map(|stored| stored.hash), one.hash, "{key:?}");
    }
    let mut positions = Vec::new();
    for tenant in &tenants[..2] {
        let events = store.change_events(tenant_id(tenant), Position(0), 1000).await.unwrap().events;
        positions.extend(events.into_iter().map(|(position, _)| position.0));
    }
    positions.sort_unstable();
    positions.dedup();
    assert_eq!(positions.len(), expected_events, "each has a position of its own");
}

pub async fn of_racing_imports_of_one_name_exactly_one_is_made(backend: &mut impl Backend) {
    const RACERS: u64 = 8;
    let store = backend.store();
    let acme = add_tenant(&*store, "acme").await;
    let before = backend.audit_events().await.len();
    let racers: Vec<_> = (0..RACERS)
        .map(|racer| {
            let (store, acme) = (Arc::clone(&store), acme.clone());
            tokio::spawn(async move {
                let own = (0..50).map(|number| ram_user(&format!("of-{racer}-{number}")));
                // In the middle, so that there is something to undo.
                let mut names: Vec<_> = own.collect();
                names.insert(25, ram_user("wanted"));
                let batch: Vec<_> = names.into_iter().map(|name| imported(&acme, name, racer + 1)).collect();
                store.import(&batch, &[authority()]).await.unwrap()
            })
        })
        .collect();
    let mut made = Vec::new();
    for (racer, import) in (0..).zip(racers) {
        if import.await.unwrap() {
            made.push(racer);
        }
    }
    assert_eq!(made.len(), 1, "{made:?}");
    for racer in 0..RACERS {
        let name = ram_user(&format!("of-{racer}-49"));
        let found = store.subject(&acme, &name).await.unwrap();
        assert_eq!(found.is_some(), made == [racer], "{racer}");
    }
    let events = store.change_events(tenant_id(&acme), Position(0), 1000).await.unwrap().events;
    assert_eq!((events.len(), backend.audit_events().await.len()), (51, before + 1));
}
