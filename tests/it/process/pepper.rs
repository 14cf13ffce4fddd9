//! The commands that look after the pepper's keys, beside a service that goes on.

use std::fs::{self, Permissions};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};

use super::installation::{Installation, Outcome, outcome, write_secretly};
use super::serving::{Serving, eventually};
use super::tenant::{Acme, change, verification};
use crate::store::{connection_to, stored_hash, tamper};
use crate::support::Client;

const KEYS: &str = "CREDENTIALD_PEPPER_KEYS";

/// An installation whose ring stands in a file.
struct Peppered {
    installation: Installation,
}

impl Peppered {
    fn new() -> Self {
        Self { installation: Installation::new() }
    }

    /// A line for a ring.
    fn key(&self, id: &str) -> String {
        self.installation.run(&["pepper", "new-key", "--id", id]).printed().trim().to_owned()
    }

    /// Writes a ring, and answers the flag that names it.
    fn ring(&self, name: &str, lines: &[&str]) -> String {
        write_secretly(&self.installation.path(name), lines.join("\n"));
        format!("--pepper-keys-file={name}")
    }

    fn pepper(&self, command: &str, ring: &str) -> Outcome {
        self.installation.run(&["pepper", command, ring])
    }

    /// `key: place current earlier`, for each row of the status.
    fn status(&self, ring: &str) -> Vec<String> {
        let status: Value =
            serde_json::from_str(&self.installation.run(&["pepper", "status", "--json", ring]).stdout).unwrap();
        let row = |row: &Value| {
            let key = row["key"].as_str().unwrap_or("-");
            format!(
                "{key}: {} {} {}",
                row["in_the_ring"].as_str().unwrap(),
                row["current_hashes"],
                row["earlier_hashes"]
            )
        };
        status["keys"].as_array().unwrap().iter().map(row).collect()
    }

    /// Runs a statement past the service.
    fn tamper(&self, statements: &str) {
        tamper(&self.installation.database(), statements);
    }
}

/// Users who change their passwords and verify them, until they have to stop. Every call has to succeed.
struct Busy {
    stop: Arc<AtomicBool>,
    tasks: Vec<tokio::task::JoinHandle<(String, u64)>>,
}

impl Busy {
    fn start(acme: &Acme, users: &[(String, Client)]) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let user = |(name, client): &(String, Client)| {
            let (acme, stop, name, client) = (acme.clone(), Arc::clone(&stop), name.clone(), client.clone());
            tokio::spawn(async move {
                let mut version = acme.version(&name).await;
                while !stop.load(Ordering::SeqCst) {
                    let (old, new) = (password(version), password(version + 1));
                    assert_eq!(acme.verify(&name, &old).await, "MATCHED_CURRENT", "{name} {version}");
                    client.ok("ChangePassword", change(&old, &new)).await;
                    version += 1;
                    assert_eq!(acme.verify(&name, &new).await, "MATCHED_CURRENT", "{name} {version}");
                }
                (name, version)
            })
        };
        Self { tasks: users.iter().map(user).collect(), stop }
    }

    /// Stops them, and answers the version that each has come to.
    async fn stop(self) -> Vec<(String, u64)> {
        self.stop.store(true, Ordering::SeqCst);
        let mut users = Vec::new();
        for task in self.tasks {
            users.push(task.await.unwrap());
        }
        users
    }
}

fn password(version: u64) -> String {
    format!("mypassword{version}")
}

/// Users of a service that runs.
async fn users_of(acme: &Acme, address: SocketAddr) -> Vec<(String, Client)> {
    acme.root.ok("SetPasswordPolicy", json!({ "password_reuse_prevention": 3 })).await;
    let mut users = Vec::new();
    for number in 0..6 {
        let name = format!("user-{number}");
        let token = acme.ram_user(&name, &password(1)).await;
        users.push((name, Client::new(address).with_token(&token)));
    }
    users
}

async fn serve(peppered: &Peppered, ring: &str, acme: &Acme) -> (Serving, Acme) {
    let serving = peppered.installation.serve(&[ring]).await;
    let acme = acme.at(serving.address);
    (serving, acme)
}

fn at(users: &[(String, Client)], serving: &Serving) -> Vec<(String, Client)> {
    users.iter().map(|(name, client)| (name.clone(), client.at(serving.address))).collect()
}

#[tokio::test]
async fn the_secrets_of_access_keys_are_rotated_with_the_hashes() {
    let peppered = Peppered::new();
    let (old, new) = (peppered.key("old"), peppered.key("new"));
    let only_old = peppered.ring("only-old", &[&old]);
    let new_then_old = peppered.ring("new-then-old", &[&new, &old]);
    let only_new = peppered.ring("only-new", &[&new]);
    let (serving, acme) = peppered.installation.acme(&[&only_old]).await;
    let request = json!({
        "caller_kind": "CALLER_KIND_SERVICE", "caller_name": "signer", "form": "ACCESS_TOKEN_FORM_ACCESS_KEY",
    });
    acme.root.ok("IssueAccessToken", request).await;
    serving.stop().await;

    let missing = "the pepper key old is missing: 1 secret is encrypted under it";
    let refused = peppered.installation.run(&["serve", &only_new]);
    assert!(refused.stderr.contains(missing), "{refused:?}");
    let rewrapped = peppered.pepper("rewrap", &new_then_old);
    assert!(rewrapped.stdout.contains("re-encrypted secrets: 1\nold: unused"), "{rewrapped:?}");
    let status = peppered.pepper("status", &only_new).printed();
    assert!(status.lines().any(|line| line.split_whitespace().eq(["new", "encrypts", "0", "0", "1"])), "{status}");
    assert_eq!(status.lines().next().unwrap().split_whitespace().last(), Some("SECRETS"), "{status}");
    let check = || peppered.installation.run(&["store", "check", &only_new]);
    assert_eq!(check().status, Some(0), "{:?}", check());

    // A secret opens for its own caller only: with access to the store alone no caller can be exchanged for another.
    peppered.tamper("UPDATE access_token SET name = 'other' WHERE name = 'signer'");
    assert!(check().stdout.contains("the secret can't be decrypted"), "{:?}", check());
    let left = peppered.pepper("rewrap", &peppered.ring("again", &[&old, &new]));
    assert!(left.stderr.contains("the secret of access token "), "{left:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_are_rotated_while_passwords_change() {
    let peppered = Peppered::new();
    let (old, new) = (peppered.key("old"), peppered.key("new"));
    let only_old = peppered.ring("only-old", &[&old]);
    let old_then_new = peppered.ring("old-then-new", &[&old, &new]);
    let new_then_old = peppered.ring("new-then-old", &[&new, &old]);
    let only_new = peppered.ring("only-new", &[&new]);

    let (serving, acme) = peppered.installation.acme(&[&only_old]).await;
    let users = users_of(&acme, serving.address).await;
    serving.stop().await;

    // The new key is known, and nobody wraps under it but the command, which is too early.
    let (serving, acme) = serve(&peppered, &old_then_new, &acme).await;
    let busy = Busy::start(&acme, &at(&users, &serving)[..3]);
    let early = peppered.pepper("rewrap", &new_then_old);
    assert_eq!(early.status, Some(0), "{early:?}");
    assert!(early.stdout.contains(" under new\n"), "{early:?}");
    busy.stop().await;
    serving.stop().await;

    let (serving, acme) = serve(&peppered, &new_then_old, &acme).await;
    let busy = Busy::start(&acme, &at(&users, &serving)[..3]);
    let rewrap = peppered.pepper("rewrap", &new_then_old);
    assert_eq!(rewrap.status, Some(0), "{rewrap:?}");
    assert!(rewrap.stdout.contains("old: unused; you can remove it from the ring"), "{rewrap:?}");
    let versions = busy.stop().await;
    serving.stop().await;

    let status = peppered.status(&new_then_old);
    assert!(
        status[0].starts_with("new: encrypts 6 ") && status[1..] == ["old: decrypts 0 0", "-: - 0 0"],
        "{status:?}"
    );
    let required = [only_new.as_str(), "--pepper-required"];
    let serving = peppered.installation.serve(&required).await;
    let acme = acme.at(serving.address);
    for (name, version) in versions {
        assert_eq!(acme.version(&name).await, version, "re-encrypting keeps the version");
        assert_eq!(acme.verify(&name, &password(version)).await, "MATCHED_CURRENT");
        assert_eq!(acme.verify(&name, &password(version - 1)).await, "NOT_MATCHED");
    }
    for number in 3..6 {
        assert_eq!(acme.verify(&format!("user-{number}"), &password(1)).await, "MATCHED_CURRENT");
    }
    let check = peppered.installation.run(&["store", "check", &only_new]);
    assert_eq!(check.stdout, "the store is undamaged\n");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_are_rotated_in_a_service_that_goes_on() {
    let peppered = Peppered::new();
    let (old, new) = (peppered.key("old"), peppered.key("new"));
    let ring = peppered.ring("ring", &[&old]);
    let (serving, acme) = peppered.installation.acme(&[&ring]).await;
    let users = users_of(&acme, serving.address).await;

    let busy = Busy::start(&acme, &users[..3]);
    peppered.ring("ring", &[&old, &new]);
    serving.signal("HUP");
    serving.logs_times("the new pepper keys are in force", 1).await;
    peppered.ring("ring", &[&new, &old]);
    serving.signal("HUP");
    serving.logs_times("the new pepper keys are in force", 2).await;
    let rewrap = tokio::task::block_in_place(|| peppered.pepper("rewrap", &ring));
    assert!(rewrap.stdout.contains("old: unused; you can remove it from the ring"), "{rewrap:?}");
    let versions = busy.stop().await;
    let status = peppered.status(&ring);
    assert!(status[0].starts_with("new: encrypts 6 ") && status[1] == "old: decrypts 0 0", "{status:?}");

    // Whether a key is still needed is found out at a start.
    peppered.ring("ring", &[&new]);
    serving.signal("HUP");
    serving.logs("pepper.keys_file: lacks the key old, which is in force").await;
    for (name, version) in versions {
        assert_eq!(acme.verify(&name, &password(version)).await, "MATCHED_CURRENT");
    }
    assert!(!serving.stop().await.contains(&new[5..20]), "no part of a key is logged");
    peppered.installation.serve(&[&ring, "--pepper-required"]).await.stop().await;
}

#[tokio::test]
async fn a_rewrap_that_was_killed_goes_on_when_it_is_run_again() {
    let peppered = Peppered::new();
    let ring = peppered.ring("ring", &[&peppered.key("a")]);
    let (serving, acme) = peppered.installation.acme(&[]).await;
    acme.ram_user("alice", "mypassword1").await;
    serving.stop().await;
    // So many that it is killed long before the last.
    let copies = "
        WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)
        INSERT INTO subject (id, tenant, kind, name, written, created_at)
            SELECT printf('00000000-0000-4000-8000-%012x', i), tenant, kind, 'copy-' || i, 'copy-' || i, created_at
            FROM subject, n WHERE subject.name = 'alice';
        INSERT INTO credential (subject_id, version, hash, changed_at, changed_by, change_id)
            SELECT s.id, c.version, c.hash, c.changed_at, c.changed_by, c.change_id
            FROM subject s, credential c WHERE s.name LIKE 'copy-%';
    ";
    peppered.tamper(copies);

    let mut rewrap = peppered.installation.command(&["pepper", "rewrap", &ring]).spawn().unwrap();
    let wrapped = || -> i64 {
        let count = "SELECT count(*) FROM credential WHERE pepper_key = 'a'";
        connection_to(&peppered.installation.database()).query_row(count, [], |row| row.get(0)).unwrap()
    };
    eventually("a hash under the key", || {
        assert!(rewrap.try_wait().unwrap().is_none(), "it ended");
        (wrapped() > 0).then_some(())
    })
    .await;
    rewrap.kill().unwrap();
    rewrap.wait().unwrap();
    let done = wrapped();
    assert!((1..20_001).contains(&done), "{done}");

    let again = peppered.pepper("rewrap", &ring).printed();
    assert_eq!(again, format!("re-encrypted {} hashes under a\n", 20_001 - done));
    assert_eq!(peppered.pepper("rewrap", &ring).printed(), "re-encrypted 0 hashes under a\n");
    assert_eq!(peppered.status(&ring), ["a: encrypts 20001 0", "-: - 0 0"]);
    let serving = peppered.installation.serve(&[&ring, "--pepper-required"]).await;
    for name in ["alice", "copy-20000"] {
        assert_eq!(acme.at(serving.address).verify(name, "mypassword1").await, "MATCHED_CURRENT");
    }
}

#[tokio::test]
async fn damage_is_reported_with_the_subject_and_without_the_hash() {
    let peppered = Peppered::new();
    let (a, b) = (peppered.key("a"), peppered.key("b"));
    let (ring, rotated) = (peppered.ring("a", &[&a]), peppered.ring("b", &[&b, &a]));
    let (serving, acme) = peppered.installation.acme(&[&ring]).await;
    acme.ram_user("alice", "mypassword").await;
    acme.ram_user("bob", "mypassword").await;
    let alice = acme.root.ok("DescribeRamUser", json!({ "user_name": "alice" })).await;
    peppered
        .tamper("UPDATE credential SET hash = 'AAAA' || substr(hash, 5) WHERE subject_id = (SELECT id FROM subject WHERE name = 'alice')");
    acme.relay.err("VerifyPassword", verification("alice", "mypassword"), "INTERNAL").await;
    let log = serving.stop().await;
    let (id, hash) = stored_hash(&peppered.installation.database(), "alice");
    let message = format!("the hash of subject {id}, version 1, can't be decrypted under the pepper key a");
    assert!(log.contains(&message) && !log.contains(&hash[8..]), "{log} {alice}");

    let check = peppered.installation.run(&["store", "check", &ring]);
    assert_eq!(check.status, Some(1));
    assert!(check.stdout.contains(&message) && !check.stdout.contains(&hash[8..]), "{check:?}");
    // Without the keys it looks like any other.
    assert_eq!(peppered.installation.run(&["store", "check"]).status, Some(0));

    let rewrap = peppered.pepper("rewrap", &rotated);
    assert_eq!(rewrap.status, Some(1), "{rewrap:?}");
    assert!(rewrap.stderr.contains(&message), "{rewrap:?}");
    assert!(
        rewrap.stdout.contains("re-encrypted 1 hash under b") && rewrap.stdout.contains("a: 1 hash left"),
        "{rewrap:?}"
    );
}

#[tokio::test]
async fn what_is_under_a_lost_key_is_counted_and_backed_up() {
    let peppered = Peppered::new();
    let (old, new) = (peppered.key("old"), peppered.key("new"));
    let only_old = peppered.ring("only-old", &[&old]);
    let missing = peppered.ring("missing", &[&new]);
    let lost = peppered.ring("lost", &[&new, "old:lost"]);
    let (serving, acme) = peppered.installation.acme(&[&only_old]).await;
    acme.root.ok("SetPasswordPolicy", json!({ "password_reuse_prevention": 3 })).await;
    acme.ram_user("alice", "mypassword1").await;
    acme.ram_user("bob", "mypassword1").await;
    let access_key = json!({
        "caller_kind": "CALLER_KIND_SERVICE", "caller_name": "signer", "form": "ACCESS_TOKEN_FORM_ACCESS_KEY",
    });
    acme.root.ok("IssueAccessToken", access_key).await;
    serving.stop().await;

    let run = |arguments: &[&str], ring: &str| peppered.installation.run(&[arguments, &[ring]].concat());
    for command in [&["store", "check"][..], &["backup", "backup.db"]] {
        let refused = run(command, &missing);
        assert_eq!(refused.status, Some(1), "{refused:?}");
        let said = format!("{}{}", refused.stdout, refused.stderr);
        assert!(said.contains("under the pepper key old, which this process does not have"), "{said}");
    }

    // The hash of bob, the earlier one of alice, and the secret.
    let (serving, acme) = serve(&peppered, &lost, &acme).await;
    let reset = json!({ "subject": { "ram_user": "alice" }, "password": "mypassword2" });
    acme.root.ok("ResetPassword", reset).await;
    let counted = "3 hashes or secrets can't be decrypted: their pepper keys are declared lost\n";
    assert_eq!(run(&["store", "check"], &lost).printed(), format!("{counted}the store is undamaged\n"));
    run(&["backup", "backup.db"], &lost).printed();
    serving.stop().await;
    run(&["restore", "--replace", "backup.db"], &lost).printed();
    let (serving, acme) = serve(&peppered, &lost, &acme).await;
    assert_eq!(acme.verify("alice", "mypassword2").await, "MATCHED_CURRENT");
    serving.stop().await;

    peppered.tamper("UPDATE earlier_hash SET hash = 'no base64'");
    let damaged = run(&["store", "check"], &lost);
    assert!(damaged.status == Some(1) && damaged.stdout.contains("earlier_hash, row 1: "), "{damaged:?}");
}

#[tokio::test]
async fn a_missing_key_is_reported_at_once() {
    let peppered = Peppered::new();
    let (ring, other) = (peppered.ring("a", &[&peppered.key("a")]), peppered.ring("b", &[&peppered.key("b")]));
    let (serving, acme) = peppered.installation.acme(&[&ring]).await;
    acme.ram_user("alice", "mypassword").await;
    serving.stop().await;
    let missing = "the pepper key a is missing: 1 stored hash is encrypted under it";
    for arguments in
        [vec!["serve", "--server-listen=127.0.0.1:0"], vec!["serve", "--server-listen=127.0.0.1:0", &other]]
    {
        let refused = peppered.installation.run(&arguments);
        assert_eq!(refused.status, Some(1), "{refused:?}");
        assert!(refused.stderr.contains(missing), "{refused:?}");
    }
    let status = peppered.pepper("status", &other);
    assert_eq!((status.status, status.stderr.as_str()), (Some(1), "error: missing keys: a\n"), "{status:?}");
    let lost = peppered.ring("lost", &[&peppered.key("c"), "a:lost"]);
    assert_eq!(peppered.status(&lost), ["c: encrypts 0 0", "a: lost 1 0", "-: - 0 0"]);
    let rewrap = peppered.pepper("rewrap", &other);
    assert_eq!(rewrap.status, Some(1), "{rewrap:?}");
    assert!(
        rewrap.stderr.contains("is encrypted under the pepper key a, which this process does not have"),
        "{rewrap:?}"
    );
    assert_eq!(peppered.pepper("rewrap", "--pepper-keys-file=").status, Some(1));
}

#[test]
fn mistakes_in_a_ring_are_reported_all_at_once_and_show_no_key() {
    let peppered = Peppered::new();
    let key = peppered.key("a");
    let secret = key.split_once(':').unwrap().1;
    let path = peppered.installation.path("ring");
    peppered.ring("ring", &[&key, &key, secret, &format!("b c:{secret}"), &format!("d:{}", &secret[1..])]);
    let check = peppered.installation.run(&["config", "check", "--pepper-keys-file=ring"]);
    assert_eq!(check.status, Some(78));
    for line in [
        "line 2: the id is already used on line 1",
        "line 3: ",
        "line 4: the id contains",
        "line 5: the key must be 32 bytes",
    ] {
        assert!(check.stderr.contains(&format!("--pepper-keys-file: {line}")), "{line}: {check:?}");
    }
    assert!(!check.stderr.contains(&secret[1..20]), "{check:?}");

    fs::set_permissions(path, Permissions::from_mode(0o644)).unwrap();
    let open = peppered.installation.run(&["config", "check", "--pepper-keys-file=ring"]);
    assert!(open.status == Some(78) && open.stderr.contains("chmod o= ring"), "{open:?}");

    let mut show = peppered.installation.command(&["config", "show"]);
    show.env(KEYS, &key);
    let shown = outcome(show).printed();
    assert!(
        shown.contains("keys = \"(hidden)\" # CREDENTIALD_PEPPER_KEYS") && !shown.contains(&secret[..10]),
        "{shown}"
    );
    let flag = peppered.installation.run(&["config", "show", "--pepper-keys", &key]);
    assert!(flag.status == Some(2) && !flag.stderr.contains(&secret[..10]), "{flag:?}");
}

#[test]
fn a_new_key_is_a_line_for_a_ring_and_never_the_same() {
    let peppered = Peppered::new();
    let lines: Vec<_> =
        (0..2).map(|_| peppered.installation.run(&["pepper", "new-key"]).printed().trim().to_owned()).collect();
    assert_ne!(lines[0].split_once(':').unwrap().1, lines[1].split_once(':').unwrap().1);
    let ring = peppered.ring("ring", &[&lines[0], &peppered.key("b")]);
    assert!(peppered.installation.run(&["config", "check", &ring]).printed().contains("is valid"));
    assert_eq!(peppered.installation.run(&["pepper", "new-key", "--id", "a b"]).status, Some(2));
    let nowhere = peppered.pepper("rewrap", &ring);
    assert!(nowhere.status == Some(1) && nowhere.stderr.contains("there is no store at "), "{nowhere:?}");
    assert!(!peppered.installation.database().exists());
}
