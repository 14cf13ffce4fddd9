//! `descriptors`.

use std::fs;
use std::path::PathBuf;

use clap::Args;

use super::failure::Failure;
use super::terminal::Terminal;
use crate::grpc::DESCRIPTORS;

/// Write the descriptors of the proto files, for programs that need the wire contract without compiling it.
///
/// The file is an encoded `google.protobuf.FileDescriptorSet` with all imports, which `protoc --descriptor_set_in` and
/// `grpcurl -protoset` read.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  credentiald descriptors credentiald.binpb")]
pub(super) struct DescriptorsArgs {
    /// File to write.
    file: PathBuf,
}

pub(super) fn run(args: &DescriptorsArgs, terminal: &mut Terminal) -> Result<(), Failure> {
    let path = args.file.display();
    fs::write(&args.file, DESCRIPTORS).map_err(|error| Failure::caused(format!("can't write {path}"), &error))?;
    terminal.print(&format!("{} bytes written to {path}", DESCRIPTORS.len()))
}
