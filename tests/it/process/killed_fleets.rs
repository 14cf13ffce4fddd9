//! `rotate`, killed before each of its writes: the password that is in force is at the destination even then, and the next process
//! concludes the run.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::fleets::{FIRST, Fleet};
use super::installation::{Outcome, outcome, write_secretly};

/// Hashes as cheap as the service permits, and room for wrong passwords, since they are meant here.
const SETTINGS: [&str; 10] = [
    "--hashing-memory-kib",
    "7168",
    "--hashing-iterations",
    "5",
    "--hashing-ceiling-kib",
    "7168",
    "--attempts-allowance",
    "100",
    "--attempts-subject-allowance",
    "1000",
];
const NAMES: [&str; 2] = ["app", "web"];
/// The writes of a run with one batch: the list, the passwords, that they are prepared, that they are changed, that they are set, that
/// this is done.
const WRITES: u32 = 6;
/// The write that marks passwords as set at the destination.
const MARK: u32 = 5;

/// A library that kills a process before one of its writes.
struct Killer(TempDir);

impl Killer {
    fn new() -> Self {
        let killer = Self(tempfile::tempdir().unwrap());
        // There is one wherever Rust programs are linked.
        let mut compiler = Command::new("cc");
        compiler.args(["-shared", "-fPIC", "-Wall", "-Werror", "-O2", "-o"]).arg(killer.library());
        compiler.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/process/killed_before_write.c"));
        assert!(compiler.status().unwrap().success());
        killer
    }

    fn library(&self) -> PathBuf {
        self.0.path().join("killer.so")
    }

    /// A run that is killed before that write.
    fn run(&self, fleet: &Fleet, arguments: &[&str], write: u32) -> Outcome {
        let address = fleet.serving.address.to_string();
        let mut command = fleet.installation.calling(&address, &fleet.root, &[&["rotate"], arguments].concat());
        command.env("LD_PRELOAD", self.library()).env("KILL_BEFORE_WRITE", write.to_string());
        outcome(command)
    }
}

#[derive(Clone, Copy)]
enum Destination {
    Lines,
    Manifest,
}

/// The passwords of a subject at a destination.
#[derive(Default)]
struct Kept {
    pending: Option<String>,
    set: Option<String>,
}

impl Destination {
    fn file(self, instance: &str) -> String {
        match self {
            Self::Lines => format!("{instance}.jsonl"),
            Self::Manifest => format!("{instance}.json"),
        }
    }

    fn arguments(self, instance: &str) -> Vec<String> {
        let words = match self {
            Self::Lines => vec!["--file"],
            Self::Manifest => vec!["--secret-name", "redis", "--manifest"],
        };
        words.into_iter().map(str::to_owned).chain([self.file(instance)]).collect()
    }

    /// What is there before the run: systems read the Secret already.
    fn prepare(self, fleet: &Fleet, instance: &str) {
        if let Self::Manifest = self {
            let data: Value =
                NAMES.map(|name| (format!("{instance}.{name}"), json!(STANDARD.encode(FIRST)))).into_iter().collect();
            let secret = json!({ "apiVersion": "v1", "kind": "Secret", "type": "Opaque",
                "metadata": { "name": "redis" }, "data": data });
            write_secretly(&fleet.installation.path(&self.file(instance)), secret.to_string());
        }
    }

    fn kept(self, fleet: &Fleet, instance: &str, name: &str) -> Kept {
        let path = fleet.installation.path(&self.file(instance));
        let Ok(text) = fs::read_to_string(path) else { return Kept::default() };
        let mut kept = Kept::default();
        match self {
            Self::Lines => {
                let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
                for line in lines.filter(|line| line["name"] == name) {
                    let password = line["password"].as_str().map(str::to_owned);
                    *(if line["state"] == "set" { &mut kept.set } else { &mut kept.pending }) = password;
                }
            }
            Self::Manifest => {
                let file: Value = serde_json::from_str(&text).unwrap();
                let password = |secret: &Value| {
                    let value = secret["data"][format!("{instance}.{name}")].as_str()?;
                    Some(String::from_utf8(STANDARD.decode(value).unwrap()).unwrap())
                };
                let secrets = if file["kind"] == "List" { &file["items"] } else { &json!([file]) };
                kept = Kept { set: password(&secrets[0]), pending: password(&secrets[1]) };
            }
        }
        kept
    }
}

fn account(instance: &str, name: &str) -> Value {
    json!({ "instance_account": { "instance_id": instance, "account_name": name } })
}

/// The password in force is at the destination, and one that is marked as set there can be used.
async fn assert_nothing_is_lost(fleet: &Fleet, destination: Destination, instance: &str) {
    for name in NAMES {
        let Kept { pending, set } = destination.kept(fleet, instance, name);
        let mut results = Vec::new();
        for password in [Some(FIRST), pending.as_deref(), set.as_deref()].into_iter().flatten() {
            results.push(fleet.verified(account(instance, name), password).await);
        }
        assert!(results.iter().any(|result| result == "MATCHED_CURRENT"), "{instance} {name}: {results:?}");
        assert!(set.is_none() || results.last().is_some_and(|last| last != "NOT_MATCHED"), "{instance} {name}");
    }
}

#[tokio::test]
async fn a_run_that_is_killed_before_any_of_its_writes_is_concluded() {
    let (fleet, killer) = (Fleet::start(&SETTINGS).await, Killer::new());
    let address = fleet.serving.address.to_string();
    for destination in [Destination::Lines, Destination::Manifest] {
        for write in 1..=WRITES + 1 {
            let instance = format!("r-{}-{write}", destination as u32);
            fleet.accounts_of(&instance, &NAMES).await;
            destination.prepare(&fleet, &instance);
            let where_to = destination.arguments(&instance);
            let mut arguments = vec!["--kind", "instance-account", "--instance-id", &instance, "--state", &instance];
            arguments.extend(["--overlap-seconds", "3600"]);
            arguments.extend(where_to.iter().map(String::as_str));
            let ended = killer.run(&fleet, &arguments, write);
            if write > WRITES {
                assert_eq!(ended.printed(), "rotated 2, left 0, failed 0, to go 0\n");
            } else {
                assert_eq!((ended.status, ended.stdout.as_str()), (None, ""), "{instance}: {}", ended.stderr);
                assert_nothing_is_lost(&fleet, destination, &instance).await;
                // A change that is recorded is not sent again: the service is not called at all.
                let token = if write < MARK { fleet.root.as_str() } else { "cdt_of-nobody" };
                let rotate = [&["rotate"], &arguments[..]].concat();
                let concluded = fleet.installation.call(&address, token, &rotate, "");
                assert!(concluded.stdout.ends_with("left 0, failed 0, to go 0\n"), "{instance}: {concluded:?}");
            }
            for name in NAMES {
                let Kept { set, pending } = destination.kept(&fleet, &instance, name);
                let set = set.unwrap();
                assert_eq!(
                    fleet.verified(account(&instance, name), &set).await,
                    "MATCHED_CURRENT",
                    "{instance} {name}"
                );
                assert_eq!(
                    fleet.verified(account(&instance, name), FIRST).await,
                    "MATCHED_PREVIOUS",
                    "{instance} {name}"
                );
                assert!(pending.is_none_or(|pending| pending == set), "{instance} {name}");
                let named = json!({ "instance_id": instance, "account_name": name });
                let described = fleet.acme.root.ok("DescribeInstanceAccount", named).await;
                assert_eq!(
                    described["instance_account"]["credential"]["version"], "2",
                    "{instance} {name}: changed once"
                );
            }
        }
    }
}

#[tokio::test]
async fn a_password_that_the_policy_no_longer_takes_is_replaced_by_the_next_run() {
    let fleet = Fleet::start(&SETTINGS).await;
    fleet.users(2).await;
    let arguments =
        ["--kind", "ram-user", "--state", "state", "--file", "passwords", "--max-failures", "9", "--tenant", "acme"];
    let killed = Killer::new().run(&fleet, &arguments, 3);
    assert_eq!(killed.status, None, "{}", killed.stderr);
    assert_eq!(fleet.lines("passwords").len(), 2);
    fleet.acme.root.ok("SetPasswordPolicy", json!({ "minimum_password_length": 32 })).await;
    let refused = fleet.rotate(&arguments);
    assert_eq!((refused.status, refused.stdout.as_str()), (Some(1), "rotated 0, left 0, failed 2, to go 2\n"));
    assert!(refused.stderr.contains("MIN_LENGTH"), "{}", refused.stderr);
    assert_eq!(fleet.rotate(&arguments).printed(), "rotated 2, left 0, failed 0, to go 0\n");
    fleet.assert_rotated_once(&fleet.lines("passwords"), 2).await;
}
