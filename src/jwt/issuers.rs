//! The issuers and their keys, as one set that is put in force as a whole.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;

use super::fetched::{FETCH, FetchedKeys, Source};
use super::issuer::{Issuer, Jwks, JwksUrl};
use super::issuers_file;
use super::key_set::{Key, KeySet};
use crate::domain::time::Timestamp;
use crate::outgoing::{Address, Outgoing, ReadSecret};
use crate::ports::JwtRefusal;

/// The texts of the files.
#[derive(PartialEq, Eq)]
pub struct JwtTexts {
    /// That of the file of issuers.
    pub issuers: String,
    /// Those of the files that it names.
    pub files: BTreeMap<PathBuf, String>,
}

/// The files that a file of issuers names.
#[derive(Default)]
pub struct JwtFileNames {
    /// Those whose texts make up a set: keys and CAs.
    pub texts: Vec<PathBuf>,
    /// Those that hold a token for the server of the keys. A new token makes no new set.
    pub secrets: Vec<PathBuf>,
}

/// Reads the issuers from their files, one set after the other. Keys that were fetched stay when other things change.
pub struct JwtReader {
    directory: PathBuf,
    read_secret: ReadSecret,
    /// Those of the last set, each with the name of an issuer.
    fetched: Mutex<Vec<(String, Arc<FetchedKeys>)>>,
}

/// A set of issuers with their keys.
pub struct JwtIssuers(Vec<KnownIssuer>);

pub(super) struct KnownIssuer {
    pub(super) issuer: Issuer,
    keys: Keys,
}

enum Keys {
    Fixed(KeySet),
    Fetched(Arc<FetchedKeys>),
}

impl JwtReader {
    /// A reader for a file in that directory. Other files are named relative to it. Those with a token are read by
    /// `read_secret`, for each fetch.
    pub fn new(directory: &Path, read_secret: ReadSecret) -> Self {
        Self { directory: directory.to_owned(), read_secret, fetched: Mutex::default() }
    }

    /// The files that a file of issuers names. Without those in its mistakes, which [`Self::read`] reports.
    pub fn files_of(&self, issuers: &str) -> JwtFileNames {
        issuers_file::read(issuers, &self.directory).map(|issuers| issuers_file::files(&issuers)).unwrap_or_default()
    }

    /// Reads a set of issuers.
    ///
    /// # Errors
    /// Every mistake in it.
    pub fn read(&self, texts: &JwtTexts) -> Result<Arc<JwtIssuers>, Vec<String>> {
        let issuers = issuers_file::read(&texts.issuers, &self.directory)?;
        let (mut known, mut mistakes) = (Vec::new(), Vec::new());
        for issuer in issuers {
            let keys = match &issuer.jwks {
                Jwks::File(file) => fixed(&issuer, file, texts).map(Keys::Fixed),
                Jwks::Url(url) => self.fetched(&issuer, url, texts).map(Keys::Fetched),
            };
            match keys {
                Ok(keys) => known.push(KnownIssuer { issuer, keys }),
                Err(mistake) => mistakes.push(format!("the keys of {}: {mistake}", issuer.name)),
            }
        }
        if !mistakes.is_empty() {
            return Err(mistakes);
        }
        let fetched = known.iter().filter_map(|known| Some((known.issuer.name.clone(), known.keys.fetched()?.clone())));
        *self.fetched.lock() = fetched.collect();
        Ok(Arc::new(JwtIssuers(known)))
    }

    /// The keys of that URL: those that there are already, or new ones. Until these are fetched, the issuer has the keys
    /// that it had from the same URL, as far as it may still use them and still trusts their server.
    fn fetched(&self, issuer: &Issuer, url: &JwksUrl, texts: &JwtTexts) -> Result<Arc<FetchedKeys>, String> {
        let cas = url.ca_file.as_ref().and_then(|file| texts.files.get(file)).cloned();
        let source = Source { jwks: url.clone(), cas, algorithms: issuer.algorithms.clone() };
        let before = self.fetched.lock();
        if let Some((_, known)) = before.iter().find(|(_, known)| known.is_of(&source)) {
            return Ok(Arc::clone(known));
        }
        let address = Address::parse(&url.url);
        let fetcher =
            address.and_then(|address| Outgoing::new(address, source.cas.as_deref(), self.read_secret, FETCH));
        let fetcher = fetcher.map_err(|mistake| match &url.ca_file {
            Some(file) => format!("{} {mistake}", file.display()),
            None => format!("{} {mistake}", url.url),
        })?;
        let predecessor = before.iter().find(|(name, known)| *name == issuer.name && known.is_from(&url.url));
        Ok(Arc::new(FetchedKeys::new(source, fetcher, predecessor.map(|(_, keys)| keys.as_ref()))))
    }
}

fn fixed(issuer: &Issuer, file: &Path, texts: &JwtTexts) -> Result<KeySet, String> {
    let text = texts.files.get(file).map(String::as_bytes).unwrap_or_default();
    let read = KeySet::parse(text, &issuer.algorithms);
    let (keys, skipped) = read.ok_or_else(|| format!("{} is not a set of keys", file.display()))?;
    if keys.is_empty() {
        let reasons: Vec<_> = skipped.iter().map(ToString::to_string).collect();
        return Err(format!("{} holds no key that can be used; {}", file.display(), reasons.join("; ")));
    }
    for skipped in skipped {
        tracing::info!(file = %file.display(), "{skipped}: it is not used");
    }
    Ok(keys)
}

impl JwtIssuers {
    /// The issuer with that `iss`.
    pub(super) fn named(&self, name: &str) -> Result<&KnownIssuer, JwtRefusal> {
        self.0.iter().find(|known| known.issuer.name == name).ok_or(JwtRefusal::Issuer)
    }

    /// Every set of keys that is fetched.
    pub(super) fn fetched(&self) -> impl Iterator<Item = &Arc<FetchedKeys>> {
        self.0.iter().filter_map(|known| known.keys.fetched())
    }
}

impl Keys {
    fn fetched(&self) -> Option<&Arc<FetchedKeys>> {
        match self {
            Self::Fixed(_) => None,
            Self::Fetched(fetched) => Some(fetched),
        }
    }
}

impl KnownIssuer {
    /// The key of that id. May wait until it is fetched.
    pub(super) async fn key(&self, id: &str, at: Timestamp) -> Result<Arc<Key>, JwtRefusal> {
        match &self.keys {
            Keys::Fixed(keys) => keys.key(id),
            Keys::Fetched(fetched) => fetched.key(id, at).await,
        }
    }

    /// The key of that id, if it is known and used at that time. Does not wait.
    pub(super) fn used_key(&self, id: &str, at: Timestamp) -> Option<Arc<Key>> {
        match &self.keys {
            Keys::Fixed(keys) => keys.key(id).ok(),
            Keys::Fetched(fetched) => fetched.used_key(id, at),
        }
    }
}
