//! TLS, from the settings: the files at start, and again whenever their content changes.

use std::convert::Infallible;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, watch};
use zeroize::Zeroizing;

use super::{BadSettings, OperatorFile, OperatorFileError, SettingProblem};
use crate::config::{self, TlsVersion};
use crate::listener::{TlsInForce, TlsPart, TlsSet, TlsTexts};
use crate::ports::Clock;

/// How often the files are read. Notifications of the file system miss the way in which Kubernetes replaces them.
const READ_EVERY: Duration = Duration::from_secs(5);

const CERTIFICATE_FILE: &str = "tls.certificate_file";
const KEY_FILE: &str = "tls.key_file";
const CLIENT_CA_FILE: &str = "tls.client_ca_file";
const CLIENT_CRL_FILE: &str = "tls.client_crl_file";

/// The TLS of the service, which follows its files.
pub struct Tls {
    files: TlsFiles,
    /// The texts of the set in force.
    texts: TlsTexts,
    in_force: watch::Sender<Arc<TlsSet>>,
    clock: Arc<dyn Clock>,
}

/// The files that settings name.
#[derive(Clone)]
struct TlsFiles(config::Tls);

impl Tls {
    /// The TLS that the settings name, or `None` if they name none.
    ///
    /// # Errors
    /// Every file that can't be read, or every mistake in what they hold.
    pub fn read(settings: &config::Tls, clock: &Arc<dyn Clock>) -> Result<Option<Self>, BadSettings> {
        if settings.certificate_file.is_none() {
            return Ok(None);
        }
        let files = TlsFiles(settings.clone());
        let texts = files.read()?;
        let set = set_of(&texts, clock)?;
        Ok(Some(Self { files, texts, in_force: watch::Sender::new(Arc::new(set)), clock: Arc::clone(clock) }))
    }

    /// The set in force, now and later.
    pub(super) fn in_force(&self) -> TlsInForce {
        self.in_force.subscribe()
    }

    /// Reads the files periodically, and whenever `reload` asks for it, and puts a new set in force if it is good.
    pub(super) async fn follow(mut self, reload: &Notify) -> Infallible {
        let mut reported = None;
        loop {
            let is_asked = tokio::select! {
                () = reload.notified() => true,
                () = tokio::time::sleep(READ_EVERY) => false,
            };
            match self.reload().await {
                Ok(true) => {
                    tracing::info!("the new TLS files are in force");
                    reported = None;
                }
                Ok(false) => {
                    if is_asked {
                        tracing::info!("the TLS files have not changed");
                    }
                    reported = None;
                }
                Err(bad) if is_asked || reported.as_ref() != Some(&bad) => {
                    tracing::warn!(error = %bad, "the new TLS files are not used: the ones before stay in force");
                    reported = Some(bad);
                }
                Err(_) => {}
            }
        }
    }

    /// Returns whether the files hold a new set.
    async fn reload(&mut self) -> Result<bool, BadSettings> {
        let files = self.files.clone();
        let read = tokio::task::spawn_blocking(move || files.read()).await;
        let texts = read.unwrap_or_else(|_| Err(BadSettings::one(CERTIFICATE_FILE, "can't be read at the moment")))?;
        if texts == self.texts {
            return Ok(false);
        }
        let set = set_of(&texts, &self.clock)?;
        self.texts = texts;
        self.in_force.send_replace(Arc::new(set));
        Ok(true)
    }
}

impl TlsFiles {
    fn read(&self) -> Result<TlsTexts, BadSettings> {
        let Self(settings) = self;
        let mut problems = Vec::new();
        let public = |path: &Path| OperatorFile::read(path).map(|file| file.text);
        let certificate = text(settings.certificate_file.as_deref(), CERTIFICATE_FILE, &mut problems, public);
        let client_cas = text(settings.client_ca_file.as_deref(), CLIENT_CA_FILE, &mut problems, public);
        let client_crls = text(settings.client_crl_file.as_deref(), CLIENT_CRL_FILE, &mut problems, public);
        let key = text(settings.key_file.as_deref(), KEY_FILE, &mut problems, OperatorFile::read_secret);
        if !problems.is_empty() {
            return Err(BadSettings(problems));
        }
        Ok(TlsTexts {
            certificate: certificate.unwrap_or_default(),
            key: key.unwrap_or_default(),
            client_cas,
            client_crls,
            allow_tls12: settings.minimum_version == TlsVersion::V1_2,
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

fn set_of(texts: &TlsTexts, clock: &Arc<dyn Clock>) -> Result<TlsSet, BadSettings> {
    TlsSet::read(texts, clock).map_err(|problems| {
        let named = |part| match part {
            TlsPart::Certificate => CERTIFICATE_FILE,
            TlsPart::Key => KEY_FILE,
            TlsPart::ClientCas => CLIENT_CA_FILE,
            TlsPart::ClientCrls => CLIENT_CRL_FILE,
        };
        let problems = problems.into_iter();
        BadSettings(
            problems.map(|found| SettingProblem { setting: named(found.part), message: found.message }).collect(),
        )
    })
}
