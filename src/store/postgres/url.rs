//! The URL of a PostgreSQL store, in libpq's syntax, with one or several hosts
//! (<https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING>).
//!
//! It is parsed here, because the driver takes several hosts for one. Anything not understood is refused. No message
//! repeats the text, because a password may be anywhere in it, also wrongly quoted.

use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use crate::domain::text::is_loopback;

const PORT: u16 = 5432;
const PARAMETERS: &str =
    "application_name, host, port, sslcert, sslkey, sslmode, sslrootcert and target_session_attrs, each once";

/// Location of a PostgreSQL store, and the user to connect as.
#[derive(Clone, PartialEq, Eq)]
pub struct Url {
    pub(super) hosts: Vec<Host>,
    pub(super) user: String,
    pub(super) password: Option<String>,
    pub(super) database: String,
    pub(super) application_name: String,
    pub(super) root_certificate: Option<PathBuf>,
    pub(super) client_certificate: Option<(PathBuf, PathBuf)>,
}

/// One of the servers. One of them takes writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Host {
    /// A name, an address, or the directory of a socket.
    pub(super) name: String,
    pub(super) port: u16,
    pub(super) tls: Tls,
}

/// Whether a connection is encrypted, and how the server is verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tls {
    /// Not encrypted.
    Disable,
    /// Encrypted, without verifying the server.
    Require,
    /// Encrypted, with a certificate from a trusted authority.
    VerifyCa,
    /// Like `VerifyCa`, and the certificate is for this host.
    VerifyFull,
}

/// An invalid URL.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct UrlError(String);

/// Hides the password.
impl fmt::Debug for Url {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Url")
            .field("hosts", &self.hosts)
            .field("database", &self.database)
            .finish_non_exhaustive()
    }
}

/// `host:port`, in the usual notation.
impl fmt::Display for Host {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.name.contains(':') {
            write!(formatter, "[{}]:{}", self.name, self.port)
        } else {
            write!(formatter, "{}:{}", self.name, self.port)
        }
    }
}

impl Url {
    /// Parses a URL.
    ///
    /// # Errors
    /// Says what is wrong with the URL.
    pub fn parse(text: &str) -> Result<Self, UrlError> {
        let rest = text.strip_prefix("postgres://").or_else(|| text.strip_prefix("postgresql://"));
        let rest = rest.ok_or_else(|| wrong("starts with postgres:// or postgresql://"))?;
        if rest.contains('#') {
            return Err(wrong("holds a #; in a password it is written %23"));
        }
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let parameters = Parameters::read(query)?;
        let (authority, database) = rest.split_once('/').unwrap_or((rest, ""));
        let (user, hosts) = authority.rsplit_once('@').unwrap_or(("", authority));
        let (user, password) = match user.split_once(':') {
            Some((user, password)) => (user, Some(decoded(password)?)),
            None => (user, None),
        };
        let url = Self {
            hosts: hosts_of(hosts, &parameters)?,
            user: named(user, "names no user, as in postgres://user@host/database")?,
            password,
            database: named(database, "names no database, as in postgres://user@host/database")?,
            application_name: parameters.application_name.clone().unwrap_or_else(|| "credentiald".to_owned()),
            root_certificate: parameters.sslrootcert.clone().map(PathBuf::from),
            client_certificate: client_certificate(&parameters)?,
        };
        url.check()?;
        Ok(url)
    }

    /// The certificates that the URL names.
    pub fn certificates(&self) -> impl Iterator<Item = &Path> {
        let of_client = self.client_certificate.iter().map(|(certificate, _)| certificate);
        self.root_certificate.iter().chain(of_client).map(PathBuf::as_path)
    }

    /// The private key that the URL names.
    pub fn private_key(&self) -> Option<&Path> {
        self.client_certificate.as_ref().map(|(_, key)| key.as_path())
    }

    fn check(&self) -> Result<(), UrlError> {
        if self.database.contains('/') {
            return Err(wrong("has more than one / after the hosts; in a name it is written %2F"));
        }
        let requires = self.hosts.iter().any(|host| host.tls == Tls::Require);
        if requires && self.root_certificate.is_some() {
            return Err(wrong(
                "has sslrootcert, which sslmode=require would not look at: say verify-ca or verify-full",
            ));
        }
        let of_any_authority =
            self.hosts.iter().any(|host| host.tls == Tls::VerifyCa) && self.root_certificate.is_none();
        if of_any_authority {
            return Err(wrong(
                "has sslmode=verify-ca without sslrootcert: anybody gets a certificate of a public authority, so say \
                 verify-full",
            ));
        }
        Ok(())
    }
}

/// The parameters after the `?`.
#[derive(Default)]
struct Parameters {
    host: Option<String>,
    port: Option<String>,
    sslmode: Option<String>,
    sslrootcert: Option<String>,
    sslcert: Option<String>,
    sslkey: Option<String>,
    application_name: Option<String>,
}

impl Parameters {
    fn read(query: &str) -> Result<Self, UrlError> {
        let mut parameters = Self::default();
        let mut session = None;
        for parameter in query.split('&').filter(|parameter| !parameter.is_empty()) {
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            let place = match name {
                "host" => &mut parameters.host,
                "port" => &mut parameters.port,
                "sslmode" => &mut parameters.sslmode,
                "sslrootcert" => &mut parameters.sslrootcert,
                "sslcert" => &mut parameters.sslcert,
                "sslkey" => &mut parameters.sslkey,
                "application_name" => &mut parameters.application_name,
                "target_session_attrs" => &mut session,
                _ => return Err(wrong(&format!("takes the parameters {PARAMETERS}"))),
            };
            if place.replace(decoded(value)?).is_some() {
                return Err(wrong(&format!("takes the parameters {PARAMETERS}")));
            }
        }
        // A store is written to, so the program asks for a writable server in any case.
        if session.is_some_and(|wanted| wanted != "read-write" && wanted != "primary") {
            return Err(wrong("takes target_session_attrs=read-write or primary alone: a store is written to"));
        }
        Ok(parameters)
    }
}

fn hosts_of(authority: &str, parameters: &Parameters) -> Result<Vec<Host>, UrlError> {
    let mut hosts = match (authority, &parameters.host, &parameters.port) {
        ("", None, _) => return Err(wrong("names no host, as in postgres://user@host/database")),
        ("", Some(names), port) => {
            let port = port.as_deref().map_or(Ok(PORT), port_of)?;
            names.split(',').map(|name| host_of(name, port)).collect::<Result<Vec<_>, _>>()?
        }
        (_, Some(_), _) | (_, _, Some(_)) => return Err(wrong("names hosts or ports both before and after the ?")),
        (hosts, None, None) => hosts.split(',').map(host_and_port).collect::<Result<Vec<_>, _>>()?,
    };
    let asked_for = parameters.sslmode.as_deref().map(tls_of).transpose()?;
    for host in &mut hosts {
        host.tls = asked_for.unwrap_or(host.tls);
    }
    Ok(hosts)
}

fn host_and_port(text: &str) -> Result<Host, UrlError> {
    let misplaced = || wrong("names its hosts as host, host:port or [address]:port, with commas between them");
    let (name, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (address, rest) = rest.split_once(']').ok_or_else(misplaced)?;
            match (address.parse::<IpAddr>(), rest.strip_prefix(':'), rest) {
                (Ok(_), Some(port), _) => (address, Some(port)),
                (Ok(_), None, "") => (address, None),
                _ => return Err(misplaced()),
            }
        }
        None => match text.split_once(':') {
            Some((name, port)) => (name, Some(port)),
            None => (text, None),
        },
    };
    host_of(&decoded(name)?, port.map_or(Ok(PORT), port_of)?)
}

fn host_of(name: &str, port: u16) -> Result<Host, UrlError> {
    let is_socket = name.starts_with('/');
    let is_name = !name.is_empty()
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b':'));
    if !is_socket && !is_name {
        return Err(wrong("has a host that is neither a name, nor an address, nor the directory of a socket"));
    }
    let tls = if is_socket || is_loopback(name) { Tls::Disable } else { Tls::VerifyFull };
    Ok(Host { name: name.to_owned(), port, tls })
}

fn port_of(text: &str) -> Result<u16, UrlError> {
    let port = text.parse().ok().filter(|port| *port > 0);
    port.ok_or_else(|| wrong("has an invalid port; in a password, a / is written %2F, a ? %3F and a @ %40"))
}

fn tls_of(mode: &str) -> Result<Tls, UrlError> {
    match mode {
        "disable" => Ok(Tls::Disable),
        "require" => Ok(Tls::Require),
        "verify-ca" => Ok(Tls::VerifyCa),
        "verify-full" => Ok(Tls::VerifyFull),
        "allow" | "prefer" => Err(wrong("has an sslmode that gives up encryption without a word: say disable")),
        _ => Err(wrong("has an sslmode other than disable, require, verify-ca and verify-full")),
    }
}

fn client_certificate(parameters: &Parameters) -> Result<Option<(PathBuf, PathBuf)>, UrlError> {
    match (&parameters.sslcert, &parameters.sslkey) {
        (Some(certificate), Some(key)) => Ok(Some((certificate.into(), key.into()))),
        (None, None) => Ok(None),
        _ => Err(wrong("has sslcert and sslkey together or not at all")),
    }
}

fn named(text: &str, what_is_missing: &str) -> Result<String, UrlError> {
    if text.is_empty() { Err(wrong(what_is_missing)) } else { decoded(text) }
}

/// Decodes percent-encoding.
fn decoded(text: &str) -> Result<String, UrlError> {
    let broken = || wrong("has a % that is not followed by two hexadecimal digits; itself it is written %25");
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit = || rest.next().and_then(|byte| char::from(byte).to_digit(16));
        let (high, low) = (digit().ok_or_else(broken)?, digit().ok_or_else(broken)?);
        bytes.push(u8::try_from(high * 16 + low).map_err(|_| broken())?);
    }
    let decoded = String::from_utf8(bytes).map_err(|_| wrong("is not Unicode text"))?;
    if decoded.contains('\0') { Err(wrong("holds a zero byte")) } else { Ok(decoded) }
}

fn wrong(what: &str) -> UrlError {
    UrlError(what.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts(text: &str) -> Vec<(String, u16, Tls)> {
        let url = Url::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        url.hosts.into_iter().map(|host| (host.name, host.port, host.tls)).collect()
    }

    #[test]
    fn hosts_are_read_as_libpq_reads_them() {
        let host = |name: &str, port, tls| (name.to_owned(), port, tls);
        for (text, expected) in [
            ("postgres://u@db.example.com/d", vec![host("db.example.com", 5432, Tls::VerifyFull)]),
            ("postgresql://u:p@h:6000/d", vec![host("h", 6000, Tls::VerifyFull)]),
            (
                "postgres://u:p@h1:5432,h2:5433,h3/d?target_session_attrs=read-write",
                vec![
                    host("h1", 5432, Tls::VerifyFull),
                    host("h2", 5433, Tls::VerifyFull),
                    host("h3", 5432, Tls::VerifyFull),
                ],
            ),
            ("postgres://u@[::1]:7/d", vec![host("::1", 7, Tls::Disable)]),
            ("postgres://u@[2001:db8::1]/d", vec![host("2001:db8::1", 5432, Tls::VerifyFull)]),
            (
                "postgres://u@localhost,127.0.0.2:1/d",
                vec![host("localhost", 5432, Tls::Disable), host("127.0.0.2", 1, Tls::Disable)],
            ),
            ("postgres://u@%2Frun%2Fpostgresql/d", vec![host("/run/postgresql", 5432, Tls::Disable)]),
            ("postgres://u@/d?host=/run/postgresql&port=9", vec![host("/run/postgresql", 9, Tls::Disable)]),
            ("postgres://u@h/d?sslmode=require", vec![host("h", 5432, Tls::Require)]),
            (
                "postgres://u@h,localhost/d?sslmode=verify-ca&sslrootcert=/ca",
                vec![host("h", 5432, Tls::VerifyCa), host("localhost", 5432, Tls::VerifyCa)],
            ),
            ("postgres://u@h/d?sslmode=disable", vec![host("h", 5432, Tls::Disable)]),
        ] {
            assert_eq!(hosts(text), expected, "{text}");
        }
    }

    #[test]
    fn user_password_and_database_are_decoded() {
        let url = Url::parse("postgres://a%40b:p%3A%2F%3F%23%25%C3%BC@h/d%20e?application_name=x%26y").unwrap();
        assert_eq!(url.user, "a@b");
        assert_eq!(url.password.as_deref(), Some("p:/?#%ü"));
        assert_eq!((url.database.as_str(), url.application_name.as_str()), ("d e", "x&y"));
        assert_eq!(Url::parse("postgres://u:a@b@h/d").unwrap().password.as_deref(), Some("a@b"));
    }

    #[test]
    fn what_would_be_misread_is_refused_and_not_repeated() {
        for text in [
            "mysql://u:hunter2@h/d",
            "postgres:u:hunter2@h/d",
            "postgres://u:hunter2@h",
            "postgres://u:hunter2@h/",
            "postgres://:hunter2@h/d",
            "postgres://h/d?password=hunter2",
            "postgres://u:hunter2@/d",
            "postgres://u:hunter2@h1,,h2/d",
            "postgres://u:hunter2@h1,h2:/d",
            "postgres://u:hunter2@h:0/d",
            "postgres://u:hunter2@h:65536/d",
            "postgres://u:hunter2@h:5432:5433/d",
            "postgres://u:hunter2@::1/d",
            "postgres://u:hunter2@[h]/d",
            "postgres://u:hunter2@[::1/d",
            "postgres://u:hunter2@[::1]5432/d",
            "postgres://u:hunter2@h h/d",
            "postgres://u:hunter2@h/d/e",
            "postgres://u:hunter2@h/d#e",
            "postgres://u:hunter2/x@h/d",
            "postgres://u:hunter2?x@h/d",
            "postgres://u:hunter2%@h/d",
            "postgres://u:hunter2%ff@h/d",
            "postgres://u:hunter2%00@h/d",
            "postgres://u:hunter2@h/d?host=i",
            "postgres://u:hunter2@h/d?port=1",
            "postgres://u:hunter2@h/d?sslmode=verify-ca",
            "postgres://u:hunter2@h/d?sslmode=prefer",
            "postgres://u:hunter2@h/d?sslmode=allow",
            "postgres://u:hunter2@h/d?sslmode=verify_full",
            "postgres://u:hunter2@h/d?sslmode=require&sslmode=disable",
            "postgres://u:hunter2@h/d?sslmode=require&sslrootcert=/ca",
            "postgres://u:hunter2@h/d?sslcert=/c",
            "postgres://u:hunter2@h/d?target_session_attrs=any",
            "postgres://u:hunter2@h/d?target_session_attrs=standby",
            "postgres://u:hunter2@h/d?options=-c%20x",
            "postgres://u:hunter2@h/d?connect_timeout=1",
        ] {
            let error = Url::parse(text).expect_err(text).to_string();
            assert!(!error.contains("hunter2") && !error.is_empty(), "{text}: {error}");
        }
    }

    #[test]
    fn the_password_is_not_shown() {
        let url = Url::parse("postgres://u:hunter2@h/d").unwrap();
        assert!(!format!("{url:?}").contains("hunter2"));
    }
}
