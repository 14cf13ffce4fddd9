//! Every statement of the store that is run while it serves finds its rows by an index, in both databases.
//!
//! PostgreSQL itself tells which statements are run, those of its foreign keys included, and how (`auto_explain`). SQLite
//! is asked about the same statements. A statement that no step of the scenario runs is found by reading the source.

use std::collections::{BTreeMap, BTreeSet};

use credentiald::store::sqlite;
use rusqlite::Connection;
use serde_json::Value;
use tempfile::TempDir;

use super::everything;
use super::large;
use super::postgres::{SETTINGS, open};
use super::sqlite::connection_to;
use super::values::add_tenant;
use crate::support::postgres::Cluster;

/// What a statement may read at most, far below what a tenant has here: 5,000 subjects with everything that belongs to them.
/// So a statement whose cost grows with a tenant or with the store fails.
const MOST_ROWS: f64 = 2500.0;

/// What opening a store and preparing a session ask PostgreSQL for.
const OF_CONNECTING: &[&str] = &["set_config", "current_setting", "schema_migration"];

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
    ("jsonb_array_elements(CAST($2 AS JSONB))", "json_each($2)"),
    (
        "LATERAL (SELECT * FROM subject n WHERE n.tenant = r.value ->> 1 AND n.kind = r.value ->> 2 AND coalesce(n.instance, \
         '') = r.value ->> 3 AND n.name = r.value ->> 4 OFFSET 0) s ON TRUE",
        "subject s ON s.tenant = r.value ->> 1 AND s.kind = r.value ->> 2 AND coalesce(s.instance, '') = r.value ->> 3 AND \
         s.name = r.value ->> 4",
    ),
    (" FOR UPDATE", ""),
    (" FOR NO KEY UPDATE", ""),
    (" FOR KEY SHARE", ""),
    ("LATERAL (SELECT k.*) s ON TRUE", "subject s ON s.rowid = k.rowid"),
    ("LATERAL (SELECT k.*) c ON TRUE", "credential c ON c.rowid = k.rowid"),
    ("LATERAL (SELECT k.*) a ON TRUE", "access_token a ON a.rowid = k.rowid"),
    (
        "earlier_hash e ON e.subject_id = c.subject_id WHERE k",
        "earlier_hash h ON h.subject_id = c.subject_id LEFT JOIN earlier_hash e ON e.rowid = h.rowid WHERE k",
    ),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_statement_finds_its_rows_by_an_index() {
    let cluster = Cluster::with_store().await;
    let store = open(&cluster.url("credentiald"), SETTINGS).await.unwrap();
    // As many rows as make a difference, and what is known of them.
    let acme = add_tenant(&store, "acme").await;
    add_tenant(&store, "globex").await;
    store.close().await;
    cluster.run("credentiald", &large::rows(5000, "BYTEA")).await;
    cluster.run("credentiald", &["ANALYZE"]).await;
    cluster.run("credentiald", EXPLAINED).await;
    let store = open(&cluster.url("credentiald"), SETTINGS).await.unwrap();
    everything::is_asked_of(&store, &acme).await;
    everything::is_worked_off(&store).await;
    store.close().await;

    let plans = logged_plans(&cluster.log());
    let statements = plans.keys().flat_map(|statement| everything::parts_of(statement));
    let statements: BTreeSet<String> = statements.chain(everything::RARE.iter().map(|&text| text.to_owned())).collect();
    assert_eq!(everything::not_run(&statements), Vec::<String>::new(), "a statement that the scenario does not run");
    let mut found: Vec<String> = Vec::new();
    for (statement, plan) in &plans {
        found.extend(bad_nodes(plan).into_iter().map(|node| format!("PostgreSQL: {statement}\n  {node}")));
        let rows = rows_read(plan);
        if rows > MOST_ROWS {
            found.push(format!("PostgreSQL: {statement}\n  reads {rows} rows"));
        }
    }
    // SQLite has foreign keys of its own, and adds the rows of an import one by one.
    let is_of_both = |statement: &&String| !["FROM ONLY", "FROM unnest("].iter().any(|words| statement.contains(words));
    found.extend(bad_lines(statements.iter().filter(is_of_both)).await);
    found
        .retain(|line| !everything::MAY_READ_ALL.iter().any(|(beginning, _)| line.contains(&format!(": {beginning}"))));
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
    assert!(references.len() >= 8, "{}", references.len());
    for (child, condition) in references {
        let lines = plan_of(&connection, &format!("SELECT 1 FROM {child} WHERE {condition}"));
        assert!(lines.iter().all(|line| line.starts_with("SEARCH")), "{child}, {condition}: {lines:?}");
    }
}

/// What goes with a row in the same statement belongs to one subject: a tenant may have any number of rows.
#[tokio::test]
async fn nothing_goes_with_a_row_but_what_a_subject_has() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("store.db");
    sqlite::open(&path).await.unwrap().close().await;
    let connection = connection_to(&path);
    let mut referred = connection
        .prepare(
            "SELECT DISTINCT f.\"table\" FROM sqlite_schema m JOIN pragma_foreign_key_list(m.name) f
             WHERE m.type = 'table' AND f.on_delete <> 'NO ACTION'",
        )
        .unwrap();
    let referred: Vec<String> = referred.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    assert_eq!(referred, ["subject"]);
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
        let logged: Value = serde_json::from_str(&json).unwrap();
        let statement = everything::in_one_line(logged["Query Text"].as_str().unwrap());
        // A write checks the settings of its session as well.
        let is_write = statement.starts_with("WITH step_0");
        if is_write || !OF_CONNECTING.iter().any(|word| statement.contains(word)) {
            let plan = logged["Plan"].clone();
            if plans.get(&statement).is_none_or(|before| rows_read(before) < rows_read(&plan)) {
                plans.insert(statement, plan);
            }
        }
    }
    plans
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
                || scanned == "CONSTANT ROW"
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
