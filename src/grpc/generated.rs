//! The code that the build script generates from `proto/`. Only `grpc` and the client of the command line use it.
#![expect(
    unreachable_pub,
    clippy::pedantic,
    clippy::allow_attributes,
    clippy::allow_attributes_without_reason,
    reason = "generated code"
)]

/// `credential`
pub mod credential {
    /// `credential.v1`
    pub mod v1 {
        tonic::include_proto!("credential.v1");
    }
    /// `credential.admin`
    pub mod admin {
        /// `credential.admin.v1`
        pub mod v1 {
            tonic::include_proto!("credential.admin.v1");
        }
    }
}

/// The encoded descriptors of the proto files, for reflection.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));
