//! The edge for the vendors' SDKs, of a process that is stopped, and of one whose store was damaged.

use bytes::Bytes;
use http::Request;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::installation::{Installation, write_secretly};
use super::serving::{PATIENCE, eventually};
use crate::store::connection_to;
use crate::support::signer::send;

const OLD: &str = "Old-Harbour-12";
const NEW: &str = "New-Harbour-34";
const FLAGS: [&str; 2] = ["--pepper-keys-file=ring", "--http-listen=127.0.0.1:0"];

/// An installation with a ring of keys.
fn peppered() -> Installation {
    let installation = Installation::new();
    let key = installation.run(&["pepper", "new-key"]).printed();
    write_secretly(&installation.path("ring"), &key);
    installation
}

/// The head of a request as it is sent. Its sender waits until the body is wanted.
fn head(request: &Request<Bytes>) -> String {
    let headers = request.headers().iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()));
    let mut lines = vec![format!("{} {} HTTP/1.1", request.method(), request.uri())];
    lines.extend(headers);
    lines.push(format!("content-length: {}\r\nexpect: 100-continue\r\n\r\n", request.body().len()));
    lines.join("\r\n")
}

async fn read_to(connection: &mut TcpStream, end: &str) -> String {
    let mut read = Vec::new();
    while !read.ends_with(end.as_bytes()) {
        let byte = tokio::time::timeout(PATIENCE, connection.read_u8()).await.expect("the server is silent");
        read.push(byte.unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&read))));
    }
    String::from_utf8(read).unwrap()
}

#[tokio::test]
async fn a_signed_change_that_has_begun_is_answered_before_a_stop_and_no_other_connection_is_accepted() {
    let installation = peppered();
    // Far longer than the test waits: whatever drains for so long fails it.
    let flags = [FLAGS.as_slice(), &["--server-drain-seconds=3600", "--http-deadline-milliseconds=2999"]].concat();
    let (mut serving, acme) = installation.acme(&flags).await;
    acme.root.ok("CreateIamUser", json!({ "user_id": "bob", "password": OLD })).await;
    let key = acme.root.access_key("IAM_USER", "bob").await;
    let address = serving.http_address();
    let body = json!({ "old_password": OLD, "new_password": NEW }).to_string();
    let request = key.sdk_hmac("POST", "/v5/caller-password", &body, None);
    let mut connection = TcpStream::connect(address).await.unwrap();
    connection.write_all(head(&request).as_bytes()).await.unwrap();
    assert_eq!(read_to(&mut connection, "\r\n\r\n").await, "HTTP/1.1 100 Continue\r\n\r\n");

    serving.signal("TERM");
    eventually("a refused connection", || std::net::TcpStream::connect(address).is_err().then_some(())).await;
    connection.write_all(request.body()).await.unwrap();
    let answer = read_to(&mut connection, "\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.contains("connection: close\r\n"), "{answer}");
    let mut rest = String::new();
    connection.read_to_string(&mut rest).await.unwrap();
    assert!(serde_json::from_str::<Value>(&rest).unwrap().is_object(), "{rest}");
    let status = serving.ended().await;
    assert!(status.success(), "{status}: {}", serving.log());

    let again = installation.serve(&FLAGS).await;
    let verification = json!({ "subject": { "iam_user": "bob" }, "password": NEW });
    let verified = acme.at(again.address).relay.ok("VerifyPassword", verification).await;
    assert_eq!(verified["result"], "MATCHED_CURRENT");
    again.stop().await;
}

#[tokio::test]
async fn a_key_whose_secret_is_damaged_is_named_in_the_log_and_its_caller_learns_only_that_the_service_failed() {
    let installation = peppered();
    let (serving, acme) = installation.acme(&FLAGS).await;
    acme.root.ok("CreateRamUser", json!({ "user_name": "alice", "password": OLD })).await;
    let [damaged, sound] = [acme.root.access_key("RAM_USER", "alice").await, acme.root.access_key("ROOT", "").await];
    serving.stop().await;
    let connection = connection_to(&installation.database());
    let select = "SELECT id, secret FROM access_token WHERE kind = 'ram-user' AND secret IS NOT NULL";
    let (id, secret): (String, String) =
        connection.query_row(select, [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    // Another letter of the same alphabet, in the part that is encrypted.
    let at = secret.len() - 9;
    let other = if &secret[at..=at] == "A" { "B" } else { "A" };
    let changed = format!("{}{other}{}", &secret[..at], &secret[at + 1..]);
    connection.execute("UPDATE access_token SET secret = ?1 WHERE id = ?2", [&changed, &id]).unwrap();
    drop(connection);
    let check = installation.run(&["store", "check", FLAGS[0]]);
    assert!(check.status == Some(1) && check.stdout.starts_with("access_token, row "), "{check:?}");

    let serving = installation.serve(&FLAGS).await;
    let change = [("OldPassword", OLD), ("NewPassword", NEW)];
    let response = send(serving.http_address(), damaged.acs3("ChangePassword", "2015-05-01", &change)).await;
    let content: Value = serde_json::from_slice(response.body()).unwrap();
    let said = (response.status().as_u16(), content["Code"].as_str(), content["Reason"].as_str());
    assert_eq!(said, (500, Some("InternalError"), Some("INTERNAL")));
    let logged =
        eventually("a line about the key", || serving.log().contains(&damaged.id).then(|| serving.log())).await;
    assert!(logged.contains("the secret of access key"), "{logged}");
    for secret in [&damaged.secret, &secret, &changed] {
        assert!(!logged.contains(secret) && !content.to_string().contains(secret), "{logged}");
    }
    assert!(!content.to_string().contains("secret"), "{content}");
    // The other keys are as good as before.
    let response = send(serving.http_address(), sound.acs3("GetPasswordPolicy", "2015-05-01", &[])).await;
    assert_eq!(response.status(), 200);
    serving.stop().await;
}
