//! The descriptors and comments of `AdminService`.

use std::collections::BTreeMap;

use prost_reflect::{DescriptorPool, EnumValueDescriptor, FieldDescriptor, FileDescriptor, MessageDescriptor};
use prost_reflect::{MethodDescriptor, ServiceDescriptor};

use crate::domain::action::ADMIN_SERVICE;
use crate::grpc::generated::DESCRIPTORS;

/// The service, and the comments of its files.
pub(super) struct Schema {
    service: Option<ServiceDescriptor>,
    comments: BTreeMap<(String, Vec<i32>), String>,
}

impl Schema {
    /// Reads the descriptors in the binary. They are always readable; if they were not, there would be no commands.
    pub(super) fn load() -> Self {
        let pool = DescriptorPool::decode(DESCRIPTORS).unwrap_or_default();
        let service = pool.get_service_by_name(ADMIN_SERVICE);
        Self { service, comments: pool.files().flat_map(|file| comments_of(&file)).collect() }
    }

    /// The service's RPCs whose request and response are single messages. Others have commands of their own.
    pub(super) fn methods(&self) -> impl Iterator<Item = MethodDescriptor> {
        self.service
            .iter()
            .flat_map(ServiceDescriptor::methods)
            .filter(|method| !method.is_client_streaming() && !method.is_server_streaming())
    }

    /// The comment of the element at that path in the file, on one line.
    pub(super) fn comment(&self, file: &FileDescriptor, path: &[i32]) -> String {
        self.comments.get(&(file.name().to_owned(), path.to_vec())).cloned().unwrap_or_default()
    }
}

fn comments_of(file: &FileDescriptor) -> Vec<((String, Vec<i32>), String)> {
    let Some(source) = &file.file_descriptor_proto().source_code_info else { return Vec::new() };
    let commented = source.location.iter().filter(|location| location.leading_comments.is_some());
    commented
        .map(|location| {
            let words: Vec<_> = location.leading_comments().split_whitespace().collect();
            ((file.name().to_owned(), location.path.clone()), words.join(" "))
        })
        .collect()
}

/// Whether a request is for a page of a list.
pub(super) fn is_paged(request: &MessageDescriptor) -> bool {
    request.get_field_by_name("page_token").is_some()
}

/// Whether a field is marked as a secret.
pub(super) fn is_secret(field: &FieldDescriptor) -> bool {
    field.options().get_field_by_name("debug_redact").is_some_and(|value| value.as_bool() == Some(true))
}

/// The words of `CamelCase` or `snake_case` with hyphens between.
pub(super) fn kebab(name: &str) -> String {
    let mut kebab = String::new();
    for character in name.chars() {
        if character.is_ascii_uppercase() && !kebab.is_empty() {
            kebab.push('-');
        }
        kebab.push(if character == '_' { '-' } else { character.to_ascii_lowercase() });
    }
    kebab
}

/// The value of an enumeration as people write it: without the enumeration's name as prefix.
pub(super) fn word(value: &EnumValueDescriptor) -> String {
    let prefix = kebab(value.parent_enum().name()) + "-";
    let name = value.name().to_ascii_lowercase().replace('_', "-");
    name.strip_prefix(&prefix).unwrap_or(&name).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_written_as_commands_are() {
        for (name, expected) in [
            ("CreateMailDomain", "create-mail-domain"),
            ("ShowPasswordPolicyV5", "show-password-policy-v5"),
            ("first_password", "first-password"),
        ] {
            assert_eq!(kebab(name), expected);
        }
    }

    #[test]
    fn values_are_written_without_their_enumeration() {
        let pool = DescriptorPool::decode(DESCRIPTORS).unwrap();
        let kinds = pool.get_enum_by_name("credential.admin.v1.CallerKind").unwrap();
        let words: Vec<_> = kinds.values().map(|value| word(&value)).collect();
        assert_eq!(words, ["unspecified", "root", "ram-user", "iam-user", "service", "operator"]);
    }
}
