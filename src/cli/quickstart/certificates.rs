//! The demonstration's own CA, and the certificate that it signs: new with each start.

use std::error::Error;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::net::IpAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose, SanType, date_time_ymd,
};
use zeroize::Zeroizing;

use crate::cli::failure::Failure;
use crate::cli::new_file::private_folder;
use crate::domain::time::{Timestamp, days};

/// Certificates begin this much earlier, for clients whose clock is behind.
const EARLIER: Duration = Duration::from_hours(1);
/// How long the certificates are valid. A start makes new ones.
const VALID: Duration = days(90);

/// The files of the demonstration's TLS.
pub(super) struct Certificates {
    /// The CA, for clients to trust.
    pub(super) ca: PathBuf,
    /// The certificate of the service.
    pub(super) certificate: PathBuf,
    /// Its key.
    pub(super) key: PathBuf,
}

impl Certificates {
    /// The files in that directory.
    pub(super) fn of(directory: &Path) -> io::Result<Self> {
        // Absolute, because the calls are pasted in another terminal.
        let directory = std::path::absolute(directory)?;
        let [ca, certificate, key] = ["ca.pem", "server.pem", "server.key"].map(|name| directory.join(name));
        Ok(Self { ca, certificate, key })
    }

    /// Makes a CA, and a certificate for this machine and that address. The key of the CA is kept nowhere: it can sign
    /// nothing else.
    pub(super) fn make(&self, address: IpAddr, now: Timestamp) -> Result<(), Failure> {
        self.try_make(address, now).map_err(|error| Failure::caused("can't make the certificates", &*error))
    }

    fn try_make(&self, address: IpAddr, now: Timestamp) -> Result<(), Box<dyn Error>> {
        let mut ca = params("credentiald quickstart CA", now);
        ca.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        ca.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let ca = CertifiedIssuer::self_signed(ca, KeyPair::generate()?)?;

        let mut server = params("credentiald quickstart", now);
        server.subject_alt_names =
            CertificateParams::new(["localhost", "127.0.0.1", "::1"].map(String::from))?.subject_alt_names;
        if !server.subject_alt_names.contains(&SanType::IpAddress(address)) {
            server.subject_alt_names.push(SanType::IpAddress(address));
        }
        server.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        server.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate()?;
        let certificate = server.signed_by(&key, &ca)?;

        write(&self.ca, &ca.pem(), 0o644)?;
        write(&self.certificate, &certificate.pem(), 0o644)?;
        write(&self.key, &Zeroizing::new(key.serialize_pem()), 0o600)?;
        Ok(())
    }
}

fn params(name: &str, now: Timestamp) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.remove(DnType::CommonName);
    params.distinguished_name.push(DnType::CommonName, name);
    let epoch = Timestamp::from_micros(0);
    let date = |at: Timestamp| date_time_ymd(1970, 1, 1) + at.since(epoch).unwrap_or_default();
    params.not_before = date(now.before(EARLIER));
    params.not_after = date(now.after(VALID));
    params
}

/// Replaces a file, so that the mode of an older one does not stay. Creates its directory.
pub(super) fn write(path: &Path, text: &str, mode: u32) -> io::Result<()> {
    if let Some(directory) = path.parent() {
        private_folder(directory)?;
    }
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?.write_all(text.as_bytes())
}
