//! The commands that read the audit log and prove it, beside a service that goes on.

use std::fs;

use serde_json::{Value, json};

use super::installation::{Installation, Outcome, outcome, write_secretly};
use super::serving::eventually;
use super::tenant::{Acme, token};
use crate::store::{connection_to, tamper};
use crate::support::postgres::Cluster;

/// The first test of RFC 8032, section 7.1, as OpenSSL writes it.
const PRIVATE: &str = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n-----END PRIVATE KEY-----\n";
const PUBLIC: &str = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n-----END PUBLIC KEY-----\n";
const SIGNED: &str = "--audit-signing-key-file=audit.key";

fn with_keys() -> Installation {
    let installation = Installation::new();
    write_secretly(&installation.path("audit.key"), PRIVATE);
    fs::write(installation.path("audit.pub"), PUBLIC).unwrap();
    installation
}

fn refused(outcome: &Outcome, expected: &str) {
    assert_eq!(outcome.status, Some(1), "{outcome:?}");
    assert!(outcome.stderr.contains(expected), "{}", outcome.stderr);
}

/// Runs statements past the service, and past what protects the log.
fn alter(installation: &Installation, statements: &str) {
    let connection = connection_to(&installation.database());
    let select = "SELECT name, sql FROM sqlite_schema WHERE type = 'trigger' AND tbl_name = 'audit_event'";
    let mut triggers = connection.prepare(select).unwrap();
    let triggers = triggers.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    let triggers: Vec<(String, String)> = triggers.map(Result::unwrap).collect();
    assert_eq!(triggers.len(), 3);
    let drop = triggers.iter().map(|(name, _)| format!("DROP TRIGGER {name}"));
    let restore = triggers.iter().map(|(_, sql)| sql.clone());
    let all: Vec<_> = drop.chain([statements.to_owned()]).chain(restore).collect();
    tamper(&installation.database(), &all.join(";\n"));
}

#[tokio::test]
async fn the_log_is_listed_exported_and_verified_while_the_service_runs() {
    let installation = with_keys();
    let (serving, acme) = installation.acme(&[SIGNED]).await;
    let jane = acme.ram_user("jane", "mypassword").await;
    acme.root.with_token_instead(&jane).err("ListRamUsers", json!({}), "ACCESS_DENIED").await;

    let request = json!({ "caller_kind": "CALLER_KIND_OPERATOR", "caller_name": "jane" });
    let operator = token(&acme.operator, request).await;
    let list = |arguments: &[&str]| {
        let arguments = [&["audit", "list"], arguments].concat();
        outcome(installation.calling(&serving.address.to_string(), &operator, &arguments)).printed()
    };
    let denied = list(&["--outcome", "denied"]);
    assert_eq!(denied.lines().count(), 1, "{denied}");
    assert!(denied.contains(" denied acme/ram-user/jane admin:ListRamUsers tenant/acme ACCESS_DENIED "), "{denied}");
    let json: Value = serde_json::from_str(&list(&["--json", "--by", "acme/ram-user/jane"])).unwrap();
    assert_eq!((&json["outcome"], &json["caller"]), (&json!("denied"), &json!("acme/ram-user/jane")));
    assert_eq!(list(&["--limit", "2"]).lines().count(), 2);

    let verify = |arguments: &[&str]| installation.run(&[&["audit", "verify"], arguments].concat());
    let sound = verify(&[SIGNED]).printed();
    assert!(sound.starts_with("sound: ") && sound.contains("signed up to position "), "{sound}");
    installation.run(&["audit", "export", "audit.jsonl"]).printed();
    let of_file = verify(&["audit.jsonl", "--public-key", "audit.pub"]).printed();
    assert!(of_file.contains("signed up to position "), "{of_file}");
    assert!(verify(&["audit.jsonl"]).printed().contains("signatures were not checked"));

    let exported = fs::read_to_string(installation.path("audit.jsonl")).unwrap();
    fs::write(installation.path("altered.jsonl"), exported.replace("user/jane", "user/joan")).unwrap();
    let altered = verify(&["altered.jsonl", "--public-key", "audit.pub"]);
    refused(&altered, "an event or the checkpoint was altered");
    refused(&verify(&["altered.jsonl"]), "the range of positions ");
    serving.stop().await;
    assert!(verify(&[SIGNED, "--contains", "audit.jsonl"]).printed().starts_with("sound: "));
}

#[tokio::test]
async fn events_are_listed_by_time_and_subject_and_followed_as_they_come() {
    let installation = with_keys();
    let (serving, acme) = installation.acme(&[SIGNED]).await;
    let request = json!({ "caller_kind": "CALLER_KIND_OPERATOR", "caller_name": "jane" });
    let operator = token(&acme.operator, request).await;
    let calling = |arguments: &[&str]| installation.calling(&serving.address.to_string(), &operator, arguments);
    let list = |arguments: &[&str]| {
        let listed = outcome(calling(&[&["audit", "list", "--json"], arguments].concat())).printed();
        listed.lines().map(|line| serde_json::from_str(line).unwrap()).collect::<Vec<Value>>()
    };
    for name in ["first", "second", "third"] {
        acme.ram_user(name, "mypassword").await;
    }
    for name in ["second", "third"] {
        acme.root.ok("ResetPassword", json!({ "subject": { "ram_user": name }, "password": "newpassword" })).await;
    }
    let created = |events: &[Value]| {
        let created = events.iter().filter(|event| event["action"] == "admin:CreateRamUser");
        created.map(|event| event["resource"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let (all, resource) = (list(&[]), |name: &str| format!("acs:ram::acme:user/{name}"));
    assert_eq!(created(&all), ["first", "second", "third"].map(resource));
    let second = all.iter().find(|event| event["resource"] == resource("second")).unwrap();
    let time = second["time"].as_str().unwrap();
    assert_eq!(created(&list(&["--since", time])), ["second", "third"].map(resource));
    assert_eq!(created(&list(&["--until", time])), ["first"].map(resource));
    assert!(list(&["--since", time, "--until", time]).is_empty());
    let reset = all.iter().find(|event| event["action"] == "admin:ResetPassword").unwrap();
    let of_subject = list(&["--subject-id", reset["subject_id"].as_str().unwrap()]);
    assert_eq!((&of_subject[..], &reset["resource"]), (&[reset.clone()][..], &json!(resource("second"))));

    let root = token(&acme.root, json!({ "caller_kind": "CALLER_KIND_ROOT" })).await;
    let mut tail = calling(&["audit", "tail", "--json", "--outcome", "done"]);
    let file = installation.path("tailed");
    let mut tail = tail.stdout(fs::File::create(&file).unwrap()).spawn().unwrap();
    let mut names = (0..).map(|number| format!("later-{number}"));
    let line = eventually("an event", || {
        // It may not follow yet.
        let user = names.next().unwrap();
        let create = ["create-ram-user", "--user-name", &user];
        installation.admin(&serving.address.to_string(), &root, &create, "").printed();
        fs::read_to_string(&file).unwrap().lines().next().map(str::to_owned)
    })
    .await;
    tail.kill().unwrap();
    tail.wait().unwrap();
    let event: Value = serde_json::from_str(&line).unwrap();
    assert_eq!((&event["outcome"], &event["action"]), (&json!("done"), &json!("admin:CreateRamUser")));
    assert!(event["resource"].as_str().unwrap().contains("user/later-"), "{event}");
    serving.stop().await;
}

/// The count of repeated refusals is recorded as an event of its own, after the last call.
#[tokio::test]
async fn a_stop_closes_the_last_range() {
    let installation = with_keys();
    let (serving, acme) = installation.acme(&[SIGNED]).await;
    let jane = acme.ram_user("jane", "mypassword").await;
    for _ in 0..3 {
        acme.root.with_token_instead(&jane).err("ListRamUsers", json!({}), "ACCESS_DENIED").await;
    }
    serving.stop().await;
    let count = |condition: &str| {
        let select = format!("SELECT count(*) FROM audit_event WHERE {condition}");
        connection_to(&installation.database()).query_row(&select, [], |row| row.get::<_, u32>(0)).unwrap()
    };
    assert_eq!((count("outcome = 'denied'"), count("position IS NULL")), (2, 0));
    let sound = installation.run(&["audit", "verify", SIGNED]).printed();
    assert!(sound.starts_with(&format!("sound: {} events ", count("TRUE"))), "{sound}");
}

#[tokio::test]
async fn an_event_that_can_not_be_read_is_shown_and_hides_no_other() {
    let installation = with_keys();
    let (serving, acme) = installation.acme(&[SIGNED]).await;
    let damaged = "INSERT INTO audit_event (id, at, request_id, caller_kind, caller_name, action, resource, outcome)
         VALUES ('00000000-0000-4000-8000-000000000000', 2, X'ff', 'operator', 'boss', 'admin:New', 'installation', 'done')";
    tamper(&installation.database(), &damaged.replace("X'ff'", "CAST(X'ff' AS TEXT)"));
    let of_acme = "INSERT INTO audit_event
             (id, at, request_id, caller_kind, caller_name, action, resource, outcome, tenant_id)
         SELECT '00000000-0000-4000-8000-000000000001', 2, '', 'operator', 'boss', 'admin:New', 'x', 'done', id
         FROM tenant WHERE name = 'acme'";
    tamper(&installation.database(), of_acme);
    acme.ram_user("jane", "mypassword").await;
    let request = json!({ "caller_kind": "CALLER_KIND_OPERATOR", "caller_name": "jane" });
    let operator = token(&acme.operator, request).await;
    let root = token(&acme.root, json!({ "caller_kind": "CALLER_KIND_ROOT" })).await;
    // A tenant sees that there is one of its own, and not that there are others.
    for (token, filters, expected) in [
        (&operator, &[][..], 2),
        (&root, &[], 1),
        (&root, &["--outcome", "changed"], 1),
        (&operator, &["--outcome", "changed"], 0),
    ] {
        let list = [&["audit", "list"], filters].concat();
        let listed = outcome(installation.calling(&serving.address.to_string(), token, &list)).printed();
        assert_eq!(listed.matches(" unreadable ").count(), expected, "{filters:?}: {listed}");
    }
    serving.stop().await;
    let found = installation.run(&["audit", "verify", SIGNED]);
    refused(&found, "the chain is sound, but events can't be read (2, the first at position ");
    installation.run(&["audit", "export", "audit.jsonl"]).printed();
    let exported = fs::read_to_string(installation.path("audit.jsonl")).unwrap();
    assert!(exported.contains(r#""request_id (bytes)":"[ff]""#), "{exported}");
    installation.run(&["audit", "verify", "audit.jsonl", "--public-key", "audit.pub"]).printed();
}

#[tokio::test]
async fn an_export_that_fails_leaves_no_file() {
    let installation = with_keys();
    let (serving, _) = installation.acme(&[SIGNED]).await;
    serving.stop().await;
    let files = || fs::read_dir(installation.path("")).unwrap().count();
    let before = files();
    // After what is before it has been written.
    tamper(&installation.database(), "UPDATE audit_checkpoint SET key_id = 'not a key'");
    refused(&installation.run(&["audit", "export", "audit.jsonl"]), "can't read the audit log");
    assert_eq!(files(), before);
    tamper(&installation.database(), "UPDATE audit_checkpoint SET key_id = NULL");
    installation.run(&["audit", "export", "audit.jsonl"]).printed();
    refused(&installation.run(&["audit", "export", "audit.jsonl"]), "can't create audit.jsonl");
    assert_eq!(files(), before + 1);
}

/// Statements that each flip one bit in a column of an event, or fill it where it is empty.
fn flips_in_an_event(installation: &Installation) -> Vec<String> {
    let connection = connection_to(&installation.database());
    // The number has no meaning, and the place is altered in ways of its own.
    let select = "SELECT name, type FROM pragma_table_info('audit_event') WHERE name NOT IN ('number', 'position')";
    let mut columns = connection.prepare(select).unwrap();
    let columns = columns.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    let columns: Vec<(String, String)> = columns.map(Result::unwrap).collect();
    assert!(columns.len() > 15, "{columns:?}");
    let flip = |column: (String, String)| {
        let (name, kind) = (&column.0, column.1.as_str());
        let flipped = match kind {
            "INTEGER" => format!("coalesce(({name} | 1) - ({name} & 1), 0)"),
            "TEXT" => format!(
                "coalesce(substr({name}, 1, length({name}) - 1)
                     || char((unicode(substr({name}, -1)) | 1) - (unicode(substr({name}, -1)) & 1)), 'x')"
            ),
            other => panic!("{other}"),
        };
        format!("UPDATE audit_event SET {name} = {flipped} WHERE position = 3")
    };
    columns.into_iter().map(flip).collect()
}

#[tokio::test]
async fn whatever_is_altered_in_the_store_is_found() {
    let installation = with_keys();
    let (serving, acme) = installation.acme(&[SIGNED]).await;
    acme.ram_user("jane", "mypassword").await;
    let waiting = "SELECT count(*) FROM audit_event WHERE position IS NULL";
    let closed = || connection_to(&installation.database()).query_row(waiting, [], |row| row.get::<_, u32>(0)).unwrap();
    eventually("the end of the range", || (closed() == 0).then_some(())).await;
    serving.stop().await;
    installation.run(&["audit", "export", "audit.jsonl"]).printed();
    let verify = || installation.run(&["audit", "verify", SIGNED, "--contains", "audit.jsonl"]);
    verify().printed();
    let whole = fs::read(installation.database()).unwrap();
    for statement in flips_in_an_event(&installation) {
        alter(&installation, &statement);
        refused(&verify(), "an event or the checkpoint was altered");
        fs::write(installation.database(), &whole).unwrap();
    }
    for statements in [
        "DELETE FROM audit_event WHERE position = 3",
        "UPDATE audit_event SET outcome = 'denied' WHERE position = 3",
        "UPDATE audit_event SET at = at + 1 WHERE position = 3",
        "UPDATE audit_event SET process = NULL WHERE position = 3",
        "UPDATE audit_event SET position = 1000 WHERE position = 3",
        "UPDATE audit_event SET position = NULL WHERE position = 3",
        "DELETE FROM audit_checkpoint WHERE first = 1",
        "INSERT INTO audit_event (id, at, request_id, caller_kind, caller_name, action, resource, outcome, position)
         SELECT '00000000-0000-4000-8000-000000000000', at, request_id, caller_kind, caller_name, action, resource, outcome,
         1000 FROM audit_event WHERE position = 1",
        "UPDATE audit_checkpoint SET hash = randomblob(32) WHERE first = 1",
        "UPDATE audit_checkpoint SET signature = randomblob(64) WHERE first = 1",
        "UPDATE audit_checkpoint SET closed_at = closed_at + 1 WHERE first = 1",
        "UPDATE audit_checkpoint SET key_id = NULL, signature = NULL WHERE first = 1",
        "UPDATE audit_cut SET hash = randomblob(32)",
        "UPDATE audit_cut SET (last, hash) = (SELECT last, hash FROM audit_checkpoint WHERE first = 1);
         DELETE FROM audit_event WHERE position <= (SELECT last FROM audit_checkpoint WHERE first = 1);
         DELETE FROM audit_checkpoint WHERE first = 1",
        "UPDATE audit_cut SET last = 1",
        "DELETE FROM audit_event; DELETE FROM audit_checkpoint",
        "DELETE FROM audit_event WHERE position = (SELECT max(last) FROM audit_checkpoint);
         DELETE FROM audit_checkpoint WHERE last = (SELECT max(last) FROM audit_checkpoint)",
    ] {
        alter(&installation, statements);
        let found = verify();
        assert_eq!(found.status, Some(1), "{statements}: {found:?}");
        fs::write(installation.database(), &whole).unwrap();
    }
    verify().printed();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_on_postgresql_is_verified_too() {
    let cluster = Cluster::with_store().await;
    let installation = with_keys();
    let url = cluster.url("credentiald");
    write_secretly(&installation.path("runs.url"), url);
    let on = ["--store-url-file", "runs.url", SIGNED];
    let run = |command: &[&str]| installation.run(&[command, &on].concat());
    let token = run(&["bootstrap"]).printed().trim().to_owned();
    let serving = installation.serve(&on).await;
    Acme::create(serving.address, &token).await;
    let soon = || Some(run(&["audit", "verify"]).printed()).filter(|sound| !sound.contains(" 0 ranges"));
    let sound = eventually("a range", soon).await;
    assert!(sound.contains("signed up to position "), "{sound}");
    serving.stop().await;
    let alter = "SET session_replication_role = replica;
        UPDATE audit_event SET resource = 'x' WHERE position = 1";
    cluster.run("credentiald", &[alter]).await;
    refused(&run(&["audit", "verify"]), "an event or the checkpoint was altered");
}
