//! All responses of reflection, encoded.

use std::collections::{BTreeSet, HashMap};

use bytes::Bytes;
use prost::{DecodeError, Message};
use prost_types::{DescriptorProto, EnumDescriptorProto, FileDescriptorProto};
use tonic::Code;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;
use tonic_reflection::pb::v1::{
    ErrorResponse, ExtensionNumberResponse, FileDescriptorResponse, ListServiceResponse, ServerReflectionRequest,
    ServerReflectionResponse, ServiceResponse,
};

/// Each response without the part that depends on its request.
pub(super) struct Answers {
    services: Bytes,
    files: HashMap<String, Bytes>,
    /// The file of each name that a file declares.
    symbols: HashMap<String, Bytes>,
}

/// A set of files that are not decoded: decoding would lose what the decoder does not know, such as custom options.
#[derive(Clone, PartialEq, Message)]
struct EncodedFiles {
    #[prost(bytes = "bytes", repeated, tag = "1")]
    files: Vec<Bytes>,
}

impl Answers {
    /// # Errors
    /// A set can't be read.
    pub(super) fn new(sets: &[&'static [u8]]) -> Result<Self, DecodeError> {
        let mut services = BTreeSet::new();
        let (mut files, mut symbols) = (HashMap::new(), HashMap::new());
        for set in sets {
            for encoded in EncodedFiles::decode(*set)?.files {
                let file = FileDescriptorProto::decode(encoded.clone())?;
                let descriptors = FileDescriptorResponse { file_descriptor_proto: vec![encoded.into()] };
                let answer = shared(MessageResponse::FileDescriptorResponse(descriptors));
                symbols.extend(names_in(&file).into_iter().map(|name| (name, answer.clone())));
                services.extend(file.service.iter().map(|service| within(file.package(), service.name())));
                files.insert(file.name().to_owned(), answer);
            }
        }
        let service = services.into_iter().map(|name| ServiceResponse { name }).collect();
        let services = shared(MessageResponse::ListServicesResponse(ListServiceResponse { service }));
        Ok(Self { services, files, symbols })
    }

    /// The response to a request. "Not found" is a response as well, after which the stream goes on.
    pub(super) fn to(&self, question: &ServerReflectionRequest) -> Bytes {
        match &question.message_request {
            Some(MessageRequest::ListServices(_)) => self.services.clone(),
            Some(MessageRequest::FileByFilename(name)) => {
                self.files.get(name).cloned().unwrap_or_else(|| error(Code::NotFound, "no such file"))
            }
            Some(MessageRequest::FileContainingSymbol(name)) => {
                let name = name.strip_prefix('.').unwrap_or(name);
                self.symbols.get(name).cloned().unwrap_or_else(|| error(Code::NotFound, "no such symbol"))
            }
            Some(MessageRequest::FileContainingExtension(_)) => error(Code::NotFound, "there are no extensions"),
            Some(MessageRequest::AllExtensionNumbersOfType(name)) if self.symbols.contains_key(name) => {
                let none = ExtensionNumberResponse { base_type_name: name.clone(), extension_number: Vec::new() };
                shared(MessageResponse::AllExtensionNumbersResponse(none))
            }
            Some(MessageRequest::AllExtensionNumbersOfType(_)) => error(Code::NotFound, "no such type"),
            None => error(Code::InvalidArgument, "the request asks for nothing"),
        }
    }
}

fn error(code: Code, message: &str) -> Bytes {
    let error = ErrorResponse { error_code: code.into(), error_message: message.to_owned() };
    shared(MessageResponse::ErrorResponse(error))
}

/// The encoding of a response's last field. The fields of a message are concatenated, in any order.
fn shared(response: MessageResponse) -> Bytes {
    ServerReflectionResponse { message_response: Some(response), ..ServerReflectionResponse::default() }
        .encode_to_vec()
        .into()
}

/// The full name of everything that a file declares.
fn names_in(file: &FileDescriptorProto) -> Vec<String> {
    let package = file.package();
    let mut names = Vec::new();
    file.message_type.iter().for_each(|message| add_message(package, message, &mut names));
    file.enum_type.iter().for_each(|kind| add_enum(package, kind, &mut names));
    for service in &file.service {
        let name = within(package, service.name());
        names.extend(service.method.iter().map(|method| within(&name, method.name())));
        names.push(name);
    }
    names
}

fn add_message(scope: &str, message: &DescriptorProto, names: &mut Vec<String>) {
    let name = within(scope, message.name());
    names.extend(message.field.iter().map(|field| within(&name, field.name())));
    names.extend(message.oneof_decl.iter().map(|oneof| within(&name, oneof.name())));
    message.nested_type.iter().for_each(|nested| add_message(&name, nested, names));
    message.enum_type.iter().for_each(|kind| add_enum(&name, kind, names));
    names.push(name);
}

/// The values of an enum are in its scope's namespace, not in its own.
fn add_enum(scope: &str, kind: &EnumDescriptorProto, names: &mut Vec<String>) {
    names.extend(kind.value.iter().map(|value| within(scope, value.name())));
    names.push(within(scope, kind.name()));
}

fn within(scope: &str, name: &str) -> String {
    if scope.is_empty() { name.to_owned() } else { format!("{scope}.{name}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grpc::DESCRIPTORS;

    fn answer(to: MessageRequest) -> MessageResponse {
        let answers = Answers::new(&[DESCRIPTORS, tonic_types::pb::FILE_DESCRIPTOR_SET]).unwrap();
        let question = ServerReflectionRequest { host: String::new(), message_request: Some(to) };
        ServerReflectionResponse::decode(answers.to(&question)).unwrap().message_response.unwrap()
    }

    #[test]
    fn every_kind_of_name_leads_to_its_file() {
        for (name, file) in [
            ("credential.v1.CredentialService", "credential/v1/credential_service.proto"),
            ("credential.v1.CredentialService.ChangePassword", "credential/v1/credential_service.proto"),
            ("credential.v1.ChangePasswordRequest.old_password", "credential/v1/credential_service.proto"),
            (".google.rpc.BadRequest.FieldViolation", "error_details.proto"),
            ("credential.admin.v1.CALLER_KIND_ROOT", "credential/admin/v1/admin_service.proto"),
        ] {
            let found = match answer(MessageRequest::FileContainingSymbol(name.to_owned())) {
                MessageResponse::FileDescriptorResponse(found) => found.file_descriptor_proto,
                other => panic!("{name}: {other:?}"),
            };
            assert_eq!(FileDescriptorProto::decode(&*found[0]).unwrap().name(), file, "{name}");
        }
    }

    #[test]
    fn what_is_not_there_is_an_error_in_the_stream() {
        for question in [
            MessageRequest::FileByFilename("nowhere.proto".to_owned()),
            MessageRequest::FileContainingSymbol("credential.v1.Nothing".to_owned()),
            MessageRequest::AllExtensionNumbersOfType("credential.v1.Nothing".to_owned()),
        ] {
            let MessageResponse::ErrorResponse(error) = answer(question.clone()) else { panic!("{question:?}") };
            assert_eq!(error.error_code, i32::from(Code::NotFound));
        }
    }

    #[test]
    fn what_the_decoder_does_not_know_is_kept() {
        let files = EncodedFiles::decode(DESCRIPTORS).unwrap().files;
        let MessageResponse::FileDescriptorResponse(found) =
            answer(MessageRequest::FileByFilename("credential/v1/credential_service.proto".to_owned()))
        else {
            panic!("no file")
        };
        assert!(files.iter().any(|file| *file == found.file_descriptor_proto[0]));
    }
}
