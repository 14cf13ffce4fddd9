//! Compiles the wire contract with a compiler in pure Rust, because a fresh machine has no protoc.

#[cfg(feature = "server")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    wire::compile()
}

#[cfg(not(feature = "server"))]
fn main() {}

#[cfg(feature = "server")]
mod wire {
    use std::error::Error;
    use std::path::PathBuf;

    use protox::prost_reflect::{DescriptorPool, FieldDescriptor, MessageDescriptor};

    const FILES: [&str; 3] = [
        "credential/v1/credential_service.proto",
        "credential/v1/verification_service.proto",
        "credential/admin/v1/admin_service.proto",
    ];

    /// Generates the code, and the descriptor set for reflection.
    pub(crate) fn compile() -> Result<(), Box<dyn Error>> {
        println!("cargo::rerun-if-changed=build.rs");
        println!("cargo::rerun-if-changed=proto");
        let mut compiler = protox::Compiler::new(["proto"])?;
        compiler.include_imports(true).include_source_info(true).open_files(FILES)?;
        let out = PathBuf::from(std::env::var("OUT_DIR")?);
        std::fs::write(out.join("descriptors.bin"), compiler.encode_file_descriptor_set())?;
        tonic_prost_build::configure()
            .skip_debug(types_with_secrets(&compiler.descriptor_pool()))
            .compile_fds(compiler.file_descriptor_set())?;
        Ok(())
    }

    /// The types that must not be printed: those with a field that the contract marks `debug_redact`, and those that
    /// contain one of these.
    fn types_with_secrets(pool: &DescriptorPool) -> Vec<String> {
        let mut found: Vec<MessageDescriptor> = Vec::new();
        loop {
            let holds_secret = |message: &MessageDescriptor| {
                let is_found =
                    |field: FieldDescriptor| field.kind().as_message().is_some_and(|held| found.contains(held));
                !found.contains(message) && message.fields().any(|field| is_secret(&field) || is_found(field))
            };
            let more: Vec<_> = pool.all_messages().filter(holds_secret).collect();
            if more.is_empty() {
                break;
            }
            found.extend(more);
        }
        let mut names = Vec::new();
        for message in found {
            names.push(format!(".{}", message.full_name()));
            names.extend(message.oneofs().map(|oneof| format!(".{}", oneof.full_name())));
        }
        names
    }

    fn is_secret(field: &FieldDescriptor) -> bool {
        field.options().get_field_by_name("debug_redact").is_some_and(|value| value.as_bool() == Some(true))
    }
}
