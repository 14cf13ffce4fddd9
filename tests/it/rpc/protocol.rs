//! The rules of gRPC over HTTP/2, as `docs/grpc.md` lists them.

use std::io::Write;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::{Method, Response};
use prost::Message;
use prost_reflect::DynamicMessage;
use serde_json::{Value, json};
use tonic::Code;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;
use tonic_reflection::pb::v1::{ServerReflectionRequest, ServerReflectionResponse};

use crate::support::client::{frame, method_named};
use crate::support::{Reply, World};

const CHANGE: &str = "/credential.v1.CredentialService/ChangePassword";

fn change() -> Value {
    json!({ "old_password": "mypassword", "new_password": "newpassword" })
}

fn message(method: &str, request: Value) -> Vec<u8> {
    DynamicMessage::deserialize(method_named(method).input(), request).unwrap().encode_to_vec()
}

/// A compressed message in its frame.
fn gzipped(message: &[u8]) -> Bytes {
    let mut encoder = GzEncoder::new(vec![1, 0, 0, 0, 0], Compression::best());
    encoder.write_all(message).unwrap();
    let mut framed = encoder.finish().unwrap();
    let length = u32::try_from(framed.len() - 5).unwrap();
    framed[1..5].copy_from_slice(&length.to_be_bytes());
    framed.into()
}

fn assert_is_http(response: &Response<Bytes>, status: u16) {
    assert_eq!((response.status().as_u16(), response.body().len()), (status, 0));
    assert!(!response.headers().contains_key("grpc-status") && !response.headers().contains_key("content-type"));
}

fn assert_is_one_block(reply: &Reply) {
    assert!(reply.initial.contains_key("grpc-status") && reply.body.is_empty(), "{reply:?}");
    assert_eq!(reply.trailer("x-request-id"), Some(&*reply.details().request_info().unwrap().request_id));
}

#[tokio::test]
async fn another_protocol_gets_415_and_nothing_is_done() {
    let world = World::start().await;
    let alice = world.ram_user("alice", "mypassword").await;
    let body = message("ChangePassword", change());
    let types =
        ["application/grpc-web+proto", "application/grpc-web", "application/proto", "application/json", "text/html"];
    for content_type in types {
        for caller in [&alice, &world.anybody()] {
            let caller = caller.with_header("content-type", content_type);
            assert_is_http(&caller.request_http(Method::POST, CHANGE, frame(&body)).await, 415);
            assert_is_http(&caller.request_http(Method::POST, CHANGE, body.clone()).await, 415);
        }
    }
    for content_type in ["application/grpc", "application/grpc+proto", "application/grpc;charset=utf-8"] {
        alice.with_header("content-type", content_type).err("GetPasswordPolicy", json!({}), "ACCESS_DENIED").await;
    }
    alice.ok("ChangePassword", change()).await;
}

#[tokio::test]
async fn another_method_gets_405_and_nothing_is_done() {
    let world = World::start().await;
    let alice = world.ram_user("alice", "mypassword").await;
    for method in [Method::GET, Method::PUT, Method::PATCH, Method::DELETE, Method::OPTIONS] {
        let response = alice.request_http(method, CHANGE, frame(&message("ChangePassword", change()))).await;
        assert_is_http(&response, 405);
        assert_eq!(response.headers()["allow"], "POST");
    }
    alice.ok("ChangePassword", change()).await;
}

#[tokio::test]
async fn a_message_may_come_in_any_pieces() {
    let world = World::start().await;
    let alice = world.ram_user("alice", "mypassword").await;
    let stream = alice.open_stream(CHANGE).await;
    for byte in frame(&message("ChangePassword", change())) {
        stream.send(Bytes::copy_from_slice(&[byte])).await;
    }
    // The last frame holds nothing and ends the stream.
    assert_eq!(stream.end().await.reason(), "OK");
}

#[tokio::test]
async fn a_compressed_request_is_read() {
    let world = World::start().await;
    let alice = world.ram_user("alice", "mypassword").await.with_header("grpc-encoding", "gzip");
    let reply = alice.send(CHANGE, gzipped(&message("ChangePassword", change()))).await;
    assert_eq!(reply.status.code(), Code::Ok, "{reply:?}");
    assert_eq!(reply.body[0], 0, "replies are not compressed");
    assert_eq!(reply.header("grpc-encoding"), None);
    // The header allows for messages that are not compressed.
    let again = json!({ "old_password": "newpassword", "new_password": "anotherpassword" });
    assert_eq!(alice.send(CHANGE, frame(&message("ChangePassword", again))).await.reason(), "OK");
}

#[tokio::test]
async fn a_message_is_bounded_after_decompression() {
    let world = World::start().await;
    let alice = world.ram_user("alice", "mypassword").await.with_header("grpc-encoding", "gzip");
    let bomb = gzipped(&vec![0; 64 << 20]);
    assert!(bomb.len() < 128 << 10);
    let reply = alice.send(CHANGE, bomb).await;
    assert_eq!((reply.status.code(), reply.reason().as_str()), (Code::ResourceExhausted, "MESSAGE_TOO_LARGE"));
    let broken = alice.send(CHANGE, [&[1, 0, 0, 0, 4][..], b"junk"].concat()).await;
    assert_eq!(broken.reason(), "INVALID_FIELD");
}

#[tokio::test]
async fn an_unsupported_compression_is_reported_with_the_supported_ones() {
    let world = World::start().await;
    let alice = world.ram_user("alice", "mypassword").await;
    for path in [CHANGE, "/grpc.health.v1.Health/Check", "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"] {
        let reply =
            alice.with_header("grpc-encoding", "snappy").send(path, [&[1, 0, 0, 0, 2][..], b"hi"].concat()).await;
        assert_eq!((reply.status.code(), reply.reason().as_str()), (Code::Unimplemented, "UNSUPPORTED_COMPRESSION"));
        assert_eq!(reply.trailer("grpc-accept-encoding"), Some("gzip,identity"));
        assert_is_one_block(&reply);
    }
}

#[tokio::test]
async fn an_error_before_the_first_message_is_one_block_of_headers() {
    let world = World::start().await;
    let alice = world.ram_user("alice", "mypassword").await;
    let wrong = json!({ "old_password": "wrong-password", "new_password": "newpassword" });
    assert_is_one_block(&alice.err("ChangePassword", wrong, "OLD_PASSWORD_INCORRECT").await);
    assert_is_one_block(&world.anybody().err("ChangePassword", change(), "UNAUTHENTICATED").await);
    assert_is_one_block(&alice.send("/nobody.v1.Service/Call", frame(b"")).await);
    assert_is_one_block(&alice.send(CHANGE, vec![0, 0]).await);
    assert_is_one_block(&world.root.with_header("grpc-timeout", "1n").call("ListRamUsers", json!({})).await);
    // A watch that does not begin is no beginning of an answer either.
    assert_is_one_block(&alice.watch(json!({})).await.end().await);
    let refused = world.root.watch(json!({ "cursor": "bm90IGEgY3Vyc29y" })).await.end().await;
    assert_eq!(refused.reason(), "INVALID_FIELD");
    assert_is_one_block(&refused);
}

#[tokio::test]
async fn a_success_has_its_request_id_in_the_initial_metadata_alone() {
    let world = World::start().await;
    let alice = world.ram_user("alice", "mypassword").await;
    let reply = alice.call("ChangePassword", change()).await;
    assert_eq!(reply.header("x-request-id"), reply.json["request_id"].as_str());
    assert_eq!(reply.trailer("x-request-id"), None);
    assert_eq!(reply.trailer("grpc-status"), Some("0"));
}

#[tokio::test]
async fn a_retry_that_is_allowed_later_has_a_pushback_too() {
    let world = World::start().await;
    let alice = world.ram_user("alice", "mypassword").await;
    let wrong = json!({ "old_password": "wrong-password", "new_password": "newpassword" });
    let mut reply = alice.call("ChangePassword", wrong.clone()).await;
    while reply.reason() == "OLD_PASSWORD_INCORRECT" {
        assert_eq!(reply.trailer("grpc-retry-pushback-ms"), None);
        reply = alice.call("ChangePassword", wrong.clone()).await;
    }
    assert_eq!(reply.reason(), "TOO_MANY_ATTEMPTS");
    let delay = reply.details().retry_info().unwrap().retry_delay.unwrap();
    assert_eq!(reply.trailer("grpc-retry-pushback-ms"), Some(&*delay.as_millis().to_string()));
    let too_large = alice.send(CHANGE, [&[0][..], &(1_u32 << 30).to_be_bytes()].concat()).await;
    assert_eq!(too_large.trailer("grpc-retry-pushback-ms"), Some("-1"));
}

#[tokio::test]
async fn a_deadline_of_nine_digits_is_one() {
    let world = World::start().await;
    // 36 hours in milliseconds, and 100 in nanoseconds.
    world.root.with_header("grpc-timeout", "129600000m").ok("ListRamUsers", json!({})).await;
    let hurried = world.root.with_header("grpc-timeout", "000000100n");
    hurried.err("ListRamUsers", json!({}), "DEADLINE_EXCEEDED").await;
    // A watch has no other bound than its caller's deadline.
    let mut watch = world.root.with_header("grpc-timeout", "129600000m").watch(json!({})).await;
    watch.next().await.unwrap();
}

#[tokio::test]
async fn too_large_headers_get_an_http_status_that_clients_know() {
    let world = World::start().await;
    let body = frame(&message("GetPasswordPolicy", json!({})));
    let path = "/credential.admin.v1.AdminService/GetPasswordPolicy";
    let fits = world.root.with_header("x-note", &"a".repeat(8 << 10));
    assert_eq!(fits.send(path, body.clone()).await.reason(), "OK");
    let too_large = world.root.with_header("x-note", &"a".repeat(32 << 10));
    assert_is_http(&too_large.request_http(Method::POST, path, body.clone()).await, 431);
    assert_eq!(fits.send(path, body).await.reason(), "OK", "the connection goes on");
}

#[tokio::test]
async fn a_question_that_reflection_cannot_answer_does_not_end_its_stream() {
    let world = World::start().await;
    let ask = |question| {
        let request = ServerReflectionRequest { host: String::new(), message_request: Some(question) };
        frame(&request.encode_to_vec())
    };
    let absent = ask(MessageRequest::FileContainingSymbol("no.such.Symbol".to_owned()));
    let list = ask(MessageRequest::ListServices(String::new()));
    let path = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";
    let reply = world.anybody().send(path, [absent, list].concat()).await;
    let (header, rest) = reply.body.split_at(5);
    let (first, second) = rest.split_at(usize::try_from(u32::from_be_bytes(header[1..].try_into().unwrap())).unwrap());
    let answered = |message: &[u8]| ServerReflectionResponse::decode(message).unwrap().message_response.unwrap();
    assert!(matches!(answered(first), MessageResponse::ErrorResponse(error) if error.error_code == 5));
    assert!(matches!(answered(&second[5..]), MessageResponse::ListServicesResponse(_)));
    // Questions may be compressed, too.
    let list = ServerReflectionRequest {
        message_request: Some(MessageRequest::ListServices(String::new())),
        ..Default::default()
    };
    let gzip = world.anybody().with_header("grpc-encoding", "gzip");
    assert_eq!(gzip.send(path, gzipped(&list.encode_to_vec())).await.reason(), "OK");
}

#[tokio::test]
async fn te_is_not_asked_for_and_unknown_headers_are_no_error() {
    let world = World::start().await;
    let client = world.root.with_header("te", "gzip").with_header("grpc-future", "1");
    client.ok("ListRamUsers", json!({})).await;
}
