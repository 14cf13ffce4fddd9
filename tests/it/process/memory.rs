//! The memory of the process: other processes can't read it, and no password stays in it.

use std::fs::{self, File, Permissions};
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;

use http::Request;
use memchr::memmem;
use serde_json::json;

use super::installation::{Installation, write_secretly};
use super::metrics::{get, scraped_at, value};
use super::serving::{Serving, eventually};
use super::tenant::{Acme, change};
use crate::support::Client;
use crate::support::certificates::{Authority, ClientTls};
use crate::support::signer::{AccessKey, send_over};

/// The user that the service runs as if the test is run by root.
const USER: u32 = 65_534;

/// Which of the texts are in the memory that a process can write to.
fn found_in_memory<'a>(serving: &Serving, texts: &[&'a str]) -> Vec<&'a str> {
    let maps = fs::read_to_string(format!("/proc/{}/maps", serving.id())).unwrap();
    let mut memory = File::open(format!("/proc/{}/mem", serving.id())).unwrap();
    let mut found = Vec::new();
    for line in maps.lines().filter(|line| line.contains(" rw")) {
        let range = line.split(' ').next().unwrap().split_once('-').unwrap();
        let [start, end] = [range.0, range.1].map(|number| u64::from_str_radix(number, 16).unwrap());
        let mut content = Vec::new();
        memory.seek(SeekFrom::Start(start)).unwrap();
        // A part that is unmapped meanwhile can't be read.
        let _ = (&memory).take(end - start).read_to_end(&mut content);
        let holds = |text: &str| memmem::find(&content, text.as_bytes()).is_some();
        found.extend(texts.iter().filter(|text| holds(text)));
    }
    found
}

#[tokio::test]
async fn no_password_stays_in_memory_once_its_connection_is_closed() {
    const PASSWORDS: [&str; 6] =
        ["Kq4zVx7Rt2wLp9", "Wy6JxDk2Pf9uTc", "Uj5xNq3bYe8hVg", "Hf2wZk7Tq9vMx4", "Nb4tZq7yJv2gSx", "Weak1"];
    let [first, second, third, wrong, checked, weak] = PASSWORDS;
    let installation = Installation::new();
    let (serving, acme) = installation.acme(&["--metrics-listen", "127.0.0.1:0"]).await;
    let alice = Client::new(serving.address).with_token(&acme.ram_user("harbour-master", first).await);
    alice.ok("ChangePassword", change(first, second)).await;
    alice.err("ChangePassword", change(wrong, third), "OLD_PASSWORD_INCORRECT").await;
    alice.err("ChangePassword", change(second, weak), "PASSWORD_POLICY_VIOLATION").await;
    assert_eq!(acme.verify("harbour-master", second).await, "MATCHED_CURRENT");
    let subject = json!({ "ram_user": "harbour-master" });
    acme.relay.ok("CheckPassword", json!({ "subject": subject, "password": checked })).await;
    let generated = acme.relay.ok("GeneratePassword", json!({ "subject": subject })).await;
    let generated = generated["password"].as_str().unwrap().to_owned();
    acme.root.ok("ResetPassword", json!({ "subject": subject, "password": third })).await;
    drop((alice, acme));
    holds_none(&serving, &[&PASSWORDS[..], &[&generated]].concat()).await;
    serving.stop().await;
}

/// Checks that none of the texts is in the memory of a process once all its connections are closed.
async fn holds_none(serving: &Serving, texts: &[&str]) {
    let metrics = scraped_at(serving);
    eventually("the connections to be closed", || {
        let open = value(&get(metrics, "/metrics"), "credentiald_connections");
        (open < 0.1).then_some(())
    })
    .await;
    // What is certainly in memory is found: the search works.
    let listens = metrics.to_string();
    assert_eq!(found_in_memory(serving, &[&listens[..9]]).first(), Some(&&listens[..9]));
    assert_eq!(found_in_memory(serving, texts), Vec::<&str>::new());
}

/// In the buffers of TLS and of HTTP/1.1, in queries, forms and JSON.
#[tokio::test]
async fn no_password_stays_in_memory_that_came_over_tls_or_from_an_sdk() {
    const PASSWORDS: [&str; 9] = [
        "Qz7mRw3Kd9xTf2",
        "Lp5yBn8Js4vHc6",
        "Tx2gZk9Wq7rMd3",
        "Vb8fNj4Ph6sYw5",
        "Gc3tXq7Lm9kRz2",
        "Dw6hVy2Bn5pJf8",
        "Mk9rTz4Xc7gQs3",
        "Hj5wPd8Fv2nLb6",
        "Ys4kCm7Zr9tGx5",
    ];
    let [first, second, third, fourth, wrong, of_bob, second_of_bob, malformed, of_domain] = PASSWORDS;
    let installation = Installation::new();
    let authority = Authority::new("ca");
    let leaf = authority.server(&["127.0.0.1"]);
    fs::write(installation.path("server.pem"), &leaf.certificate).unwrap();
    write_secretly(&installation.path("server.key"), &leaf.key);
    write_secretly(&installation.path("ring"), installation.run(&["pepper", "new-key"]).printed());
    let operator = installation.run(&["bootstrap", "--pepper-keys-file", "ring"]).printed();
    let tls = ["--tls-certificate-file", "server.pem", "--tls-key-file", "server.key", "--pepper-keys-file", "ring"];
    let listeners = ["--metrics-listen", "127.0.0.1:0", "--http-listen", "127.0.0.1:0"];
    let serving = installation.serve(&[&tls[..], &listeners].concat()).await;
    let tls = ClientTls::trusting(&authority.pem());
    let anybody = Client::new(serving.address).over(&tls);
    let acme = Acme::create_by(&anybody, operator.trim()).await;

    let alice = anybody.with_token(&acme.ram_user("harbour-master", first).await);
    alice.ok("ChangePassword", change(first, second)).await;
    alice.err("ChangePassword", change(wrong, third), "OLD_PASSWORD_INCORRECT").await;
    acme.root.ok("CreateIamUser", json!({ "user_id": "bob", "user_name": "bob", "password": of_bob })).await;
    acme.root.ok("CreateMailDomain", json!({ "domain_name": "a.example", "password": "Old-Harbour-12" })).await;
    let key = acme.root.access_key("RAM_USER", "harbour-master").await;
    let (bob, root) = (acme.root.access_key("IAM_USER", "bob").await, acme.root.access_key("ROOT", "").await);
    let stranger = AccessKey { secret: "none".to_owned(), ..key.clone() };
    let own = |old, new| [("OldPassword", old), ("NewPassword", new)];
    let body = json!({ "old_password": of_bob, "new_password": second_of_bob }).to_string();
    let form = key.v1("ChangePassword", "2015-05-01", &own(third, fourth)).uri().query().unwrap().to_owned();
    let form = Request::post("/").header("content-type", "application/x-www-form-urlencoded").body(form.into());
    let broken = format!("{{\"old_password\": \"{malformed}\"");
    let requests = [
        key.acs3("ChangePassword", "2015-05-01", &own(second, third)),
        form.unwrap(),
        stranger.acs3("ChangePassword", "2015-05-01", &own(wrong, fourth)),
        key.acs3("ChangePassword", "2015-05-01", &own(wrong, second)),
        bob.sdk_hmac("POST", "/v5/caller-password", &body, None),
        bob.sdk_hmac("POST", "/v5/caller-password", &broken, None),
        root.acs3("ModifyPWByDomain", "2015-11-23", &[("DomainName", "a.example"), ("Password", of_domain)]),
    ];
    let mut statuses = Vec::new();
    for request in requests {
        statuses.push(send_over(&tls, serving.http_address(), request).await.status().as_u16());
    }
    assert_eq!(statuses[0], 200, "{statuses:?}");
    assert!(statuses.iter().filter(|status| **status == 200).count() >= 3, "{statuses:?}");
    assert!(statuses.iter().filter(|status| **status >= 400).count() >= 3, "{statuses:?}");
    drop((alice, acme, anybody));
    holds_none(&serving, &PASSWORDS).await;
    serving.stop().await;
}

#[tokio::test]
async fn other_processes_of_the_user_read_nothing_and_no_core_is_dumped() {
    let installation = Installation::new();
    let mut command = installation.command(&["quickstart", "--server-listen", "127.0.0.1:0", "--log-level", "info"]);
    let own = fs::metadata(installation.path("")).unwrap().uid();
    if own == 0 {
        // Root reads everything, so the service runs as another user.
        fs::set_permissions(installation.path(""), Permissions::from_mode(0o777)).unwrap();
        let program = installation.path("credentiald");
        fs::copy(command.get_program(), &program).unwrap();
        let mut as_user = std::process::Command::new(program);
        as_user.args(command.get_args()).env_clear().current_dir(installation.path("")).uid(USER).gid(USER);
        command = as_user;
    }
    let serving = Serving::start(command, &installation.path("")).await;
    let of_process = |file: &str| format!("/proc/{}/{file}", serving.id());
    let limits = fs::read_to_string(of_process("limits")).unwrap();
    let core = limits.lines().find_map(|line| line.strip_prefix("Max core file size")).unwrap();
    assert_eq!(core.split_whitespace().take(2).collect::<Vec<_>>(), ["0", "0"]);
    // The files of a process that may be dumped belong to its user, all others to root.
    for file in ["environ", "mem", "maps"] {
        assert_eq!(fs::metadata(of_process(file)).unwrap().uid(), 0, "{file}");
    }
    let user = if own == 0 { USER } else { own };
    assert_eq!(fs::metadata(format!("/proc/{}", serving.id())).unwrap().uid(), user);
    serving.stop().await;
}
