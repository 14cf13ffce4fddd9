//! The calls that the documents show, and their answers, are the wire contract's.

use credentiald::domain::action::{ADMIN_SERVICE, Action};
use credentiald::edge::Reason;
use credentiald::grpc::{DESCRIPTORS, code_of};
use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor};

use super::{document, documents};

/// A call with `grpcurl`, and what it printed.
struct Shown {
    method: String,
    message: String,
    answer: String,
}

/// The calls of a block in which each command begins with `$`.
fn calls_in(block: &str) -> Vec<Shown> {
    let text = block.replace("\\\n", " ");
    let sessions = text.split("$ grpcurl ").skip(1).map(|session| session.split_once('\n').unwrap());
    sessions.filter_map(|(command, answer)| call(command, answer)).collect()
}

fn call(command: &str, answer: &str) -> Option<Shown> {
    if let Some(command) = command.strip_suffix(" <<'END'") {
        let (message, answer) = answer.split_once("\nEND\n")?;
        let method = command.split_whitespace().last()?.to_owned();
        return Some(Shown { method, message: message.to_owned(), answer: answer.to_owned() });
    }
    let message = command.split_once("-d '")?.1.split_once('\'')?.0.to_owned();
    let method = command.split_whitespace().last()?.to_owned();
    Some(Shown { method, message, answer: answer.to_owned() })
}

fn read(message: MessageDescriptor, text: &str) {
    let name = message.full_name().to_owned();
    let mut json = serde_json::Deserializer::from_str(text);
    let read = DynamicMessage::deserialize(message, &mut json).and_then(|_| json.end());
    read.unwrap_or_else(|error| panic!("{name}: {error}\n{text}"));
}

fn check(shown: &Shown, pool: &DescriptorPool) {
    let (service, method) = shown.method.split_once('/').unwrap();
    let service = pool.get_service_by_name(service).unwrap_or_else(|| panic!("{service}"));
    let method = service.methods().find(|known| known.name() == method).unwrap_or_else(|| panic!("{method}"));
    read(method.input(), &shown.message);
    let Some(error) = shown.answer.strip_prefix("ERROR:\n") else { return read(method.output(), &shown.answer) };
    let field = |name: &str| error.lines().find_map(|line| line.trim().strip_prefix(name)).unwrap_or_default().trim();
    let reason = Reason::ALL.iter().find(|reason| reason.message() == field("Message:"));
    let reason = reason.unwrap_or_else(|| panic!("no reason has this message:\n{error}"));
    assert_eq!(field("Code:"), format!("{:?}", code_of(*reason)));
    assert!(error.contains(&format!("\"reason\":\"{}\"", reason.name())), "{error}");
}

#[test]
fn every_call_and_its_answer_are_of_the_contract() {
    let pool = DescriptorPool::decode(DESCRIPTORS).unwrap();
    let blocks = documents().iter().flat_map(super::Document::blocks).collect::<Vec<_>>();
    blocks.iter().flat_map(|block| calls_in(&block.text)).for_each(|shown| check(&shown, &pool));
}

#[test]
fn the_readme_shows_each_of_the_four_rpcs_succeed_one_fail_and_a_verification() {
    let shown: Vec<Shown> = document("README.md").blocks().iter().flat_map(|block| calls_in(&block.text)).collect();
    let succeeded = shown.iter().filter(|call| !call.answer.starts_with("ERROR:"));
    let rpcs: Vec<&str> = succeeded.filter_map(|call| call.method.rsplit_once('/').map(|(_, rpc)| rpc)).collect();
    let expected =
        ["ModifyPWByDomain", "ChangePassword", "ChangePasswordV5", "ModifyAccountPassword", "VerifyPassword"];
    assert_eq!(rpcs, expected);
    assert_eq!(shown.len(), 6);
}

#[test]
fn the_service_config_tries_again_what_may_be_done_twice_and_lets_everything_wait() {
    let blocks: Vec<_> = documents().iter().flat_map(super::Document::blocks).collect();
    let config = blocks.iter().find(|block| block.language == "json" && block.text.contains("methodConfig")).unwrap();
    let config: serde_json::Value = serde_json::from_str(&config.text).unwrap();
    let (mut retried, mut waiting) = (Vec::new(), Vec::new());
    for entry in config["methodConfig"].as_array().unwrap() {
        let of_admin = entry["name"].as_array().unwrap().iter().filter(|name| name["service"] == ADMIN_SERVICE);
        let methods: Vec<_> = of_admin.map(|name| name["method"].as_str().unwrap_or("all")).collect();
        assert_eq!(entry["waitForReady"], true);
        if entry["retryPolicy"].is_null() { waiting.extend(methods) } else { retried.extend(methods) }
    }
    let reads = Action::ALL.iter().filter(|action| action.is_administrative() && action.only_reads());
    let mut reads: Vec<_> = reads.map(|action| action.rpc()).collect();
    retried.sort_unstable();
    reads.sort_unstable();
    assert_eq!((retried, waiting), (reads, vec!["all"]));
}
