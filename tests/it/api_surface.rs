//! The wire contract, read from the descriptors that ship in the binary.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use credentiald::domain::action::Action;
use credentiald::edge::Reason;
use credentiald::grpc::{DESCRIPTORS, code_of};
use prost_reflect::{DescriptorPool, FieldDescriptor, FileDescriptor, Kind, MessageDescriptor, ServiceDescriptor};

static SHIPPED: LazyLock<DescriptorPool> = LazyLock::new(|| DescriptorPool::decode(DESCRIPTORS).unwrap());

fn our_services() -> impl Iterator<Item = ServiceDescriptor> {
    SHIPPED.services().filter(|service| service.package_name().starts_with("credential."))
}

fn our_messages() -> impl Iterator<Item = MessageDescriptor> {
    let ours = SHIPPED.all_messages().filter(|message| message.package_name().starts_with("credential."));
    ours.filter(|message| !message.is_map_entry())
}

fn is_redacted(field: &FieldDescriptor) -> bool {
    field.options().get_field_by_name("debug_redact").is_some_and(|value| value.as_bool() == Some(true))
}

/// `number name`, of each field of a message in `credential.v1`.
fn fields_of(message: &str) -> Vec<String> {
    let message = SHIPPED.get_message_by_name(&format!("credential.v1.{message}")).unwrap();
    message.fields().map(|field| format!("{} {}", field.number(), field.name())).collect()
}

#[test]
fn the_credential_service_has_exactly_four_rpcs() {
    let service = our_services().find(|service| service.name() == "CredentialService").unwrap();
    let rpcs: Vec<_> = service.methods().map(|method| method.name().to_owned()).collect();
    assert_eq!(rpcs, ["ModifyPWByDomain", "ChangePassword", "ChangePasswordV5", "ModifyAccountPassword"]);
}

#[test]
fn the_four_requests_and_responses_have_the_pages_fields_and_few_of_ours() {
    let guards = ["15 expected_version", "16 client_token"];
    for (rpc, request, response) in [
        (
            "ModifyPWByDomain",
            &["1 domain_name", "2 password"][..],
            &["1 code", "2 message", "3 request_id", "4 success"][..],
        ),
        ("ChangePassword", &["1 old_password", "2 new_password"], &["1 request_id"]),
        ("ChangePasswordV5", &["1 new_password", "2 old_password"], &[]),
        (
            "ModifyAccountPassword",
            &["1 instance_id", "2 account_name", "3 old_account_password", "4 new_account_password"],
            &["1 request_id"],
        ),
    ] {
        // Only the passwords of accounts are delivered.
        let (deliver, delivery) = if rpc == "ModifyAccountPassword" {
            (&["17 deliver"][..], &["16 delivery"][..])
        } else {
            (&[][..], &[][..])
        };
        assert_eq!(fields_of(&format!("{rpc}Request")), [request, &guards, deliver].concat(), "{rpc}");
        assert_eq!(fields_of(&format!("{rpc}Response")), [response, &["15 version"], delivery].concat(), "{rpc}");
    }
}

#[test]
fn every_secret_is_marked_as_one_and_nothing_else_is() {
    for field in our_messages().flat_map(|message| message.fields().collect::<Vec<_>>()) {
        // The one text about passwords that is none: what an IAM policy requires, in words.
        let is_password = field.name().contains("password") && field.name() != "password_requirements";
        let is_secret = field.kind() == Kind::String
            && (is_password || ["token", "access_key_secret", "hash"].contains(&field.name()));
        assert_eq!(is_redacted(&field), is_secret, "{}", field.full_name());
    }
}

#[test]
fn every_rpc_is_an_action_and_every_action_an_rpc() {
    let rpcs: BTreeSet<_> = our_services()
        .flat_map(|service| service.methods().collect::<Vec<_>>())
        .map(|method| (method.parent_service().full_name().to_owned(), method.name().to_owned()))
        .collect();
    let actions = Action::ALL.iter().map(|action| (action.service().to_owned(), action.rpc().to_owned())).collect();
    assert_eq!(rpcs, actions);
}

#[test]
fn everything_has_a_comment_for_grpcurl_describe() {
    let mut bare = Vec::new();
    let mut check = |file: &FileDescriptor, path: &[i32], name: &str| {
        if !has_comment(file, path) {
            bare.push(name.to_owned());
        }
    };
    for service in our_services() {
        check(&service.parent_file(), service.path(), service.full_name());
        for method in service.methods() {
            check(&service.parent_file(), method.path(), method.full_name());
        }
    }
    for message in our_messages() {
        check(&message.parent_file(), message.path(), message.full_name());
        for field in message.fields() {
            check(&message.parent_file(), field.path(), field.full_name());
        }
    }
    for kind in SHIPPED.all_enums().filter(|kind| kind.package_name().starts_with("credential.")) {
        check(&kind.parent_file(), kind.path(), kind.full_name());
        for value in kind.values() {
            check(&kind.parent_file(), value.path(), value.full_name());
        }
    }
    assert_eq!(bare, [""; 0]);
}

fn has_comment(file: &FileDescriptor, path: &[i32]) -> bool {
    let source = file.file_descriptor_proto().source_code_info.as_ref().unwrap();
    source.location.iter().any(|location| {
        location.path == path && location.leading_comments.as_ref().is_some_and(|text| !text.trim().is_empty())
    })
}

#[test]
fn the_document_of_errors_has_a_row_for_every_reason() {
    let document = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/errors.md")).unwrap();
    let reasons = document.split("## ").find(|section| section.starts_with("Reasons")).unwrap();
    let rows: Vec<_> = reasons.lines().filter(|line| line.starts_with("| `")).collect();
    for reason in Reason::ALL {
        let code = format!("{:?}", code_of(*reason)).chars().fold(String::new(), |mut code, character| {
            if character.is_uppercase() && !code.is_empty() {
                code.push('_');
            }
            code.push(character.to_ascii_uppercase());
            code
        });
        let row = format!("| `{}` | `{code}` | {} |", reason.name(), reason.http_status());
        assert!(rows.iter().any(|line| line.starts_with(&row)), "no row {row}");
    }
    assert_eq!(rows.len(), Reason::ALL.len());
}
