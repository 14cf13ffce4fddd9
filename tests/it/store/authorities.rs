//! Nothing is written in the name of who may not any more.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use credentiald::domain::access_token::AccessTokenStatus;
use credentiald::domain::attempts::Forget;
use credentiald::domain::audit_event::AuditOutcome;
use credentiald::domain::caller::Caller;
use credentiald::domain::candidate_policy::CandidateStep;
use credentiald::domain::credential::{ChangedBy, Revision};
use credentiald::domain::names::{RamUserName, TenantName};
use credentiald::domain::subject::{InstanceStatus, MailDomainStatus, SubjectId};
use credentiald::domain::tenant::TenantId;
use credentiald::domain::tenant_settings::TenantSettings;
use credentiald::ports::store::{
    Authority, Creation, Deletion, ImportedSubject, NewSubject, SubjectStatus, TokenProof,
};
use credentiald::ports::{CallerProof, Evidence, Store, StoreError};
use uuid::Uuid;

use super::backend::Backend;
use super::values::*;

/// The name of a token's holder.
fn name_of(evidence: Evidence) -> Authority {
    Authority { evidence: Some(evidence), ..authority() }
}

/// A token of a user of `acme`, which is valid.
async fn issued(store: &dyn Store, acme: &TenantName, number: u8) -> Evidence {
    let user = add_subject(store, acme, ram_user(&format!("user-{number}"))).await;
    let name = RamUserName::parse(user.name.key()).unwrap();
    let token = token(Caller::RamUser(acme.clone(), name, user.id));
    assert!(add_token(store, &token, digest(number)).await);
    let evidence = Evidence::of_token(&token);
    assert!(store.is_proven(&evidence, authority().event.at).await.unwrap());
    evidence
}

/// Every write, for a caller. Each answers why it was not made.
async fn every_write(store: &dyn Store, alice: SubjectId, name: &Authority) -> Vec<StoreError> {
    let acme = tenant("acme");
    let new = NewSubject { tenant: acme.clone(), subject: subject(ram_user("new")), first_password: None };
    let imported = ImportedSubject {
        tenant: acme.clone(),
        subject: subject(ram_user("imported")),
        hash: Some(hash(1)),
        changed_by: ChangedBy::Administrator,
        changed_at: at(1),
        change_id: credentiald::domain::credential::ChangeId(Uuid::new_v4()),
    };
    let (settings, status) = (TenantSettings::default(), SubjectStatus::MailDomain(MailDomainStatus::Verified));
    let (domain, id) = (mail_domain("example.com"), instance_id("r-1"));
    let mut commit = change(alice, Some(1));
    let outcome = commit.authority.event.outcome.clone();
    commit.authority = name.clone();
    commit.authority.event.outcome = outcome;
    let operators = token(operator());
    vec![
        store.create_tenant(&new_tenant("other", 1), name).await.map(drop).unwrap_err(),
        store.delete_tenant(&acme, name).await.map(drop).unwrap_err(),
        store.replace_settings(&acme, &settings, &settings, name).await.map(drop).unwrap_err(),
        store.change_candidate(&acme, None, &CandidateStep::Set(settings), name).await.map(drop).unwrap_err(),
        store.create_instance(&acme, &instance("r-2"), name).await.map(drop).unwrap_err(),
        store.set_instance_status(&acme, &id, InstanceStatus::Error, name).await.map(drop).unwrap_err(),
        store.set_endpoint(&acme, &id, &endpoint(1), name).await.map(drop).unwrap_err(),
        store.delete_endpoint(&acme, &id, name).await.map(drop).unwrap_err(),
        store.delete_instance(&acme, &id, name).await.map(drop).unwrap_err(),
        store.create_subject(&new, name).await.map(drop).unwrap_err(),
        store.set_subject_status(&acme, &domain, status, name).await.map(drop).unwrap_err(),
        store.delete_subject(&acme, &domain, name).await.map(drop).unwrap_err(),
        store.set_overlap(alice, Duration::from_mins(1), name).await.map(drop).unwrap_err(),
        store.end_overlap(alice, name).await.map(drop).unwrap_err(),
        store.clear_failures(&Forget::Subject(pair(1, 1)), name).await.map(drop).unwrap_err(),
        store.import(&[imported], &[authority(), name.clone()]).await.map(drop).unwrap_err(),
        store.insert_access_token(&operators, TokenProof::Digest(&digest(99)), name).await.map(drop).unwrap_err(),
        store.insert_access_token(&operators, TokenProof::Secret(&secret("a", "x")), name).await.map(drop).unwrap_err(),
        store
            .set_access_token_status(None, operators.id, AccessTokenStatus::Inactive, name)
            .await
            .map(drop)
            .unwrap_err(),
        store.delete_access_token(None, operators.id, name).await.map(drop).unwrap_err(),
        store.commit(&commit).await.map(drop).unwrap_err(),
        store.take_over(alice, Revision(1), &hash(1), name).await.map(drop).unwrap_err(),
    ]
}

pub async fn no_write_is_made_once_what_proves_its_caller_is_gone(backend: &mut impl Backend) {
    let store = backend.store();
    let acme = add_tenant(&*store, "acme").await;
    add_instance(&*store, &acme, "r-1").await;
    add_subject(&*store, &acme, mail_domain("example.com")).await;
    let alice = add_subject_with_password(&*store, &acme, ram_user("alice")).await.id;
    let [revoked, of_nobody, expired] =
        [issued(&*store, &acme, 1).await, issued(&*store, &acme, 2).await, issued(&*store, &acme, 3).await];
    let CallerProof::Token(revoked_token) = revoked.proof else { panic!("a token") };
    assert!(store.delete_access_token(Some(&acme), revoked_token, &authority()).await.unwrap());
    assert_eq!(store.delete_subject(&acme, &ram_user("user-2"), &authority()).await.unwrap(), Deletion::Deleted);
    let mut late = name_of(expired.clone());
    late.event.at = token(operator()).expires_at;
    let other_tenants = Evidence { tenant: Some(TenantId(Uuid::new_v4())), ..expired.clone() };
    let operators = Evidence { tenant: None, ..expired.clone() };
    let events = backend.audit_events().await;

    for name in [name_of(revoked), name_of(of_nobody), late, name_of(other_tenants), name_of(operators)] {
        let evidence = name.evidence.clone().unwrap();
        assert!(!store.is_proven(&evidence, name.event.at).await.unwrap(), "{name:?}");
        for (number, error) in every_write(&*store, alice, &name).await.into_iter().enumerate() {
            assert!(matches!(error, StoreError::EvidenceGone), "{number}: {error:?}");
        }
    }

    assert_eq!(backend.audit_events().await, events);
    assert_eq!(store.credential(alice).await.unwrap().unwrap().version, version(1));
    assert_eq!(backend.hashes().count_under(None).await.unwrap().current, 1);
    let name = Authority { tenant: Some(tenant_id(&acme)), ..name_of(expired) };
    assert_eq!(store.create_instance(&acme, &instance("r-3"), &name).await.unwrap(), Creation::Created);
}

pub async fn no_write_is_made_for_an_external_identity_that_no_longer_holds(backend: &mut impl Backend) {
    let store = backend.store();
    let acme = add_tenant(&*store, "acme").await;
    let globex = add_tenant(&*store, "globex").await;
    add_instance(&*store, &acme, "r-1").await;
    add_subject(&*store, &acme, mail_domain("example.com")).await;
    let alice = add_subject_with_password(&*store, &acme, ram_user("alice")).await.id;
    let gone = add_subject(&*store, &acme, ram_user("gone")).await.id;
    let (of_acme, of_globex) = (Some(tenant_id(&acme)), Some(tenant_id(&globex)));
    let operator = external("operator ops", None, None);
    let relay = external("service acme relay", of_acme, None);
    let user = external("ram-user acme alice", of_acme, Some(alice));
    let deleted_user = external("ram-user acme gone", of_acme, Some(gone)).1;
    let deleted_tenants = external("root globex", of_globex, None).1;
    let other_tenants = external("ram-user acme alice", of_globex, Some(alice)).1;
    for evidence in [&operator.1, &relay.1, &user.1, &deleted_user, &deleted_tenants] {
        assert!(store.is_proven(evidence, authority().event.at).await.unwrap());
    }
    assert_eq!(store.delete_subject(&acme, &ram_user("gone"), &authority()).await.unwrap(), Deletion::Deleted);
    assert_eq!(store.delete_tenant(&globex, &authority()).await.unwrap(), Deletion::Deleted);
    // A user that is created under the same name is another.
    add_subject(&*store, &acme, ram_user("gone")).await;
    // A token, and beside it a certificate that names the same caller.
    let root = token(Caller::Root(acme.clone()));
    assert!(add_token(&*store, &root, digest(1)).await);
    let certificate = external("root acme", of_acme, None).0;
    let both = Evidence { beside: Some(Arc::clone(&certificate) as _), ..Evidence::of_token(&root) };
    let events = backend.audit_events().await;

    let refused = async |name: Authority| {
        let evidence = name.evidence.clone().unwrap();
        assert!(!store.is_proven(&evidence, name.event.at).await.unwrap(), "{name:?}");
        for (number, error) in every_write(&*store, alice, &name).await.into_iter().enumerate() {
            assert!(matches!(error, StoreError::EvidenceGone), "{number}: {error:?}");
        }
    };
    for evidence in [deleted_user, deleted_tenants, other_tenants] {
        refused(name_of(evidence)).await;
    }
    for (number, (identity, evidence)) in [operator, relay, user, (certificate, both)].into_iter().enumerate() {
        let mut late = name_of(evidence.clone());
        late.event.at = at(20);
        refused(late).await;
        identity.recognized.store(false, Ordering::Relaxed);
        refused(name_of(evidence.clone())).await;
        identity.recognized.store(true, Ordering::Relaxed);
        let name = Authority { tenant: of_acme, ..name_of(evidence) };
        assert_eq!(backend.audit_events().await.len(), events.len() + number);
        let created = store.create_instance(&acme, &instance(&format!("r-{number}{number}")), &name).await;
        assert_eq!(created.unwrap(), Creation::Created);
    }
    assert_eq!(store.credential(alice).await.unwrap().unwrap().version, version(1));
}

pub async fn what_was_permitted_in_a_tenant_is_not_done_in_its_namesake(backend: &mut impl Backend) {
    let store = backend.store();
    let acme = add_tenant(&*store, "acme").await;
    let root = token(Caller::Root(acme.clone()));
    assert!(add_token(&*store, &root, digest(1)).await);
    assert_eq!(store.delete_tenant(&acme, &authority()).await.unwrap(), Deletion::Deleted);
    let mut again = new_tenant("acme", 4);
    again.id = TenantId(Uuid::new_v4());
    assert_eq!(store.create_tenant(&again, &authority()).await.unwrap(), Creation::Created);
    add_instance(&*store, &acme, "r-1").await;
    add_subject(&*store, &acme, mail_domain("example.com")).await;
    let alice = add_subject_with_password(&*store, &acme, ram_user("alice")).await.id;
    let events = backend.audit_events().await;

    let by_name = external("root acme", root.tenant, None).1;
    for evidence in [Evidence::of_token(&root), by_name] {
        assert!(!store.is_proven(&evidence, at(1)).await.unwrap());
        for error in every_write(&*store, alice, &name_of(evidence)).await {
            assert!(matches!(error, StoreError::EvidenceGone), "{error:?}");
        }
    }
    let of_the_first = Authority { tenant: Some(tenant_id(&acme)), ..authority() };
    for error in every_write(&*store, alice, &of_the_first).await {
        assert!(matches!(error, StoreError::TenantGone), "{error:?}");
    }
    let of_root = root.clone();
    assert!(!add_token(&*store, &of_root, digest(2)).await, "it is of the first one");

    assert_eq!(backend.audit_events().await, events);
    let of_the_second = Authority { tenant: Some(again.id), event: event_of(AuditOutcome::Done), evidence: None };
    assert_eq!(store.create_instance(&acme, &instance("r-2"), &of_the_second).await.unwrap(), Creation::Created);
}
