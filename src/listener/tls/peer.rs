//! The client certificate of a connection, as the identity of its caller.

use std::fmt;
use std::sync::Arc;

use parking_lot::Mutex;
use rustls::ServerConnection;
use rustls::pki_types::CertificateDer;
use sha2::{Digest, Sha256};
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::{TlsInForce, TlsSet};
use crate::domain::caller_rules::SpiffeId;
use crate::domain::named_caller::NamedCaller;
use crate::domain::time::Timestamp;
use crate::ports::{Clock, ExternalIdentity, PeerCertificate};

/// A client certificate that the handshake has verified, and that names a caller.
struct ClientCertificate {
    chain: Vec<CertificateDer<'static>>,
    id: SpiffeId,
    caller: NamedCaller,
    expires_at: Timestamp,
    in_force: TlsInForce,
    clock: Arc<dyn Clock>,
    /// The last set that the certificate was compared with, and whether that set recognizes it.
    compared: Mutex<(Arc<TlsSet>, bool)>,
}

/// The certificate of a peer, if it has one. `set` is the set of the handshake.
pub(super) fn certificate(
    connection: &ServerConnection,
    set: &Arc<TlsSet>,
    in_force: TlsInForce,
    clock: Arc<dyn Clock>,
) -> Option<PeerCertificate> {
    let chain = connection.peer_certificates()?;
    let thumbprint = Sha256::digest(chain.first()?).into();
    let identity = ClientCertificate::of(chain, set, in_force, clock);
    Some(PeerCertificate { thumbprint, identity: identity.map(|identity| Arc::new(identity) as _) })
}

impl ClientCertificate {
    /// The identity that verified certificates give, or `None` if the first one names no caller.
    fn of(
        chain: &[CertificateDer<'static>],
        set: &Arc<TlsSet>,
        in_force: TlsInForce,
        clock: Arc<dyn Clock>,
    ) -> Option<Self> {
        let (_, leaf) = X509Certificate::from_der(chain.first()?).ok()?;
        let id = only_spiffe_id(&leaf)?;
        let caller = set.caller_of(&id)?.clone();
        // The last second is part of its time (RFC 5280, section 4.1.2.5).
        let expires_at =
            Timestamp::from_micros(leaf.validity().not_after.timestamp().checked_add(1)?.checked_mul(1_000_000)?);
        let compared = Mutex::new((Arc::clone(set), true));
        Some(Self { chain: chain.to_vec(), id, caller, expires_at, in_force, clock, compared })
    }

    /// Verifies the certificate again, once for each set that is put in force.
    fn is_recognized(&self) -> bool {
        let set = Arc::clone(&self.in_force.borrow());
        let mut compared = self.compared.lock();
        if !Arc::ptr_eq(&compared.0, &set) {
            let is_recognized =
                set.caller_of(&self.id) == Some(&self.caller) && set.verifies(&self.chain, self.clock.now());
            *compared = (set, is_recognized);
        }
        compared.1
    }
}

impl ExternalIdentity for ClientCertificate {
    fn caller(&self) -> &NamedCaller {
        &self.caller
    }

    fn is_valid_at(&self, at: Timestamp) -> bool {
        at < self.expires_at && self.is_recognized()
    }
}

impl fmt::Debug for ClientCertificate {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("ClientCertificate")
            .field("id", &self.id)
            .field("caller", &self.caller)
            .finish_non_exhaustive()
    }
}

/// The id of a certificate. One with several URIs of any kind has no id (X509-SVID, section 2). What can't be read
/// may be a URI.
fn only_spiffe_id(leaf: &X509Certificate<'_>) -> Option<SpiffeId> {
    let names = leaf.subject_alternative_name().ok()??;
    let mut uris = names.value.general_names.iter().filter_map(|name| match name {
        GeneralName::URI(uri) => Some(*uri),
        GeneralName::Invalid(..) => Some(""),
        _ => None,
    });
    let (uri, None) = (uris.next()?, uris.next()) else { return None };
    SpiffeId::parse(uri)
}
