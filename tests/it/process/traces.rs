//! Spans of calls, as a collector gets them.

use std::collections::BTreeSet;
use std::fs;

use opentelemetry_proto::tonic::trace::v1::Span;
use serde_json::json;

use super::installation::{Installation, write_secretly};
use super::metrics::{get, scraped_at, value};
use super::serving::eventually;
use super::tenant::{change, verification};
use crate::support::Client;
use crate::support::certificates::Authority;
use crate::support::collector::{Collector, attribute, hex};
use crate::support::signer::send;

const OLD: &str = "Old-Harbour-12";
const NEW: &str = "New-Harbour-21";
/// Those of the specification's example.
const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const SPAN: &str = "00f067aa0ba902b7";

fn sampled(trace: &str) -> String {
    format!("00-{trace}-{SPAN}-01")
}

/// The spans of a trace, once that of the call is there, which ends last.
async fn trace(collector: &Collector, id: &str) -> Vec<Span> {
    let trace = || {
        let spans = collector.trace(id);
        spans.first().is_some_and(|first| first.kind == 2).then_some(spans)
    };
    eventually("the spans of a trace", trace).await
}

fn names(spans: &[Span]) -> BTreeSet<&str> {
    spans.iter().map(|span| span.name.as_str()).collect()
}

#[tokio::test]
async fn a_change_is_one_trace_from_its_caller_to_its_commit() {
    let installation = Installation::new();
    let authority = Authority::new("CA");
    let collector = Collector::with_tls(&authority.server(&["127.0.0.1"])).await;
    fs::write(installation.path("ca.pem"), authority.pem()).unwrap();
    write_secretly(&installation.path("headers"), "authorization: Bearer of-the-collector\nx-tenant: acme\n");
    write_secretly(&installation.path("ring"), installation.run(&["pepper", "new-key"]).printed());
    let endpoint = format!("--traces-endpoint=https://{}", collector.address);
    let flags = [
        "--pepper-keys-file=ring",
        "--traces-ca-file=ca.pem",
        "--traces-headers-file=headers",
        "--traces-sample-ratio=0",
        "--http-listen=127.0.0.1:0",
        "--log-calls=all",
        "--audit-process-name=here",
        &endpoint,
    ];
    let (serving, acme) = installation.acme(&flags).await;
    let alice = Client::new(serving.address).with_token(&acme.ram_user("alice", OLD).await);
    let key = acme.root.access_key("RAM_USER", "alice").await;

    let reply = alice.with_header("traceparent", &sampled(TRACE)).call("ChangePassword", change(OLD, NEW)).await;
    assert_eq!(reply.reason(), "OK");
    let spans = trace(&collector, TRACE).await;
    let call = &spans[0];
    assert_eq!(
        (call.name.as_str(), hex(&call.parent_span_id).as_str()),
        ("credential.v1.CredentialService/ChangePassword", SPAN)
    );
    for (key, expected) in [
        ("rpc.system", Some("grpc")),
        ("rpc.service", Some("credential.v1.CredentialService")),
        ("rpc.method", Some("ChangePassword")),
        ("rpc.grpc.status_code", Some("0")),
        ("credentiald.request_id", reply.header("x-request-id")),
        ("error.type", None),
    ] {
        assert_eq!(attribute(&call.attributes, key).as_deref(), expected, "{key}: {call:?}");
    }
    assert!(names(&spans).is_superset(&BTreeSet::from(["hash", "read", "commit"])), "{spans:#?}");
    let mut ids = BTreeSet::new();
    for span in &spans {
        assert!(ids.insert(&span.span_id) && span.start_time_unix_nano <= span.end_time_unix_nano, "{span:?}");
        if span.span_id != call.span_id {
            assert_eq!(span.parent_span_id, call.span_id, "{span:?}");
            assert!(span.start_time_unix_nano >= call.start_time_unix_nano, "{span:?}");
        }
    }
    let commit = spans.iter().find(|span| span.name == "commit").unwrap();
    let of_commit = ["db.system.name", "db.operation.name"].map(|key| attribute(&commit.attributes, key).unwrap());
    assert_eq!(of_commit, ["sqlite", "commit"]);
    let (headers, request) = &collector.requests()[0];
    assert!(headers.contains("Bearer of-the-collector") && headers.contains("acme"), "{headers}");
    let resource = &request.resource_spans[0].resource.as_ref().unwrap().attributes;
    let resource = ["service.name", "service.instance.id"].map(|key| attribute(resource, key).unwrap());
    assert_eq!(resource, ["credentiald", "here"]);

    // One that fails, and one over the other edge.
    let [wrong, over_http] = ["a", "b"].map(|digit| digit.repeat(32));
    let refused = alice.with_header("traceparent", &sampled(&wrong)).call("ChangePassword", change(OLD, NEW)).await;
    assert_eq!(refused.reason(), "OLD_PASSWORD_INCORRECT");
    let call = trace(&collector, &wrong).await.remove(0);
    assert_eq!(attribute(&call.attributes, "error.type").as_deref(), Some("OLD_PASSWORD_INCORRECT"));
    assert_eq!(call.status, None, "its caller is to blame");
    let wrong_too = [("OldPassword", OLD), ("NewPassword", NEW)];
    let mut request = key.acs3("ChangePassword", "2015-05-01", &wrong_too);
    request.headers_mut().insert("traceparent", sampled(&over_http).parse().unwrap());
    send(serving.http_address(), request).await;
    let call = trace(&collector, &over_http).await.remove(0);
    let of_call = ["rpc.method", "network.protocol.name"].map(|key| attribute(&call.attributes, key).unwrap());
    assert_eq!(of_call, ["ChangePassword", "http"]);

    let log = serving.stop().await;
    let traced: Vec<_> = log.lines().filter(|line| line.contains("trace_id=")).collect();
    assert_eq!(traced.len(), 3, "{log}");
    assert!(traced[0].contains(&format!("trace_id={TRACE}")), "{log}");
    // Calls without a context are not sampled here, and neither is a caller that says so.
    let found: BTreeSet<_> = collector.spans().iter().map(|span| hex(&span.trace_id)).collect();
    assert_eq!(found, BTreeSet::from([TRACE.to_owned(), wrong, over_http]));
}

#[tokio::test]
async fn a_trace_that_begins_here_has_the_id_of_its_request_and_is_sent_before_the_stop() {
    let installation = Installation::new();
    let collector = Collector::start().await;
    let endpoint = format!("--traces-endpoint=http://{}", collector.address);
    let (serving, acme) = installation.acme(&[&endpoint, "--traces-sample-ratio=1"]).await;
    acme.ram_user("alice", OLD).await;
    let not_sampled = format!("00-{TRACE}-{SPAN}-00");
    let relay = acme.relay.with_header("traceparent", &not_sampled);
    relay.ok("VerifyPassword", verification("alice", OLD)).await;
    let reply = acme.relay.call("VerifyPassword", verification("alice", OLD)).await;
    let id = reply.header("x-request-id").unwrap().replace('-', "").to_lowercase();
    serving.stop().await;
    let spans = collector.trace(&id);
    assert_eq!(spans[0].name, "credential.v1.VerificationService/VerifyPassword", "{spans:#?}");
    assert!(spans[0].parent_span_id.is_empty() && names(&spans).contains("hash"), "{spans:#?}");
    assert_eq!(collector.trace(TRACE), []);
}

#[tokio::test]
async fn a_collector_that_is_slow_or_gone_costs_spans_and_nothing_else() {
    let installation = Installation::new();
    let collector = Collector::start().await;
    collector.close();
    let endpoint = format!("--traces-endpoint=http://{}", collector.address);
    let (serving, acme) = installation.acme(&[&endpoint, "--traces-sample-ratio=1"]).await;
    acme.ram_user("alice", OLD).await;
    assert_eq!(acme.verify("alice", OLD).await, "MATCHED_CURRENT");
    eventually("spans to be sent", || (!collector.spans().is_empty()).then_some(())).await;
    assert_eq!(acme.verify("alice", OLD).await, "MATCHED_CURRENT");
    // The stop does not wait for the answer that never comes.
    let log = serving.stop().await;
    assert!(log.contains("spans are lost") && log.contains("stopped"), "{log}");

    let nobody = ["--traces-endpoint=http://127.0.0.1:1", "--traces-sample-ratio=1", "--metrics-listen=127.0.0.1:0"];
    let installation = Installation::new();
    let (serving, acme) = installation.acme(&nobody).await;
    let failed = || value(&get(scraped_at(&serving), "/metrics"), r#"credentiald_spans_total{outcome="failed"}"#);
    serving.logs("the collector takes no spans").await;
    let before = failed();
    acme.relay.err("CreateRamUser", json!({ "user_name": "b" }), "ACCESS_DENIED").await;
    eventually("more spans to be lost", || (failed() > before).then_some(())).await;
    let log = serving.stop().await;
    assert_eq!(log.matches("the collector takes no spans").count(), 1, "{log}");
}
