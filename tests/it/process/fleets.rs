//! `rotate`: new passwords for many subjects, as the binary gives them, also if it or the service is killed in the middle.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Command, Stdio};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use memchr::memmem;
use serde_json::{Value, json};

use super::installation::{Installation, Outcome, files, write_secretly};
use super::serving::{Serving, eventually};
use super::tenant::{Acme, token};

pub(super) const FIRST: &str = "First-Password-12";

/// A service with a tenant, and its root's token.
pub(super) struct Fleet {
    pub(super) installation: Installation,
    pub(super) serving: Serving,
    pub(super) acme: Acme,
    pub(super) root: String,
}

impl Fleet {
    pub(super) async fn start(settings: &[&str]) -> Self {
        let installation = Installation::new();
        let settings = [&["--hashing-workers", "1"], settings].concat();
        let (serving, acme) = installation.acme(&settings).await;
        let root = token(&acme.operator, json!({ "tenant": "acme", "caller_kind": "CALLER_KIND_ROOT" })).await;
        Self { installation, serving, acme, root }
    }

    pub(super) async fn users(&self, count: usize) {
        for number in 0..count {
            let user = json!({ "user_name": format!("user-{number:02}"), "password": FIRST });
            self.acme.root.ok("CreateRamUser", user).await;
        }
    }

    async fn accounts(&self, names: &[&str]) {
        self.accounts_of("r-1", names).await;
    }

    pub(super) async fn accounts_of(&self, instance: &str, names: &[&str]) {
        self.acme.root.ok("CreateInstance", json!({ "instance_id": instance })).await;
        for name in names {
            let account = json!({ "instance_id": instance, "account_name": name, "password": FIRST });
            self.acme.root.ok("CreateInstanceAccount", account).await;
        }
    }

    pub(super) fn rotate(&self, arguments: &[&str]) -> Outcome {
        self.rotate_as(&self.root, arguments)
    }

    /// The same, not waited for.
    fn rotating(&self, arguments: &[&str]) -> Child {
        let address = self.serving.address.to_string();
        let mut command: Command = self.installation.calling(&address, &self.root, &[&["rotate"], arguments].concat());
        command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    }

    /// The same, called with that token.
    pub(super) fn rotate_as(&self, token: &str, arguments: &[&str]) -> Outcome {
        let address = self.serving.address.to_string();
        self.installation.call(&address, token, &[&["rotate"], arguments].concat(), "")
    }

    pub(super) fn lines(&self, file: &str) -> Vec<Value> {
        lines(&fs::read_to_string(self.installation.path(file)).unwrap())
    }

    fn count(&self, file: &str, words: &str) -> usize {
        fs::read_to_string(self.installation.path(file)).map_or(0, |text| text.matches(words).count())
    }

    pub(super) async fn verified(&self, subject: Value, password: &str) -> String {
        let request = json!({ "subject": subject, "password": password });
        let reply = self.acme.relay.ok("VerifyPassword", request).await;
        reply["result"].as_str().unwrap().to_owned()
    }

    /// Each user has exactly one new password, which is the last one in the lines.
    pub(super) async fn assert_rotated_once(&self, lines: &[Value], count: usize) {
        let last = last_of_each(lines);
        assert_eq!(last.len(), count);
        for (name, password) in last {
            assert_eq!(self.acme.version(&name).await, 2, "{name} was changed once");
            assert_eq!(self.acme.verify(&name, &password).await, "MATCHED_CURRENT", "{name}");
        }
    }
}

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The last password of each subject.
fn last_of_each(lines: &[Value]) -> BTreeMap<String, String> {
    let text = |line: &Value, field: &str| line[field].as_str().unwrap().to_owned();
    lines.iter().map(|line| (text(line, "name"), text(line, "password"))).collect()
}

fn account(name: &str) -> Value {
    json!({ "instance_account": { "instance_id": "r-1", "account_name": name } })
}

#[tokio::test]
async fn accounts_are_rotated_without_an_outage_and_the_overlaps_are_ended() {
    let fleet = Fleet::start(&[]).await;
    fleet.accounts(&["app", "web"]).await;
    fleet.acme.root.ok("CreateInstanceAccount", json!({ "instance_id": "r-1", "account_name": "bare" })).await;
    let selection = ["--kind", "instance-account", "--instance-id", "r-1", "--overlap-seconds", "3600"];
    let dry = fleet.rotate(&[&selection[..], &["--dry-run"]].concat()).printed();
    assert!(dry.ends_with("dry run: would rotate 2, leave 0, fail 0; without a password 1\n"), "{dry}");
    let overlap = async |name: &str| {
        let described = fleet.acme.root.ok("DescribePasswordOverlap", json!({ "subject": account(name) })).await;
        described["overlap"].clone()
    };
    assert_eq!(overlap("app").await["current"]["version"], "1");
    assert!(overlap("app").await["overlap_seconds"].is_null(), "a dry run sets no overlap");

    let real = [&selection[..], &["--state", "state", "--file", "passwords"]].concat();
    let ended = fleet.rotate(&real);
    assert!(ended.stderr.contains("1 subjects have no password here"), "{}", ended.stderr);
    assert_eq!(ended.printed(), "rotated 2, left 0, failed 0, to go 0\n");
    let written = fleet.lines("passwords");
    let states: Vec<_> = written.iter().map(|line| line["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["pending", "pending", "set", "set"]);
    assert_eq!(written[3]["version"], 2);
    let mode = |file| fs::metadata(fleet.installation.path(file)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("passwords"), mode("state")), (0o600, 0o600));
    let new = last_of_each(&written);
    for (name, password) in &new {
        assert_eq!(fleet.verified(account(name), FIRST).await, "MATCHED_PREVIOUS");
        assert_eq!(fleet.verified(account(name), password).await, "MATCHED_CURRENT");
    }

    assert_eq!(fleet.rotate(&real).printed(), "rotated 0, left 0, failed 0, to go 0\n", "the run is complete");
    let other = fleet.rotate(&["--kind", "instance-account", "--state", "state", "--file", "passwords"]);
    assert_eq!(other.status, Some(2), "{}", other.stderr);
    let open = fleet.rotate(&[&selection[..], &["--state", "another", "--file", "passwords"]].concat());
    assert!(open.stderr.contains("an overlap runs"), "{}", open.stderr);
    assert_eq!(open.printed(), "rotated 0, left 2, failed 0, to go 0\n");

    let ending = ["--end-overlaps", "--state", "state", "--unused-for"];
    eventually("the use of the old password", || {
        let in_use = fleet.rotate(&[&ending[..], &["3600"]].concat());
        assert_eq!(in_use.status, Some(75), "{}{}", in_use.stdout, in_use.stderr);
        in_use.stderr.contains("relay still uses the old password").then_some(())
    })
    .await;
    eventually("the uses of both passwords", || {
        let ended = fleet.rotate(&[&ending[..], &["0"]].concat());
        (ended.status == Some(0)).then_some(())
    })
    .await;
    for (name, password) in &new {
        assert_eq!(fleet.verified(account(name), FIRST).await, "NOT_MATCHED");
        assert_eq!(fleet.verified(account(name), password).await, "MATCHED_CURRENT");
    }
}

#[tokio::test]
async fn a_run_that_is_killed_goes_on_with_the_same_passwords() {
    let fleet = Fleet::start(&[]).await;
    fleet.users(12).await;
    let arguments = [
        "--kind",
        "ram-user",
        "--batch",
        "4",
        "--rate",
        "20",
        "--state",
        "state",
        "--file",
        "passwords",
        "--tenant",
        "acme",
    ];
    let mut killed = 0;
    // Anywhere: while changes are sent, and before or after the destination or the state is told.
    for prepared in [1, 5, 9] {
        let mut run = fleet.rotating(&arguments);
        eventually("prepared passwords", || {
            let is_there = fleet.count("state", "prepared") >= prepared || run.try_wait().unwrap().is_some();
            is_there.then_some(())
        })
        .await;
        run.kill().unwrap();
        killed += usize::from(run.wait().unwrap().code().is_none());
    }
    assert!(killed > 0, "no run was killed before its end");
    let ended = fleet.rotate(&arguments);
    assert!(ended.stdout.ends_with("failed 0, to go 0\n"), "{}{}", ended.stdout, ended.stderr);
    let written = fleet.lines("passwords");
    fleet.assert_rotated_once(&written, 12).await;
    let runs: std::collections::BTreeSet<_> = written.iter().map(|line| line["run"].to_string()).collect();
    assert_eq!(runs.len(), 1, "{runs:?}");
    assert!(written.iter().all(|line| line["tenant"] == "acme"));

    // No password anywhere but at the destination.
    let elsewhere = files(fleet.installation.path("").as_path());
    for password in last_of_each(&written).values() {
        let holds = |content: &[u8]| memmem::find(content, password.as_bytes()).is_some();
        for (path, content) in &elsewhere {
            assert!(path.ends_with("passwords") || !holds(content), "{}", path.display());
        }
    }
}

#[tokio::test]
async fn a_run_ends_with_the_service_and_goes_on_when_it_is_back() {
    let mut fleet = Fleet::start(&[]).await;
    fleet.users(8).await;
    let arguments = ["--kind", "ram-user", "--batch", "4", "--rate", "10", "--state", "state", "--file", "passwords"];
    let mut run = fleet.rotating(&arguments);
    eventually("prepared passwords", || (fleet.count("state", "prepared") >= 1).then_some(())).await;
    let address = fleet.serving.address.to_string();
    fleet.serving.kill();
    // Its calls are repeated for a minute: the service is back before.
    fleet.serving = fleet.installation.serve_on(&address, &["--hashing-workers", "1"]).await;
    let status = eventually("the end of the run", || run.try_wait().unwrap()).await;
    assert_eq!(status.code(), Some(0));
    fleet.acme = fleet.acme.at(fleet.serving.address);
    fleet.assert_rotated_once(&fleet.lines("passwords"), 8).await;
}

#[tokio::test]
async fn a_run_stops_at_a_failure_and_the_others_go_on_once_it_is_mended() {
    let directory = tempfile::tempdir().unwrap();
    let policy = directory.path().join("frozen.cedar");
    let forbid = "@id(\"frozen\") forbid (principal, action == Action::\"admin:ResetPassword\", \
                  resource == RamUser::\"acs:ram::acme:user/user-01\");";
    fs::write(&policy, forbid).unwrap();
    let mut fleet = Fleet::start(&["--policies-directory", directory.path().to_str().unwrap()]).await;
    fleet.users(3).await;
    let arguments = [
        "--kind",
        "ram-user",
        "--batch",
        "1",
        "--state",
        "state",
        "--manifest",
        "secret.json",
        "--secret-name",
        "users",
    ];
    // The password of an earlier run.
    let earlier = json!({ "apiVersion": "v1", "kind": "Secret", "type": "Opaque", "metadata": { "name": "users" },
        "data": { "user-01": STANDARD.encode("an earlier password") } });
    fs::write(fleet.installation.path("secret.json"), earlier.to_string()).unwrap();
    let dry = fleet.rotate(&["--kind", "ram-user", "--dry-run"]);
    assert_eq!(dry.status, Some(1));
    assert!(dry.stdout.contains("ram-user user-01: ") && dry.stdout.contains("ACCESS_DENIED"), "{}", dry.stdout);

    let stopped = fleet.rotate(&arguments);
    assert_eq!((stopped.status, stopped.stdout.as_str()), (Some(1), "rotated 1, left 0, failed 1, to go 2\n"));
    assert!(
        stopped.stderr.contains("ram-user user-01: ") && stopped.stderr.contains("ACCESS_DENIED"),
        "{}",
        stopped.stderr
    );
    assert_eq!(fleet.acme.version("user-02").await, 1);
    let more = fleet.rotate(&[&arguments[..], &["--max-failures", "2"]].concat());
    assert_eq!((more.status, more.stdout.as_str()), (Some(1), "rotated 1, left 0, failed 1, to go 1\n"));

    fs::remove_file(&policy).unwrap();
    let address = fleet.serving.address.to_string();
    fleet.serving.kill();
    fleet.serving = fleet.installation.serve_on(&address, &["--hashing-workers", "1"]).await;
    fleet.acme = fleet.acme.at(fleet.serving.address);
    assert_eq!(fleet.rotate(&arguments).printed(), "rotated 1, left 0, failed 0, to go 0\n");
    let manifest: Value = serde_json::from_slice(&fs::read(fleet.installation.path("secret.json")).unwrap()).unwrap();
    assert_eq!((&manifest["kind"], &manifest["metadata"]["name"]), (&json!("Secret"), &json!("users")));
    for (name, value) in manifest["data"].as_object().unwrap() {
        let password = String::from_utf8(STANDARD.decode(value.as_str().unwrap()).unwrap()).unwrap();
        assert_ne!(password, "an earlier password", "it is not set again");
        assert_eq!(fleet.acme.verify(name, &password).await, "MATCHED_CURRENT");
        assert_eq!(fleet.acme.version(name).await, 2);
    }
    assert_eq!(manifest["data"].as_object().unwrap().len(), 3);

    // A password that another caller has set since the run began stays.
    let again = [&arguments[..], &["--again"]].concat();
    assert_eq!(fleet.rotate(&again).printed(), "rotated 3, left 0, failed 0, to go 0\n");
}

#[tokio::test]
async fn a_name_that_leads_elsewhere_at_the_destination_is_refused_before_anything_is_written() {
    let fleet = Fleet::start(&[]).await;
    fleet.users(1).await;
    for name in [".", "..", "..x"] {
        fleet.acme.root.ok("CreateRamUser", json!({ "user_name": name, "password": FIRST })).await;
    }
    fleet.accounts_of("..", &["app"]).await;
    write_secretly(&fleet.installation.path("vault-token"), "token");
    // Nothing listens there, and nothing is sent.
    let vault = ["--vault", "http://127.0.0.1:9", "--vault-token-file", "vault-token"];
    let manifest = ["--manifest", "secret.json", "--secret-name", "users"];
    for (kind, destination, names) in [
        ("ram-user", &vault[..], "ram-user ., ram-user .."),
        ("ram-user", &manifest, "ram-user ., ram-user .., ram-user ..x"),
        ("instance-account", &vault, "instance-account ../app"),
        ("instance-account", &manifest, "instance-account ../app"),
    ] {
        for how in [&["--dry-run"][..], &["--state", "state"]] {
            let refused = fleet.rotate(&[&["--kind", kind], destination, how].concat());
            assert_eq!((refused.status, refused.stdout.as_str()), (Some(1), ""), "{names}: {}", refused.stderr);
            assert!(refused.stderr.contains(&format!("at the destination: {names}\n")), "{}", refused.stderr);
        }
    }
    let operator = json!({ "caller_kind": "CALLER_KIND_OPERATOR", "caller_name": "jane" });
    let operator = token(&fleet.acme.operator, operator).await;
    fleet.acme.operator.ok("CreateTenant", json!({ "tenant": ".." })).await;
    let of_tenant = [&["--kind", "ram-user", "--tenant", "..", "--state", "state"], &vault[..]].concat();
    let refused = fleet.rotate_as(&operator, &of_tenant);
    assert_eq!(refused.status, Some(2), "{}", refused.stderr);
    assert!(refused.stderr.contains("secret/credentiald/.."), "{}", refused.stderr);
    assert!(!fleet.installation.path("secret.json").exists());
    assert_eq!(fs::read_to_string(fleet.installation.path("state")).unwrap(), "");
    assert_eq!(fleet.acme.verify("user-00", FIRST).await, "MATCHED_CURRENT");

    // A line holds any name.
    let lines = ["--kind", "ram-user", "--state", "state", "--file", "passwords"];
    assert_eq!(fleet.rotate(&lines).printed(), "rotated 4, left 0, failed 0, to go 0\n");
    fleet.assert_rotated_once(&fleet.lines("passwords"), 4).await;
}

#[tokio::test]
async fn lines_are_printed_for_what_is_old_and_tagged() {
    let fleet = Fleet::start(&[]).await;
    for (id, team) in [("1", "mail"), ("2", "shop")] {
        let user = json!({ "user_id": id, "password": FIRST, "tags": { "team": team } });
        fleet.acme.root.ok("CreateIamUser", user).await;
    }
    let tagged = ["--kind", "iam-user", "--tag", "team=shop", "--stdout"];
    let old = fleet.rotate(&[&tagged[..], &["--older-than", "1", "--state", "old"]].concat());
    assert_eq!(old.stderr, "rotated 0, left 0, failed 0, to go 0\n");
    assert_eq!(old.printed(), "");
    let ended = fleet.rotate(&[&tagged[..], &["--state", "state"]].concat());
    assert_eq!(ended.stderr, "rotated 1, left 0, failed 0, to go 0\n");
    let printed = lines(&ended.printed());
    assert_eq!(printed.len(), 2);
    assert_eq!(
        (&printed[1]["state"], &printed[1]["name"], &printed[1]["version"]),
        (&json!("set"), &json!("2"), &json!(2))
    );
    let new = printed[1]["password"].as_str().unwrap();
    assert_eq!(fleet.verified(json!({ "iam_user": "2" }), new).await, "MATCHED_CURRENT");
    assert_eq!(fleet.verified(json!({ "iam_user": "1" }), FIRST).await, "MATCHED_CURRENT");

    for (arguments, problem) in [
        (&["--kind", "ram-user", "--state", "x"][..], "say where the passwords go"),
        (&["--kind", "ram-user", "--tag", "a=b", "--state", "x", "--stdout"], "--tag needs"),
        (&["--kind", "ram-user", "--overlap-seconds", "9", "--state", "x", "--stdout"], "leave out --overlap-seconds"),
        (&["--kind", "ram-user", "--stdout"], "--state"),
        (&["--end-overlaps", "--state", "nothing"], "holds no run"),
    ] {
        let ended = fleet.rotate(arguments);
        assert_eq!((ended.status, ended.stdout.as_str()), (Some(2), ""), "{}", ended.stderr);
        assert!(ended.stderr.contains(problem), "{}", ended.stderr);
    }
}

#[tokio::test]
async fn only_passwords_with_a_hash_of_that_algorithm_are_rotated() {
    let fleet = Fleet::start(&[]).await;
    fleet.users(1).await;
    let row = json!({ "kind": "ram-user", "name": "old",
        "hash": "$2b$05$abcdefghijklmnopqrstuukYd4qNHyZ/ow.11gfHuCEngbXKNA6ZG" });
    fs::write(fleet.installation.path("old.jsonl"), row.to_string()).unwrap();
    let address = fleet.serving.address.to_string();
    fleet.installation.call(&address, &fleet.root, &["import", "old.jsonl"], "").printed();
    let selection = ["--kind", "ram-user", "--hashed-by", "bcrypt"];
    let ended = fleet.rotate(&[&selection[..], &["--state", "state", "--file", "passwords"]].concat());
    assert_eq!((ended.stderr.as_str(), ended.stdout.as_str()), ("", "rotated 1, left 0, failed 0, to go 0\n"));
    let new = last_of_each(&fleet.lines("passwords"));
    assert_eq!(new.len(), 1);
    assert_eq!(fleet.acme.verify("old", &new["old"]).await, "MATCHED_CURRENT");
    assert_eq!(fleet.acme.version("user-00").await, 1);

    let none = fleet.rotate(&[&selection[..], &["--dry-run"]].concat());
    assert_eq!(none.stderr, "no password is hashed by \"bcrypt\"; there are: argon2id\n");
    assert_eq!(none.printed(), "dry run: would rotate 0, leave 0, fail 0; without a password 0\n");
}
