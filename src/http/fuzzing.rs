//! Functions for the fuzz targets in `fuzz/`. No shipped build has them.

use super::{ClaimedSignature, Parameters};

/// The form of the parameters that signatures cover.
pub fn canonical(parameters: &Parameters) -> String {
    parameters.canonical(None).to_string()
}

/// The same request, signed with that secret.
pub fn signed_with(claimed: ClaimedSignature, secret: &str) -> ClaimedSignature {
    claimed.signed_with(secret)
}
