//! A span in the words of OpenTelemetry: its name and attributes are those of the semantic conventions where these have one.

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1 as proto;
use proto::span::SpanKind;
use proto::status::StatusCode as SpanStatus;
use proto::{ResourceSpans, ScopeSpans, Status};

use crate::domain::action::Action;
use crate::domain::time::Timestamp;
use crate::ports::meter::{RefusalReason, StatusCode};
use crate::ports::spans::{BackgroundTask, Protocol, Span, Work};

const SERVICE: &str = env!("CARGO_PKG_NAME");
const VERSION: &str = env!("CARGO_PKG_VERSION");
/// The method of a call to another service, or to an unknown method.
const OTHER: &str = "_OTHER";

/// The request that exports spans.
pub(super) fn request(spans: impl Iterator<Item = Span>, process: Option<&str>) -> ExportTraceServiceRequest {
    let mut attributes = vec![text("service.name", SERVICE), text("service.version", VERSION)];
    attributes.extend(process.map(|process| text("service.instance.id", process)));
    let resource = Resource { attributes, ..Resource::default() };
    let scope = InstrumentationScope {
        name: SERVICE.to_owned(),
        version: VERSION.to_owned(),
        ..InstrumentationScope::default()
    };
    let of_scope = ScopeSpans { scope: Some(scope), spans: spans.map(of_span).collect(), ..ScopeSpans::default() };
    let of_resource =
        ResourceSpans { resource: Some(resource), scope_spans: vec![of_scope], ..ResourceSpans::default() };
    ExportTraceServiceRequest { resource_spans: vec![of_resource] }
}

fn of_span(Span { trace, id, parent, began, ended, work }: Span) -> proto::Span {
    let (kind, has_failed) = kind_of(&work);
    let (name, attributes) = described(work);
    proto::Span {
        trace_id: trace.0.to_be_bytes().to_vec(),
        span_id: id.to_be_bytes().to_vec(),
        parent_span_id: parent.map(|parent| parent.to_be_bytes().to_vec()).unwrap_or_default(),
        // It is sampled.
        flags: 1,
        name,
        kind: kind.into(),
        start_time_unix_nano: nanoseconds(began),
        end_time_unix_nano: nanoseconds(ended),
        attributes,
        status: has_failed.then(|| Status { code: SpanStatus::Error.into(), ..Status::default() }),
        ..proto::Span::default()
    }
}

/// The kind, and whether the span counts as failed. A call that its caller is to blame for does not.
fn kind_of(work: &Work) -> (SpanKind, bool) {
    match work {
        Work::Call { code, .. } => {
            let is_own = matches!(
                code,
                StatusCode::Unknown
                    | StatusCode::DeadlineExceeded
                    | StatusCode::Unimplemented
                    | StatusCode::Internal
                    | StatusCode::Unavailable
                    | StatusCode::DataLoss
            );
            (SpanKind::Server, is_own)
        }
        Work::Hash => (SpanKind::Internal, false),
        Work::Store { failure, .. } => (SpanKind::Internal, failure.is_some()),
        Work::Statement { has_failed, .. } | Work::Node { has_failed } => (SpanKind::Client, *has_failed),
        Work::Request { status, failure, .. } => {
            (SpanKind::Client, failure.is_some() || status.is_some_and(|status| status >= 400))
        }
        Work::Background { has_failed, .. } => (SpanKind::Internal, *has_failed),
    }
}

/// The name and the attributes.
fn described(work: Work) -> (String, Vec<KeyValue>) {
    match work {
        Work::Call { protocol, action, request_id, code, reason } => {
            let method = action.map_or(OTHER, Action::rpc);
            let name = action.map_or_else(|| OTHER.to_owned(), |action| format!("{}/{method}", action.service()));
            let mut attributes = match protocol {
                Some(Protocol::Grpc) => vec![text("rpc.system", "grpc")],
                Some(Protocol::Http) => vec![text("network.protocol.name", "http")],
                None => Vec::new(),
            };
            attributes.extend(action.map(|action| text("rpc.service", action.service())));
            attributes.extend([
                text("rpc.method", method),
                number("rpc.grpc.status_code", code as i64),
                text("credentiald.request_id", &format!("{:X}", request_id.hyphenated())),
            ]);
            let why = reason.map(RefusalReason::as_str);
            let why = why.or_else(|| (code != StatusCode::Ok).then(|| code.as_str()));
            attributes.extend(why.map(|why| text("error.type", why)));
            (name, attributes)
        }
        Work::Hash => ("hash".to_owned(), Vec::new()),
        Work::Store { system, work, retries, failure } => {
            let mut attributes = vec![text("db.system.name", system)];
            if retries > 0 {
                attributes.push(number("credentiald.retries", retries.into()));
            }
            attributes.extend(failure.map(|failure| text("error.type", failure.as_str())));
            (work.as_str().to_owned(), attributes)
        }
        Work::Statement { system, summary, has_failed } => {
            let mut attributes = vec![text("db.system.name", system), text("db.query.summary", &summary)];
            // Of several operations, each is in the summary alone.
            let words: Vec<_> = summary.split(' ').collect();
            if let [operation] | [operation, _] = words[..] {
                attributes.push(text("db.operation.name", operation));
            }
            if let [_, table] = words[..] {
                attributes.push(text("db.collection.name", table));
            }
            attributes.extend(has_failed.then(|| text("error.type", OTHER)));
            (summary.into(), attributes)
        }
        Work::Request { method, host, port, status, failure } => {
            let mut attributes = vec![
                text("http.request.method", method),
                text("server.address", &host),
                number("server.port", port.into()),
            ];
            attributes.extend(status.map(|status| number("http.response.status_code", status.into())));
            let refused = status.filter(|status| *status >= 400).map(|status| status.to_string());
            attributes.extend(failure.map(str::to_owned).or(refused).map(|why| text("error.type", &why)));
            (method.to_owned(), attributes)
        }
        Work::Node { has_failed } => {
            let mut attributes = vec![text("db.system.name", "redis")];
            attributes.extend(has_failed.then(|| text("error.type", OTHER)));
            ("set_passwords".to_owned(), attributes)
        }
        Work::Background { task, has_failed } => {
            let name = match task {
                BackgroundTask::Delivery => "deliver_passwords",
                BackgroundTask::KeysOfIssuer => "fetch_issuer_keys",
            };
            (name.to_owned(), has_failed.then(|| text("error.type", OTHER)).into_iter().collect())
        }
    }
}

fn text(key: &str, value: &str) -> KeyValue {
    attribute(key, Value::StringValue(value.to_owned()))
}

fn number(key: &str, value: i64) -> KeyValue {
    attribute(key, Value::IntValue(value))
}

fn attribute(key: &str, value: Value) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(AnyValue { value: Some(value) }), ..KeyValue::default() }
}

fn nanoseconds(at: Timestamp) -> u64 {
    u64::try_from(at.as_micros()).unwrap_or_default().saturating_mul(1000)
}
