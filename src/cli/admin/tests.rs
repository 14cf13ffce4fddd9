use std::convert::Infallible;
use std::io::{self, Write};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage};
use prost_types::Timestamp;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::body::Body;
use tonic::codegen::{Service, http};
use tonic::server::{Grpc, NamedService};
use tonic::transport::Server;
use tonic::{Response, Status};

use super::call::DynamicCodec;
use super::*;
use crate::cli::failure::Kind;
use crate::cli::table::Layout;
use crate::config::{ADDRESS_VARIABLE, TOKEN_FILE_VARIABLE, TOKEN_VARIABLE};
use crate::domain::action::{ADMIN_SERVICE, Action};
use crate::grpc::generated::DESCRIPTORS;
use crate::grpc::generated::credential::admin::v1::create_iam_user_request::FirstPassword;
use crate::grpc::generated::credential::admin::v1::{
    CreateIamUserRequest, CreateIamUserResponse, CredentialState, DescribeHashPostureRequest,
    DescribeHashPostureResponse, HashGroup, IamUser, ListRamUsersResponse, ListTenantsRequest, ListTenantsResponse,
    RamUser, Tenant,
};

#[test]
fn every_rpc_has_a_command_with_help() {
    let admin = AdminArgs::augment_args(Command::new("admin"));
    for action in Action::ALL
        .iter()
        .filter(|action| action.is_administrative() && !action.is_sent_as_stream() && !action.is_open_ended())
    {
        let name = schema::kebab(action.rpc());
        let command = admin.find_subcommand(&name).unwrap_or_else(|| panic!("{name} is missing"));
        assert!(!command.get_about().unwrap().to_string().is_empty(), "{name}");
        for flag in command.get_arguments() {
            assert!(!flag.get_help().unwrap().to_string().is_empty(), "{name} {}", flag.get_id());
        }
    }
}

#[test]
fn every_field_of_a_request_has_a_flag() {
    for method in Schema::load().methods() {
        let input = method.input();
        let arguments = Argument::all_of(&input);
        for field in input.fields().filter(|field| !["page_size", "page_token"].contains(&field.name())) {
            assert!(arguments.iter().any(|argument| argument.begins_with(&field)), "{}", field.full_name());
        }
    }
}

#[test]
fn a_password_has_one_source_and_a_subject_one_kind() {
    for bad in [
        &["create-ram-user", "--password-stdin", "--generate-password"][..],
        &["reset-password", "--ram-user", "a", "--mail-domain", "b"],
        &["reset-password", "--ram-user", "a", "--instance-id", "b", "--account-name", "c"],
        &["create-ram-user", "--password", "on-the-command-line"],
        &["list-tenants", "--token", "on-the-command-line"],
        &["list-tenants", "--limit", "0"],
    ] {
        assert!(parse(bad).is_err(), "{bad:?}");
    }
    assert!(parse(&["reset-password", "--instance-id", "b", "--account-name", "c", "--generate-password"]).is_ok());
}

#[tokio::test]
async fn flags_become_a_request_and_a_response_becomes_a_table_or_json() {
    let answer = |request: CreateIamUserRequest| {
        let expected = CreateIamUserRequest {
            tenant: "demo".to_owned(),
            user_id: "u1".to_owned(),
            tags: [("team".to_owned(), "a=b".to_owned())].into(),
            first_password: Some(FirstPassword::Password(" pass word".to_owned())),
            ..Default::default()
        };
        if request != expected {
            return Err(Status::invalid_argument("another request was expected"));
        }
        let create_time = Some(Timestamp { seconds: 1_767_225_600, nanos: 0 });
        let tags = [("team".to_owned(), "a\u{1b}[2J".to_owned())].into();
        let user = IamUser { user_id: request.user_id, tags, create_time, ..Default::default() };
        Ok(CreateIamUserResponse { iam_user: Some(user), generated_password: "shown-once".to_owned() })
    };
    let arguments = ["create-iam-user", "--tenant=demo", "--user-id=u1", "--tag", "team=a=b", "--password-stdin"];
    let address = serve(answer).await;

    let table = call(&address, &arguments, b" pass word\n").await.unwrap();
    let words: Vec<_> = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    for row in ["user id u1", "tags team=a\\u{1b}[2J", "version -", "create time 2026-01-01T00:00:00Z"] {
        assert!(words.iter().any(|line| line == row), "{row} in {table}");
    }
    assert!(table.contains("shown-once") && table.contains("is not shown again"), "{table}");

    let json = call(&address, &[&arguments[..], &["--json"]].concat(), b" pass word\n").await.unwrap();
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["iam_user"]["create_time"], "2026-01-01T00:00:00Z");
    assert_eq!(json["generated_password"], "shown-once");
    assert_eq!(json["iam_user"].get("credential"), None);
}

#[tokio::test]
async fn the_posture_is_a_row_for_each_group_and_the_sums_below() {
    let answer = |_: DescribeHashPostureRequest| {
        let group = |algorithm: &str, parameters: &str, hashes, below_target| HashGroup {
            algorithm: algorithm.to_owned(),
            parameters: parameters.to_owned(),
            hashes,
            below_target,
        };
        let groups = vec![group("argon2id", "v=19,m=47104,t=1,p=1", 40, 0), group("bcrypt", "cost=12", 2, 2)];
        let target = "argon2id v=19,m=47104,t=1,p=1".to_owned();
        Ok(DescribeHashPostureResponse { groups, hashes: 42, below_target: 2, target })
    };
    let address = serve(answer).await;
    let table = call(&address, &["posture"], b"").await.unwrap();
    let words: Vec<_> = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    assert_eq!(
        words,
        [
            "ALGORITHM PARAMETERS HASHES BELOW TARGET",
            "argon2id v=19,m=47104,t=1,p=1 40 0",
            "bcrypt cost=12 2 2",
            "",
            "hashes 42",
            "below target 2",
            "target argon2id v=19,m=47104,t=1,p=1",
        ]
    );
}

#[tokio::test]
async fn a_list_is_followed_to_its_end_or_to_the_limit() {
    // Pages of at most two, of five tenants.
    let answer = |request: ListTenantsRequest| {
        let start: usize = request.page_token.parse().unwrap_or(0);
        let end = 5.min(start + 2.min(request.page_size as usize));
        let tenants = (start..end).map(|number| Tenant { tenant: format!("t{number}"), create_time: None }).collect();
        let next_page_token = if end < 5 { end.to_string() } else { String::new() };
        Ok(ListTenantsResponse { tenants, next_page_token })
    };
    let address = serve(answer).await;
    for (limit, count) in [(None, 5), (Some("3"), 3), (Some("4"), 4), (Some("9"), 5)] {
        let limit = limit.map(|limit| vec!["--limit", limit]).unwrap_or_default();
        let json = call(&address, &[&["list-tenants", "--json"], &limit[..]].concat(), b"").await.unwrap();
        let json: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(json["tenants"].as_array().map(Vec::len), Some(count));
        assert_eq!(json["tenants"][count - 1]["tenant"], format!("t{}", count - 1));
    }
    let table = call(&address, &["list-tenants", "--limit=1"], b"").await.unwrap();
    assert_eq!(table, "TENANT  CREATE TIME\nt0      -\n");
}

#[tokio::test]
async fn a_refusal_and_a_missing_token_are_failures() {
    let address = serve(|_: ListTenantsRequest| Err::<ListTenantsResponse, _>(Status::permission_denied("no"))).await;
    let refused = call(&address, &["list-tenants"], b"").await.unwrap_err();
    assert_eq!(refused.to_string(), "error: no");

    let args = parse(&["list-tenants"]).unwrap();
    let mut terminal = Terminal::of(Box::new(io::sink()), Box::new(io::sink()), Box::new(io::empty()));
    let missing = run(&args, &Environment::of(std::iter::empty()), &mut terminal).await.unwrap_err();
    assert!(missing.kind() == Kind::Usage && missing.message().contains(TOKEN_VARIABLE), "{missing}");
}

#[tokio::test]
async fn the_token_is_in_a_variable_or_in_the_file_that_one_names() {
    let address = serve(|_: ListTenantsRequest| Ok(ListTenantsResponse::default())).await;
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(b"\xef\xbb\xbfa-token\n").unwrap();
    let in_file = (TOKEN_FILE_VARIABLE, file.path().to_str().unwrap());
    let empty = (TOKEN_VARIABLE, "");
    let absent = (TOKEN_FILE_VARIABLE, "/absent");
    for token in [&[in_file] as &[_], &[in_file, empty], &[absent, (TOKEN_VARIABLE, "a-token")]] {
        call_with(token, &address, &["list-tenants"], b"").await.unwrap();
    }
    let failure = call_with(&[absent], &address, &["list-tenants"], b"").await.unwrap_err().to_string();
    assert!(failure.contains("/absent can't be read"), "{failure}");
}

fn parse(arguments: &[&str]) -> Result<AdminArgs, clap::Error> {
    let command = AdminArgs::augment_args(Command::new("admin"));
    AdminArgs::from_arg_matches(&command.try_get_matches_from([&["admin"], arguments].concat())?)
}

/// Calls the service at that address, and answers what was printed.
async fn call(address: &str, arguments: &[&str], input: &'static [u8]) -> Result<String, Failure> {
    call_with(&[(TOKEN_VARIABLE, "a-token")], address, arguments, input).await
}

async fn call_with(
    token: &[(&str, &str)],
    address: &str,
    arguments: &[&str],
    input: &'static [u8],
) -> Result<String, Failure> {
    let variables = [token, &[(ADDRESS_VARIABLE, address)]].concat();
    let environment = Environment::of(variables.into_iter().map(|(name, value)| (name.into(), value.into())));
    let printed = Printed::default();
    let mut terminal = Terminal::of(Box::new(printed.clone()), Box::new(io::sink()), Box::new(input));
    run(&parse(arguments).unwrap(), &environment, &mut terminal).await?;
    let bytes = printed.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
    Ok(String::from_utf8(bytes).unwrap())
}

#[derive(Clone, Default)]
struct Printed(Arc<Mutex<Vec<u8>>>);

impl Write for Printed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Serves one RPC of an `AdminService`, and answers its address.
async fn serve<Q, A>(answer: impl Fn(Q) -> Result<A, Status> + Send + Sync + 'static) -> String
where
    Q: Message + Default,
    A: Message,
{
    let answer = move |method: &MethodDescriptor, request: DynamicMessage| {
        let mut response = DynamicMessage::new(method.output());
        response.transcode_from(&answer(request.transcode_to().unwrap())?).unwrap();
        Ok(response)
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let server = Server::builder().add_service(AnyRpc(Arc::new(answer)));
    tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
    address
}

type Answer = dyn Fn(&MethodDescriptor, DynamicMessage) -> Result<DynamicMessage, Status> + Send + Sync;

/// Serves every RPC with the same response, if the token is right.
#[derive(Clone)]
struct AnyRpc(Arc<Answer>);

impl NamedService for AnyRpc {
    const NAME: &'static str = ADMIN_SERVICE;
}

impl Service<http::Request<Body>> for AnyRpc {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let rpc = request.uri().path().rsplit('/').next().unwrap_or_default().to_owned();
        let method = Schema::load().methods().find(|method| method.name() == rpc).unwrap();
        let answer = Arc::clone(&self.0);
        Box::pin(async move {
            let codec = DynamicCodec(method.input());
            let service = tower::service_fn(move |request: tonic::Request<DynamicMessage>| {
                let is_allowed = request.metadata().get("authorization").is_some_and(|value| value == "Bearer a-token");
                let answered = if is_allowed {
                    answer(&method, request.into_inner()).map(Response::new)
                } else {
                    Err(Status::unauthenticated("another token was expected"))
                };
                std::future::ready(answered)
            });
            Ok(Grpc::new(codec).unary(service, request).await)
        })
    }
}

/// Two users, one of whom has no password.
fn users() -> DynamicMessage {
    let user = |name: &str, credential| RamUser {
        user_name: name.to_owned(),
        subject_id: "6f9619ff-8b86-4011-b42d-00c04fc964ff".to_owned(),
        credential,
        create_time: Some(Timestamp { seconds: 1_767_225_600, nanos: 123_456_789 }),
    };
    let credential = CredentialState { version: 3, ..Default::default() };
    let ram_users = vec![user("alice", Some(credential)), user("bob", None)];
    let response = ListRamUsersResponse { ram_users, next_page_token: String::new() };
    let pool = DescriptorPool::decode(DESCRIPTORS).unwrap();
    let descriptor = pool.get_message_by_name("credential.admin.v1.ListRamUsersResponse").unwrap();
    DynamicMessage::decode(descriptor, response.encode_to_vec().as_slice()).unwrap()
}

#[test]
fn a_table_fits_the_terminal() {
    let users = users();
    let full = table::text(&users, Layout::default());
    assert!(full.contains("6f9619ff-8b86-4011-b42d-00c04fc964ff") && full.contains("T00:00:00.123456789Z"), "{full}");
    for width in [30, 50, 80, 120] {
        let narrow = table::text(&users, Layout { width: Some(width), has_colours: false });
        assert!(narrow.lines().all(|line| line.chars().count() <= width), "{width}: {narrow}");
        assert!(narrow.starts_with("USER NAME  ") && narrow.contains("\nalice "), "{narrow}");
        assert!(narrow.ends_with("--wide shows more"), "{narrow}");
        // No password was ever changed.
        assert!(!narrow.contains("CHANGE TIME") && !narrow.contains("6f9619ff-8b86"), "{narrow}");
    }
    let wide = table::text(&users, Layout { width: Some(200), has_colours: true });
    assert!(wide.starts_with("\u{1b}[1mUSER NAME") && wide.contains("00.123456789Z"), "{wide}");
}

#[test]
fn a_response_has_names() {
    assert_eq!(names::of(&users()), ["alice", "bob"]);
}
