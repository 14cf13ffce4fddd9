//! The files of TLS, from the settings.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use zeroize::Zeroizing;

use super::reload::{FileSet, Reloader};
use super::{BadSettings, OperatorFile, OperatorFileError, SettingProblem};
use crate::config::{self, ClientCertificates, TlsVersion};
use crate::domain::caller_rules::CallerRules;
use crate::listener::{TlsPart, TlsSet, TlsTexts};
use crate::ports::Clock;
use crate::ports::meter::{FileKind, Gauge, Meter};

const CERTIFICATE_FILE: &str = "tls.certificate_file";
const KEY_FILE: &str = "tls.key_file";
const CLIENT_CA_FILE: &str = "tls.client_ca_file";
const CLIENT_CRL_FILE: &str = "tls.client_crl_file";
const CLIENT_CALLERS_FILE: &str = "tls.client_callers_file";

/// The files that settings name.
pub struct TlsFiles {
    settings: config::Tls,
    clock: Arc<dyn Clock>,
}

/// The TLS that the settings name, or `None` if they name none.
///
/// # Errors
/// Every file that can't be read, or every mistake in what they hold.
pub fn tls(settings: &config::Tls, clock: &Arc<dyn Clock>) -> Result<Option<Reloader<TlsFiles>>, BadSettings> {
    if settings.certificate_file.is_none() {
        return Ok(None);
    }
    Reloader::start(TlsFiles { settings: settings.clone(), clock: Arc::clone(clock) }).map(Some)
}

impl FileSet for TlsFiles {
    type Content = TlsTexts;
    type InForce = Arc<TlsSet>;

    const NAME: &'static str = "TLS files";
    const KIND: FileKind = FileKind::Tls;

    fn read(&self) -> Result<TlsTexts, BadSettings> {
        let settings = &self.settings;
        let mut problems = Vec::new();
        let public = |path: &Path| OperatorFile::read(path).map(|file| file.text);
        let certificate = text(settings.certificate_file.as_deref(), CERTIFICATE_FILE, &mut problems, public);
        let client_cas = text(settings.client_ca_file.as_deref(), CLIENT_CA_FILE, &mut problems, public);
        let client_crls = text(settings.client_crl_file.as_deref(), CLIENT_CRL_FILE, &mut problems, public);
        let client_callers = text(settings.client_callers_file.as_deref(), CLIENT_CALLERS_FILE, &mut problems, public);
        // Mistakes in the rules are reported by the check.
        let rules = client_callers.as_ref().and_then(|rules| CallerRules::parse(rules).ok()).unwrap_or_default();
        let folder = settings.client_callers_file.as_deref().and_then(Path::parent).unwrap_or_else(|| Path::new(""));
        let mut trust_domain_cas = BTreeMap::new();
        for (_, file) in rules.ca_files() {
            let cas = text(Some(&folder.join(file)), CLIENT_CALLERS_FILE, &mut problems, public);
            trust_domain_cas.insert(file.to_owned(), cas.unwrap_or_default());
        }
        let key = text(settings.key_file.as_deref(), KEY_FILE, &mut problems, OperatorFile::read_secret);
        if !problems.is_empty() {
            return Err(BadSettings(problems));
        }
        Ok(TlsTexts {
            certificate: certificate.unwrap_or_default(),
            key: key.unwrap_or_default(),
            client_cas,
            client_crls,
            client_callers,
            trust_domain_cas,
            requires_clients: settings.client_certificates == ClientCertificates::Required,
            allow_tls12: settings.minimum_version == TlsVersion::V1_2,
        })
    }

    fn show(in_force: &Arc<TlsSet>, meter: &dyn Meter) {
        meter.set(Gauge::CertificateExpiry, in_force.expiry());
    }

    fn check(&self, texts: &TlsTexts, before: Option<&TlsTexts>) -> Result<Arc<TlsSet>, BadSettings> {
        TlsSet::read(texts, before, &self.clock).map(Arc::new).map_err(|problems| {
            let named = |part| match part {
                TlsPart::Certificate => CERTIFICATE_FILE,
                TlsPart::Key => KEY_FILE,
                TlsPart::ClientCas => CLIENT_CA_FILE,
                TlsPart::ClientCrls => CLIENT_CRL_FILE,
                TlsPart::ClientCallers => CLIENT_CALLERS_FILE,
            };
            let problems = problems.into_iter();
            BadSettings(
                problems.map(|found| SettingProblem { setting: named(found.part), message: found.message }).collect(),
            )
        })
    }
}

/// The text of a file, if one is named. A file that can't be read is a problem.
fn text(
    path: Option<&Path>,
    setting: &'static str,
    problems: &mut Vec<SettingProblem>,
    read: impl Fn(&Path) -> Result<Zeroizing<String>, OperatorFileError>,
) -> Option<Zeroizing<String>> {
    let text = path.map(read)?;
    text.map_err(|error| problems.push(SettingProblem { setting, message: error.to_string() })).ok()
}
