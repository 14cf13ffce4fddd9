//! `quickstart`: the first thing that anybody does.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;

use serde_json::{Value, json};

use super::installation::Installation;
use super::serving::Serving;
use crate::support::certificates::ClientTls;
use crate::support::{Client, Reply};

/// What the demonstration printed.
pub struct Demonstration {
    /// One for each RPC that changes a password.
    pub calls: Vec<Call>,
    /// One that is refused, and a verification.
    pub others: Vec<Call>,
    /// Operator, root, relying system, RAM user, IAM user.
    pub tokens: Vec<String>,
}

/// A printed call of `grpcurl`.
pub struct Call {
    pub client: Client,
    pub method: String,
    pub request: Value,
}

impl Demonstration {
    pub fn of(serving: &Serving) -> Self {
        let printed = serving.printed();
        let variables = variables(&printed);
        let mut calls: Vec<_> = printed.split("\ngrpcurl ").skip(1).map(|text| call(text, &variables)).collect();
        assert_eq!(calls.len(), 6, "{printed}");
        let others = calls.split_off(4);
        let names = ["ADMIN_TOKEN", "ROOT_TOKEN", "RELAY_TOKEN", "ALICE_TOKEN", "BOB_TOKEN"];
        Self { calls, others, tokens: names.map(|name| variables[name].clone()).to_vec() }
    }
}

impl Call {
    pub async fn make(&self) -> Reply {
        self.client.call(&self.method, self.request.clone()).await
    }
}

/// The variables that are set.
fn variables(printed: &str) -> BTreeMap<String, String> {
    let set = printed.lines().filter_map(|line| line.trim_start_matches("export ").split_once('='));
    let set = set.filter(|(_, value)| !value.contains('$'));
    let set = set.filter(|(name, _)| name.chars().all(|c| c.is_ascii_uppercase() || c == '_'));
    set.map(|(name, value)| (name.to_owned(), words(value).concat())).collect()
}

/// Reads what follows `grpcurl` as that gets it from a shell.
fn call(text: &str, variables: &BTreeMap<String, String>) -> Call {
    let (command, input) = text.split_once(" <<'END'\n").unwrap();
    let message = input.split_once("\nEND\n").unwrap().0;
    let command = command.replace("\\\n  ", "").replace("\"$CREDENTIALD_CA_FILE\"", "CREDENTIALD_CA_FILE");
    let words = words(&command);
    let words: Vec<_> = words.iter().map(String::as_str).collect();
    let (tls, rest) = match &words[..] {
        ["-plaintext", rest @ ..] => (None, rest),
        ["-cacert", ca, rest @ ..] => (Some(ClientTls::trusting(&fs::read_to_string(&variables[*ca]).unwrap())), rest),
        _ => panic!("{words:?}"),
    };
    let ["-expand-headers", "-H", header, "-d", "@", address, method] = rest[..] else {
        panic!("{words:?}");
    };
    let token = header.strip_prefix("authorization: Bearer ${").and_then(|name| name.strip_suffix('}')).unwrap();
    let client = Client::new(address.parse().unwrap()).with_token(&variables[token]);
    let (_, method) = method.split_once("credential.v1.").unwrap();
    Call {
        client: tls.map_or_else(|| client.clone(), |tls| client.over(&tls)),
        method: method.to_owned(),
        request: serde_json::from_str(message).unwrap(),
    }
}

/// The words of a line, as a shell makes them of what is unquoted, in single quotes, or after a backslash
/// (POSIX.1-2017, XCU 2.2). What else a shell would act on must not be there.
fn words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut characters = line.chars();
    while let Some(character) = characters.next() {
        let word = words.last_mut().unwrap();
        match character {
            '\'' => word.extend(characters.by_ref().take_while(|quoted| *quoted != '\'')),
            '\\' => word.extend(characters.next()),
            ' ' => words.push(String::new()),
            '"' | '$' | '`' | '&' | '|' | ';' | '<' | '>' | '(' | ')' | '*' | '?' | '[' | '#' | '~' | '!' | '\n' => {
                panic!("{character:?} is not quoted in {line}")
            }
            plain => word.push(plain),
        }
    }
    words
}

async fn domain_version(root: &Client) -> Value {
    let described = root.ok("DescribeMailDomain", json!({ "domain_name": "example.com" })).await;
    described["mail_domain"]["credential"]["version"].clone()
}

#[tokio::test]
async fn the_printed_calls_do_what_they_say_at_every_start() {
    let installation = Installation::new();
    let first = installation.quickstart(&[]).await;
    let one = Demonstration::of(&first);
    for call in &one.calls {
        let reply = call.make().await;
        assert_eq!((reply.reason().as_str(), &reply.json["version"]), ("OK", &json!("2")), "{}", call.method);
    }
    let [refused, verification] = &one.others[..] else { panic!("others") };
    assert_eq!(refused.make().await.reason(), "PASSWORD_POLICY_VIOLATION");
    assert_eq!(verification.make().await.json["result"], "MATCHED_CURRENT");
    let (root, carol) = (&one.calls[0].client, json!({ "user_name": "carol", "generate_password": true }));
    root.ok("CreateRamUser", carol).await;
    first.stop().await;

    let second = installation.quickstart(&[]).await;
    let two = Demonstration::of(&second);
    let root = &two.calls[0].client;
    root.ok("DescribeRamUser", json!({ "user_name": "carol" })).await;
    for call in &two.calls {
        let reply = call.make().await;
        assert_eq!((reply.reason().as_str(), &reply.json["version"]), ("OK", &json!("4")), "{}", call.method);
    }
    for token in &one.tokens {
        let stale = Client::new(second.address).with_token(token);
        stale.err("DescribeRamUser", json!({ "user_name": "carol" }), "UNAUTHENTICATED").await;
    }
    second.stop().await;
}

#[tokio::test]
async fn with_tls_the_printed_calls_trust_the_ca_that_was_made() {
    let installation = Installation::new();
    for _ in 0..2 {
        let serving = installation.quickstart(&["--tls"]).await;
        for call in &Demonstration::of(&serving).calls {
            assert_eq!(call.make().await.reason(), "OK", "{}", call.method);
        }
        serving.stop().await;
    }
    let mode = fs::metadata(installation.data().join("server.key")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    // The next start without it serves in plaintext again.
    let serving = installation.quickstart(&[]).await;
    assert_eq!(Demonstration::of(&serving).calls[0].make().await.reason(), "OK");
    serving.stop().await;
}

#[tokio::test]
async fn a_port_in_use_is_reported_and_the_demonstration_keeps_its_passwords() {
    let installation = Installation::new();
    let serving = installation.quickstart(&[]).await;
    let root = Demonstration::of(&serving).calls[0].client.clone();
    assert_eq!(domain_version(&root).await, "1");

    let address = serving.address.to_string();
    let outcome = installation.run(&["quickstart", "--server-listen", &address]);
    assert_eq!((outcome.status, outcome.stdout.as_str()), (Some(1), ""));
    let expected = format!("error: can't serve: {address} is in use by another program");
    assert!(outcome.stderr.starts_with(&expected), "{}", outcome.stderr);
    assert_eq!(outcome.stderr.lines().count(), 1, "{}", outcome.stderr);
    assert_eq!(domain_version(&root).await, "1");
}

#[test]
fn the_demonstration_is_for_this_machine_only() {
    let installation = Installation::new();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let listen = format!("0.0.0.0:{port}");
    let outcome = installation.run(&["quickstart", "--server-listen", &listen, "--server-allow-plaintext"]);
    assert_eq!((outcome.status, outcome.stdout.as_str()), (Some(78), ""));
    assert!(outcome.stderr.contains("is not a loopback address"), "{}", outcome.stderr);
    assert!(!installation.data().exists(), "nothing is made");
}

#[tokio::test]
async fn with_the_edge_there_are_calls_for_the_vendors_sdks_and_a_ring_that_later_starts_use() {
    let installation = Installation::new();
    let first = installation.quickstart(&["--edge", "--http-listen", "127.0.0.1:0"]).await;
    let printed = first.printed();
    let calls: Vec<_> = printed.split("\npython3 - <<'END'\n").skip(1).collect();
    assert!(calls.len() == 4 && !printed.contains("127.0.0.1:0"), "{printed}");
    let long: Vec<_> = printed.lines().filter(|line| line.chars().count() > 80 && !line.contains("PATH")).collect();
    assert!(long.is_empty(), "{long:#?}");
    assert!(calls.iter().all(|call| call.contains("CDAK") && call.contains("cdk_")), "{printed}");
    for caller in ["root of the tenant", "relying system", "RAM user alice", "IAM user bob"] {
        assert!(printed.lines().any(|line| line.contains(caller) && line.contains("CDAK")), "{caller}: {printed}");
    }
    let ring = installation.data().join("pepper.keys");
    assert_eq!(fs::metadata(&ring).unwrap().permissions().mode() & 0o777, 0o600);
    let content = fs::read(&ring).unwrap();
    first.stop().await;

    let without = installation.quickstart(&[]).await;
    assert!(!without.printed().contains("python3"));
    without.stop().await;
    let open = installation.run(&["quickstart", "--edge", "--http-listen", "0.0.0.0:0"]);
    assert!(
        open.status == Some(78) && open.stderr.contains("--http-listen: 0.0.0.0:0 is not a loopback"),
        "{}",
        open.stderr
    );
    assert_eq!(fs::read(&ring).unwrap(), content);
}

#[test]
fn the_commands_can_be_written_to_a_file_and_no_line_of_the_log_is_between_them() {
    let installation = Installation::new();
    let mut command = installation.command(&["quickstart", "--server-listen", "127.0.0.1:0", "--open"]);
    let log = installation.path("log");
    let mut child = command.stdout(Stdio::piped()).stderr(fs::File::create(&log).unwrap()).spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let printed: Vec<_> = lines.map(Result::unwrap).take_while(|line| !line.starts_with("Ctrl-C")).collect();
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(fs::read_to_string(&log).unwrap(), "");
    let path = installation.data().join("quickstart.sh");
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let script = fs::read_to_string(&path).unwrap();
    let commands: Vec<_> = script.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).collect();
    assert!(commands.len() > 30 && commands.iter().all(|line| printed.iter().any(|one| one == line)), "{script}");
}
