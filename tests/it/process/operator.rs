//! The operator's path: from an empty directory to a tenant whose users have passwords.

use std::os::unix::fs::PermissionsExt;

use serde_json::{Value, json};

use super::installation::{Installation, Outcome};
use crate::support::Client;

fn mode(path: &std::path::Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

/// The commands of one administrator.
struct Administrator<'installation> {
    installation: &'installation Installation,
    address: String,
    token: String,
}

impl Administrator<'_> {
    fn run(&self, arguments: &[&str], input: &str) -> Outcome {
        self.installation.admin(&self.address, &self.token, arguments, input)
    }

    fn json(&self, arguments: &[&str], input: &str) -> Value {
        serde_json::from_str(&self.run(&[arguments, &["--json"]].concat(), input).printed()).unwrap()
    }

    /// What a refused command says.
    fn refusal(&self, arguments: &[&str], input: &str) -> Vec<String> {
        let outcome = self.run(arguments, input);
        assert_eq!((outcome.status, outcome.stdout.as_str()), (Some(1), ""), "{}", outcome.stderr);
        outcome.stderr.lines().map(str::to_owned).collect()
    }
}

#[test]
fn the_first_operator_token_is_printed_once() {
    let installation = Installation::new();
    let first = installation.run(&["bootstrap"]);
    assert_eq!(first.status, Some(0), "{}", first.stderr);
    let token = first.stdout.strip_suffix('\n').unwrap();
    assert!(token.starts_with("cdt_") && token.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'), "{token}");
    assert!(!first.stderr.contains(token), "it is on standard output alone");
    assert_eq!((mode(&installation.database()), mode(&installation.data())), (0o600, 0o700));

    let second = installation.run(&["bootstrap"]);
    assert_eq!((second.status, second.stdout.as_str()), (Some(1), ""));
    assert!(second.stderr.starts_with("error: an operator has a valid access token already"), "{}", second.stderr);
    assert!(!second.stderr.contains("cdt_"));
}

#[tokio::test]
async fn a_healthcheck_tells_by_its_status() {
    let installation = Installation::new();
    let serving = installation.serve(&[]).await;
    let address = serving.address.to_string();
    let healthy = installation.run(&["healthcheck", "--server-listen", &address]);
    assert_eq!((healthy.status, healthy.stdout.as_str(), healthy.stderr.as_str()), (Some(0), "serving\n", ""));
    serving.stop().await;
    let gone = installation.run(&["healthcheck", "--server-listen", &address]);
    assert_eq!((gone.status, gone.stdout.as_str()), (Some(1), ""));
    assert!(gone.stderr.starts_with(&format!("error: can't reach {address}")), "{}", gone.stderr);
}

#[tokio::test]
async fn an_operator_sets_up_a_tenant_and_its_root_does_the_rest() {
    let installation = Installation::new();
    let token = installation.bootstrap();
    let serving = installation.serve(&[]).await;
    let of = |token: &str| Administrator {
        installation: &installation,
        address: serving.address.to_string(),
        token: token.to_owned(),
    };
    let operator = of(&token);
    operator.run(&["create-tenant", "--tenant", "acme"], "").printed();
    let issued = operator.json(&["issue-access-token", "--tenant", "acme", "--caller-kind", "root"], "");
    let root = of(issued["token"].as_str().unwrap());

    // One subject of each kind, with a password from standard input or a generated one.
    let alice = root.run(&["create-ram-user", "--user-name", "alice", "--password-stdin"], "mypassword\n").printed();
    assert!(!alice.contains("mypassword"), "what was given is not shown: {alice}");
    let bob = root.run(&["create-iam-user", "--user-id", "bob", "--tag", "team=mail", "--generate-password"], "");
    assert!(bob.printed().contains("is not shown again"));
    let domain = root.json(&["create-mail-domain", "--domain-name", "example.com", "--generate-password"], "");
    root.run(&["create-instance", "--instance-id", "r-1"], "").printed();
    let account = ["create-instance-account", "--instance-id", "r-1", "--account-name", "app", "--generate-password"];
    let account = root.json(&account, "");

    // The passwords are the right ones.
    let issued = root.json(&["issue-access-token", "--caller-kind", "service", "--caller-name", "relay"], "");
    let relay = Client::new(serving.address).with_token(issued["token"].as_str().unwrap());
    let in_account = json!({ "instance_account": { "instance_id": "r-1", "account_name": "app" } });
    for (subject, password) in [
        (json!({ "ram_user": "alice" }), "mypassword"),
        (json!({ "mail_domain": "example.com" }), domain["generated_password"].as_str().unwrap()),
        (in_account, account["generated_password"].as_str().unwrap()),
    ] {
        let verified = relay.ok("VerifyPassword", json!({ "subject": subject, "password": password })).await;
        assert_eq!(verified["result"], "MATCHED_CURRENT", "{subject}");
    }

    // Lists, for people and for programs.
    let table = root.run(&["list-ram-users"], "").printed();
    let rows: Vec<_> = table.lines().map(|line| line.split_whitespace().next().unwrap()).collect();
    assert_eq!(rows, ["USER", "alice"], "{table}");
    let listed = root.json(&["list-ram-users"], "");
    assert_eq!(listed["ram_users"][0]["user_name"], "alice");
    assert_eq!(listed["ram_users"][0]["credential"]["version"], 1);

    let listed = root.run(&["list-ram-users", "--output", "yaml"], "").printed();
    assert!(listed.starts_with("ram_users:\n  - user_name: alice\n"), "{listed}");
    assert_eq!(root.run(&["list-ram-users", "--output", "name"], "").printed(), "alice\n");
    // States are written as the flags for them.
    assert_eq!(
        root.json(&["describe-mail-domain", "--domain-name", "example.com"], "")["mail_domain"]["status"],
        "verified"
    );
    // Errors are for programs, too: those of the service, of the arguments, and of the connection.
    let error = |arguments: &[&str]| {
        let outcome = root.run(&[arguments, &["--json"]].concat(), "");
        let error: Value = serde_json::from_str(&outcome.stderr).unwrap();
        assert_eq!(
            (error["error"]["exit_status"].as_i64(), outcome.stdout.as_str()),
            (outcome.status.map(i64::from), "")
        );
        error["error"].clone()
    };
    let unknown = error(&["describe-ram-user", "--user-name", "bob"]);
    assert_eq!(unknown["reason"], "USER_NOT_FOUND");
    assert_eq!(unknown["message"], "no RAM user `bob`");
    assert!(unknown["request_id"].is_string(), "{unknown}");
    let invalid = error(&["create-ram-user", "--user-name", "b b"]);
    assert_eq!(invalid["fields"][0]["field"], "user_name");
    assert!(error(&["create-ram-user", "--usr-name", "b"])["message"].as_str().unwrap().contains("--usr-name"));
    let away = error(&["list-ram-users", "--address", "127.0.0.1:1"]);
    assert_eq!(away["exit_status"], 75);

    // A reset, and a token that is no longer one.
    let reset = root.json(&["reset-password", "--ram-user", "alice", "--generate-password"], "");
    assert_eq!(reset["version"], 2);
    let id = issued["access_token"]["token_id"].as_str().unwrap();
    assert_eq!(root.run(&["revoke-access-token", "--token-id", id], "").printed(), "done\n");
    relay.err("VerifyPassword", json!({}), "UNAUTHENTICATED").await;
    serving.stop().await;
}

#[tokio::test]
async fn a_refused_command_tells_the_reason_every_field_and_the_request_id() {
    let installation = Installation::new();
    let token = installation.bootstrap();
    let serving = installation.serve(&[]).await;
    let operator = Administrator { installation: &installation, address: serving.address.to_string(), token };
    operator.run(&["create-tenant", "--tenant", "acme"], "").printed();

    let create = ["create-iam-user", "--tenant", "acme", "--user-id", "b b", "--tag", "=b", "--password-stdin"];
    let lines = operator.refusal(&create, "a\tb");
    assert!(lines[0].starts_with("error: ") && lines[1] == "  reason: INVALID_FIELD", "{lines:?}");
    let fields: Vec<_> = lines[2..lines.len() - 1].iter().map(|line| line.split([':', '[']).next().unwrap()).collect();
    assert_eq!(fields, ["  user_id", "  tags", "  password"], "{lines:?}");
    let id = lines.last().unwrap().strip_prefix("  request id: ").unwrap();
    assert!(uuid::Uuid::parse_str(id).is_ok() && id == id.to_uppercase());

    let create = ["create-ram-user", "--tenant", "acme", "--user-name", "alice", "--password-stdin"];
    let lines = operator.refusal(&create, "abc\n");
    assert_eq!(lines[1], "  reason: PASSWORD_POLICY_VIOLATION");
    assert!(lines[2].starts_with("  password: ") && lines[2].ends_with("(MIN_LENGTH)"), "{lines:?}");
    serving.stop().await;
}
