//! Spans of calls, as a collector gets them.

use std::collections::BTreeSet;
use std::fs;

use opentelemetry_proto::tonic::trace::v1::Span;
use serde_json::json;

use super::installation::{Installation, outcome, write_secretly};
use super::metrics::{get, scraped_at, value};
use super::serving::eventually;
use super::tenant::{Acme, change, token, verification};
use crate::support::certificates::Authority;
use crate::support::collector::{Collector, attribute, hex};
use crate::support::hook::{Hook, HookServer, nowhere};
use crate::support::jwt::{JwksServer, SigningKey, issuers};
use crate::support::redis::{ADMIN_PASSWORD, Node};
use crate::support::signer::send;
use crate::support::{Client, postgres};

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

/// The first span of that name.
fn named<'a>(spans: &'a [Span], name: &str) -> &'a Span {
    spans.iter().find(|span| span.name == name).unwrap_or_else(|| panic!("{name}: {spans:#?}"))
}

/// The spans within another one.
fn within(spans: &[Span], parent: &Span) -> Vec<Span> {
    spans.iter().filter(|span| span.parent_span_id == parent.span_id).cloned().collect()
}

fn attributes<const N: usize>(span: &Span, keys: [&str; N]) -> [Option<String>; N] {
    keys.map(|key| attribute(&span.attributes, key))
}

/// The header by which another server joins a trace within that span.
fn trace_parent(span: &Span) -> String {
    format!("traceparent: 00-{}-{}-01", hex(&span.trace_id), hex(&span.span_id))
}

/// Nothing of a request is in spans, and no name.
fn tell_nothing(collector: &Collector) {
    let spans = format!("{:?}", collector.spans());
    for secret in [OLD, NEW, "alice", "acme", "argon2", ADMIN_PASSWORD] {
        assert!(!spans.contains(secret), "{secret} in {spans}");
    }
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
            let parent = spans.iter().find(|parent| parent.span_id == span.parent_span_id).unwrap();
            assert!(["read", "commit"].contains(&parent.name.as_str()) || parent == call, "{span:?}");
            assert!(span.start_time_unix_nano >= parent.start_time_unix_nano, "{span:?}");
            assert!(span.end_time_unix_nano <= parent.end_time_unix_nano, "{span:?}");
        }
    }
    // The transaction, with each of its statements.
    let commit = named(&spans, "commit");
    assert_eq!(attributes(commit, ["db.system.name", "error.type"]), [Some("sqlite".to_owned()), None]);
    let statements = within(&spans, commit);
    assert!(names(&statements).is_superset(&BTreeSet::from(["BEGIN", "INSERT audit_event", "COMMIT"])), "{spans:#?}");
    let insertion = named(&statements, "INSERT audit_event");
    let keys = ["db.system.name", "db.query.summary", "db.operation.name", "db.collection.name"];
    let expected = ["sqlite", "INSERT audit_event", "INSERT", "audit_event"];
    assert_eq!(attributes(insertion, keys), expected.map(|value| Some(value.to_owned())));
    assert_eq!(insertion.kind, 3, "a client of the database");
    assert_eq!(within(&spans, named(&spans, "hash")), []);
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
    let is_statement = |span: &&Span| attribute(&span.attributes, "db.query.summary").is_some();
    let ends = ["BEGIN", "COMMIT", "ROLLBACK"];
    let sent = spans.iter().filter(is_statement).filter(|span| !ends.contains(&span.name.as_str())).count();
    assert!(traced[0].contains(&format!("statements={sent} ")), "{log}, {spans:#?}");
    assert!(!log.contains(" WARN ") && !log.contains(" ERROR "), "it is healthy: {log}");
    tell_nothing(&collector);
    // Calls without a context are not sampled here, and neither is a caller that says so.
    let found: BTreeSet<_> = collector.spans().iter().map(|span| hex(&span.trace_id)).collect();
    assert_eq!(found, BTreeSet::from([TRACE.to_owned(), wrong, over_http]));
}

#[tokio::test]
async fn on_postgresql_the_steps_of_a_change_are_one_statement() {
    let (cluster, installation, collector) = (postgres::shared().await, Installation::new(), Collector::start().await);
    write_secretly(&installation.path("store.url"), cluster.url(&cluster.new_store().await));
    let operator = installation.run(&["bootstrap", "--store-url-file=store.url"]).printed();
    let endpoint = format!("--traces-endpoint=http://{}", collector.address);
    let serving = installation.serve(&["--store-url-file=store.url", "--traces-sample-ratio=0", &endpoint]).await;
    let acme = Acme::create(serving.address, operator.trim()).await;
    let alice = Client::new(serving.address).with_token(&acme.ram_user("alice", OLD).await);
    alice.with_header("traceparent", &sampled(TRACE)).ok("ChangePassword", change(OLD, NEW)).await;
    let spans = trace(&collector, TRACE).await;
    let statements = within(&spans, named(&spans, "commit"));
    let tables = |span: &Span| ["UPDATE credential", "INSERT change_event"].iter().all(|part| span.name.contains(part));
    let change = statements.iter().find(|span| tables(span)).unwrap_or_else(|| panic!("{spans:#?}"));
    let expected = [Some("postgresql".to_owned()), Some(change.name.clone()), None];
    assert_eq!(attributes(change, ["db.system.name", "db.query.summary", "db.operation.name"]), expected);
    serving.stop().await;
    tell_nothing(&collector);
}

#[tokio::test]
async fn the_hook_and_the_issuers_of_jwts_join_the_trace() {
    let (installation, collector) = (Installation::new(), Collector::start().await);
    let hook = HookServer::start(Hook::Knows(OLD)).await;
    let keys = JwksServer::start(&[&SigningKey::new("a", "ES256")]).await;
    fs::write(installation.path("issuers.toml"), issuers(&keys.setting())).unwrap();
    let flags = [
        format!("--traces-endpoint=http://{}", collector.address),
        format!("--hook-url=http://{}/", hook.address),
        "--jwt-issuers-file=issuers.toml".to_owned(),
        "--traces-sample-ratio=1".to_owned(),
    ];
    let (serving, acme) = installation.acme(&flags.each_ref().map(String::as_str)).await;
    let operator = json!({ "caller_kind": "CALLER_KIND_OPERATOR", "caller_name": "jane" });
    let operator = token(&acme.operator, operator).await;
    fs::write(installation.path("users.csv"), "tenant,kind,name,hash\nacme,ram-user,alice,\n").unwrap();
    let import = ["import", "users.csv", "--verify-elsewhere"];
    outcome(installation.calling(&serving.address.to_string(), &operator, &import)).printed();

    let relay = acme.relay.with_header("traceparent", &sampled(TRACE));
    assert_eq!(relay.ok("VerifyPassword", verification("alice", OLD)).await["result"], "MATCHED_CURRENT");
    let spans = trace(&collector, TRACE).await;
    let post = named(&spans, "POST");
    let keys_of_request = ["http.request.method", "server.address", "server.port", "http.response.status_code"];
    let expected = ["POST", "127.0.0.1", &hook.address.port().to_string(), "200"];
    assert_eq!(attributes(post, keys_of_request), expected.map(|value| Some(value.to_owned())));
    assert_eq!((post.kind, &post.parent_span_id), (3, &spans[0].span_id));
    assert!(hook.asked()[0].0.contains(&trace_parent(post)), "{:?}", hook.asked());

    // Without a call there is a trace of its own.
    let fetched = || collector.spans().into_iter().find(|span| span.name == "fetch_issuer_keys");
    let fetch = eventually("the fetch of keys", fetched).await;
    assert!(fetch.parent_span_id.is_empty(), "{fetch:?}");
    let get = named(&within(&collector.spans(), &fetch), "GET").clone();
    assert!(keys.heads()[0].to_lowercase().contains(&trace_parent(&get)), "{:?}", keys.heads());
    serving.stop().await;
    tell_nothing(&collector);
}

#[tokio::test]
async fn a_round_of_deliveries_is_a_trace_with_its_nodes() {
    let (installation, collector, node) = (Installation::new(), Collector::start().await, Node::start(OLD));
    write_secretly(&installation.path("ring"), installation.run(&["pepper", "new-key"]).printed());
    let endpoint = format!("--traces-endpoint=http://{}", collector.address);
    let (serving, acme) = installation.acme(&[&endpoint, "--traces-sample-ratio=1", "--pepper-keys-file=ring"]).await;
    acme.root.ok("CreateInstance", json!({ "instance_id": "r-1" })).await;
    let silent = nowhere().await.to_string();
    let endpoint = json!({ "tenant": "acme", "instance_id": "r-1", "nodes": [node.address(), silent],
        "user_name": "admin", "password": ADMIN_PASSWORD, "allow_plaintext": true });
    acme.operator.ok("SetInstanceEndpoint", endpoint).await;
    let app = json!({ "instance_id": "r-1", "account_name": "app", "password": NEW });
    acme.root.ok("CreateInstanceAccount", app).await;
    let delivered = || collector.spans().into_iter().find(|span| span.name == "deliver_passwords");
    let round = eventually("a delivery", delivered).await;
    let spans = within(&collector.spans(), &round);
    let nodes: Vec<_> = spans.iter().filter(|span| span.name == "set_passwords").collect();
    let of_nodes: BTreeSet<_> = nodes.iter().map(|span| attributes(span, ["db.system.name", "error.type"])).collect();
    let redis = Some("redis".to_owned());
    assert_eq!(of_nodes, BTreeSet::from([[redis.clone(), None], [redis, Some("_OTHER".to_owned())]]), "{spans:#?}");
    assert!(names(&spans).contains("record_delivery"), "{spans:#?}");
    serving.stop().await;
    tell_nothing(&collector);
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
