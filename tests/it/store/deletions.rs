//! What is deleted leaves nothing behind.

use credentiald::domain::access_token::{AccessToken, TokenDigest};
use credentiald::domain::caller::Caller;
use credentiald::domain::names::RamUserName;
use credentiald::domain::tenant::{Tenant, TenantId};
use credentiald::ports::store::{Absent, Authority, CommitOutcome, Creation, Deletion, Lookup};
use credentiald::ports::{Evidence, StoreError};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::backend::Backend;
use super::values::*;

pub async fn a_subject_takes_everything_along(backend: &mut impl Backend) {
    let store = backend.store();
    let id = alice(&*store).await;
    let acme = tenant("acme");
    make_change(&*store, id, 1).await;
    let caller = Caller::RamUser(acme.clone(), RamUserName::parse("alice").unwrap(), id);
    assert!(add_token(&*store, &token(caller), digest(1)).await);

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
    assert!(add_token(&*store, &token(caller.clone()), digest(1)).await);
    store.delete_subject(&acme, &ram_user("alice"), &authority()).await.unwrap();

    let new = add_subject(&*store, &acme, ram_user("alice")).await;
    assert_eq!(store.look_up(&acme, &ram_user("alice")).await.unwrap(), Lookup::Found(new.clone()));
    assert_eq!(store.credential(new.id).await.unwrap(), None);
    assert_eq!(store.access_token(&digest(1)).await.unwrap(), None);
    assert!(!add_token(&*store, &token(caller), digest(2)).await, "bound to the old id");
    assert_eq!(store.commit(&change(old, Some(2))).await.unwrap(), CommitOutcome::SubjectGone);
    assert_eq!(store.commit(&change(new.id, None)).await.unwrap(), CommitOutcome::Committed(version(1)));
    assert_eq!(store.credential(new.id).await.unwrap().unwrap().history, []);

    // Who may delete the old one may not delete the new one.
    let mut of_old = authority();
    of_old.event.subject = Some(old);
    assert_eq!(store.delete_subject(&acme, &ram_user("alice"), &of_old).await.unwrap(), Deletion::Absent);
    of_old.event.subject = Some(new.id);
    assert_eq!(store.delete_subject(&acme, &ram_user("alice"), &of_old).await.unwrap(), Deletion::Deleted);
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
    assert!(add_token(&*store, &token(Caller::Root(acme.clone())), digest(1)).await);
    assert_eq!(store.delete_tenant(&acme, &authority()).await.unwrap(), Deletion::Deleted);
    assert_eq!(store.settings(&acme).await.unwrap(), None);
    assert_eq!(store.access_token(&digest(1)).await.unwrap(), None);
    let again = Tenant { id: TenantId(Uuid::new_v4()), ..new_tenant("acme", 4) };
    assert_eq!(store.create_tenant(&again, &authority()).await.unwrap(), Creation::Created);
    assert_eq!(store.access_token(&digest(1)).await.unwrap(), None);
}

/// 450 tokens take three transactions. From the deletion on nothing finds one of them, in a tenant of the same name neither.
pub async fn tokens_of_a_tenant_that_is_gone_prove_nothing_and_are_removed_a_part_at_a_time(
    backend: &mut impl Backend,
) {
    let store = backend.store();
    let [acme, globex] = [add_tenant(&*store, "acme").await, add_tenant(&*store, "globex").await];
    let theirs = token(Caller::Root(globex.clone()));
    assert!(add_token(&*store, &theirs, digest(1)).await);
    let issued: Vec<_> = (0..450).map(|_| token(Caller::Root(acme.clone()))).collect();
    let digest_of = |token: &AccessToken| TokenDigest(Sha256::digest(token.id.0).into());
    for token in &issued {
        assert!(add_token(&*store, token, digest_of(token)).await);
    }
    while store.remove_old(at(0)).await.unwrap() {}
    let [first, last] = [&issued[0], &issued[449]];

    assert_eq!(store.delete_tenant(&acme, &authority()).await.unwrap(), Deletion::Deleted);
    let mut parts = 0;
    loop {
        for token in [first, last] {
            assert_eq!(store.access_token(&digest_of(token)).await.unwrap(), None);
            assert_eq!(store.access_token_of(token.id).await.unwrap(), None);
            assert!(!store.is_proven(&Evidence::of_token(token), at(11)).await.unwrap());
            assert!(!store.delete_access_token(None, token.id, &authority()).await.unwrap());
            assert!(!store.delete_access_token(Some(&acme), token.id, &authority()).await.unwrap());
            let evidence = Some(Evidence::of_token(token));
            let refused =
                store.create_instance(&globex, &instance("r-1"), &Authority { evidence, ..authority() }).await;
            assert!(matches!(refused, Err(StoreError::EvidenceGone)), "{refused:?}");
        }
        assert_eq!(store.access_tokens(Some(&acme), &page(10, None)).await.unwrap().items, []);
        assert_eq!(store.access_tokens(None, &page(10, None)).await.unwrap().items, []);
        if !store.remove_old(at(0)).await.unwrap() {
            break;
        }
        // From the first part on in a tenant of the same name.
        if parts == 0 {
            let again = Tenant { id: TenantId(Uuid::new_v4()), ..new_tenant("acme", 4) };
            store.create_tenant(&again, &authority()).await.unwrap();
        }
        parts += 1;
    }
    assert_eq!(parts, 1 + 3, "one for its events");
    assert_eq!(store.access_tokens(Some(&globex), &page(10, None)).await.unwrap().items, [theirs]);
    // What is gone altogether may be there again.
    for token in [first, last] {
        let operators = AccessToken { id: token.id, ..super::values::token(operator()) };
        assert!(add_token(&*store, &operators, digest_of(token)).await);
    }
}
