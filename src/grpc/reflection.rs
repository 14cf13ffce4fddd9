//! `grpc.reflection.v1` and `v1alpha`: clients such as `grpcurl` need no proto file.

use tonic::service::RoutesBuilder;
use tonic_reflection::server::{Builder, Error};

use super::DESCRIPTORS;

/// Adds both versions. The types of error details are among what they know, so that clients can print those.
///
/// # Errors
/// The descriptors that were built in can't be read.
pub(super) fn add_reflection(routes: &mut RoutesBuilder) -> Result<(), Error> {
    routes.add_service(descriptors().build_v1()?);
    routes.add_service(descriptors().build_v1alpha()?);
    Ok(())
}

fn descriptors() -> Builder<'static> {
    Builder::configure()
        .register_encoded_file_descriptor_set(DESCRIPTORS)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        .register_encoded_file_descriptor_set(tonic_types::pb::FILE_DESCRIPTOR_SET)
}
