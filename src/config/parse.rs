//! Parses the values of settings. A message says what is allowed; it does not repeat the text, which might hold a secret.

use std::net::SocketAddr;
use std::path::PathBuf;

use super::secret::Secret;
use crate::domain::names::{FreeName, Region};

/// The format of logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// For programs: one JSON object a line.
    Json,
}

/// Which calls get a line in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogCalls {
    /// None.
    Off,
    /// Those that do not succeed.
    Refusals,
    /// Every call.
    All,
}

/// The code that computes hashes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HashKernel {
    /// The fastest that is right.
    Auto,
    /// The code that works everywhere.
    Portable,
}

/// A version of TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TlsVersion {
    /// TLS 1.2 (RFC 5246).
    V1_2,
    /// TLS 1.3 (RFC 8446).
    V1_3,
}

/// Whether clients need a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientCertificates {
    /// Every client needs one.
    Required,
    /// A client may have one.
    Optional,
}

/// Declares the words of settings that can be one of a few.
macro_rules! words {
    ($($Setting:ident { $($word:literal => $value:ident),+ })+) => {$(
        impl $Setting {
            /// The words that it can be, in the order in which the message of a mistake names them.
            pub(super) const WORDS: &'static [&'static str] = &[$($word),+];

            pub(super) fn parse(text: &str) -> Result<Self, String> {
                match text {
                    $($word => Ok(Self::$value),)+
                    _ => Err(one_of(Self::WORDS)),
                }
            }
        }
    )+};
}

words! {
    LogFormat { "text" => Text, "json" => Json }
    LogCalls { "off" => Off, "refusals" => Refusals, "all" => All }
    HashKernel { "auto" => Auto, "portable" => Portable }
    TlsVersion { "1.3" => V1_3, "1.2" => V1_2 }
    ClientCertificates { "required" => Required, "optional" => Optional }
}

fn one_of(words: &[&str]) -> String {
    let words = words.join("`, `");
    match words.rsplit_once(", ") {
        Some((others, last)) => format!("use `{others} or {last}`"),
        None => format!("use `{words}`"),
    }
}

/// The location of the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreLocation {
    /// A `SQLite` database in this file.
    Sqlite(PathBuf),
    /// A PostgreSQL database, by its URL, which may hold a password.
    Postgres(Secret),
}

impl StoreLocation {
    /// Parses a URL. Does not check what only one kind of store can check.
    ///
    /// # Errors
    /// The mistake in it.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.starts_with("postgres://") || text.starts_with("postgresql://") {
            return Ok(Self::Postgres(Secret::new(text)));
        }
        let Some(rest) = text.strip_prefix("sqlite:") else {
            return Err("must start with sqlite: or postgres://".to_owned());
        };
        let path = rest.strip_prefix("//").unwrap_or(rest);
        match path {
            "" | ":memory:" => Err("must name a file after sqlite:".to_owned()),
            _ if path.contains('?') => Err("must not have parameters after the path".to_owned()),
            _ => Ok(Self::Sqlite(PathBuf::from(path))),
        }
    }
}

pub(super) fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| "must be an IP address and a port, for example 127.0.0.1:50051 or [::1]:50051".to_owned())
}

/// A URL of a server that is called. What would be a password in it is shown and logged, so there must be none.
pub(super) fn url(text: &str) -> Result<String, String> {
    let authority = text.split_once("://").and_then(|(_, rest)| rest.split(['/', '?', '#']).next());
    if authority.is_some_and(|authority| authority.contains('@')) {
        return Err("must not hold a user or a password; use traces.headers_file or hook.token_file".to_owned());
    }
    Ok(text.to_owned())
}

pub(super) fn optional_address(text: &str) -> Result<Option<SocketAddr>, String> {
    if text.is_empty() { Ok(None) } else { address(text).map(Some) }
}

pub(super) fn flag(text: &str) -> Result<bool, String> {
    text.parse().map_err(|_| "use `true` or `false`".to_owned())
}

pub(super) fn whole<T: TryFrom<u64>, const MIN: u64, const MAX: u64>(text: &str) -> Result<T, String> {
    let number = text.parse().ok().filter(|number| (MIN..=MAX).contains(number));
    number.and_then(|number| T::try_from(number).ok()).ok_or_else(|| match MAX {
        u64::MAX => format!("must be a whole number, at least {MIN}"),
        _ => format!("must be a whole number between {MIN} and {MAX}"),
    })
}

#[expect(clippy::unnecessary_wraps, reason = "every parser has this form")]
pub(super) fn optional_path(text: &str) -> Result<Option<PathBuf>, String> {
    Ok((!text.is_empty()).then(|| PathBuf::from(text)))
}

#[expect(clippy::unnecessary_wraps, reason = "every parser has this form")]
pub(super) fn secret(text: &str) -> Result<Secret, String> {
    Ok(Secret::new(text))
}

pub(super) fn region(text: &str) -> Result<Region, String> {
    Region::parse(text).map_err(|problem| problem.to_string())
}

pub(super) fn optional_free_name(text: &str) -> Result<Option<FreeName>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    FreeName::parse(text).map(Some).map_err(|problem| problem.to_string())
}

/// Checks only the part of the syntax that is easily mistaken: a single word that is not a level would select a module
/// of that name.
pub(super) fn filter(text: &str) -> Result<String, String> {
    const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];
    let is_level = |word: &str| LEVELS.iter().any(|level| level.eq_ignore_ascii_case(word));
    let is_right = |directive: &str| match directive.rsplit_once('=') {
        None => is_level(directive),
        Some((module, level)) => !module.is_empty() && is_level(level),
    };
    if text.split(',').all(|directive| is_right(directive.trim())) {
        Ok(text.to_owned())
    } else {
        Err("must be a level (off, error, warn, info, debug, trace), or several of the form module=level with commas"
            .to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_word_is_refused_with_those_that_are_allowed() {
        assert_eq!(LogCalls::parse("all"), Ok(LogCalls::All));
        assert_eq!(LogCalls::parse("loud").unwrap_err(), "use `off`, `refusals` or `all`");
        assert_eq!(TlsVersion::parse("1.1").unwrap_err(), "use `1.3` or `1.2`");
    }

    #[test]
    fn a_store_is_a_file_after_its_scheme() {
        for text in ["sqlite:a/b.db", "sqlite://a/b.db"] {
            assert_eq!(StoreLocation::parse(text), Ok(StoreLocation::Sqlite(PathBuf::from("a/b.db"))), "{text}");
        }
        assert_eq!(StoreLocation::parse("sqlite:///a.db"), Ok(StoreLocation::Sqlite(PathBuf::from("/a.db"))));
        for text in ["", "a.db", "sqlite:", "sqlite::memory:", "sqlite:a.db?mode=ro", "mysql://u:hunter2@h/d"] {
            assert!(!StoreLocation::parse(text).unwrap_err().contains("hunter2"), "{text}");
        }
    }

    #[test]
    fn the_url_of_a_server_is_kept_and_not_shown() {
        for text in ["postgres://u:hunter2@h/d", "postgresql://u:hunter2@h/d"] {
            let location = StoreLocation::parse(text).unwrap();
            assert!(!format!("{location:?}").contains("hunter2"));
            assert!(matches!(location, StoreLocation::Postgres(url) if url.expose() == text));
        }
    }

    #[test]
    fn a_url_that_is_logged_holds_no_password() {
        for text in ["", "http://127.0.0.1:4317", "https://host/?to=a@b", "http://h/@", "nonsense"] {
            assert_eq!(url(text).as_deref(), Ok(text));
        }
        for text in ["http://u:hunter2@h", "https://u@h:1/", "http://@h?a"] {
            assert!(!url(text).unwrap_err().contains("hunter2"), "{text}");
        }
    }

    #[test]
    fn a_word_that_is_no_level_is_refused() {
        for text in ["info", "WARN", "info,sqlx=warn", "warn, credentiald::grpc=trace"] {
            assert!(filter(text).is_ok(), "{text}");
        }
        for text in ["", "loud", "info,", "sqlx=loud", "=info"] {
            assert!(filter(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_number_stays_in_its_range() {
        assert_eq!(whole::<u32, 1, 100>("100"), Ok(100));
        for text in ["0", "101", "-1", "1.5", "", " 5", "ten", "99999999999999999999999"] {
            assert!(whole::<u32, 1, 100>(text).is_err(), "{text}");
        }
    }
}
