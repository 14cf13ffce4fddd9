//! Candidate password policies: one at a time, by version, and counts that only grow with their candidate.

use credentiald::domain::candidate_policy::{CandidatePolicy, CandidateStep, Comparisons};
use credentiald::domain::credential::Version;
use credentiald::domain::names::TenantName;
use credentiald::domain::tenant::TenantId;
use credentiald::domain::tenant_settings::{
    RamPasswordPolicy, RamPasswordPolicyChange, SecurityPreference, SecurityPreferenceChange, TenantSettings,
    UnreadableSettings,
};
use credentiald::ports::{Store, StoreError};
use uuid::Uuid;

use super::backend::Backend;
use super::values::*;

fn with_length(length: u32) -> TenantSettings {
    let change = RamPasswordPolicyChange { minimum_password_length: Some(length), ..Default::default() };
    TenantSettings { ram: RamPasswordPolicy::default().with(&change).unwrap(), ..Default::default() }
}

async fn candidate(store: &dyn Store, tenant: &TenantName) -> Option<CandidatePolicy> {
    store.tenant_policies(tenant).await.unwrap().unwrap().candidate
}

async fn compared(store: &dyn Store, tenant: &TenantName) -> Result<Comparisons, StoreError> {
    Ok(store.compared_policies(tenant).await?.unwrap().1)
}

async fn takes(store: &dyn Store, tenant: &TenantName, expected: u64, step: CandidateStep) -> bool {
    let next = store.change_candidate(tenant, Version::new(expected), &step, &authority()).await.unwrap();
    assert!(next.is_none_or(|next| next.number() > expected), "a version only grows");
    next.is_some()
}

fn counts(requests: usize) -> Comparisons {
    let mut counts = Comparisons::default();
    (0..requests).for_each(|_| counts.count(&[], &["MIN_LENGTH"]));
    counts.count(&["MAX_LENGTH"], &[]);
    counts
}

pub async fn a_candidate_changes_only_from_the_version_that_was_seen(backend: &mut impl Backend) {
    let store = backend.store();
    let acme = add_tenant(&*store, "acme").await;
    let (first, second) = (CandidateStep::Set(with_length(20)), CandidateStep::Set(with_length(30)));
    assert!(!takes(&*store, &acme, 1, first).await);
    assert!(takes(&*store, &acme, 0, first).await);
    let events = backend.audit_events().await;
    for step in [second, CandidateStep::Adopt, CandidateStep::Drop] {
        assert!(!takes(&*store, &acme, 0, step).await && !takes(&*store, &acme, 2, step).await);
        assert!(!takes(&*store, &tenant("globex"), 1, step).await);
    }
    assert_eq!(backend.audit_events().await, events);
    assert!(takes(&*store, &acme, 1, second).await);
    let expected = CandidatePolicy { version: version(2), settings: Ok(with_length(30)) };
    assert_eq!(candidate(&*store, &acme).await, Some(expected));
    assert_eq!(store.settings(&acme).await.unwrap(), Some(TenantSettings::default()), "nothing is in force");
    assert!(takes(&*store, &acme, 2, CandidateStep::Drop).await);
    assert_eq!(candidate(&*store, &acme).await, None);
    assert!(!takes(&*store, &acme, 2, CandidateStep::Drop).await);
    assert!(takes(&*store, &acme, 0, first).await);
    assert_eq!(candidate(&*store, &acme).await.unwrap().version, version(4), "a version never returns");
}

pub async fn a_candidate_that_is_adopted_replaces_the_password_policies_alone(backend: &mut impl Backend) {
    let store = backend.store();
    let acme = add_tenant(&*store, "acme").await;
    assert!(takes(&*store, &acme, 0, CandidateStep::Set(with_length(20))).await);
    let change = SecurityPreferenceChange { change_ends_access_tokens: Some(true), ..Default::default() };
    let preference = SecurityPreference::default().with(&change).unwrap();
    let between = TenantSettings { preference, ..Default::default() };
    assert!(store.replace_settings(&acme, &TenantSettings::default(), &between, &authority()).await.unwrap());
    assert!(takes(&*store, &acme, 1, CandidateStep::Adopt).await);
    assert_eq!(store.settings(&acme).await.unwrap(), Some(TenantSettings { preference, ..with_length(20) }));
    assert_eq!(candidate(&*store, &acme).await, None);
}

pub async fn a_candidate_is_not_adopted_over_policies_that_changed_since(backend: &mut impl Backend) {
    let store = backend.store();
    let acme = add_tenant(&*store, "acme").await;
    assert!(takes(&*store, &acme, 0, CandidateStep::Set(with_length(20))).await);
    store.add_comparisons(tenant_id(&acme), version(1), &counts(2)).await.unwrap();
    let (old, new) = (TenantSettings::default(), with_length(12));
    assert!(store.replace_settings(&acme, &old, &new, &authority()).await.unwrap());
    assert!(!takes(&*store, &acme, 1, CandidateStep::Adopt).await);
    assert_eq!(candidate(&*store, &acme).await.unwrap().version, version(2));
    assert_eq!(compared(&*store, &acme).await.unwrap(), Comparisons::default());
    assert!(takes(&*store, &acme, 2, CandidateStep::Adopt).await);
    assert_eq!(store.settings(&acme).await.unwrap(), Some(with_length(20)));
}

pub async fn counts_are_added_to_their_own_candidate_alone(backend: &mut impl Backend) {
    let store = backend.store();
    let acme = add_tenant(&*store, "acme").await;
    let id = tenant_id(&acme);
    store.add_comparisons(id, version(1), &counts(2)).await.unwrap();
    assert!(takes(&*store, &acme, 0, CandidateStep::Set(with_length(20))).await);
    store.add_comparisons(id, version(1), &counts(2)).await.unwrap();
    store.add_comparisons(id, version(1), &counts(3)).await.unwrap();
    store.add_comparisons(id, version(2), &counts(5)).await.unwrap();
    store.add_comparisons(TenantId(Uuid::nil()), version(1), &counts(5)).await.unwrap();
    let mut sum = counts(2);
    sum.add(&counts(3));
    assert_eq!(compared(&*store, &acme).await.unwrap(), sum);
    assert!(takes(&*store, &acme, 1, CandidateStep::Set(with_length(20))).await);
    store.add_comparisons(id, version(1), &counts(2)).await.unwrap();
    assert_eq!(compared(&*store, &acme).await.unwrap(), Comparisons::default());
}

/// As a later version may write one, or as damage makes one.
pub async fn a_candidate_that_can_not_be_read_stops_nothing_and_is_replaced_or_dropped(backend: &mut impl Backend) {
    let store = backend.store();
    let acme = add_tenant(&*store, "acme").await;
    assert!(takes(&*store, &acme, 0, CandidateStep::Set(with_length(20))).await);
    let mut seen = 1;
    for (problem, statement) in [
        (UnreadableSettings::LaterVersion, r#"UPDATE candidate_policy SET settings = '{"ram":{"new_rule":true}}'"#),
        (UnreadableSettings::Damaged, "UPDATE candidate_policy SET settings = '7', comparisons = '7'"),
    ] {
        backend.try_statement(statement).await.unwrap();
        assert_eq!(store.settings(&acme).await.unwrap(), Some(TenantSettings::default()));
        let unreadable = CandidatePolicy { version: version(seen), settings: Err(problem) };
        assert_eq!(candidate(&*store, &acme).await, Some(unreadable));
        let adopt = CandidateStep::Adopt;
        store.change_candidate(&acme, Version::new(seen), &adopt, &authority()).await.unwrap_err();
        assert!(takes(&*store, &acme, seen, CandidateStep::Set(with_length(20))).await);
        assert_eq!(compared(&*store, &acme).await.unwrap(), Comparisons::default());
        backend.try_statement(statement).await.unwrap();
        assert!(takes(&*store, &acme, seen + 1, CandidateStep::Drop).await);
        assert!(takes(&*store, &acme, 0, CandidateStep::Set(with_length(20))).await);
        seen += 3;
    }
    backend.try_statement("UPDATE candidate_policy SET comparisons = '7'").await.unwrap();
    compared(&*store, &acme).await.unwrap_err();
}
