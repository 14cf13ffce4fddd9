//! What is deleted leaves nothing behind.

use credentiald::domain::caller::Caller;
use credentiald::domain::names::RamUserName;
use credentiald::ports::store::{Absent, CommitOutcome, Deletion, Lookup};

use super::backend::Backend;
use super::values::*;

pub async fn a_subject_takes_everything_along(backend: &mut impl Backend) {
    let store = backend.store();
    let id = alice(&*store).await;
    let acme = tenant("acme");
    make_change(&*store, id, 1).await;
    let caller = Caller::RamUser(acme.clone(), RamUserName::parse("alice").unwrap(), id);
    assert!(store.insert_access_token(&token(caller), &digest(1), &authority()).await.unwrap());

    assert_eq!(store.delete_subject(&acme, &ram_user("alice"), &authority()).await.unwrap(), Deletion::Deleted);

    assert_eq!(store.credential(id).await.unwrap(), None);
    assert_eq!(store.access_token(&digest(1)).await.unwrap(), None);
    assert_eq!(store.access_tokens(Some(&acme), &page(10, None)).await.unwrap().items, []);
    assert_eq!(store.commit(&change(id, Some(2))).await.unwrap(), CommitOutcome::SubjectGone);
    let absent = Lookup::Missing(Absent::Subject { region: None });
    assert_eq!(store.look_up(&acme, &ram_user("alice")).await.unwrap(), absent);
    assert_eq!(store.delete_subject(&acme, &ram_user("alice"), &authority()).await.unwrap(), Deletion::Absent);
}

pub async fn a_subject_made_again_inherits_nothing(backend: &mut impl Backend) {
    let store = backend.store();
    let old = alice(&*store).await;
    let acme = tenant("acme");
    make_change(&*store, old, 1).await;
    let caller = Caller::RamUser(acme.clone(), RamUserName::parse("alice").unwrap(), old);
    assert!(store.insert_access_token(&token(caller.clone()), &digest(1), &authority()).await.unwrap());
    store.delete_subject(&acme, &ram_user("alice"), &authority()).await.unwrap();

    let new = add_subject(&*store, &acme, ram_user("alice")).await;
    assert_eq!(store.look_up(&acme, &ram_user("alice")).await.unwrap(), Lookup::Found(new.clone()));
    assert_eq!(store.credential(new.id).await.unwrap(), None);
    assert_eq!(store.access_token(&digest(1)).await.unwrap(), None);
    assert!(!store.insert_access_token(&token(caller), &digest(2), &authority()).await.unwrap(), "bound to the old id");
    assert_eq!(store.commit(&change(old, Some(2))).await.unwrap(), CommitOutcome::SubjectGone);
    assert_eq!(store.commit(&change(new.id, None)).await.unwrap(), CommitOutcome::Committed(version(1)));
    assert_eq!(store.credential(new.id).await.unwrap().unwrap().history, []);
}

pub async fn what_has_children_is_not_deleted(backend: &mut impl Backend) {
    let store = backend.store();
    let acme = add_tenant(&*store, "acme").await;
    add_instance(&*store, &acme, "r-1").await;
    add_subject(&*store, &acme, account("r-1", "reader")).await;
    let events = backend.audit_events().await;
    assert_eq!(store.delete_instance(&acme, &instance_id("r-1"), &authority()).await.unwrap(), Deletion::NotEmpty);
    assert_eq!(store.delete_tenant(&acme, &authority()).await.unwrap(), Deletion::NotEmpty);
    assert_eq!(backend.audit_events().await, events);

    assert_eq!(store.delete_subject(&acme, &account("r-1", "reader"), &authority()).await.unwrap(), Deletion::Deleted);
    assert_eq!(store.delete_tenant(&acme, &authority()).await.unwrap(), Deletion::NotEmpty);
    assert_eq!(store.delete_instance(&acme, &instance_id("r-1"), &authority()).await.unwrap(), Deletion::Deleted);
    assert_eq!(store.delete_instance(&acme, &instance_id("r-1"), &authority()).await.unwrap(), Deletion::Absent);
    assert_eq!(store.delete_tenant(&acme, &authority()).await.unwrap(), Deletion::Deleted);
    assert_eq!(store.delete_tenant(&acme, &authority()).await.unwrap(), Deletion::Absent);
}

pub async fn a_tenant_takes_its_settings_and_tokens_along(backend: &mut impl Backend) {
    let store = backend.store();
    let acme = add_tenant(&*store, "acme").await;
    assert!(store.insert_access_token(&token(Caller::Root(acme.clone())), &digest(1), &authority()).await.unwrap());
    assert_eq!(store.delete_tenant(&acme, &authority()).await.unwrap(), Deletion::Deleted);
    assert_eq!(store.settings(&acme).await.unwrap(), None);
    assert_eq!(store.access_token(&digest(1)).await.unwrap(), None);
    add_tenant(&*store, "acme").await;
    assert_eq!(store.access_token(&digest(1)).await.unwrap(), None);
}
