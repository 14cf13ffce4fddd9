//! Client certificates: that of a connection, and those that a trusted proxy forwards, as identities of callers.

use std::fmt;
use std::sync::Arc;

use parking_lot::Mutex;
use rustls::ServerConnection;
use rustls::pki_types::CertificateDer;
use sha2::{Digest, Sha256};
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::forwarded::chain_in;
use super::{TlsInForce, TlsSet};
use crate::domain::caller_rules::{CertificateRule, ForwardingHeader, SpiffeId};
use crate::domain::named_caller::NamedCaller;
use crate::domain::time::Timestamp;
use crate::ports::{
    CertificateHolder, CertificateRefusal, CertificateValidity, Clock, ExternalIdentity, PeerCertificate, TrustedProxy,
};

/// A client certificate that was verified, by the handshake or after a proxy forwarded it.
struct ClientCertificate {
    /// It, and those that were sent with it.
    chain: Vec<CertificateDer<'static>>,
    /// When each of them expires.
    ends: Vec<Timestamp>,
    in_force: TlsInForce,
    clock: Arc<dyn Clock>,
    verified: Mutex<Verified>,
    /// The proxy that forwards it.
    proxy: Option<Arc<Ruled<ForwardingHeader>>>,
}

/// The last verification of a certificate: by which set, its outcome, and the first time at which another certificate
/// of the chain expires. The set may need that one or not, so it has to verify the chain again.
struct Verified {
    by: Arc<TlsSet>,
    is_good: bool,
    until: Option<Timestamp>,
}

/// A certificate whose id has a rule: for a caller, or for a proxy with its header.
struct Ruled<T> {
    certificate: Arc<ClientCertificate>,
    id: SpiffeId,
    named: T,
}

/// The certificate of a peer, if it has one. `set` is the set of the handshake, which has verified it.
pub(super) fn certificate(
    connection: &ServerConnection,
    set: &Arc<TlsSet>,
    in_force: TlsInForce,
    clock: Arc<dyn Clock>,
) -> Option<PeerCertificate> {
    ClientCertificate::peer(connection.peer_certificates()?.to_vec(), set, in_force, clock, None)
}

impl ClientCertificate {
    /// The first certificate of a chain that `set` has verified, or `None` if one can't be read.
    fn peer(
        chain: Vec<CertificateDer<'static>>,
        set: &Arc<TlsSet>,
        in_force: TlsInForce,
        clock: Arc<dyn Clock>,
        proxy: Option<Arc<Ruled<ForwardingHeader>>>,
    ) -> Option<PeerCertificate> {
        let thumbprint = Sha256::digest(chain.first()?).into();
        let (_, leaf) = X509Certificate::from_der(chain.first()?).ok()?;
        let ends: Vec<_> = chain.iter().map(|certificate| end_of(certificate)).collect::<Option<_>>()?;
        let ruled = only_spiffe_id(&leaf).and_then(|id| Some((set.rule_of(&id)?.clone(), id)));
        let is_forwarded = proxy.is_some();
        let verified = Mutex::new(Verified { by: Arc::clone(set), is_good: true, until: ends.iter().min().copied() });
        let certificate = Arc::new(Self { chain, ends, in_force, clock, verified, proxy });
        let validity = Arc::clone(&certificate) as _;
        let holder = match ruled {
            Some((CertificateRule::Caller(named), id)) => {
                CertificateHolder::Caller(Arc::new(Ruled { certificate, id, named }))
            }
            // A proxy that is a client of another one is not trusted.
            Some((CertificateRule::Proxy(named), id)) if !is_forwarded => {
                CertificateHolder::Proxy(Arc::new(Ruled { certificate, id, named }))
            }
            _ => CertificateHolder::Unnamed,
        };
        Some(PeerCertificate { thumbprint, validity, holder })
    }

    fn set(&self) -> Arc<TlsSet> {
        Arc::clone(&self.in_force.borrow())
    }

    /// Whether a client could connect with the chain at that time. Verifies it again for each set that is put in force, and
    /// when a certificate of the chain has expired.
    fn is_recognized_at(&self, at: Timestamp) -> bool {
        let set = self.set();
        let mut verified = self.verified.lock();
        if !Arc::ptr_eq(&verified.by, &set) || verified.until.is_some_and(|until| until <= at) {
            let until = self.ends.iter().filter(|end| at < **end).min().copied();
            *verified = Verified { is_good: set.verifies(&self.chain, at), by: set, until };
        }
        verified.is_good
    }
}

impl CertificateValidity for ClientCertificate {
    fn is_valid_at(&self, at: Timestamp) -> bool {
        self.is_recognized_at(at) && self.proxy.as_ref().is_none_or(|proxy| proxy.is_trusted_at(at))
    }
}

impl ExternalIdentity for Ruled<NamedCaller> {
    fn caller(&self) -> &NamedCaller {
        &self.named
    }

    fn is_valid_at(&self, at: Timestamp) -> bool {
        let set = self.certificate.set();
        let is_named = matches!(set.rule_of(&self.id), Some(CertificateRule::Caller(caller)) if *caller == self.named);
        is_named && self.certificate.is_valid_at(at)
    }
}

impl Ruled<ForwardingHeader> {
    fn is_trusted_at(&self, at: Timestamp) -> bool {
        let set = self.certificate.set();
        let is_trusted = set.rule_of(&self.id) == Some(&CertificateRule::Proxy(self.named));
        is_trusted && self.certificate.is_valid_at(at)
    }
}

impl TrustedProxy for Ruled<ForwardingHeader> {
    fn header(&self) -> &'static str {
        self.named.name()
    }

    fn client(self: Arc<Self>, value: &str) -> Result<PeerCertificate, CertificateRefusal> {
        let ClientCertificate { in_force, clock, .. } = self.certificate.as_ref();
        let (in_force, clock, now, set) = (in_force.clone(), Arc::clone(clock), clock.now(), self.certificate.set());
        if !self.is_trusted_at(now) {
            return Err(CertificateRefusal::Proxy);
        }
        let chain = chain_in(self.named, value).ok_or(CertificateRefusal::Malformed)?;
        if !set.verifies(&chain, now) {
            return Err(CertificateRefusal::Invalid);
        }
        ClientCertificate::peer(chain, &set, in_force, clock, Some(self)).ok_or(CertificateRefusal::Malformed)
    }
}

impl fmt::Debug for ClientCertificate {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("ClientCertificate").field("ends", &self.ends).finish_non_exhaustive()
    }
}

impl<T: fmt::Debug> fmt::Debug for Ruled<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, named, .. } = self;
        formatter.debug_struct("Ruled").field("id", id).field("named", named).finish_non_exhaustive()
    }
}

/// The end of a certificate's time. The last second is part of it (RFC 5280, section 4.1.2.5).
fn end_of(certificate: &CertificateDer<'_>) -> Option<Timestamp> {
    let (_, certificate) = X509Certificate::from_der(certificate).ok()?;
    let end = certificate.validity().not_after.timestamp().checked_add(1)?.checked_mul(1_000_000)?;
    Some(Timestamp::from_micros(end))
}

/// The id of a certificate. One with several URIs of any kind has no id (X509-SVID, section 2). What can't be read
/// may be a URI.
pub(super) fn only_spiffe_id(leaf: &X509Certificate<'_>) -> Option<SpiffeId> {
    let names = leaf.subject_alternative_name().ok()??;
    let mut uris = names.value.general_names.iter().filter_map(|name| match name {
        GeneralName::URI(uri) => Some(*uri),
        GeneralName::Invalid(..) => Some(""),
        _ => None,
    });
    let (uri, None) = (uris.next()?, uris.next()) else { return None };
    SpiffeId::parse(uri)
}
