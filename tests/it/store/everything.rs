//! Everything that is asked of a store while it serves, for those who look at what that costs.
//!
//! A method of a port that is not called here fails, and so does a statement of the source that is not run.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::num::NonZeroU32;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use credentiald::domain::access_token::{AccessTokenStatus, NonceKey, TokenId};
use credentiald::domain::attempts::{Backoff, Forget, Pair};
use credentiald::domain::audit_filter::AuditFilter;
use credentiald::domain::caller::Caller;
use credentiald::domain::candidate_policy::{CandidateStep, Comparisons};
use credentiald::domain::change_event::Position;
use credentiald::domain::credential::{ChangeId, ChangedBy, Revision};
use credentiald::domain::delivery::{DeliveryPhase, DeliveryStep, DueDelivery};
use credentiald::domain::named_caller::NamedCaller;
use credentiald::domain::names::{FreeName, RamUserName, TenantName};
use credentiald::domain::overlap::PasswordUse;
use credentiald::domain::page::CountedPageRequest;
use credentiald::domain::sealed::SealPurpose;
use credentiald::domain::subject::{InstanceStatus, MailDomainStatus, SubjectId, SubjectKind, SubjectName};
use credentiald::domain::tenant_settings::{RamPasswordPolicyChange, TenantSettings};
use credentiald::domain::time::{days, minutes};
use credentiald::ports::store::{
    Authority, Commit, Generation, HashEntry, ImportedSubject, Replacement, SecretReplacement, StoredHashes,
    SubjectStatus, TokenProof,
};
use credentiald::ports::{CallerProof, Evidence, Store, Unsealed};
use credentiald::store::SqlStore;
use uuid::Uuid;

use super::values::*;
use crate::support::barrier::{BarrierStore, Calls};

/// What may read more than it finds by an index, and why. Each is how a statement begins, without its line breaks.
pub const MAY_READ_ALL: &[(&str, &str)] = &[
    ("SELECT name FROM tenant LIMIT 1", "a sign of life: any row will do"),
    ("SELECT count(*) AS hashes FROM", "`pepper status` counts all hashes"),
    ("SELECT count(*) AS accounts FROM", "`DescribeAccounts` counts the accounts of an instance, in the index"),
];

/// What is only run where a commit was lost.
pub const RARE: &[&str] =
    &["SELECT id FROM audit_event WHERE id = $1", "UPDATE change_position SET last = last WHERE only_row = 1"];

/// Runs every method of the ports, on each of its ways, on a store that holds [`large::rows`](super::large::rows).
pub async fn is_asked_of(store: &SqlStore, acme: &TenantName) {
    let calls = Calls::default();
    let store_of: &dyn Store = &BarrierStore::counting(Arc::new(store.clone()), &calls);
    store.probe().await.unwrap();
    store.page_key().await.unwrap();
    let globex = tenant("globex");
    add_tenant(store_of, "initech").await;
    add_instance(store_of, acme, "r-1").await;
    let alice = add_subject_with_password(store_of, acme, ram_user("alice")).await;
    let app = add_subject_with_password(store_of, acme, account("r-1", "app")).await;
    let domain = add_subject(store_of, acme, mail_domain("example.com")).await;

    store_of.set_overlap(alice.id, minutes(60), &authority()).await.unwrap();
    let mut first = change_under(alice.id, 1, client_token(1), at(1_000_000));
    first.forget = Some(Forget::Pair(pair(1, 1)));
    for _ in 0..4 {
        let mut wrong = event();
        wrong.subject = Some(alice.id);
        store_of.record_failure(&pair(1, 1), at(900_000), &limit(), &wrong).await.unwrap();
    }
    store_of.commit(&first).await.unwrap();
    store_of.commit(&first).await.unwrap();
    store_of.record_failure(&pair(1, 1), at(900_000), &limit(), &event()).await.unwrap();
    failures_are_asked_for(store_of).await;
    let mut reset = change(domain.id, None);
    reset.forget = Some(Forget::Subject(pair(1, 1)));
    store_of.commit(&reset).await.unwrap();
    store_of.record(&event()).await.unwrap();
    remembered(store_of, alice.id, &client_token(1)).await;
    let used = PasswordUse { caller: operator(), at: at(2_000_000) };
    store_of.note_use(alice.id, version(2), &used).await.unwrap();
    store_of.overlap(alice.id, 10).await.unwrap();
    store_of.set_overlap(alice.id, Duration::from_secs(1), &authority()).await.unwrap();
    store_of.end_overlap(alice.id, &authority()).await.unwrap();
    store_of.set_overlap(alice.id, Duration::ZERO, &authority()).await.unwrap();
    store_of.credential(alice.id).await.unwrap();
    store_of.replace_hash(alice.id, Revision(2), &hash(4), DIGEST).await.unwrap();
    store_of.take_over(alice.id, Revision(3), &hash(4), &authority()).await.unwrap();
    for name in [&alice.name, &app.name, &ram_user("nobody"), &account("r-1", "nobody")] {
        store_of.look_up(acme, name).await.unwrap();
        let evidence = Evidence { proof: CallerProof::Token(TokenId(Uuid::nil())), tenant: None, beside: None };
        assert!(store_of.look_up_for(&evidence, at(1), acme, name).await.is_err());
        store_of.subject(acme, name).await.unwrap();
    }
    store_of.look_up_all(&[(acme, &alice.name), (acme, &app.name)]).await.unwrap();
    for subject in [newcomer(acme, "new"), newcomer(acme, "alice")] {
        store_of.import(&[subject], &[authority()]).await.unwrap();
    }

    for page in [page(2, None), page(2, Some("user".to_owned())), page(2, Some("r-1/a".to_owned()))] {
        store_of.tenants(&page).await.unwrap();
        store_of.instances(acme, &page).await.unwrap();
        for &kind in SubjectKind::ALL {
            store_of.subjects(acme, kind, None, &page).await.unwrap();
        }
        store_of.subjects(acme, SubjectKind::InstanceAccount, Some(&instance_id("r-1")), &page).await.unwrap();
        store_of.accounts(acme, &instance_id("r-1"), "a", CountedPageRequest { skip: 1, size: 2 }).await.unwrap();
        store_of.hashes(None, &page).await.unwrap();
        store_of.hashes(Some(acme), &page).await.unwrap();
    }
    store_of.tenant(acme).await.unwrap();
    store_of.instance(acme, &instance_id("r-1")).await.unwrap();
    store_of.settings(acme).await.unwrap();
    let defaults = TenantSettings::default();
    let keeping = |count| {
        let wanted = RamPasswordPolicyChange { password_reuse_prevention: Some(count), ..Default::default() };
        TenantSettings { ram: defaults.ram.with(&wanted).unwrap(), ..defaults }
    };
    store_of.replace_settings(acme, &defaults, &keeping(5), &authority()).await.unwrap();
    store_of.replace_settings(acme, &keeping(5), &keeping(1), &authority()).await.unwrap();
    store_of.change_candidate(acme, None, &CandidateStep::Set(keeping(0)), &authority()).await.unwrap();
    store_of.compared_policies(acme).await.unwrap();
    store_of.add_comparisons(tenant_id(acme), version(1), &Comparisons::default()).await.unwrap();
    store_of.change_candidate(acme, Some(version(1)), &CandidateStep::Adopt, &authority()).await.unwrap();
    store_of.set_instance_status(acme, &instance_id("r-1"), InstanceStatus::Inactive, &authority()).await.unwrap();
    let failed = SubjectStatus::MailDomain(MailDomainStatus::VerificationFailed);
    store_of.set_subject_status(acme, &domain.name, failed, &authority()).await.unwrap();

    tokens_are_asked_for(store_of, acme, alice.id).await;

    hashes_are_asked_for(store, alice.id).await;
    deliveries_are_asked_for(store_of, acme, app.id).await;
    secrets_are_asked_for(store).await;

    while store_of.number_change_events().await.unwrap().more {}
    store_of.change_events(tenant_id(acme), Position(0), 2).await.unwrap();
    store_of.all_change_events(Position(0), 2).await.unwrap();
    store_of.purge_change_events(at(i64::MAX)).await.unwrap();
    store_of.remove_old(at(i64::MAX)).await.unwrap();
    store_of.remove_old_failures(at(i64::MAX), days(7)).await.unwrap();
    store_of.remove_spent_nonces(at(i64::MAX)).await.unwrap();
    audit_log_is_asked_for(store_of, acme, alice.id).await;
    store_of.delete_subject(acme, &app.name, &authority()).await.unwrap();
    withdrawals_are_asked_for(store_of, acme, &app.name).await;
    store_of.delete_instance(acme, &instance_id("r-1"), &authority()).await.unwrap();
    store_of.delete_tenant(&globex, &authority()).await.unwrap();
    // In the name of a caller whose token is gone, in a tenant that is there.
    let evidence = Some(Evidence::of_token(&token(operator())));
    let nobodys = Authority { evidence, ..authority() };
    store_of.create_instance(acme, &instance("r-9"), &nobodys).await.unwrap_err();
    let permitted = Authority { tenant: Some(tenant_id(acme)), ..authority() };
    store_of.delete_instance(acme, &instance_id("r-9"), &permitted).await.unwrap();
    assert_eq!(not_called(&calls.lock().unwrap()), Vec::<String>::new(), "a method of a port that is not called");
}

async fn audit_log_is_asked_for(store: &dyn Store, acme: &TenantName, alice: SubjectId) {
    while store.close_audit_range(at(1), &Unsealed).await.unwrap() {}
    let of = AuditFilter::default;
    let filters = [
        of(),
        AuditFilter { tenant: Some(tenant_id(acme)), ..of() },
        AuditFilter { subject: Some(alice), ..of() },
        AuditFilter { caller: NamedCaller::parse_shown("-/operator/boss"), ..of() },
        AuditFilter { outcome: Some("done"), ..of() },
    ];
    for filter in filters {
        store.audit_events(&filter, Position(0), 2).await.unwrap();
    }
    store.audit_position_before(at(500)).await.unwrap();
    store.audit_position_before(at(i64::MAX)).await.unwrap();
    store.audit_cut().await.unwrap();
    store.audit_range(Position(0)).await.unwrap();
    store.remove_old_audit_events(at(i64::MAX), &Unsealed).await.unwrap();
}

/// Works off what deletions and smaller settings left, at a time at which nothing is old.
pub async fn is_worked_off(store: &dyn Store) {
    while store.remove_old(at(0)).await.unwrap() {}
}

async fn hashes_are_asked_for(store: &SqlStore, alice: SubjectId) {
    store.keys_in_use().await.unwrap();
    for key in [None, Some(pepper_key("2026"))] {
        store.count_under(key.as_ref()).await.unwrap();
        for age in Generation::ALL {
            for after in [None, Some((SubjectId(Uuid::nil()), version(1)))] {
                store.hashes_under(age, key.as_ref(), after, 2).await.unwrap();
            }
            let found = HashEntry { subject: alice, version: version(2), hash: hash(2) };
            store.replace_hashes(age, &[Replacement { found, hash: hash(6) }]).await.unwrap();
        }
    }
}

async fn deliveries_are_asked_for(store: &dyn Store, acme: &TenantName, app: SubjectId) {
    let (instance, by) = (instance_id("r-1"), Uuid::new_v4());
    for nodes in [1, 2] {
        assert!(store.set_endpoint(acme, &instance, &endpoint(nodes), &authority()).await.unwrap());
    }
    store.endpoint(acme, &instance).await.unwrap();
    for expected in [1, 2] {
        let mut commit = change(app, Some(expected));
        commit.deliver = Some(secret("b", "passwords"));
        store.commit(&commit).await.unwrap();
    }
    store.delivery(app).await.unwrap();
    store.deliveries_of(&[app]).await.unwrap();
    store.delivery_backlog(10).await.unwrap();
    let now = at(1000);
    assert!(store.due_instances(now, 10).await.unwrap().due.contains(&(acme.clone(), instance.clone())));
    store.lease_endpoint(acme, &instance, by, now, at(2000)).await.unwrap().unwrap();
    let due: DueDelivery = store.due_deliveries(acme, &instance, now, 10).await.unwrap().remove(0).unwrap();
    let step = DeliveryStep {
        phase: DeliveryPhase::Settling,
        due_at: Some(at(90_000_000)),
        attempts: 0,
        nodes: 2,
        reached: 2,
        failure: None,
        drift: None,
    };
    assert!(store.record_delivery(&due, &step, by, None).await.unwrap());
    store.release_endpoint(acme, &instance, by, None).await.unwrap();
    // It waits for longer than any, so that the clock was put back.
    store.due_instances(now, 10).await.unwrap();
    store.end_overlap(app, &authority()).await.unwrap();
    let others = instance_id("r-0-1");
    assert!(store.delete_endpoint(acme, &others, &authority()).await.unwrap());
}

async fn withdrawals_are_asked_for(store: &dyn Store, acme: &TenantName, app: &SubjectName) {
    let (instance, by, now) = (instance_id("r-1"), Uuid::new_v4(), at(3000));
    store.withdrawal(acme, app).await.unwrap().unwrap();
    store.lease_endpoint(acme, &instance, by, now, at(4000)).await.unwrap().unwrap();
    let due = store.due_deliveries(acme, &instance, now, 10).await.unwrap().remove(0).unwrap();
    let phase = DeliveryPhase::Withdrawing;
    let step = DeliveryStep { phase, due_at: None, attempts: 0, nodes: 2, reached: 2, failure: None, drift: None };
    assert!(store.record_delivery(&due, &step, by, Some(&event())).await.unwrap());
    store.release_endpoint(acme, &instance, by, None).await.unwrap();
}

async fn secrets_are_asked_for(store: &SqlStore) {
    let key = pepper_key("2026");
    for (purpose, key) in [(SealPurpose::NodeCredential, "a"), (SealPurpose::DeliveredPasswords, "b")] {
        let found = store.secrets_under(purpose, &pepper_key(key), None, 2).await.unwrap().remove(0);
        let replacement = SecretReplacement { found, secret: secret("2026", "other") };
        assert_eq!(store.replace_secrets(purpose, &[replacement]).await.unwrap(), 1);
    }
    let purpose = SealPurpose::AccessKeySecret;
    let found = store.secrets_under(purpose, &key, None, 2).await.unwrap().remove(0);
    store.replace_secrets(purpose, &[SecretReplacement { found, secret: secret("2026", "other") }]).await.unwrap();
}

async fn failures_are_asked_for(store: &dyn Store) {
    store.failures(&pair(1, 1)).await.unwrap();
    let stopping = Backoff { stop_after: NonZeroU32::new(1), ..limit() };
    store.record_failure(&pair(5, 1), at(900_000), &stopping, &event()).await.unwrap();
    let on_name = Pair { name: Some(pair(3, 1).subject), ..pair(4, 1) };
    store.record_failure(&on_name, at(900_000), &limit(), &event()).await.unwrap();
    store.record_failure(&pair(2, 1), at(i64::MAX / 2), &limit(), &event()).await.unwrap();
    store.restart_waits(&on_name, at(900_000)).await.unwrap();
    store.forget_failures(&pair(2, 1)).await.unwrap();
    store.clear_failures(&Forget::Pair(pair(5, 1)), &authority()).await.unwrap();
    for page in [page(2, None), page(2, Some(pair(5, 1).caller.to_string()))] {
        store.pairs_with_failures(&on_name, &page).await.unwrap();
    }
}

async fn tokens_are_asked_for(store: &dyn Store, acme: &TenantName, alice: SubjectId) {
    let relay = || token(Caller::Service(acme.clone(), FreeName::parse("relay").unwrap()));
    let of_alice = Caller::RamUser(acme.clone(), RamUserName::parse("alice").unwrap(), alice);
    for (number, issued) in [(1, relay()), (2, token(of_alice)), (3, token(operator()))] {
        add_token(store, &issued, digest(number)).await;
        store.access_token(&digest(number)).await.unwrap();
        store.access_token_of(issued.id).await.unwrap();
        assert!(store.is_proven(&Evidence::of_token(&issued), at(1)).await.unwrap());
        store.delete_access_token(issued.caller.tenant(), issued.id, &authority()).await.unwrap();
    }
    let key = access_key(Caller::Root(acme.clone()));
    store.insert_access_token(&key, TokenProof::Secret(&secret("2026", "sealed")), &authority()).await.unwrap();
    assert!(store.next_expiry(at(0)).await.unwrap() <= Some(key.expires_at));
    for nonce in [None, Some(&NonceKey([1; 32]))] {
        store.access_key(key.id, nonce).await.unwrap();
    }
    store.spend_nonce(&NonceKey([1; 32]), at(900_000)).await.unwrap();
    store.note_key_use(key.id, at(900_000)).await.unwrap();
    for owner in [None, Some(acme)] {
        store.set_access_token_status(owner, key.id, AccessTokenStatus::Active, &authority()).await.unwrap();
    }
    let relay = external("service acme relay", Some(tenant_id(acme)), None);
    let user = external("ram-user acme alice", Some(tenant_id(acme)), Some(alice));
    for (_, evidence) in [relay, user, external("operator ops", None, None)] {
        assert!(store.is_proven(&evidence, at(1)).await.unwrap());
    }
    let of_alice = token(Caller::RamUser(acme.clone(), RamUserName::parse("alice").unwrap(), alice));
    add_token(store, &of_alice, digest(5)).await;
    for (expected, evidence) in [(2, Some(Evidence::of_token(&of_alice))), (3, None)] {
        let mut ending = Commit { ends_tokens: true, ..change(alice, Some(expected)) };
        ending.authority.evidence = evidence;
        store.commit(&ending).await.unwrap();
    }
    store.bootstrap(&token(operator()), &digest(4), &event()).await.unwrap();
    for owner in [None, Some(acme)] {
        store.access_tokens(owner, &page(2, None)).await.unwrap();
    }
}

fn newcomer(tenant: &TenantName, name: &str) -> ImportedSubject {
    ImportedSubject {
        tenant: tenant.clone(),
        subject: subject(ram_user(name)),
        hash: Some(hash(1)),
        changed_by: ChangedBy::Administrator,
        changed_at: at(7),
        change_id: ChangeId(Uuid::new_v4()),
    }
}

/// The methods of the store's ports that were not called. Those of `StoredHashes` are left out: its statements are found by
/// [`not_run`].
fn not_called(calls: &BTreeMap<&'static str, usize>) -> Vec<String> {
    let ports = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/ports/store");
    let files = fs::read_dir(ports).unwrap().map(|entry| entry.unwrap().path());
    let mut missing = Vec::new();
    for path in files.filter(|path| !path.ends_with("hashes.rs")) {
        let text = fs::read_to_string(&path).unwrap();
        let methods = text.lines().filter_map(|line| line.trim().strip_prefix("async fn ")?.split('(').next());
        missing.extend(methods.filter(|method| !calls.contains_key(method)).map(str::to_owned));
    }
    // It stands on `tenant_policies`.
    missing.retain(|method| method != "settings");
    missing
}

/// The literals of the source that begin a statement and are part of none that was run.
pub fn not_run(statements: &BTreeSet<String>) -> Vec<String> {
    let mut missing = Vec::new();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src/store/sql")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            // What checks everything reads everything.
            if path.ends_with("check.rs") {
                continue;
            }
            let text = fs::read_to_string(&path).unwrap();
            // Without the tests of the file, which ask nothing.
            let shipped = text.split("#[cfg(test)]").next().unwrap();
            for literal in shipped.split('"') {
                let literal = without_numbers(&in_one_line(&literal.replace("\\\n", "")));
                let is_run = || statements.iter().any(|statement| without_numbers(statement).contains(&literal));
                if is_statement(&literal) && !literal.contains('{') && !is_run() {
                    missing.push(format!("{}: {literal}", path.display()));
                }
            }
        }
    }
    missing
}

/// The statements that PostgreSQL runs as one; otherwise the statement itself.
pub fn parts_of(statement: &str) -> Vec<String> {
    let (begin, end, next) = if statement.starts_with("WITH step_0") {
        (" AS (", ") SELECT (SELECT count(*) FROM step_0)", "), step_")
    } else if statement.contains(" FULL JOIN ") {
        ("q.* FROM (", ") q) q", " FULL JOIN ")
    } else {
        return vec![statement.to_owned()];
    };
    let part = |part: &str| {
        let part = part.split_once(begin).unwrap().1;
        let part = part.split_once(end).map_or(part, |(part, _)| part);
        let part = part.split(" AND EXISTS (SELECT 1 FROM step_").collect::<Vec<_>>();
        let rest = part[1..].iter().map(|rest| rest.split_once(')').unwrap().1);
        [part[0]].into_iter().chain(rest).collect::<String>().replace(" FOR NO KEY UPDATE", "")
    };
    statement.split(next).map(part).collect()
}

fn without_numbers(statement: &str) -> String {
    let mut parts = statement.split('$');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| text + "$" + part.trim_start_matches(|letter: char| letter.is_ascii_digit()))
}

/// Whether a text begins as a statement does that reads or writes.
pub fn is_statement(text: &str) -> bool {
    ["SELECT ", "INSERT ", "UPDATE ", "DELETE ", "WITH "].iter().any(|word| text.starts_with(word))
}

pub fn in_one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
