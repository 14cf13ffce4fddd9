//! `verify`, `change`, `check`, `generate` and `watch`: what people with a token do from a shell.

use serde_json::{Value, json};

use super::installation::{Installation, Outcome};
use super::serving::Serving;
use super::tenant::{Acme, token};

/// The commands of one caller.
struct Caller<'installation> {
    installation: &'installation Installation,
    address: String,
    token: String,
}

impl<'installation> Caller<'installation> {
    fn new(installation: &'installation Installation, serving: &Serving, token: String) -> Self {
        Self { installation, address: serving.address.to_string(), token }
    }

    fn run(&self, arguments: &[&str], input: &str) -> Outcome {
        self.installation.call(&self.address, &self.token, arguments, input)
    }

    /// The exit status of `verify` for a password.
    fn verify(&self, subject: &[&str], password: &str) -> Option<i32> {
        self.run(&[&["verify", "--password-stdin"], subject].concat(), password).status
    }

    /// The version that `change` made.
    fn change(&self, arguments: &[&str], input: &str) -> u64 {
        let printed = self.run(&[&["change", "--password-stdin", "--json"], arguments].concat(), input).printed();
        serde_json::from_str::<Value>(&printed).unwrap()["version"].as_u64().unwrap()
    }
}

/// The relying system of the tenant.
async fn relay<'a>(installation: &'a Installation, serving: &Serving, acme: &Acme) -> Caller<'a> {
    let relay = json!({ "caller_kind": "CALLER_KIND_SERVICE", "caller_name": "relay" });
    Caller::new(installation, serving, token(&acme.root, relay).await)
}

#[tokio::test]
async fn each_kind_of_password_is_verified_and_changed() {
    let installation = Installation::new();
    let (serving, acme) = installation.acme(&[]).await;
    let relay = relay(&installation, &serving, &acme).await;
    let root = json!({ "caller_kind": "CALLER_KIND_ROOT" });
    let root = Caller::new(&installation, &serving, token(&acme.root, root).await);
    let alice = Caller::new(&installation, &serving, acme.ram_user("alice", "first-password").await);
    acme.root.ok("CreateIamUser", json!({ "user_id": "bob", "password": "First-passw0rd" })).await;
    let bob = json!({ "caller_kind": "CALLER_KIND_IAM_USER", "caller_name": "bob" });
    let bob = Caller::new(&installation, &serving, token(&acme.root, bob).await);
    acme.root.ok("CreateMailDomain", json!({ "domain_name": "example.com", "password": "FirstMail12" })).await;
    acme.root.ok("CreateInstance", json!({ "instance_id": "r-1" })).await;
    let account = json!({ "instance_id": "r-1", "account_name": "app", "password": "First_1234" });
    acme.root.ok("CreateInstanceAccount", account).await;

    let in_account = ["--instance-id", "r-1", "--account-name", "app"];
    for (caller, arguments, subject, old, new) in [
        (&alice, &[][..], &["--ram-user", "alice"][..], "first-password", "second password"),
        (&bob, &[], &["--iam-user", "bob"], "First-passw0rd", "Second-passw0rd"),
        (&root, &["--mail-domain", "example.com"], &["--mail-domain", "example.com"], "FirstMail12", "SecondMail12"),
        (&root, &in_account, &in_account, "First_1234", "Second_1234"),
    ] {
        assert_eq!((relay.verify(subject, old), relay.verify(subject, new)), (Some(0), Some(3)), "{subject:?}");
        let input = if arguments.contains(&"--mail-domain") { format!("{new}\n") } else { format!("{old}\n{new}\n") };
        assert_eq!(caller.change(arguments, &input), 2, "{subject:?}");
        assert_eq!((relay.verify(subject, new), relay.verify(subject, old)), (Some(0), Some(3)), "{subject:?}");
    }
    let printed = relay.run(&["verify", "--ram-user", "alice", "--password-stdin", "--json"], "no");
    assert_eq!(printed.status, Some(3));
    assert_eq!(serde_json::from_str::<Value>(&printed.stdout).unwrap(), json!({ "result": "not-matched" }));
    let stale =
        alice.run(&["change", "--password-stdin", "--expected-version", "1"], "second password\nthird password");
    assert_eq!(stale.status, Some(1));
    assert!(stale.stderr.contains("VERSION_CONFLICT"), "{}", stale.stderr);
    serving.stop().await;
}

#[tokio::test]
async fn a_relying_system_checks_generates_and_watches() {
    let installation = Installation::new();
    let (serving, acme) = installation.acme(&[]).await;
    let relay = relay(&installation, &serving, &acme).await;
    acme.ram_user("alice", "first-password").await;
    let of_alice = ["--ram-user", "alice"];
    let run = |command: &[&str], input: &str| relay.run(&[command, &of_alice].concat(), input);

    let generated = run(&["generate"], "").printed();
    let json: Value = serde_json::from_str(&run(&["generate", "--json"], "").printed()).unwrap();
    for password in [generated.trim_end(), json["password"].as_str().unwrap()] {
        assert_eq!(run(&["check", "--password-stdin"], password).printed(), "the password is accepted\n");
    }
    let short = run(&["check", "--password-stdin"], "abc");
    assert_eq!((short.status, short.stderr.as_str()), (Some(5), ""));
    assert!(short.stdout.starts_with("the password is not accepted\n  "), "{}", short.stdout);
    let short = run(&["check", "--password-stdin", "--json"], "abc");
    assert_eq!((short.status, short.stderr.as_str()), (Some(5), ""));
    let short: Value = serde_json::from_str(&short.stdout).unwrap();
    assert_eq!((&short["accepted"], &short["violations"][0]["rule"]), (&json!(false), &json!("MIN_LENGTH")));

    // A refusal names what it is about, and is not the status of a password that is not accepted.
    let absent = relay.run(&["check", "--ram-user", "bob", "--password-stdin"], "abc");
    assert_eq!(absent.status, Some(1), "{}", absent.stdout);
    assert!(absent.stderr.starts_with("error: no RAM user `bob`\n  reason: USER_NOT_FOUND\n"), "{}", absent.stderr);

    acme.root.ok("ResetPassword", json!({ "subject": { "ram_user": "alice" }, "generate_password": true })).await;
    let watch = ["watch", "--from-oldest", "--limit", "2"];
    let ended = relay.run(&watch, "");
    let cursor = ended.stderr.strip_prefix("resume with --cursor ").unwrap().trim_end().to_owned();
    let lines = ended.printed();
    let lines: Vec<_> = lines.lines().map(|line| line.split_once(' ').unwrap().1).collect();
    assert_eq!(lines, ["RAM user `alice`: created, version 1", "RAM user `alice`: reset, version 2"]);
    let events = relay.run(&[&watch[..], &["--json"]].concat(), "").printed();
    let first: Value = serde_json::from_str(events.lines().next().unwrap()).unwrap();
    let of_first = first["cursor"].as_str().unwrap();
    let second: Value = serde_json::from_str(events.lines().nth(1).unwrap()).unwrap();
    assert_eq!((&first["event"]["subject"]["ram_user"], &second["cursor"]), (&json!("alice"), &json!(cursor)));
    let rest = relay.run(&["watch", "--cursor", of_first, "--limit", "1", "--json"], "").printed();
    assert_eq!(serde_json::from_str::<Value>(&rest).unwrap()["event"]["reset"]["version"], 2);
    serving.stop().await;
}

#[tokio::test]
async fn the_exit_status_tells_wrong_from_not_now_and_from_usage() {
    let installation = Installation::new();
    let (serving, acme) = installation.acme(&["--attempts-allowance", "1", "--attempts-backoff-seconds", "20"]).await;
    let relay = relay(&installation, &serving, &acme).await;
    let alice = Caller::new(&installation, &serving, acme.ram_user("alice", "mypassword").await);

    let temporary = json!({ "user_name": "carol", "password": "mypassword", "password_reset_required": true });
    acme.root.ok("CreateRamUser", temporary).await;
    assert_eq!(relay.verify(&["--ram-user", "carol"], "mypassword"), Some(4));
    assert_eq!(relay.verify(&["--ram-user", "absent"], "mypassword"), Some(3));
    let wrong = alice.run(&["change", "--password-stdin"], "wrong\nnewpassword");
    assert_eq!(wrong.status, Some(3));
    assert!(wrong.stderr.contains("OLD_PASSWORD_INCORRECT"), "{}", wrong.stderr);

    // Without a terminal the source of the password has to be said.
    for arguments in [&["verify", "--ram-user", "alice"][..], &["verify", "--password-stdin"], &["change"]] {
        assert_eq!(alice.run(arguments, "mypassword").status, Some(2), "{arguments:?}");
    }
    assert_eq!(alice.run(&["change", "--password-stdin"], "mypassword\n").status, Some(2), "two lines are needed");
    // What an administrator or a new token has to mend is no reason to try again.
    assert_eq!(alice.verify(&["--ram-user", "alice"], "mypassword"), Some(1));
    let nobody = Caller::new(&installation, &serving, "cdt_unknown".to_owned());
    assert_eq!(nobody.verify(&["--ram-user", "alice"], "mypassword"), Some(1));

    // Another origin does not wait.
    let here = ["--ram-user", "alice", "--origin", "192.0.2.1"];
    let statuses: Vec<_> = (0..3).map(|_| relay.verify(&here, "wrong")).collect();
    assert_eq!((statuses[0], statuses[2]), (Some(3), Some(75)), "{statuses:?}");
    let there = ["--ram-user", "alice", "--origin", "192.0.2.2", "--within", "60"];
    assert_eq!(relay.verify(&there, "mypassword"), Some(0));

    serving.stop().await;
    let gone = relay.run(&["verify", "--ram-user", "alice", "--password-stdin"], "mypassword");
    assert_eq!(gone.status, Some(75));
    assert!(gone.stderr.starts_with("error: can't reach "), "{}", gone.stderr);
}
