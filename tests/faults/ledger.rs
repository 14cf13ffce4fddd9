//! What a store holds, read past the service: whether everything that tells of a change tells the same.

use std::collections::BTreeMap;
use std::path::Path;

use rusqlite::{Connection, OpenFlags};
use serde_json::json;

use crate::load::{Kind, Load};
use crate::run::Run;
use crate::support::Client;
use crate::support::postgres::Cluster;

/// Versions by subject, in the order in which they stand.
type Versions = BTreeMap<String, Vec<u64>>;

const CREDENTIALS: &str = "SELECT written, version FROM credential JOIN subject ON subject.id = credential.subject_id
     WHERE subject.tenant = 'acme'";
/// The audit events of passwords that were set.
const AUDITED: &str = "SELECT written, version FROM audit_event JOIN subject ON subject.id = audit_event.subject_id
     WHERE subject.tenant = 'acme' AND outcome = 'changed' AND version > 1 ORDER BY version";
/// The audit event of the password that holds.
const AUDITED_LAST: &str = "SELECT written, credential.version FROM credential
     JOIN subject ON subject.id = credential.subject_id
     JOIN audit_event ON audit_event.change_id = credential.change_id
     AND audit_event.subject_id = credential.subject_id AND audit_event.version = credential.version
     WHERE subject.tenant = 'acme'";
const EVENTS: &str =
    "SELECT subject.written, version FROM change_event JOIN subject ON subject.id = change_event.subject_id
     WHERE subject.tenant = 'acme' AND version IS NOT NULL ORDER BY change_event.number";
const EARLIER: &str = "SELECT written, version FROM earlier_hash JOIN subject ON subject.id = earlier_hash.subject_id
     WHERE subject.tenant = 'acme' ORDER BY version";

/// A store.
pub enum Ledger<'a> {
    Sqlite(&'a Path),
    Postgres(&'a Cluster, &'a str),
}

impl Ledger<'_> {
    /// Checks that history, audit and change events have each of so many versions of each subject once.
    pub async fn check(&self, run: &Run, load: &Load, versions: &[u64]) {
        let expected = |of: fn(Kind, u64) -> Vec<u64>| -> Versions {
            let all = load.subjects.iter().zip(versions);
            let all = all.map(|(subject, version)| (subject.name(), of(subject.kind, *version)));
            all.filter(|(_, versions)| !versions.is_empty()).collect()
        };
        for (what, found, expected) in [
            ("credentials", self.versions(CREDENTIALS).await, expected(|_, version| vec![version])),
            ("audit events", self.versions(AUDITED).await, expected(|_, version| (2..=version).collect())),
            ("change events", self.versions(EVENTS).await, expected(|_, version| (1..=version).collect())),
            ("history", self.versions(EARLIER).await, expected(history)),
        ] {
            run.require(found == expected, || format!("{what}: {}", difference(&found, &expected)));
        }
        let audited = self.versions(AUDITED_LAST).await;
        for (subject, version) in load.subjects.iter().zip(versions).filter(|(_, version)| **version > 1) {
            let name = subject.name();
            run.require(audited.get(&name) == Some(&vec![*version]), || {
                format!("{name}: its last change is not audited")
            });
        }
    }

    async fn versions(&self, query: &str) -> Versions {
        let mut versions = Versions::new();
        for (name, version) in self.rows(query).await {
            versions.entry(name).or_default().push(version.try_into().unwrap());
        }
        versions
    }

    /// What a query finds: a text and a number in each row.
    pub async fn rows(&self, query: &str) -> Vec<(String, i64)> {
        match self {
            Self::Sqlite(path) => {
                let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
                let mut statement = connection.prepare(query).unwrap();
                let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
                rows.map(Result::unwrap).collect()
            }
            Self::Postgres(cluster, database) => {
                let mut connection = cluster.connection(database).await;
                sqlx::query_as(sqlx::AssertSqlSafe(query.to_owned())).fetch_all(&mut connection).await.unwrap()
            }
        }
    }
}

/// The versions before that are kept: the policy of RAM users looks back at two, the one that holds included, and the others
/// at that one alone.
fn history(kind: Kind, version: u64) -> Vec<u64> {
    match kind {
        Kind::RamUser if version > 1 => vec![version - 1],
        _ => Vec::new(),
    }
}

/// Checks that a watch from the beginning receives each version of each subject once, in its order.
pub async fn check_watch(run: &Run, load: &Load, as_root: &Client, versions: &[u64]) {
    let mut received = Versions::new();
    let mut watch = as_root.watch(json!({ "from_oldest": true })).await;
    for _ in 0..versions.iter().sum() {
        let event = watch.event().await["event"].clone();
        let what = if event["changed"].is_null() { &event["created"] } else { &event["changed"] };
        let version: u64 = what["version"].as_str().unwrap().parse().unwrap();
        let subject = &event["subject"];
        let name = [&subject["mail_domain"], &subject["ram_user"], &subject["instance_account"]["account_name"]];
        let name = name.into_iter().find_map(|name| name.as_str()).unwrap();
        received.entry(name.to_owned()).or_default().push(version);
    }
    let all = load.subjects.iter().zip(versions);
    let expected = all.map(|(subject, version)| (subject.name(), (1..=*version).collect())).collect();
    run.require(received == expected, || format!("watched: {}", difference(&received, &expected)));
}

fn difference(found: &Versions, expected: &Versions) -> String {
    let names = expected.keys().chain(found.keys());
    let wrong = names.filter(|name| found.get(*name) != expected.get(*name));
    let shown =
        |of: Option<&Vec<u64>>| of.map_or("none".to_owned(), |all| format!("{} up to {:?}", all.len(), all.last()));
    let wrong =
        wrong.map(|name| format!("{name}: {} instead of {}", shown(found.get(name)), shown(expected.get(name))));
    wrong.collect::<Vec<_>>().join("; ")
}
