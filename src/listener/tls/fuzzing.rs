//! Functions for the fuzz targets in `fuzz/`. No shipped build has them.

use x509_parser::prelude::{FromDer, X509Certificate};

use super::forwarded::chain_in;
use super::peer::only_spiffe_id;
use crate::domain::caller_rules::{ForwardingHeader, SpiffeId};

/// The id of a certificate in DER, whose signature is not checked. `None` if the certificate can't be read.
pub fn spiffe_id(der: &[u8]) -> Option<Option<SpiffeId>> {
    let (_, certificate) = X509Certificate::from_der(der).ok()?;
    Some(only_spiffe_id(&certificate))
}

/// The certificates, in DER, in a value of the header of a proxy.
pub fn forwarded(header: ForwardingHeader, value: &str) -> Option<Vec<Vec<u8>>> {
    chain_in(header, value).map(|chain| chain.iter().map(|certificate| certificate.to_vec()).collect())
}
