//! `import` and `export`, against a service that is another process.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::process::Stdio;

use serde_json::{Value, json};

use super::installation::{Installation, Outcome, outcome};
use super::serving::{Serving, eventually};
use crate::support::Client;

const PASSWORD: &str = "Tr0ub4dor&3 \u{e9}";
/// Of [`PASSWORD`], by other programs.
const HASHES: [&str; 6] = [
    "$2b$05$abcdefghijklmnopqrstuuqR2uuDorzuqQLTtL7Oj8K/e7dgq/Feq",
    "$argon2id$v=19$m=19456,t=2,p=1$MDEyMzQ1Njc4OWFiY2RlZg$BXndOOLBet0oq0DZ4Mw9NnMdyVmZR8r7AK8Gr+UNlz4",
    "$scrypt$ln=10,r=4,p=3$MDEyMzQ1Njc4OWFiY2RlZg$yW+VRVPG5FPRrIHp+dqJf2w83ob7Ee+NnZGRNTSC8mA",
    "$pbkdf2-sha256$i=29000$MDEyMzQ1Njc4OWFiY2RlZg$f9l1Zhm2aQC8YoY43s3vfD+ErgWUFU4ni8wj7jFR9Qw",
    "$5$saltstring$frHR6Ix2hKx9/57A5HTF6sr1Ywqynok5BQyevWPs1Z7",
    "$6$rounds=1000$./AZaz09$WzksBS0C9hrdigb96kN90CIN0MSJgtFeOT7NP/vrCN4.Hg7uxQ7tGPde8lvdpEsquQG/H.L1RPlgtJQD5kaW70",
];
const BCRYPT: &str = HASHES[0];

/// A service, and who administers it with commands.
struct Administered {
    installation: Installation,
    serving: Serving,
    operator: String,
}

impl Administered {
    async fn start() -> Self {
        let installation = Installation::new();
        let operator = installation.bootstrap();
        let serving = installation.serve(&["--hashing-workers", "1"]).await;
        let administered = Self { installation, serving, operator };
        administered.run(&["admin", "create-tenant", "--tenant", "acme"]).printed();
        administered.run(&["admin", "create-instance", "--tenant", "acme", "--instance-id", "r-1"]).printed();
        administered
    }

    fn address(&self) -> String {
        self.serving.address.to_string()
    }

    fn run(&self, arguments: &[&str]) -> Outcome {
        outcome(self.installation.calling(&self.address(), &self.operator, arguments))
    }

    fn file(&self, name: &str, text: &str) -> String {
        fs::write(self.installation.path(name), text).unwrap();
        name.to_owned()
    }

    fn export(&self) -> Vec<Value> {
        let printed = self.run(&["export", "--tenant", "acme"]).printed();
        printed.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    async fn posture(&self) -> Value {
        let client = Client::new(self.serving.address).with_token(&self.operator);
        client.ok("DescribeHashPosture", json!({ "tenant": "acme" })).await
    }

    async fn relay(&self) -> Client {
        let operator = Client::new(self.serving.address).with_token(&self.operator);
        let relay = json!({ "tenant": "acme", "caller_kind": "CALLER_KIND_SERVICE", "caller_name": "relay" });
        let token = super::tenant::token(&operator, relay).await;
        Client::new(self.serving.address).with_token(&token)
    }
}

fn lines(rows: impl Iterator<Item = Value>) -> String {
    rows.fold(String::new(), |mut lines, row| {
        writeln!(lines, "{row}").unwrap();
        lines
    })
}

#[tokio::test]
async fn imported_passwords_verify_and_their_hashes_are_upgraded() {
    let mut admin = Administered::start().await;
    let row =
        |(number, hash)| json!({ "tenant": "acme", "kind": "ram-user", "name": format!("u{number}"), "hash": hash });
    let jsonl = lines(HASHES.iter().enumerate().map(row));
    let csv = format!(
        "tenant,kind,name,instance,status,tags,hash,change_time\n\
         acme,mail-domain,Example.com,,without-cname,,{BCRYPT},2025-06-01T12:00:00Z\n\
         acme,iam-user,7,,,\"{{\"\"team\"\":\"\"mail\"\"}}\",{BCRYPT},\n\
         acme,instance-account,app,r-1,,,{BCRYPT},\n"
    );
    let files = [admin.file("users.jsonl", &jsonl), admin.file("rest.csv", &csv)];
    assert_eq!(
        admin.run(&["import", &files[0]]).printed(),
        "imported 6, unchanged 0, skipped 0, refused 0, held back with them 0\n"
    );
    assert_eq!(
        admin.run(&["import", &files[1]]).printed(),
        "imported 3, unchanged 0, skipped 0, refused 0, held back with them 0\n"
    );
    assert_eq!(
        admin.run(&["import", &files[1]]).printed(),
        "imported 0, unchanged 3, skipped 0, refused 0, held back with them 0\n"
    );

    let relay = admin.relay().await;
    let account = json!({ "instance_account": { "instance_id": "r-1", "account_name": "app" } });
    let mut subjects = vec![json!({ "mail_domain": "example.com" }), json!({ "iam_user": "7" }), account];
    subjects.extend((0..HASHES.len()).map(|number| json!({ "ram_user": format!("u{number}") })));
    for subject in subjects {
        for (password, expected) in [(PASSWORD, "MATCHED_CURRENT"), ("another", "NOT_MATCHED")] {
            let reply = relay.ok("VerifyPassword", json!({ "subject": subject, "password": password })).await;
            assert_eq!(reply["result"], expected, "{subject}");
        }
    }
    // Whoever stops in order waits for the upgrades.
    admin.serving.signal("TERM");
    assert!(admin.serving.ended().await.success());
    admin.serving = admin.installation.serve(&[]).await;
    let posture = admin.posture().await;
    assert_eq!((&posture["hashes"], posture.get("below_target")), (&json!("9"), None), "{posture}");
}

#[tokio::test]
async fn every_refused_row_is_reported_with_its_number_and_all_of_its_problems() {
    let admin = Administered::start().await;
    let rows = [
        json!({ "tenant": "acme", "kind": "ram-user", "name": "good", "hash": BCRYPT }).to_string(),
        "{".to_owned(),
        String::new(),
        json!({ "tenant": "nobody", "kind": "ram-user", "name": "a b", "hash": "plain" }).to_string(),
        json!({ "tenant": "acme", "kind": "user", "name": "a", "colour": "red", "hash": "$9$x$y" }).to_string(),
        json!({ "tenant": "acme", "kind": "instance-account", "instance": "r-2", "name": "app", "status": "gone", "hash": BCRYPT }).to_string(),
        json!({ "tenant": "acme", "kind": "ram-user", "name": "good", "hash": HASHES[1] }).to_string(),
    ];
    let file = admin.file("bad.jsonl", &rows.join("\n"));
    let expected = "\
row 2: is not JSON, from character 1 on (MALFORMED)
row 4: name: contains a character that is not allowed; allowed are A-Z a-z 0-9 . _ - (CHARACTER_NOT_ALLOWED)
row 4: hash: has no known form: it begins like no hash that can be read (MALFORMED)
row 5: colour: is not a column of an import (MALFORMED)
row 5: kind: must be one of mail-domain, ram-user, iam-user and instance-account (MALFORMED)
row 5: hash: has no known form: it begins like no hash that can be read (MALFORMED)
row 6: status: must be available or unavailable (MALFORMED)
row 6: instance: does not exist (INSTANCE_NOT_FOUND)
row 7: hash: an earlier row has the subject with another hash, or none (ALREADY_EXISTS)
1 refused: MALFORMED
1 refused: colour: MALFORMED
1 refused: hash: ALREADY_EXISTS
2 refused: hash: MALFORMED
1 refused: instance: INSTANCE_NOT_FOUND
1 refused: kind: MALFORMED
1 refused: name: CHARACTER_NOT_ALLOWED
1 refused: status: MALFORMED
";
    let algorithms = "1 of argon2id\n2 of bcrypt\n1 of no hash\n2 of unknown\n";
    let dry_run = (&["import", "--dry-run", &file][..], "dry run: would import", algorithms);
    for (arguments, done, algorithms) in [dry_run, (&["import", &file], "imported", "")] {
        let ended = admin.run(arguments);
        let lines: Vec<&str> = ended.stdout.lines().collect();
        let mut sorted: Vec<&str> = expected.lines().chain(algorithms.lines()).collect();
        let (sums, mut problems) = lines.split_last().unwrap();
        let mut problems: Vec<&str> = std::mem::take(&mut problems).to_vec();
        problems.sort_unstable();
        sorted.sort_unstable();
        assert_eq!(problems, sorted);
        assert_eq!(*sums, format!("{done} 0, unchanged 0, skipped 0, refused 5, held back with them 1"));
        assert_eq!((ended.status, ended.stderr.as_str()), (Some(1), "error: 5 rows were refused\n"));
        assert!(!ended.stdout.contains("$2b$") && !ended.stdout.contains("plain"), "{}", ended.stdout);
    }
    let late = admin.run(&["import", "--from-row", "7", &file]);
    assert_eq!(late.printed(), "imported 1, unchanged 0, skipped 0, refused 0, held back with them 0\n");
}

#[tokio::test]
async fn a_file_that_can_not_be_imported_is_reported() {
    let admin = Administered::start().await;
    let csv = admin.file("bad.csv", "kind,name,colour\n");
    for (arguments, status, message) in [
        (&["import", "absent.jsonl"][..], 1, "error: can't read absent.jsonl"),
        (&["import", &csv], 1, "there is no column \"colour\", the column \"hash\" is missing"),
        (&["import", "--from-row", "x", &csv], 2, "--from-row"),
        (&["import"], 2, "<FILE>"),
    ] {
        let ended = admin.run(arguments);
        assert_eq!((ended.status, ended.stdout.as_str()), (Some(status), ""), "{}", ended.stderr);
        assert!(ended.stderr.contains(message), "{}", ended.stderr);
    }
    let file = admin.file("users.jsonl", "{}");
    let nobody = outcome(admin.installation.calling(&admin.address(), "cdt_nobody", &["import", &file]));
    assert_eq!(nobody.status, Some(1));
    assert!(nobody.stderr.contains("UNAUTHENTICATED") && nobody.stderr.contains("run the same command again"));
}

#[tokio::test]
async fn an_import_that_was_killed_is_finished_by_running_it_again() {
    let mut admin = Administered::start().await;
    let rows = |range: std::ops::Range<u32>| {
        let row =
            |number| json!({ "tenant": "acme", "kind": "ram-user", "name": format!("u{number}"), "hash": BCRYPT });
        lines(range.map(row))
    };
    let mut command = admin.installation.calling(&admin.address(), &admin.operator, &["import", "-"]);
    let stderr = fs::File::create(admin.installation.path("stderr")).unwrap();
    let mut importing = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(stderr).spawn().unwrap();
    // Nobody says that the file has ended: the import is under way when the service is killed.
    let mut pipe = importing.stdin.take().unwrap();
    pipe.write_all(rows(0..3000).as_bytes()).unwrap();
    pipe.flush().unwrap();
    let count = |admin: &Administered| admin.export().iter().filter(|row| row["kind"] == "ram-user").count();
    eventually("a batch", || (count(&admin) > 0).then_some(())).await;
    admin.serving.kill();
    let status = eventually("the end of the import", || importing.try_wait().unwrap()).await;
    assert_eq!(status.code(), Some(75));
    let complaint = fs::read_to_string(admin.installation.path("stderr")).unwrap();
    assert!(complaint.contains("run the same command again"), "{complaint}");

    assert_eq!(admin.installation.run(&["store", "check"]).printed(), "the store is undamaged\n");
    admin.serving = admin.installation.serve(&[]).await;
    let there = count(&admin);
    assert!(there > 0 && there < 4000, "{there}");
    let file = admin.file("users.jsonl", &rows(0..4000));
    let sums = format!("imported {}, unchanged {there}, skipped 0, refused 0, held back with them 0\n", 4000 - there);
    assert_eq!(admin.run(&["import", &file]).printed(), sums);
    assert_eq!(count(&admin), 4000);
}

#[tokio::test]
async fn an_export_with_a_column_of_hashes_is_an_import() {
    let from = Administered::start().await;
    let rows = [
        json!({ "tenant": "acme", "kind": "mail-domain", "name": "example.com", "status": "verification-failed", "hash": BCRYPT }),
        json!({ "tenant": "acme", "kind": "ram-user", "name": "alice", "hash": BCRYPT }),
        json!({ "tenant": "acme", "kind": "iam-user", "name": "7", "user_name": "Jane", "tags": { "a": "b" }, "hash": BCRYPT }),
        // Without a user name, its name is its id.
        json!({ "tenant": "acme", "kind": "iam-user", "name": "8e07", "hash": BCRYPT }),
        json!({ "tenant": "acme", "kind": "instance-account", "instance": "r-1", "name": "app", "hash": BCRYPT }),
    ];
    let file = from.file("rows.jsonl", &lines(rows.iter().cloned()));
    from.run(&["import", &file]).printed();
    from.run(&["export", "all.csv"]).printed();
    let csv = fs::read_to_string(from.installation.path("all.csv")).unwrap();
    let with_hash = |(number, line): (usize, &str)| match number {
        0 => format!("{line},hash\n"),
        _ if line.contains("ram-user") || line.contains("iam-user") => format!("{line},{BCRYPT}\n"),
        // A tenant and an instance have none, and neither has what the operator leaves out here.
        _ => format!("{line},\n"),
    };
    let csv: String = csv.lines().enumerate().map(with_hash).collect();
    let with_hash = |row: &Value| {
        let mut row = row.clone();
        if !["tenant", "instance"].contains(&row["kind"].as_str().unwrap()) {
            row["hash"] = json!(BCRYPT);
        }
        row
    };
    let exported = from.export();
    let jsonl = lines(exported.iter().map(with_hash));

    let to = Administered::start().await;
    let csv = to.run(&["import", &to.file("all.csv", &csv), "--without-password"]).printed();
    assert!(csv.contains("imported 5, unchanged 0, skipped 0, refused 0"), "{csv}");
    let again = Administered::start().await;
    let jsonl = again.run(&["import", &again.file("all.jsonl", &jsonl)]).printed();
    assert!(jsonl.contains("imported 5, unchanged 0, skipped 0, refused 0"), "{jsonl}");
    let comparable = |rows: Vec<Value>| {
        let mut rows = rows;
        for row in &mut rows {
            for of_its_own in ["subject_id", "create_time"] {
                row.as_object_mut().unwrap().remove(of_its_own);
            }
        }
        rows
    };
    assert_eq!(comparable(again.export()), comparable(exported));
}

#[tokio::test]
async fn the_directory_is_exported_without_hashes_and_comes_back_with_them() {
    let admin = Administered::start().await;
    let rows = [
        json!({ "tenant": "acme", "kind": "mail-domain", "name": "Example.com", "region": "cn-beijing",
                "status": "without-cname-and-icp-filing", "hash": BCRYPT, "change_time": "2025-06-01T12:00:00Z" }),
        json!({ "tenant": "acme", "kind": "ram-user", "name": "alice", "hash": BCRYPT }),
        json!({ "tenant": "acme", "kind": "iam-user", "name": "7", "user_name": "Jane Doe",
                "tags": { "team": "a,\"b\"" }, "hash": BCRYPT }),
        json!({ "tenant": "acme", "kind": "iam-user", "name": "8e07", "hash": BCRYPT }),
        json!({ "tenant": "acme", "kind": "instance-account", "instance": "r-1", "name": "app",
                "status": "unavailable", "hash": BCRYPT }),
    ];
    let file = admin.file("rows.jsonl", &lines(rows.iter().cloned()));
    admin.run(&["import", &file]).printed();
    admin.run(&["admin", "create-ram-user", "--tenant", "acme", "--user-name", "bare"]).printed();

    let exported = admin.export();
    let kinds: Vec<&str> = exported.iter().map(|row| row["kind"].as_str().unwrap()).collect();
    let expected =
        ["tenant", "mail-domain", "ram-user", "ram-user", "iam-user", "iam-user", "instance", "instance-account"];
    assert_eq!(kinds, expected);
    assert_eq!(exported[1]["change_time"], "2025-06-01T12:00:00Z");
    assert_eq!((&exported[2]["version"], exported[3].get("version")), (&json!(1), None));
    for row in &rows {
        let same = |found: &&Value| ["tenant", "kind", "name"].iter().all(|column| found[*column] == row[*column]);
        let found = exported.iter().find(same).unwrap();
        for (column, value) in row.as_object().unwrap().iter().filter(|(column, _)| *column != "hash") {
            assert_eq!(&found[column], value, "{found}");
        }
        assert!(found["subject_id"].is_string() && found["create_time"].is_string());
    }

    // Everything of every tenant, as CSV, which says the same.
    admin.run(&["export", "all.csv"]).printed();
    let csv = fs::read_to_string(admin.installation.path("all.csv")).unwrap();
    assert!(!csv.contains("$2b$") && !csv.contains("hash"), "{csv}");
    let mut reader = csv::Reader::from_reader(csv.as_bytes());
    let records: Vec<BTreeMap<String, String>> = reader.deserialize().map(|record| record.unwrap()).collect();
    assert_eq!(records.len(), exported.len());
    assert_eq!(records[4]["tags"], r#"{"team":"a,\"b\""}"#);
    let again = admin.run(&["export", "all.csv"]);
    assert_eq!(again.status, Some(1), "a file is never written over");

    let root = json!({ "tenant": "acme", "caller_kind": "CALLER_KIND_ROOT" });
    let operator = Client::new(admin.serving.address).with_token(&admin.operator);
    let root = super::tenant::token(&operator, root).await;
    let export = |arguments: &[&str]| outcome(admin.installation.calling(&admin.address(), &root, arguments));
    assert_eq!(export(&["export", "--tenant", "acme"]).printed().lines().count(), 8);
    let refused = export(&["export", "mine.jsonl"]);
    assert!(refused.stderr.contains("ACCESS_DENIED") && !admin.installation.path("mine.jsonl").exists());
}
