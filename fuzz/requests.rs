//! Any bytes, as the message of any RPC, are answered with a typed error: the fields that are bad, or, once all are
//! good, that the caller may not do it. Only an import reports its bad rows in its answer, and stores nothing. Every error
//! fits into the headers that clients accept.

use std::num::{NonZeroU32, NonZeroUsize};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use credentiald::ambient::{SystemClock, SystemEntropy};
use credentiald::domain::action::Action;
use credentiald::domain::attempts::{Backoff, COUNTED_FOR};
use credentiald::domain::caller::Caller;
use credentiald::domain::names::{IamUserId, RamUserName, Region, TenantName};
use credentiald::domain::subject::SubjectId;
use credentiald::domain::time::days;
use credentiald::edge::{LoggedCalls, Measures};
use credentiald::grpc::{DESCRIPTORS, ERROR_DOMAIN, GrpcEdge, GrpcSettings, Health};
use credentiald::hashing::{Cost, EngineSettings, HashEngine, KernelSetting, KeyRing};
use credentiald::policy::Baseline;
use credentiald::ports::{AccessRequest, Authorizer, BackgroundTraces, Clock, Decision, NoMeter, Unsealed};
use credentiald::redis::RedisNodes;
use credentiald::service::Service;
use credentiald::service::gates::{AttemptLimits, Installation, Ports, QuotaLimits, WatchLimits};
use credentiald::store::sqlite;
use http::{HeaderMap, Request};
use http_body_util::{BodyExt, Full};
use prost_reflect::prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage, Kind, MessageDescriptor, Value};
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};
use tonic::body::Body;
use tonic::{Code, Status};
use tonic_types::StatusExt;
use tower::Service as _;
use uuid::Uuid;

/// Clients refuse larger metadata by default at 8 KiB.
const MAX_HEADER_BYTES: usize = 8 * 1024;

/// Permits nothing, so that no input changes what the next one meets.
struct Denying;

impl Authorizer for Denying {
    fn decide(&self, _: AccessRequest<'_>) -> Decision {
        Decision::Denied { policies: Vec::new() }
    }
}

struct Fixture {
    runtime: Runtime,
    edge: GrpcEdge,
    _directory: TempDir,
}

thread_local! {
    static FIXTURE: Fixture = Fixture::new();
}

impl Fixture {
    fn new() -> Self {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let directory = TempDir::new().unwrap();
        let edge = runtime.block_on(edge(&directory));
        Self { runtime, edge, _directory: directory }
    }

    async fn answer(&self, action: Action, message: &[u8]) -> (Status, Bytes) {
        let mut edge = self.edge.of_caller(caller_of(action));
        let length = u32::try_from(message.len()).unwrap().to_be_bytes();
        let body = Body::new(Full::new(Bytes::from([&[0], &length[..], message].concat())));
        let uri = format!("http://localhost/{}/{}", action.service(), action.rpc());
        let request = Request::post(uri).header("content-type", "application/grpc").body(body).unwrap();
        let Ok(response) = edge.call(request).await;
        let headers = response.headers().clone();
        let reply = response.into_body().collect().await.unwrap();
        let trailers = reply.trailers().cloned().unwrap_or_default();
        assert!(size(&headers) + size(&trailers) < MAX_HEADER_BYTES, "{headers:?}");
        let status = Status::from_header_map(&headers).or_else(|| Status::from_header_map(&trailers));
        (status.expect("a status"), reply.to_bytes())
    }
}

fn size(headers: &HeaderMap) -> usize {
    headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 32).sum()
}

/// The first byte chooses the RPC.
pub fn run(bytes: &[u8]) {
    let Some((chosen, message)) = bytes.split_first() else { return };
    let action = Action::ALL[usize::from(*chosen) % Action::ALL.len()];
    let (status, reply) = FIXTURE.with(|fixture| fixture.runtime.block_on(fixture.answer(action, message)));
    if (action, status.code()) == (Action::ImportCredentials, Code::Ok) {
        assert_eq!(imported(&reply), 0, "a bad row is reported, and nothing is stored");
        return;
    }
    let details = status.get_error_details();
    let info = details.error_info().unwrap_or_else(|| panic!("{action:?}: {status:?}"));
    assert_eq!(info.domain, ERROR_DOMAIN);
    match (status.code(), info.reason.as_str()) {
        (Code::InvalidArgument, "INVALID_FIELD") | (Code::PermissionDenied, "ACCESS_DENIED") => {}
        (code, reason) => panic!("{action:?}: {code:?} {reason}: {status:?}"),
    }
}

/// The number of rows that an import stored.
fn imported(reply: &[u8]) -> u64 {
    let pool = DescriptorPool::decode(DESCRIPTORS).unwrap();
    let descriptor = pool.get_message_by_name("credential.admin.v1.ImportCredentialsResponse").unwrap();
    let message = DynamicMessage::decode(descriptor, &reply[5..]).unwrap();
    message.get_field_by_name("imported").unwrap().as_u64().unwrap()
}

/// For each RPC, a message with all of its fields set.
pub fn seeds() -> Vec<Vec<u8>> {
    let pool = DescriptorPool::decode(DESCRIPTORS).unwrap();
    let seed = |(number, action): (usize, &Action)| {
        let service = pool.get_service_by_name(action.service()).unwrap();
        let method = service.methods().find(|method| method.name() == action.rpc()).unwrap();
        let message = filled(&method.input(), 3).encode_to_vec();
        [&[u8::try_from(number).unwrap()][..], &message].concat()
    };
    Action::ALL.iter().enumerate().map(seed).collect()
}

fn filled(descriptor: &MessageDescriptor, depth: u32) -> DynamicMessage {
    let mut message = DynamicMessage::new(descriptor.clone());
    for field in descriptor.fields() {
        let value = match field.kind() {
            Kind::Message(_) if depth == 0 => continue,
            Kind::Message(inner) => Value::Message(filled(&inner, depth - 1)),
            Kind::String => Value::String("alice-1".to_owned()),
            kind => Value::default_value(&kind),
        };
        if field.is_list() {
            message.set_field(&field, Value::List(vec![value]));
        } else if !field.is_map() {
            message.set_field(&field, value);
        }
    }
    message
}

/// A caller who can use the action at all.
fn caller_of(action: Action) -> Caller {
    let acme = TenantName::parse("acme").unwrap();
    match action {
        Action::ChangePassword => Caller::RamUser(acme, RamUserName::parse("alice").unwrap(), SubjectId(Uuid::nil())),
        Action::ChangePasswordV5 => Caller::IamUser(acme, IamUserId::parse("alice").unwrap(), SubjectId(Uuid::nil())),
        _ => Caller::Root(acme),
    }
}

async fn edge(directory: &TempDir) -> GrpcEdge {
    let store = Arc::new(sqlite::open(&directory.path().join("store.db")).await.unwrap());
    let (clock, entropy) = (Arc::new(SystemClock), Arc::new(SystemEntropy));
    let engine = EngineSettings {
        kernel: KernelSetting::Portable,
        workers: NonZeroUsize::new(1),
        ..EngineSettings::of(Cost::DEFAULT)
    };
    let engine = HashEngine::start(engine, Arc::clone(&clock) as Arc<dyn Clock>, &SystemEntropy).unwrap();
    let keys = Arc::new(KeyRing::parse("", Arc::clone(&entropy) as _).unwrap_or_else(|_| panic!("no keys")));
    let ports = Ports {
        store,
        hasher: Arc::new(engine),
        pepper: Arc::clone(&keys) as _,
        denials: keys,
        sealer: Arc::new(Unsealed),
        jwts: None,
        hook: None,
        nodes: Arc::new(RedisNodes),
        authorizer: Arc::new(Denying),
        clock: Arc::clone(&clock) as _,
        entropy: Arc::clone(&entropy) as _,
        meter: Arc::new(NoMeter),
        traces: BackgroundTraces::default(),
    };
    let service = Arc::new(Service::new(ports, installation()));
    let longest_request = Duration::from_mins(1);
    let settings = GrpcSettings { reflection: false, longest_request, max_message_bytes: 64 * 1024 };
    let health = Health::starting().await;
    let measures = Measures { meter: Arc::new(NoMeter), clock, logged: LoggedCalls::Off, traces: None };
    GrpcEdge::new(&service, settings, entropy, measures, &health).unwrap()
}

fn installation() -> Installation {
    let second = Duration::from_secs(1);
    let backoff = Backoff { allowance: 5, initial: second, longest: second, counts_for: COUNTED_FOR, stop_after: None };
    let (heartbeat, patience) = (second, Duration::from_mins(1));
    Installation {
        region: Region::parse("cn-hangzhou").unwrap(),
        attempts: AttemptLimits { pair: backoff, subject: backoff },
        quotas: QuotaLimits { per_caller: None, per_tenant: None, burst_seconds: NonZeroU32::MIN },
        baseline: Baseline::default(),
        audit_kept: days(400),
        denials_readable: days(1),
        process: None,
        watches: WatchLimits { kept: days(30), heartbeat, patience, per_caller: 8, per_tenant: 8 },
        page_key: [0; 32],
    }
}
