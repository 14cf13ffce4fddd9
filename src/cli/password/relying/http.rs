//! `verify --http`: for nginx's `auth_request`, and for any proxy that asks in the same way.

use std::convert::Infallible;
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use ::http::header::{AUTHORIZATION, CACHE_CONTROL, HeaderMap, HeaderName, WWW_AUTHENTICATE};
use ::http::{HeaderValue, Request, Response, StatusCode};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http_body_util::Empty;
use rustix::fs::Mode;
use rustix::process::umask;
use tokio::net::UnixListener;
use tokio::sync::mpsc;
use zeroize::Zeroizing;

use super::{RelyingArgs, SignIn, Verifier};
use crate::ambient::SystemClock;
use crate::cli::environment::Environment;
use crate::cli::failure::{Failure, Kind};
use crate::cli::password::ConnectionArgs;
use crate::cli::signals::asked_to_end;
use crate::cli::terminal::Terminal;
use crate::edge::only;
use crate::listener::{SingleLimits, WhenFull, bind, serve_single};

/// Largest number of requests at a time; others wait to be accepted.
const REQUESTS: u32 = 64;
/// How long a request may take besides the verification.
const BESIDES: Duration = Duration::from_secs(5);
/// Lines that wait to be printed. While they are not read, others are left out.
const LINES: usize = 16;
/// Asks a client to sign in. The user's name and password are in UTF-8 (RFC 7617).
const CHALLENGE: HeaderValue = HeaderValue::from_static(r#"Basic realm="credentiald", charset="UTF-8""#);

/// Where to listen: on this machine only, because passwords arrive in plaintext.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Address {
    /// A port on loopback.
    Port(SocketAddr),
    /// A Unix socket.
    Socket(PathBuf),
}

impl Address {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        match (text.strip_prefix("unix:"), text.parse::<SocketAddr>()) {
            (Some(path), _) if !path.is_empty() => Ok(Self::Socket(path.into())),
            (None, Ok(address)) if address.ip().is_loopback() => Ok(Self::Port(address)),
            (None, Ok(_)) => Err("it must be a loopback address, because passwords arrive in plaintext".to_owned()),
            _ => Err("it must be as in 127.0.0.1:8090 or unix:/run/credentiald/verify.sock".to_owned()),
        }
    }
}

/// Answers requests.
#[derive(Clone)]
struct Responder {
    verifier: Verifier,
    origin_header: Option<HeaderName>,
    /// Why requests could not be answered.
    problems: mpsc::Sender<String>,
}

pub(super) async fn run(
    address: &Address,
    args: &RelyingArgs,
    connection: &ConnectionArgs,
    environment: &Environment,
    terminal: &mut Terminal,
) -> Result<(), Failure> {
    let origin_header = args.origin_header.as_deref().map(HeaderName::try_from).transpose();
    let origin_header = origin_header.map_err(|_| Failure::usage("--origin-header is not a valid name of a header"))?;
    let (channel, authorization) = connection.caller.service(environment)?.connect_lazily()?;
    let verifier = Verifier { names: args.names()?, channel, authorization, within: connection.within() };
    let (problems, mut lines) = mpsc::channel(LINES);
    // More problems than there is room for are left out.
    let report = {
        let problems = problems.clone();
        move |error: &io::Error, _| {
            let _ = problems.try_send(format!("can't accept connections: {error}; it will be retried"));
        }
    };
    let responder = Responder { verifier, origin_header, problems };
    let service = tower::service_fn(move |request| answer(responder.clone(), request));

    let stop = asked_to_end()?;
    let each_within = connection.within() + BESIDES;
    let limits = SingleLimits { connections: REQUESTS, when_full: WhenFull::Wait, each_within };
    let clock = Arc::new(SystemClock);
    let served = match address {
        Address::Port(address) => {
            let listener = bind(*address).await.map_err(|error| Failure::caused("can't listen", &error))?;
            let address = listener.local_addr().map_err(Failure::failed)?;
            terminal.print(&format!("answering on {address}"))?;
            tokio::spawn(serve_single(listener, limits, clock, stop, report, service))
        }
        Address::Socket(path) => {
            let listener = bind_socket(path)?;
            terminal.print(&format!("answering on unix:{}", path.display()))?;
            tokio::spawn(serve_single(listener, limits, clock, stop, report, service))
        }
    };
    // The last of the senders goes with the service.
    while let Some(line) = lines.recv().await {
        // A line for each.
        terminal.complain(&line.replace('\n', ";"));
    }
    served.await.map_err(Failure::failed)
}

/// Binds a Unix socket, in place of one that an earlier process has left. Its owner and its group may connect.
fn bind_socket(path: &Path) -> Result<UnixListener, Failure> {
    let listen = || {
        let is_left = fs::symlink_metadata(path).is_ok_and(|metadata| metadata.file_type().is_socket())
            && std::os::unix::net::UnixStream::connect(path).is_err();
        if is_left {
            fs::remove_file(path)?;
        }
        // With this from its first moment: nothing else of this process makes files.
        let before = umask(Mode::from_raw_mode(0o117));
        let bound = UnixListener::bind(path);
        umask(before);
        bound
    };
    listen().map_err(|error: io::Error| Failure::caused(format!("can't listen on {}", path.display()), &error))
}

async fn answer<B>(responder: Responder, request: Request<B>) -> Result<Response<Empty<Bytes>>, Infallible> {
    let status = responder.status(request.headers()).await;
    let mut response = Response::new(Empty::new());
    *response.status_mut() = status;
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if status == StatusCode::UNAUTHORIZED {
        response.headers_mut().insert(WWW_AUTHENTICATE, CHALLENGE);
    }
    Ok(response)
}

impl Responder {
    async fn status(&self, headers: &HeaderMap) -> StatusCode {
        let Some(credentials) = basic(headers) else { return StatusCode::UNAUTHORIZED };
        let Some((user, password)) = credentials.split_once(':') else { return StatusCode::UNAUTHORIZED };
        let origin = self.origin_header.as_ref().and_then(|name| last(headers, name));
        let verified = async {
            // The file may have a new token by now.
            let authorization = self.verifier.authorization.read_again().await?;
            let verifier = Verifier { authorization, ..self.verifier.clone() };
            verifier.verify(SignIn { user, password, origin }).await
        };
        let late = |_| Err(Failure::not_now("there was no answer in time"));
        match tokio::time::timeout(self.verifier.within, verified).await.unwrap_or_else(late) {
            Ok(()) => StatusCode::OK,
            Err(failure) if failure.kind() == Kind::WrongPassword => StatusCode::UNAUTHORIZED,
            Err(failure) if failure.kind() == Kind::PasswordToChange => StatusCode::FORBIDDEN,
            Err(other) => {
                let _ = self.problems.try_send(other.to_string());
                StatusCode::SERVICE_UNAVAILABLE
            }
        }
    }
}

/// User name and password, with a colon between (RFC 7617), if there is exactly one such header.
fn basic(headers: &HeaderMap) -> Option<Zeroizing<String>> {
    let (scheme, encoded) = only(headers.get_all(AUTHORIZATION))?.to_str().ok()?.split_once(' ')?;
    let decoded = scheme.eq_ignore_ascii_case("Basic").then(|| STANDARD.decode(encoded.trim_matches(' ')))?;
    Some(Zeroizing::new(String::from_utf8(decoded.ok()?).ok()?))
}

/// The last element of a list of addresses: the one that the proxy has added, where the others are its client's words.
fn last<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let value = headers.get_all(name).iter().next_back()?.to_str().ok()?;
    value.rsplit(',').next().map(str::trim).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(values: &[(&str, &str)]) -> HeaderMap {
        let parsed = values.iter().map(|(name, value)| (name.parse::<HeaderName>().unwrap(), value.parse().unwrap()));
        parsed.collect()
    }

    #[test]
    fn it_listens_on_this_machine_alone() {
        assert_eq!(Address::parse("127.0.0.1:80"), Ok(Address::Port(([127, 0, 0, 1], 80).into())));
        assert_eq!(Address::parse("unix:/run/a"), Ok(Address::Socket("/run/a".into())));
        for bad in ["0.0.0.0:80", "192.0.2.1:80", "[::]:80", "localhost:80", "unix:", "80", ""] {
            assert!(Address::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn credentials_are_basic_and_given_once() {
        let value = |text: &str| basic(&headers(&[("authorization", text)]));
        // RFC 7617, section 2.
        let example = value("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
        assert_eq!(example.as_deref().map(String::as_str), Some("Aladdin:open sesame"));
        assert!(value("basic  QWxhZGRpbjpvcGVuIHNlc2FtZQ==").is_some());
        for bad in ["Bearer QWxhZGRpbjpvcGVuIHNlc2FtZQ==", "Basic", "Basic QWxh!", "Basic /w==", ""] {
            assert!(value(bad).is_none(), "{bad}");
        }
        let mut twice = headers(&[("authorization", "Basic YTpi")]);
        twice.append(AUTHORIZATION, HeaderValue::from_static("Basic YTpi"));
        assert!(basic(&twice).is_none());
    }

    #[test]
    fn the_origin_is_what_the_proxy_has_added() {
        let name: HeaderName = "x-forwarded-for".parse().unwrap();
        let mut all = HeaderMap::new();
        assert_eq!(last(&all, &name), None);
        all.append(&name, "192.0.2.9".parse().unwrap());
        all.append(&name, "192.0.2.1, 198.51.100.7".parse().unwrap());
        assert_eq!(last(&all, &name), Some("198.51.100.7"));
    }
}
