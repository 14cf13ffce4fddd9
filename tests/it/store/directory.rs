//! Tenants, instances and subjects are found by whom they belong to.

use credentiald::domain::credential::{ChangedBy, CredentialState};
use credentiald::domain::subject::{
    InstanceAccount, InstanceAccountStatus, InstanceStatus, MailDomain, MailDomainStatus, Subject, SubjectAttributes,
    SubjectId,
};
use credentiald::domain::tenant_settings::{RamPasswordPolicy, RamPasswordPolicyChange, TenantSettings};
use credentiald::ports::store::{Absent, Creation, Lookup, NewSubject, SubjectStatus};
use tokio::task::JoinSet;
use uuid::Uuid;

use super::backend::Backend;
use super::values::*;

pub async fn another_tenants_subject_is_not_found(backend: &mut impl Backend) {
    let store = backend.store();
    let (acme, globex) = (add_tenant(&*store, "acme").await, add_tenant(&*store, "globex").await);
    add_instance(&*store, &acme, "r-1").await;
    for name in [ram_user("x"), iam_user("x"), mail_domain("x"), account("r-1", "x")] {
        let subject = add_subject(&*store, &acme, name.clone()).await;
        assert_eq!(store.look_up(&acme, &name).await.unwrap(), Lookup::Found(subject));
        assert!(matches!(store.look_up(&globex, &name).await.unwrap(), Lookup::Missing(_)), "{name}");
        assert_eq!(store.subject(&globex, &name).await.unwrap(), None, "{name}");
    }
    assert_eq!(store.instance(&globex, &instance_id("r-1")).await.unwrap(), None);
}

pub async fn what_is_missing_is_distinguished(backend: &mut impl Backend) {
    let store = backend.store();
    let acme = add_tenant(&*store, "acme").await;
    add_instance(&*store, &acme, "r-1").await;
    let in_region = Absent::Subject { region: Some(region("cn-shanghai")) };
    for (tenant, name, absent) in [
        (&acme, account("r-1", "nobody"), in_region),
        (&acme, account("r-2", "nobody"), Absent::Instance),
        (&acme, ram_user("nobody"), Absent::Subject { region: None }),
        (&tenant("globex"), ram_user("nobody"), Absent::Tenant),
        (&tenant("globex"), account("r-1", "nobody"), Absent::Tenant),
    ] {
        assert_eq!(store.look_up(tenant, &name).await.unwrap(), Lookup::Missing(absent), "{tenant} {name}");
    }
}

pub async fn mail_domains_are_found_in_any_case(backend: &mut impl Backend) {
    let store = backend.store();
    let acme = add_tenant(&*store, "acme").await;
    add_subject(&*store, &acme, mail_domain("Mail.Example.COM")).await;
    let found = store.subject(&acme, &mail_domain("mAIL.example.com")).await.unwrap().unwrap();
    assert_eq!(found.subject.name.as_written(), "Mail.Example.COM");
    let again =
        NewSubject { tenant: acme.clone(), subject: subject(mail_domain("mail.example.com")), first_password: None };
    assert_eq!(store.create_subject(&again, &authority()).await.unwrap(), Creation::AlreadyExists);

    add_subject(&*store, &acme, ram_user("Alice")).await;
    assert_eq!(store.subject(&acme, &ram_user("alice")).await.unwrap(), None, "other names keep their case");
}

pub async fn attributes_are_read_back(backend: &mut impl Backend) {
    let store = backend.store();
    let acme = add_tenant(&*store, "acme").await;
    add_instance(&*store, &acme, "r-1").await;
    assert_eq!(store.tenant(&acme).await.unwrap(), Some(new_tenant("acme", 3)));
    assert_eq!(store.instance(&acme, &instance_id("r-1")).await.unwrap(), Some(instance("r-1")));
    for name in [ram_user("x"), iam_user("x"), mail_domain("x"), account("r-1", "x")] {
        let subject = add_subject_with_password(&*store, &acme, name.clone()).await;
        let entry = store.subject(&acme, &name).await.unwrap().unwrap();
        assert_eq!(entry.subject, subject);
        let state = CredentialState {
            version: version(1),
            changed_at: subject.created_at,
            changed_by: ChangedBy::Administrator,
        };
        assert_eq!((entry.credential, entry.hash), (Some(state), Some(hash(1))));
        let kind = name.kind();
        let instance = name.instance().cloned();
        let listed = store.subjects(&acme, kind, instance.as_ref(), &page(10, None)).await.unwrap().items;
        assert_eq!(listed, [store.subject(&acme, &name).await.unwrap().unwrap()]);
    }
}

pub async fn a_name_is_taken_once(backend: &mut impl Backend) {
    let store = backend.store();
    let acme = add_tenant(&*store, "acme").await;
    add_instance(&*store, &acme, "r-1").await;
    add_instance(&*store, &acme, "r-2").await;
    add_subject(&*store, &acme, account("r-1", "x")).await;
    add_subject(&*store, &acme, account("r-2", "x")).await;
    add_subject(&*store, &acme, ram_user("x")).await;
    let events = backend.audit_events().await;

    let create = async |tenant_name: &str, name| {
        let new = NewSubject { tenant: tenant(tenant_name), subject: subject(name), first_password: None };
        store.create_subject(&new, &authority()).await.unwrap()
    };
    assert_eq!(create("acme", account("r-1", "x")).await, Creation::AlreadyExists);
    assert_eq!(create("acme", ram_user("x")).await, Creation::AlreadyExists);
    assert_eq!(create("acme", account("r-3", "x")).await, Creation::InstanceAbsent);
    assert_eq!(create("globex", account("r-3", "x")).await, Creation::TenantAbsent);
    let again = new_tenant("acme", 9);
    assert_eq!(store.create_tenant(&again, &authority()).await.unwrap(), Creation::AlreadyExists);
    assert_eq!(store.create_instance(&acme, &instance("r-1"), &authority()).await.unwrap(), Creation::AlreadyExists);
    let elsewhere = store.create_instance(&tenant("globex"), &instance("r-1"), &authority()).await.unwrap();
    assert_eq!(elsewhere, Creation::TenantAbsent);
    assert_eq!(backend.audit_events().await, events);
}

pub async fn states_are_set_where_the_subject_is(backend: &mut impl Backend) {
    let store = backend.store();
    let acme = add_tenant(&*store, "acme").await;
    add_instance(&*store, &acme, "r-1").await;
    add_subject(&*store, &acme, mail_domain("x")).await;
    add_subject(&*store, &acme, account("r-1", "x")).await;
    let failed = SubjectStatus::MailDomain(MailDomainStatus::VerificationFailed);
    let unavailable = SubjectStatus::InstanceAccount(InstanceAccountStatus::Unavailable);

    assert!(store.set_subject_status(&acme, &mail_domain("X"), failed, &authority()).await.unwrap());
    assert!(store.set_subject_status(&acme, &account("r-1", "x"), unavailable, &authority()).await.unwrap());
    assert!(
        store.set_instance_status(&acme, &instance_id("r-1"), InstanceStatus::Flushing, &authority()).await.unwrap()
    );
    let found = store.subject(&acme, &mail_domain("x")).await.unwrap().unwrap().subject.attributes;
    assert!(matches!(
        found,
        SubjectAttributes::MailDomain(MailDomain { status: MailDomainStatus::VerificationFailed, .. })
    ));
    let Lookup::Found(Subject { attributes, .. }) = store.look_up(&acme, &account("r-1", "x")).await.unwrap() else {
        panic!("the account is there");
    };
    let expected = SubjectAttributes::InstanceAccount(InstanceAccount {
        region: region("cn-shanghai"),
        instance_status: InstanceStatus::Flushing,
        status: InstanceAccountStatus::Unavailable,
    });
    assert_eq!(attributes, expected);

    for (name, status) in [
        (mail_domain("y"), failed),
        (mail_domain("x"), unavailable),
        (ram_user("x"), failed),
        (account("r-2", "x"), unavailable),
    ] {
        assert!(!store.set_subject_status(&acme, &name, status, &authority()).await.unwrap(), "{name}");
    }
    // One that was made again under the name.
    let mut of_another = authority();
    of_another.event.subject = Some(SubjectId(Uuid::new_v4()));
    assert!(!store.set_subject_status(&acme, &mail_domain("x"), failed, &of_another).await.unwrap());
    assert!(!store.set_instance_status(&acme, &instance_id("r-2"), InstanceStatus::Error, &authority()).await.unwrap());
}

/// Settings that differ from the default ones in one length.
fn with_length(length: u32) -> TenantSettings {
    let change = RamPasswordPolicyChange { minimum_password_length: Some(length), ..Default::default() };
    TenantSettings { ram: RamPasswordPolicy::default().with(&change).unwrap(), ..Default::default() }
}

pub async fn settings_are_replaced_where_they_are_as_expected(backend: &mut impl Backend) {
    let store = backend.store();
    let acme = add_tenant(&*store, "acme").await;
    let defaults = TenantSettings::default();
    assert!(store.replace_settings(&acme, &defaults, &with_length(20), &authority()).await.unwrap());
    let events = backend.audit_events().await;
    assert!(!store.replace_settings(&acme, &defaults, &with_length(30), &authority()).await.unwrap());
    assert!(!store.replace_settings(&tenant("globex"), &defaults, &with_length(30), &authority()).await.unwrap());
    assert_eq!(store.settings(&acme).await.unwrap(), Some(with_length(20)));
    assert_eq!(backend.audit_events().await, events);
}

pub async fn racing_settings_are_never_lost(backend: &mut impl Backend) {
    let acme = add_tenant(&*backend.store(), "acme").await;
    let mut racers = JoinSet::new();
    for _ in 0..8 {
        let (store, acme) = (backend.store(), acme.clone());
        racers.spawn(async move {
            loop {
                let current = store.settings(&acme).await.unwrap().unwrap();
                let next = with_length(current.ram.minimum_password_length() + 1);
                if store.replace_settings(&acme, &current, &next, &authority()).await.unwrap() {
                    return;
                }
            }
        });
    }
    racers.join_all().await;
    assert_eq!(backend.store().settings(&acme).await.unwrap(), Some(with_length(16)));
}

pub async fn every_write_records_one_audit_event(backend: &mut impl Backend) {
    let store = backend.store();
    let names: Vec<_> = (0..8).map(|_| authority()).collect();
    let acme = tenant("acme");
    let new = NewSubject { tenant: acme.clone(), subject: subject(account("r-1", "x")), first_password: None };
    let status = SubjectStatus::InstanceAccount(InstanceAccountStatus::Unavailable);
    let owner = new_tenant("acme", 1);
    store.create_tenant(&owner, &names[0]).await.unwrap();
    store.create_instance(&acme, &instance("r-1"), &names[1]).await.unwrap();
    store.set_instance_status(&acme, &instance_id("r-1"), InstanceStatus::Error, &names[2]).await.unwrap();
    store.create_subject(&new, &names[3]).await.unwrap();
    store.set_subject_status(&acme, &new.subject.name, status, &names[4]).await.unwrap();
    store.delete_subject(&acme, &new.subject.name, &names[5]).await.unwrap();
    store.delete_instance(&acme, &instance_id("r-1"), &names[6]).await.unwrap();
    store.delete_tenant(&acme, &names[7]).await.unwrap();
    let ids: Vec<Uuid> = names.iter().map(|authority| authority.event.id).collect();
    assert_eq!(backend.audit_events().await, ids);

    // An event that can't be written takes the write along.
    store.create_tenant(&owner, &names[0]).await.unwrap_err();
    assert_eq!(store.tenant(&acme).await.unwrap(), None);
}
