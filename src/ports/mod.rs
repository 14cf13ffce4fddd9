//! What the core needs from outside, as traits in the domain's words, and when to retry what failed.

pub mod audit_sealer;
pub mod authorizer;
pub mod background;
pub mod call_record;
pub mod clock;
pub mod denial_cipher;
pub mod entropy;
pub mod evidence;
pub mod hasher;
pub mod jwt;
pub mod limited_lines;
pub mod meter;
pub mod nodes;
pub mod password_hook;
pub mod pepper;
pub mod places;
pub mod retries;
pub mod signed_request;
pub mod spans;
pub mod store;
pub mod transport_problem;

pub use audit_sealer::{AuditSealer, Unsealed};
pub use authorizer::{AccessRequest, Authorizer, Decision};
pub use background::BackgroundTraces;
pub use call_record::CallRecord;
pub use clock::{Clock, Deadline};
pub use denial_cipher::{DenialCipher, DenialProblem};
pub use entropy::Entropy;
pub use evidence::{
    CallerProof, CertificateHolder, CertificateRefusal, CertificateValidity, Evidence, ExternalIdentity,
    PeerCertificate, TrustedProxy,
};
pub use hasher::{
    AdmittedHashes, EngineFigures, HashDemand, HashDescription, Hasher, HasherError, HasherFigures, NotAdmitted,
    SALT_BYTES, Salt,
};
pub use jwt::{JwtRefusal, JwtVerifier, PresentedJwt};
pub use limited_lines::LimitedLines;
pub use meter::{Counter, Gauge, Gauged, Histogram, Meter, NoMeter};
pub use nodes::{AccountPasswords, NodeProblem, Nodes, Others};
pub use password_hook::{HookUnavailable, PasswordHook};
pub use pepper::{Pepper, PepperError, PepperProblem};
pub use places::{Place, Places};
pub use signed_request::{SIGNATURE_WINDOW, SignatureProblem, SignatureRefusal, SignedRequest};
pub use store::{Store, StoreError};
pub use transport_problem::TransportProblem;
