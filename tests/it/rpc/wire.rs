//! Whatever comes over the wire gets a typed answer with details and a request id.

use serde_json::{Value, json};
use tonic::Code;

use super::upgrades::import;
use crate::support::client::{frame, method_named, path};
use crate::support::{Client, Reply, Setup, World};

const CHANGE: &str = "/credential.v1.CredentialService/ChangePassword";

fn assert_is_typed(reply: &Reply, code: Code, reason: &str) {
    assert_eq!((reply.status.code(), reply.reason().as_str()), (code, reason), "{:?}", reply.status);
    let details = reply.details();
    assert_eq!(details.error_info().unwrap().domain, "credential.v1");
    assert_eq!(details.request_info().unwrap().request_id, reply.trailer("x-request-id").unwrap());
    assert!(reply.initial.contains_key("grpc-status"), "it is one block of headers: retry policies end with the first");
}

#[tokio::test]
async fn a_body_that_does_not_decode_is_an_invalid_field() {
    let world = World::start().await;
    let alice = world.ram_user("alice", "mypassword").await;
    let truncated = frame(b"\x0a\x05hello").slice(..8);
    let bodies: [(&str, Vec<u8>); 7] = [
        ("broken protobuf", frame(b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff").to_vec()),
        ("wrong wire type", frame(b"\x08\x01").to_vec()),
        ("bad UTF-8", frame(b"\x0a\x02\xc3\x28").to_vec()),
        ("truncated message", truncated.to_vec()),
        ("truncated header", vec![0, 0, 0]),
        ("empty body", vec![]),
        ("compressed, which was not agreed on", [&[1_u8, 0, 0, 0, 2][..], b"hi"].concat()),
    ];
    for (name, body) in bodies {
        let reply = alice.send(CHANGE, body).await;
        assert_eq!(reply.reason(), "INVALID_FIELD", "{name}: {:?}", reply.status);
        assert_is_typed(&reply, Code::InvalidArgument, "INVALID_FIELD");
    }
    // An empty message is a request without fields.
    let reply = alice.send(CHANGE, frame(b"")).await;
    assert_eq!(reply.problems().len(), 2);
}

#[tokio::test]
async fn too_large_a_message_is_refused_before_it_is_read() {
    let world = World::start().await;
    let alice = world.ram_user("alice", "mypassword").await;
    for declared in [1_u32 << 20, 1 << 30] {
        let mut body = vec![0];
        body.extend(declared.to_be_bytes());
        body.extend([0; 64]);
        let reply = alice.send(CHANGE, body).await;
        assert_is_typed(&reply, Code::ResourceExhausted, "MESSAGE_TOO_LARGE");
        assert_eq!(reply.metadata("http_status").as_deref(), Some("413"));
    }
}

#[tokio::test]
async fn an_unknown_rpc_is_reported() {
    let world = World::start().await;
    for path in ["/credential.v1.CredentialService/ResetEverything", "/nobody.v1.Service/Call", "/", "/x"] {
        let reply = world.root.send(path, frame(b"")).await;
        assert_is_typed(&reply, Code::Unimplemented, "UNKNOWN_METHOD");
    }
}

#[tokio::test]
async fn credentials_are_asked_for_before_anything_else_is_looked_at() {
    let world = World::start().await;
    let token = |client: &Client, text: &str| client.with_header("authorization", text);
    let anybody = world.anybody();
    let good = {
        let request = json!({ "caller_kind": "CALLER_KIND_ROOT" });
        world.root.ok("IssueAccessToken", request).await["token"].as_str().unwrap().to_owned()
    };
    let callers = [
        ("none", anybody.clone()),
        ("another scheme", token(&anybody, "Basic dXNlcjpwYXNz")),
        ("no scheme", token(&anybody, &good)),
        ("no token", token(&anybody, "Bearer ")),
        ("an unknown token", anybody.with_token(&format!("cdt_{}", "0".repeat(64)))),
        ("a truncated token", anybody.with_token(&good[..good.len() - 1])),
        ("a token twice in one header", anybody.with_token(&format!("{good}{good}"))),
        ("two headers", anybody.with_token(&good).with_token(&good)),
        ("a long token", anybody.with_token(&"a".repeat(4000))),
    ];
    for (name, caller) in callers {
        for body in [frame(b""), frame(b"\x0a\xff"), b"junk".to_vec().into()] {
            let reply = caller.send(CHANGE, body).await;
            assert_eq!(reply.reason(), "UNAUTHENTICATED", "{name}");
            assert_is_typed(&reply, Code::Unauthenticated, "UNAUTHENTICATED");
        }
    }
    anybody.with_token(&good).ok("GetPasswordPolicy", json!({})).await;
}

#[tokio::test]
async fn a_revoked_and_an_expired_token_are_no_credentials() {
    let world = World::start().await;
    let request = json!({ "caller_kind": "CALLER_KIND_ROOT" });
    let issued = world.root.ok("IssueAccessToken", request).await;
    let second = world.anybody().with_token(issued["token"].as_str().unwrap());
    second.ok("GetPasswordPolicy", json!({})).await;
    world.root.ok("RevokeAccessToken", json!({ "token_id": issued["access_token"]["token_id"] })).await;
    second.err("GetPasswordPolicy", json!({}), "UNAUTHENTICATED").await;

    let request = json!({ "caller_kind": "CALLER_KIND_ROOT", "time_to_live": "0.000001s" });
    let issued = world.root.ok("IssueAccessToken", request).await;
    let expired = world.anybody().with_token(issued["token"].as_str().unwrap());
    expired.err("GetPasswordPolicy", json!({}), "UNAUTHENTICATED").await;
}

#[tokio::test]
async fn an_expired_deadline_is_not_a_cancellation() {
    let world = World::start().await;
    let hurried = world.root.with_header("grpc-timeout", "1n");
    let reply = hurried.call("ListRamUsers", json!({})).await;
    assert_is_typed(&reply, Code::DeadlineExceeded, "DEADLINE_EXCEEDED");
    assert_eq!(reply.metadata("http_status").as_deref(), Some("504"));
}

#[tokio::test]
async fn a_message_whose_bytes_come_slowly_ends_with_the_longest_request() {
    let world = Setup::default().with("server.longest_request_seconds", "1").start().await;
    let stream = world.root.open_stream(&path(&method_named("ListRamUsers"))).await;
    // The head of a message that would be whole after 60,000 calls of another caller.
    stream.send(vec![0, 0, 0, 0xEA, 0x60].into()).await;
    let mut bytes = 0;
    while stream.try_send(vec![0].into()).await {
        world.operator.ok("ListTenants", json!({})).await;
        bytes += 1;
    }
    assert_eq!(stream.reply().await.reason(), "DEADLINE_EXCEEDED");
    assert!((2..60_000).contains(&bytes), "{bytes}");
}

#[tokio::test]
async fn a_deadline_that_no_hash_meets_is_refused_at_once_and_costs_no_attempt() {
    let world = World::start().await;
    let alice = world.ram_user("alice", "mypassword").await;
    let request = json!({ "old_password": "guessed-wrong", "new_password": "newpassword" });
    for _ in 0..6 {
        let reply = alice.with_header("grpc-timeout", "5m").call("ChangePassword", request.clone()).await;
        assert!(["DEADLINE_TOO_SHORT", "DEADLINE_EXCEEDED"].contains(&reply.reason().as_str()), "{reply:?}");
    }
    alice.err("ChangePassword", request, "OLD_PASSWORD_INCORRECT").await;
}

/// A call that has too little time learns how much it takes. With many workers that is the time of what is computed one after
/// the other: each form of a password, and the old password before those used before.
#[tokio::test]
async fn what_is_hashed_one_after_the_other_needs_a_deadline_for_all_of_it() {
    let world = Setup::default()
        .with("hashing.workers", "8")
        .with("hashing.interleave", "1")
        .with("hashing.memory_kib", "7168")
        .with("hashing.iterations", "16")
        .with("import.forms", "nfd, nfkc, nfkd, latin-1")
        .start()
        .await;
    world.root.ok("SetPasswordPolicy", json!({ "password_reuse_prevention": 3 })).await;
    let (alice, bob) = (world.ram_user("alice", "mypassword-0").await, world.ram_user("bob", "mypassword-0").await);
    alice.ok("ChangePassword", json!({ "old_password": "mypassword-0", "new_password": "mypassword-1" })).await;
    import(&world, "alice", "$2b$05$abcdefghijklmnopqrstuuH697yjJ5RciYzyfi0k5spE7VBzoKg6G");
    // Four forms are tried.
    let wide = "\u{fb01}le-\u{e9}";
    let verify = |user: &str| json!({ "subject": { "ram_user": user }, "password": wide });
    let change = json!({ "old_password": wide, "new_password": "newpassword" });
    let relay = world.service().await;
    let calls = [
        (&relay, "VerifyPassword", verify("bob"), 1),
        (&bob, "ChangePassword", change.clone(), 1),
        (&relay, "VerifyPassword", verify("alice"), 4),
        (&alice, "ChangePassword", change, 5),
    ];
    let mut needed = Vec::new();
    for (client, method, request, _) in &calls {
        needed.push(needed_millis(client, method, request).await);
    }
    for ((client, method, request, hashes), needed_millis) in calls.iter().zip(&needed) {
        // Each was rounded up.
        assert!((needed[0] * hashes).abs_diff(*needed_millis) <= *hashes, "{method} of {hashes} hashes: {needed:?}");
        let in_time = client.with_header("grpc-timeout", "60S").call(method, request.clone()).await;
        assert!(["OK", "OLD_PASSWORD_INCORRECT"].contains(&in_time.reason().as_str()), "{in_time:?}");
    }
}

/// How long the deadline of a call would have to be, as it is told if its own is shorter.
async fn needed_millis(client: &Client, method: &str, request: &Value) -> u64 {
    for _ in 0..200 {
        let reply = client.with_header("grpc-timeout", "15m").call(method, request.clone()).await;
        match reply.reason().as_str() {
            "DEADLINE_TOO_SHORT" => return reply.metadata("expected_wait_ms").unwrap().parse().unwrap(),
            // It was over before.
            "DEADLINE_EXCEEDED" => {}
            other => panic!("{other}: {reply:?}"),
        }
    }
    panic!("the deadline was over before, each time");
}

#[tokio::test]
async fn the_callers_own_request_id_is_kept_apart() {
    let world = World::start().await;
    let reply = world.root.with_header("x-request-id", "my-own-1").call("GetPasswordPolicy", json!({})).await;
    assert_eq!(reply.json["request_id"].as_str(), reply.header("x-request-id"));
    assert_ne!(reply.header("x-request-id"), Some("my-own-1"));
}

#[tokio::test]
async fn health_and_reflection_ask_for_no_credentials() {
    let world = World::start().await;
    let anybody = world.anybody();
    for service in ["", "credential.v1.CredentialService", "credential.admin.v1.AdminService"] {
        let mut message = vec![0x0a, u8::try_from(service.len()).unwrap()];
        message.extend(service.as_bytes());
        let reply = anybody.send("/grpc.health.v1.Health/Check", frame(&message)).await;
        assert_eq!(reply.status.code(), Code::Ok, "{service}");
        assert_eq!(&reply.body[5..], [0x08, 1], "SERVING");
    }
    let reply = anybody.send("/grpc.health.v1.Health/Check", frame(b"\x0a\x01x")).await;
    assert_eq!(reply.status.code(), Code::NotFound);
    assert!(reply.details().error_info().is_some() && reply.trailer("x-request-id").is_some());
    for version in ["v1", "v1alpha"] {
        let path = format!("/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo");
        let reply = anybody.send(&path, frame(b"\x3a\x00")).await;
        assert_eq!(reply.status.code(), Code::Ok);
        assert!(String::from_utf8_lossy(&reply.body).contains("credential.admin.v1.AdminService"));
    }
}

#[tokio::test]
async fn a_client_that_goes_away_half_way_harms_no_other() {
    use tokio::io::AsyncWriteExt;
    let world = World::start().await;
    let alice = world.ram_user("alice", "mypassword").await;
    for sent in [&b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"[..], b"PRI * HT", b"GET / HTTP/1.1\r\n\r\n", &[0xff; 64]] {
        let mut socket = tokio::net::TcpStream::connect(world.address).await.unwrap();
        socket.write_all(sent).await.unwrap();
        drop(socket);
    }
    alice.ok("ChangePassword", json!({ "old_password": "mypassword", "new_password": "newpassword" })).await;
    assert_eq!(path(&method_named("ChangePassword")), CHANGE);
}
