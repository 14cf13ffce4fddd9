//! Every statement of the store that is run while it serves finds its rows by an index, in both databases.
//!
//! PostgreSQL itself tells which statements are run, those of its foreign keys included, and how (`auto_explain`). SQLite
//! is asked about the same statements. A statement that no step of the scenario runs is found by reading the source.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::time::Duration;

use credentiald::domain::attempts::{Forget, Pair};
use credentiald::domain::caller::Caller;
use credentiald::domain::change_event::Position;
use credentiald::domain::credential::{ChangeId, Revision};
use credentiald::domain::names::{FreeName, RamUserName, TenantName};
use credentiald::domain::overlap::PasswordUse;
use credentiald::domain::settings::{RamPasswordPolicyChange, TenantSettings};
use credentiald::domain::subject::{InstanceStatus, MailDomainStatus, SubjectId, SubjectKind};
use credentiald::domain::time::minutes;
use credentiald::ports::Store;
use credentiald::ports::store::{
    Authority, HashAge, HashEntry, ImportedSubject, Replacement, StoredHashes, SubjectStatus,
};
use credentiald::store::sqlite;
use rusqlite::Connection;
use serde_json::Value;
use tempfile::TempDir;
use uuid::Uuid;

use super::postgres::{SETTINGS, open};
use super::sqlite::connection_to;
use super::values::*;
use crate::support::postgres::Cluster;

/// What may read more than it finds by an index, and why. Each is how a statement begins, without its line breaks.
const EXCEPTIONS: &[(&str, &str)] = &[
    ("SELECT name FROM tenant LIMIT 1", "a sign of life: any row will do"),
    ("SELECT count(*) AS hashes FROM", "`pepper status` counts all hashes"),
];

/// What a statement may read at most, far below what a tenant has here: 5,000 subjects with everything that belongs to them.
/// So a statement whose cost grows with a tenant or with the store fails.
const MOST_ROWS: f64 = 2500.0;

/// What opening a store and preparing a session ask PostgreSQL for.
const OF_CONNECTING: &[&str] = &["set_config", "current_setting", "schema_migration"];

/// Rows of everything, each table's as many as make an index the better way.
const MANY_ROWS: &[&str] = &[
    "INSERT INTO tenant SELECT 'tenant-' || n, settings, 1, gen_random_uuid() FROM tenant, generate_series(1, 5000) n WHERE name = 'acme'",
    "INSERT INTO instance SELECT 'acme', 'r-0-' || n, 'cn-shanghai', 'normal', 1 FROM generate_series(1, 5000) n",
    "INSERT INTO earlier_hash SELECT subject_id, 1, hash, change_id, pepper_key, 1 FROM credential",
    "UPDATE credential SET version = 2, overlap_started_at = 1, overlap_length = 1, overlap_history = 1",
    "INSERT INTO password_use SELECT id, 2, NULL, 'operator', 'boss', NULL, 1 FROM subject",
    "INSERT INTO access_token SELECT s.id, sha256(s.id::bytea), s.tenant, 'ram-user', s.name, s.id, 1, 2, t.id
     FROM subject s JOIN tenant t ON t.name = s.tenant",
    "INSERT INTO access_token SELECT name, sha256(name::bytea), name, 'root', '', NULL, 1, 2, id FROM tenant",
    "INSERT INTO client_token SELECT id, sha256(id::bytea), 1, NULL, 9, 9 FROM subject",
    "INSERT INTO pair_failures SELECT sha256(id::bytea), sha256(id::bytea), 1, 9 FROM subject",
    "INSERT INTO subject_failures SELECT sha256(id::bytea), 1, 9 FROM subject",
    "INSERT INTO change_event (subject_id, number, id, at, tenant_id, tenant, kind, written, what, position)
     SELECT 'gone-' || n, 1, 'id', 1, t.id, t.name, 'ram-user', 'gone', 'created', p.last + n
     FROM generate_series(1, 5000) n, tenant t, change_position p WHERE t.name = 'globex'",
    "UPDATE change_position SET last = last + 5000",
    "ANALYZE",
];

/// Lets the server tell how it runs what the service asks for, and read from end to end only what nothing else is possible
/// for.
const EXPLAINED: &[&str] = &[
    "ALTER ROLE credentiald_runs SET session_preload_libraries = 'auto_explain'",
    "ALTER ROLE credentiald_runs SET auto_explain.log_min_duration = 0",
    "ALTER ROLE credentiald_runs SET auto_explain.log_nested_statements = on",
    "ALTER ROLE credentiald_runs SET auto_explain.log_format = 'json'",
    "ALTER ROLE credentiald_runs SET auto_explain.log_analyze = on",
    "ALTER ROLE credentiald_runs SET auto_explain.log_timing = off",
    "ALTER ROLE credentiald_runs SET enable_seqscan = off",
];

/// What the two databases are asked for in words of their own.
const IN_SQLITE: &[(&str, &str)] = &[
    ("jsonb_array_elements(CAST($1 AS JSONB))", "json_each($1)"),
    (" FOR UPDATE", ""),
    (" FOR KEY SHARE", ""),
    ("LATERAL (SELECT k.*) s ON TRUE", "subject s ON s.rowid = k.rowid"),
    ("LATERAL (SELECT k.*) c ON TRUE", "credential c ON c.rowid = k.rowid"),
    ("LATERAL (SELECT k.*) a ON TRUE", "access_token a ON a.rowid = k.rowid"),
    (
        "earlier_hash e ON e.subject_id = c.subject_id WHERE k",
        "earlier_hash h ON h.subject_id = c.subject_id LEFT JOIN earlier_hash e ON e.rowid = h.rowid WHERE k",
    ),
];

/// What is only run where a commit was lost.
const RARE: &[&str] =
    &["SELECT id FROM audit_event WHERE id = $1", "UPDATE change_position SET last = last WHERE only_row = 1"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_statement_finds_its_rows_by_an_index() {
    let cluster = Cluster::with_store().await;
    let store = open(&cluster.url("credentiald"), SETTINGS).await.unwrap();
    // As many rows as make a difference, and what is known of them.
    let acme = add_tenant(&store, "acme").await;
    add_tenant(&store, "globex").await;
    for part in 0..10 {
        let subjects: Vec<_> = (0..500).map(|number| newcomer(&acme, &format!("user-{part}-{number}"))).collect();
        assert!(store.import_all(&subjects).await);
    }
    store.close().await;
    cluster.run("credentiald", MANY_ROWS).await;
    cluster.run("credentiald", EXPLAINED).await;
    let store = open(&cluster.url("credentiald"), SETTINGS).await.unwrap();
    everything_that_is_asked_of_a_store(&store, &store, &acme).await;
    store.close().await;

    let plans = logged_plans(&cluster.log());
    let statements: BTreeSet<String> = plans.keys().cloned().chain(RARE.iter().map(|&text| text.to_owned())).collect();
    assert_eq!(not_run(&statements), Vec::<String>::new(), "a statement that the scenario does not run");
    let mut found: Vec<String> = Vec::new();
    for (statement, plan) in &plans {
        found.extend(bad_nodes(plan).into_iter().map(|node| format!("PostgreSQL: {statement}\n  {node}")));
        let rows = rows_read(plan);
        if rows > MOST_ROWS {
            found.push(format!("PostgreSQL: {statement}\n  reads {rows} rows"));
        }
    }
    found.extend(bad_lines(statements.iter().filter(|statement| !statement.contains("FROM ONLY"))).await);
    found.retain(|line| !EXCEPTIONS.iter().any(|(beginning, _)| line.contains(&format!(": {beginning}"))));
    assert!(found.is_empty(), "{}", found.join("\n"));
}

/// A reference that no index finds costs a whole table when what it refers to is deleted.
#[tokio::test]
async fn every_reference_between_tables_has_an_index() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("store.db");
    sqlite::open(&path).await.unwrap().close().await;
    let connection = connection_to(&path);
    let mut references = connection
        .prepare(
            "SELECT m.name, group_concat(f.\"from\" || ' = 0', ' AND ')
             FROM sqlite_schema m JOIN pragma_foreign_key_list(m.name) f WHERE m.type = 'table' GROUP BY m.name, f.id",
        )
        .unwrap();
    let references = references.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    let references: Vec<(String, String)> = references.map(Result::unwrap).collect();
    assert!(references.len() >= 9, "{}", references.len());
    for (child, condition) in references {
        let lines = plan_of(&connection, &format!("SELECT 1 FROM {child} WHERE {condition}"));
        assert!(lines.iter().all(|line| line.starts_with("SEARCH")), "{child}, {condition}: {lines:?}");
    }
}

/// How SQLite would run a statement, whatever its values.
fn plan_of(connection: &Connection, statement: &str) -> Vec<String> {
    let explained = connection.prepare(&format!("EXPLAIN QUERY PLAN {statement}"));
    let mut explained = explained.unwrap_or_else(|error| panic!("{statement}: {error}"));
    let mut lines = explained.raw_query();
    let mut plan = Vec::new();
    while let Some(line) = lines.next().unwrap() {
        plan.push(line.get("detail").unwrap());
    }
    plan
}

/// Runs every method of the ports, on each of its ways.
async fn everything_that_is_asked_of_a_store(
    store: &credentiald::store::SqlStore,
    hashes: &dyn StoredHashes,
    acme: &TenantName,
) {
    let store_of: &dyn Store = store;
    store.probe().await.unwrap();
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
    store_of.failures(&pair(1, 1)).await.unwrap();
    let on_name = Pair { name: Some(pair(3, 1).subject), ..pair(4, 1) };
    store_of.record_failure(&on_name, at(900_000), &limit(), &event()).await.unwrap();
    store_of.commit(&first).await.unwrap();
    store_of.commit(&first).await.unwrap();
    store_of.record_failure(&pair(1, 1), at(900_000), &limit(), &event()).await.unwrap();
    store_of.record_failure(&pair(2, 1), at(i64::MAX / 2), &limit(), &event()).await.unwrap();
    store_of.forget_failures(&pair(2, 1)).await.unwrap();
    let mut reset = change(domain.id, None);
    reset.forget = Some(Forget::Subject(pair(1, 1)));
    store_of.commit(&reset).await.unwrap();
    store_of.record(&event()).await.unwrap();
    store_of.remembered(alice.id, &client_token(1)).await.unwrap();
    let used = PasswordUse { caller: operator(), at: at(2_000_000) };
    store_of.note_use(alice.id, version(2), &used).await.unwrap();
    store_of.overlap(alice.id, 10).await.unwrap();
    store_of.set_overlap(alice.id, Duration::from_secs(1), &authority()).await.unwrap();
    store_of.end_overlap(alice.id, &authority()).await.unwrap();
    store_of.set_overlap(alice.id, Duration::ZERO, &authority()).await.unwrap();
    store_of.credential(alice.id).await.unwrap();
    store_of.replace_hash(alice.id, Revision(2), &hash(4)).await.unwrap();
    for name in [&alice.name, &app.name, &ram_user("nobody"), &account("r-1", "nobody")] {
        store_of.look_up(acme, name).await.unwrap();
        store_of.subject(acme, name).await.unwrap();
    }
    store_of.look_up_all(&[(acme, &alice.name), (acme, &app.name)]).await.unwrap();
    for subject in [newcomer(acme, "new"), newcomer(acme, "alice")] {
        store.import_all(&[subject]).await;
    }

    for page in [page(2, None), page(2, Some("user".to_owned())), page(2, Some("r-1/a".to_owned()))] {
        store_of.tenants(&page).await.unwrap();
        store_of.instances(acme, &page).await.unwrap();
        for kind in SubjectKind::ALL {
            store_of.subjects(acme, kind, None, &page).await.unwrap();
        }
        store_of.subjects(acme, SubjectKind::InstanceAccount, Some(&instance_id("r-1")), &page).await.unwrap();
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
    store_of.set_instance_status(acme, &instance_id("r-1"), InstanceStatus::Inactive, &authority()).await.unwrap();
    let failed = SubjectStatus::MailDomain(MailDomainStatus::VerificationFailed);
    store_of.set_subject_status(acme, &domain.name, failed, &authority()).await.unwrap();

    everything_that_is_asked_of_tokens(store, acme, alice.id).await;

    hashes.keys_in_use().await.unwrap();
    for key in [None, Some(pepper_key("2026"))] {
        hashes.count_under(key.as_ref()).await.unwrap();
        for age in HashAge::ALL {
            for after in [None, Some((SubjectId(Uuid::nil()), version(1)))] {
                hashes.hashes_under(age, key.as_ref(), after, 2).await.unwrap();
            }
            let found = HashEntry { subject: alice.id, version: version(2), hash: hash(2) };
            hashes.replace_hashes(age, &[Replacement { found, hash: hash(6) }]).await.unwrap();
        }
    }

    while store_of.number_change_events().await.unwrap().more {}
    store_of.change_events(tenant_id(acme), Position(0), 2).await.unwrap();
    store_of.all_change_events(Position(0), 2).await.unwrap();
    store_of.purge_change_events(at(i64::MAX)).await.unwrap();
    store_of.remove_old(at(i64::MAX)).await.unwrap();
    store_of.delete_subject(acme, &app.name, &authority()).await.unwrap();
    store_of.delete_instance(acme, &instance_id("r-1"), &authority()).await.unwrap();
    store_of.delete_tenant(&globex, &authority()).await.unwrap();
    // In the name of a caller whose token is gone, in a tenant that is there.
    let evidence = Some(token(operator()).evidence());
    let nobodys = Authority { evidence, ..authority() };
    store_of.create_instance(acme, &instance("r-9"), &nobodys).await.unwrap_err();
    let permitted = Authority { tenant: Some(tenant_id(acme)), ..authority() };
    store_of.delete_instance(acme, &instance_id("r-9"), &permitted).await.unwrap();
    store.page_key().await.unwrap();
    // At a time at which nothing is old: what deletions and smaller settings left behind.
    while store_of.remove_old(at(0)).await.unwrap() {}
}

async fn everything_that_is_asked_of_tokens(store: &dyn Store, acme: &TenantName, alice: SubjectId) {
    let relay = || token(Caller::Service(acme.clone(), FreeName::parse("relay").unwrap()));
    let of_alice = Caller::RamUser(acme.clone(), RamUserName::parse("alice").unwrap(), alice);
    for (number, issued) in [(1, relay()), (2, token(of_alice)), (3, token(operator()))] {
        store.insert_access_token(&issued, &digest(number), &authority()).await.unwrap();
        store.access_token(&digest(number)).await.unwrap();
        store.access_token_of(issued.id).await.unwrap();
        assert!(store.is_proven(&issued.evidence(), at(1)).await.unwrap());
        store.delete_access_token(issued.caller.tenant(), issued.id, &authority()).await.unwrap();
    }
    store.bootstrap(&token(operator()), &digest(4), &event()).await.unwrap();
    for owner in [None, Some(acme)] {
        store.access_tokens(owner, &page(2, None)).await.unwrap();
    }
}

trait ImportAll {
    async fn import_all(&self, subjects: &[ImportedSubject]) -> bool;
}

impl ImportAll for credentiald::store::SqlStore {
    async fn import_all(&self, subjects: &[ImportedSubject]) -> bool {
        credentiald::ports::store::Imports::import(self, subjects, &[authority()]).await.unwrap()
    }
}

fn newcomer(tenant: &TenantName, name: &str) -> ImportedSubject {
    ImportedSubject {
        tenant: tenant.clone(),
        subject: subject(ram_user(name)),
        hash: hash(1),
        changed_at: at(7),
        change_id: ChangeId(Uuid::new_v4()),
    }
}

/// How many rows a statement read where it read them, those included that it left out.
fn rows_read(plan: &Value) -> f64 {
    let (mut rows, mut nodes) = (0.0, vec![plan]);
    while let Some(node) = nodes.pop() {
        let number = |key: &str| node[key].as_f64().unwrap_or_default();
        if node["Node Type"].as_str().unwrap().contains("Scan") && !node["Relation Name"].is_null() {
            let each =
                number("Actual Rows") + number("Rows Removed by Filter") + number("Rows Removed by Index Recheck");
            rows += each * number("Actual Loops");
        }
        nodes.extend(node["Plans"].as_array().into_iter().flatten());
    }
    rows
}

/// The statements that the server ran, each with the plan of the run that read most rows.
fn logged_plans(log: &str) -> BTreeMap<String, Value> {
    let mut plans = BTreeMap::new();
    for entry in log.split(" plan:\n").skip(1) {
        let json: String = entry.lines().take_while(|line| line.starts_with('\t')).collect();
        let told: Value = serde_json::from_str(&json).unwrap();
        let statement = in_one_line(told["Query Text"].as_str().unwrap());
        if !OF_CONNECTING.iter().any(|word| statement.contains(word)) {
            let plan = told["Plan"].clone();
            if plans.get(&statement).is_none_or(|before| rows_read(before) < rows_read(&plan)) {
                plans.insert(statement, plan);
            }
        }
    }
    plans
}

fn in_one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The literals of the source that begin a statement and are part of none that was run.
fn not_run(statements: &BTreeSet<String>) -> Vec<String> {
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
            for literal in fs::read_to_string(&path).unwrap().split('"') {
                let literal = in_one_line(&literal.replace("\\\n", ""));
                let begins =
                    ["SELECT ", "INSERT ", "UPDATE ", "DELETE ", "WITH "].iter().any(|word| literal.starts_with(word));
                if begins && !literal.contains('{') && !statements.iter().any(|statement| statement.contains(&literal))
                {
                    missing.push(format!("{}: {literal}", path.display()));
                }
            }
        }
    }
    missing
}

/// What of a plan reads a table, or an index, from its beginning.
fn bad_nodes(plan: &Value) -> Vec<String> {
    let mut bad = Vec::new();
    let mut nodes = vec![(plan, false)];
    while let Some((node, is_limited)) = nodes.pop() {
        let kind = node["Node Type"].as_str().unwrap();
        let has_condition = !node["Index Cond"].is_null();
        let stops_early = is_limited && node["Filter"].is_null();
        let reads_all = match kind {
            "Seq Scan" | "Sample Scan" => true,
            "Index Scan" | "Index Only Scan" | "Bitmap Index Scan" => !has_condition && !stops_early,
            _ => false,
        };
        if reads_all {
            bad.push(format!("{kind} of {} {}", node["Relation Name"], node["Index Name"]));
        }
        let passes_on =
            matches!(kind, "Limit") || (is_limited && matches!(kind, "Subquery Scan" | "LockRows" | "Nested Loop"));
        nodes.extend(node["Plans"].as_array().into_iter().flatten().map(|child| (child, passes_on)));
    }
    bad
}

/// What SQLite reads from its beginning.
async fn bad_lines(statements: impl Iterator<Item = &String>) -> Vec<String> {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("store.db");
    sqlite::open(&path).await.unwrap().close().await;
    let connection = connection_to(&path);
    let mut bad = Vec::new();
    for statement in statements {
        let statement = &IN_SQLITE.iter().fold(statement.clone(), |text, (theirs, ours)| text.replace(theirs, ours));
        let lines = plan_of(&connection, statement);
        let made: Vec<&str> = lines
            .iter()
            .filter_map(|line| line.strip_prefix("CO-ROUTINE ").or(line.strip_prefix("MATERIALIZE ")))
            .collect();
        // What a statement makes for itself, or is given, is read as a whole. What has an order and an end is not.
        let is_bounded = |scanned: &str| {
            let of_its_own = scanned.split(' ').next().is_some_and(|name| made.contains(&name) || name == "used");
            of_its_own
                || scanned.contains("VIRTUAL TABLE")
                || (scanned.contains("INDEX") && statement.contains("LIMIT"))
        };
        for line in &lines {
            let reads_all = line.strip_prefix("SCAN ").is_some_and(|scanned| !is_bounded(scanned));
            if reads_all || line.contains("AUTOMATIC") {
                bad.push(format!("SQLite: {statement}\n  {line}"));
            }
        }
    }
    bad
}
