//! What it costs to know the caller and what it may do: handshakes beside plaintext, JWTs beside an access token, signed
//! requests of SDKs beside gRPC, and operators' policies beside the built-in ones.

use std::fs::{self, Permissions};
use std::hint::black_box;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use credentiald::authz::{CedarAuthorizer, Policies, PolicyFile, PolicyTexts};
use credentiald::domain::action::Action;
use credentiald::domain::caller::Caller;
use credentiald::domain::names::{FreeName, RamUserName, TenantName};
use credentiald::domain::resource::Resource;
use credentiald::domain::subject::SubjectName;
use credentiald::hashing::Cost;
use credentiald::ports::{AccessRequest, Authorizer, Decision, NoMeter};
use tempfile::TempDir;
use tokio::sync::watch;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

use super::{PATIENT, Plan};
use crate::callers::{Cheap, Subject};
use crate::client::generated::credential::admin::v1::GetPasswordPolicyRequest;
use crate::client::generated::credential::admin::v1::admin_service_client::AdminServiceClient;
use crate::client::{Connection, Token};
use crate::load::{Caller as _, Outcome};
use crate::machine::NoiseMeter;
use crate::process::{Process, free_address};
use crate::report::{Report, Series, Target};
use crate::server::{BINARY, LONG, Server, access_key, edge_flags};
use crate::support::certificates::{Authority, ClientTls};
use crate::support::jwt::{SigningKey, claims, issuers, key_set};
use crate::support::signer::Sender;

const ALGORITHMS: [&str; 3] = ["ES256", "RS256", "EdDSA"];
const POLICIES: [usize; 4] = [0, 10, 100, 1000];
/// Decisions of one turn.
const DECISIONS: u32 = 20;

pub async fn run(plan: Plan, report: &mut Report, noise: &NoiseMeter) {
    let folder = tempfile::tempdir().unwrap();
    let keys = ALGORITHMS.map(|algorithm| SigningKey::new(algorithm, algorithm));
    fs::write(folder.path().join("keys.json"), key_set(&keys.each_ref())).unwrap();
    let issuers_file = folder.path().join("issuers.toml");
    fs::write(&issuers_file, issuers("jwks_file = \"keys.json\"")).unwrap();
    let http = free_address();
    let edge = edge_flags(http, folder.path());
    let mut flags: Vec<_> = edge.iter().map(String::as_str).collect();
    flags.extend(["--jwt-issuers-file", issuers_file.to_str().unwrap()]);
    let mut server = Server::start_with(Path::new(BINARY), Cost::DEFAULT, "acme", 3, &flags).await;
    noise.add(server.process.id());
    connections(plan, report, noise, server.address, &folder).await;
    tokens(plan, report, &mut server, &keys).await;
    sdks(plan, report, &mut server, http).await;
    decisions(plan, report);
}

/// A new connection and one call that needs no caller.
async fn connections(plan: Plan, report: &mut Report, noise: &NoiseMeter, plaintext: SocketAddr, folder: &TempDir) {
    let authority = Authority::new("CA");
    let leaf = authority.server(&["127.0.0.1"]);
    let client = authority.client("spiffe://example.org/relay");
    let path = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        path
    };
    let address = free_address();
    let mut command = Command::new(BINARY);
    command.args(["serve", "--server-listen", &address.to_string()]);
    command.arg("--store-url").arg(format!("sqlite:{}", folder.path().join("tls.db").display()));
    command.arg("--tls-certificate-file").arg(path("server.pem", &leaf.certificate));
    command.arg("--tls-key-file").arg(path("server.key", &leaf.key));
    command.arg("--tls-client-ca-file").arg(path("ca.pem", &authority.pem()));
    command.arg("--tls-client-callers-file").arg(path("callers", "spiffe://example.org/relay service acme relay\n"));
    command.args(["--tls-client-certificates", "optional"]);
    let mut process = Process::start(&command, &folder.path().join("tls.log"));
    noise.add(process.id());
    let (tls, mutual) = (ClientTls::trusting(&authority.pem()), ClientTls::with_certificate(&authority.pem(), &client));
    let start = Instant::now();
    while Connection::open_tls(address, &tls).await.is_err() {
        assert!(!process.has_ended() && start.elapsed() < LONG, "the server does not start");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let mut times = <[Series; 3]>::default();
    for turn in 0..plan.samples + 10 {
        for (contender, times) in times.iter_mut().enumerate() {
            let began = Instant::now();
            let opened = match contender {
                0 => Connection::open(plaintext).await,
                1 => Connection::open_tls(address, &tls).await,
                _ => Connection::open_tls(address, &mutual).await,
            };
            let mut health = HealthClient::with_origin(opened.unwrap(), format!("http://{address}").parse().unwrap());
            health.check(HealthCheckRequest::default()).await.unwrap();
            if turn >= 10 {
                times.push(began.elapsed().as_secs_f64() * 1e6);
            }
        }
    }
    let [bare, tls, mutual] = times.each_ref().map(Series::median);
    report.row("A connection and one call, TLS ÷ plaintext, medians", Target::None, "", &(tls / bare).into());
    report.row("The same, TLS with a client certificate ÷ plaintext", Target::None, "", &(mutual / bare).into());
    report.row("A connection and one call, plaintext", Target::None, "µs", &bare.into());
}

/// A call that reads one row, on a connection that is there.
async fn tokens(plan: Plan, report: &mut Report, server: &mut Server, keys: &[SigningKey; 3]) {
    let (connection, origin) = server.connections.next();
    let mut admin = AdminServiceClient::with_origin(connection, origin);
    let mut callers = vec![server.tenant.root.clone()];
    callers.extend(keys.iter().map(|key| Token::new(&key.token(&claims("root")))));
    let mut times = vec![Series::default(); callers.len()];
    for turn in 0..plan.samples + 10 {
        for (caller, times) in callers.iter().zip(&mut times) {
            let began = Instant::now();
            admin.get_password_policy(caller.request(GetPasswordPolicyRequest::default(), PATIENT)).await.unwrap();
            if turn >= 10 {
                times.push(began.elapsed().as_secs_f64() * 1e6);
            }
        }
    }
    let token = times[0].median();
    for (algorithm, times) in ALGORITHMS.iter().zip(&times[1..]) {
        let figure = format!("A call with a JWT ({algorithm}) ÷ with an access token, medians");
        report.row(&figure, Target::None, "", &(times.median() / token).into());
    }
    report.row("A call with an access token", Target::None, "µs", &token.into());
}

/// Changes of two users, and of a third one those that are refused without a hash: over gRPC, and as Alibaba Cloud's SDK
/// for Python makes them.
async fn sdks(plan: Plan, report: &mut Report, server: &mut Server, http: SocketAddr) {
    const VERSION: &str = "2015-05-01";
    let (connection, origin) = server.connections.next();
    let mut admin = AdminServiceClient::with_origin(connection, origin);
    let root = &server.tenant.root;
    let mut refused = Cheap::new(0, &server.tenant, &mut server.connections);
    let refused_key = access_key(&mut admin, root, &server.tenant.subjects[0].name).await;
    let key = access_key(&mut admin, root, &server.tenant.subjects[1].name).await;
    let mut change = server.changers(3, PATIENT).pop().unwrap();
    let mut sender = Sender::open(http).await;
    let mut times = <[Series; 4]>::default();
    for turn in 0..plan.samples + 10 {
        let version = turn as u64 + 1;
        for (contender, times) in times.iter_mut().enumerate() {
            let (old, new) = (Subject::password(version), Subject::password(version + 1));
            let request = match contender {
                1 => key.acs3("ChangePassword", VERSION, &[("OldPassword", &old), ("NewPassword", &new)]),
                _ => refused_key.acs3("ChangePassword", VERSION, &[("OldPassword", &old), ("NewPassword", "x")]),
            };
            let began = Instant::now();
            match contender {
                0 => assert!(matches!(change.call().await, Outcome::Done)),
                2 => assert!(matches!(refused.bad_password().await, Outcome::Refused(_))),
                _ => assert_eq!(sender.send(request).await.status(), if contender == 1 { 200 } else { 400 }),
            }
            if turn >= 10 {
                times.push(began.elapsed().as_secs_f64() * 1e6);
            }
        }
    }
    let [change, by_sdk, refused, refused_by_sdk] = times.each_ref().map(Series::median);
    report.row("A change, signed over HTTP/1.1 ÷ gRPC, medians", Target::AtMost(1.1), "", &(by_sdk / change).into());
    let figure = "A refused change, signed over HTTP/1.1 ÷ gRPC, medians";
    report.row(figure, Target::AtMost(1.3), "", &(refused_by_sdk / refused).into());
    report.row("A change over gRPC", Target::None, "µs", &change.into());
    report.row("A refused change over gRPC", Target::None, "µs", &refused.into());
}

/// A decision alone, in this process.
fn decisions(plan: Plan, report: &mut Report) {
    let authorizers = POLICIES.map(authorizer);
    let acme = TenantName::parse("acme").unwrap();
    let caller = Caller::Service(acme.clone(), FreeName::parse("relay").unwrap());
    let resource = Resource::subject(acme, SubjectName::RamUser(RamUserName::parse("alice").unwrap()));
    let request = AccessRequest { caller: &caller, action: Action::VerifyPassword, resource: &resource };
    let mut times = <[Series; POLICIES.len()]>::default();
    for _ in 0..plan.samples {
        for (authorizer, times) in authorizers.iter().zip(&mut times) {
            let began = Instant::now();
            for _ in 0..DECISIONS {
                assert!(matches!(black_box(authorizer.decide(request)), Decision::Permitted { .. }));
            }
            times.push(began.elapsed().as_secs_f64() * 1e6 / f64::from(DECISIONS));
        }
    }
    let [built_in, rest @ ..] = times.each_ref().map(Series::median);
    report.row("A decision by the built-in policies", Target::None, "µs", &built_in.into());
    for (count, median) in POLICIES[1..].iter().zip(rest) {
        let figure = format!("The same with {count} more policies ÷ by the built-in ones");
        report.row(&figure, Target::None, "", &(median / built_in).into());
        let each = (median - built_in) / *count as f64;
        report.row(&format!("Each of these {count} policies"), Target::None, "µs", &each.into());
    }
}

/// Operators' policies as they are: each is for one user and a pattern of resources.
fn authorizer(count: usize) -> CedarAuthorizer {
    let policy = |number| {
        format!(
            "@id(\"help-{number}\")\npermit (principal == RamUser::\"acs:ram::acme:user/user-{number}\", \
             action == Action::\"dm:ModifyPWByDomain\", resource is MailDomain)\n\
             when {{ resource.resource_name like \"acs:dm:*:acme:domain/*.example-{number}.com\" }};\n"
        )
    };
    let text: String = (0..count).map(policy).collect();
    let files = if count == 0 { Vec::new() } else { vec![PolicyFile { name: "help.cedar".to_owned(), text }] };
    let policies = Policies::read(&PolicyTexts { built_in: true, files }).unwrap();
    CedarAuthorizer::new(watch::channel(Arc::new(policies)).1, Arc::new(NoMeter)).unwrap()
}
