//! Algorithms of signatures (RFC 7518, section 3.1; RFC 8037). All are asymmetric. `none` and HMAC are not among them, so no
//! setting can allow one.

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384,
    RSA_PKCS1_2048_8192_SHA512, RSA_PSS_2048_8192_SHA256, RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512,
    RsaParameters, VerificationAlgorithm,
};

/// An algorithm.
pub(super) struct Algorithm {
    /// Its name in tokens, keys and settings.
    pub(super) name: &'static str,
    pub(super) verification: Verification,
}

/// The keys that an algorithm takes, and how it verifies with them.
pub(super) enum Verification {
    Rsa(&'static RsaParameters),
    /// On the curve of that name.
    Ec(&'static str, &'static dyn VerificationAlgorithm),
    Ed25519(&'static dyn VerificationAlgorithm),
}

use Verification::{Ec, Ed25519, Rsa};

/// The name identifies it.
impl PartialEq for Algorithm {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Algorithm {}

impl Algorithm {
    const fn new(name: &'static str, verification: Verification) -> Self {
        Self { name, verification }
    }

    /// Every algorithm.
    pub(super) fn all() -> &'static [Self] {
        static ALL: [Algorithm; 9] = [
            Algorithm::new("RS256", Rsa(&RSA_PKCS1_2048_8192_SHA256)),
            Algorithm::new("RS384", Rsa(&RSA_PKCS1_2048_8192_SHA384)),
            Algorithm::new("RS512", Rsa(&RSA_PKCS1_2048_8192_SHA512)),
            Algorithm::new("PS256", Rsa(&RSA_PSS_2048_8192_SHA256)),
            Algorithm::new("PS384", Rsa(&RSA_PSS_2048_8192_SHA384)),
            Algorithm::new("PS512", Rsa(&RSA_PSS_2048_8192_SHA512)),
            Algorithm::new("ES256", Ec("P-256", &ECDSA_P256_SHA256_FIXED)),
            Algorithm::new("ES384", Ec("P-384", &ECDSA_P384_SHA384_FIXED)),
            Algorithm::new("EdDSA", Ed25519(&ED25519)),
        ];
        &ALL
    }

    /// The algorithm of that name.
    pub(super) fn of(name: &str) -> Option<&'static Self> {
        Self::all().iter().find(|algorithm| algorithm.name == name)
    }
}
