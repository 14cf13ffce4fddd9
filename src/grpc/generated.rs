//! What the build script generates from `proto/`. Nothing outside `grpc` and the command line's client names it.
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

/// The encoded descriptors of the three files, for reflection.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));
