//! No more earlier hashes are kept than the policy needs.

use credentiald::domain::names::TenantName;
use credentiald::domain::subject::{SubjectId, SubjectName};
use credentiald::domain::tenant_settings::{IamPasswordPolicyChange, RamPasswordPolicyChange, TenantSettings};
use credentiald::ports::Store;

use super::backend::Backend;
use super::values::*;

/// Settings with those depths of reuse prevention.
fn depths(ram: u32, iam: u32) -> TenantSettings {
    let defaults = TenantSettings::default();
    let ram = RamPasswordPolicyChange { password_reuse_prevention: Some(ram), ..Default::default() };
    let iam = IamPasswordPolicyChange { password_reuse_prevention: Some(iam), ..Default::default() };
    TenantSettings { ram: defaults.ram.with(&ram).unwrap(), iam: defaults.iam.with(&iam).unwrap(), ..defaults }
}

/// A subject at version 5 with all four earlier hashes.
async fn with_history(store: &dyn Store, tenant: &TenantName, name: SubjectName) -> SubjectId {
    let id = add_subject_with_password(store, tenant, name).await.id;
    for expected in 1..=4 {
        let mut commit = change(id, Some(expected));
        commit.keep_history = 23;
        store.commit(&commit).await.unwrap();
    }
    id
}

async fn kept(store: &dyn Store, subject: SubjectId) -> Vec<u64> {
    let history = store.credential(subject).await.unwrap().unwrap().history;
    history.iter().map(|earlier| earlier.version.number()).collect()
}

pub async fn what_a_smaller_policy_does_not_need_goes_with_it(backend: &mut impl Backend) {
    let store = backend.store();
    let [acme, globex] = [add_tenant(&*store, "acme").await, add_tenant(&*store, "globex").await];
    let mut settings = TenantSettings::default();
    for tenant in [&acme, &globex] {
        assert!(store.replace_settings(tenant, &settings, &depths(24, 24), &authority()).await.unwrap());
    }
    settings = depths(24, 24);
    let alice = with_history(&*store, &acme, ram_user("alice")).await;
    let bob = with_history(&*store, &acme, ram_user("bob")).await;
    let jane = with_history(&*store, &acme, iam_user("jane")).await;
    let theirs = with_history(&*store, &globex, ram_user("alice")).await;
    let fresh = add_subject_with_password(&*store, &acme, ram_user("fresh")).await.id;

    for (new, of_ram, of_iam) in [
        (depths(5, 24), vec![4, 3, 2, 1], vec![4, 3, 2, 1]),
        (depths(3, 24), vec![4, 3], vec![4, 3, 2, 1]),
        (depths(24, 2), vec![4, 3], vec![4]),
        (depths(1, 1), vec![], vec![]),
    ] {
        assert!(store.replace_settings(&acme, &settings, &new, &authority()).await.unwrap());
        settings = new;
        while store.remove_old(at(0)).await.unwrap() {}
        assert_eq!(kept(&*store, alice).await, of_ram);
        assert_eq!(kept(&*store, bob).await, of_ram);
        assert_eq!(kept(&*store, jane).await, of_iam);
        assert_eq!(kept(&*store, theirs).await, [4, 3, 2, 1], "another tenant's");
        assert_eq!(kept(&*store, fresh).await, [0; 0]);
    }
}

/// Sixty subjects are more than are looked at in one transaction.
pub async fn a_smaller_policy_is_worked_off_a_part_at_a_time(backend: &mut impl Backend) {
    let store = backend.store();
    let acme = add_tenant(&*store, "acme").await;
    let defaults = TenantSettings::default();
    assert!(store.replace_settings(&acme, &defaults, &depths(24, 24), &authority()).await.unwrap());
    let mut subjects = Vec::new();
    for number in 0..60 {
        subjects.push(with_history(&*store, &acme, ram_user(&format!("user-{number}"))).await);
    }
    let of_all = async || {
        let mut hashes = 0;
        for subject in &subjects {
            hashes += kept(&*store, *subject).await.len();
        }
        hashes
    };
    assert!(store.replace_settings(&acme, &depths(24, 24), &depths(2, 24), &authority()).await.unwrap());
    assert_eq!(of_all().await, 60 * 4, "the settings are there at once");
    assert!(store.remove_old(at(0)).await.unwrap());
    assert_eq!(of_all().await, 10 * 4 + 50, "a part at a time");
    // What is needed again by then stays.
    assert!(store.replace_settings(&acme, &depths(2, 24), &depths(3, 24), &authority()).await.unwrap());
    while store.remove_old(at(0)).await.unwrap() {}
    assert_eq!(of_all().await, 10 * 2 + 50);
}

pub async fn settings_that_are_not_replaced_remove_nothing(backend: &mut impl Backend) {
    let store = backend.store();
    let acme = add_tenant(&*store, "acme").await;
    let alice = with_history(&*store, &acme, ram_user("alice")).await;
    assert!(!store.replace_settings(&acme, &depths(24, 24), &depths(1, 1), &authority()).await.unwrap());
    assert_eq!(kept(&*store, alice).await, [4, 3, 2, 1]);
}

/// A policy that shrinks and grows again at once: what is still there counts, the newest first and without a gap, and what was
/// removed does not come back.
pub async fn what_is_needed_again_counts_where_it_is_still_there(backend: &mut impl Backend) {
    let store = backend.store();
    let acme = add_tenant(&*store, "acme").await;
    assert!(store.replace_settings(&acme, &TenantSettings::default(), &depths(24, 24), &authority()).await.unwrap());
    let alice = with_history(&*store, &acme, ram_user("alice")).await;
    let resize = async |from, to| {
        assert!(store.replace_settings(&acme, &depths(from, 24), &depths(to, 24), &authority()).await.unwrap());
    };

    resize(24, 2).await;
    resize(2, 24).await;
    assert_eq!(kept(&*store, alice).await, [4, 3, 2, 1]);
    while store.remove_old(at(0)).await.unwrap() {}
    assert_eq!(kept(&*store, alice).await, [4, 3, 2, 1]);

    resize(24, 2).await;
    while store.remove_old(at(0)).await.unwrap() {}
    resize(2, 24).await;
    assert_eq!(kept(&*store, alice).await, [4]);
    let mut next = change(alice, Some(5));
    next.keep_history = 23;
    store.commit(&next).await.unwrap();
    assert_eq!(kept(&*store, alice).await, [5, 4]);
}
