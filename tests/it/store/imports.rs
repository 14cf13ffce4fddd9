//! Many subjects at once.

use credentiald::domain::audit_event::AuditOutcome;
use credentiald::domain::change_event::{ChangeKind, Position};
use credentiald::domain::credential::{ChangeId, ChangedBy, StoredHash, VersionedHash};
use credentiald::domain::names::TenantName;
use credentiald::domain::subject::SubjectName;
use credentiald::ports::store::{Absent, Authority, ImportedSubject, Lookup};
use uuid::Uuid;

use super::backend::Backend;
use super::values::*;

fn imported(tenant: &TenantName, name: SubjectName, number: u64) -> ImportedSubject {
    ImportedSubject {
        tenant: tenant.clone(),
        subject: subject(name),
        hash: Some(hash(number)),
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
