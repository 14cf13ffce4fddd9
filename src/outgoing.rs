//! Requests to servers that an operator has configured: each on a connection of its own.

use std::error::Error;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST};
use http::uri::{Scheme, Uri};
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1::handshake;
use hyper_util::rt::TokioIo;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use zeroize::Zeroizing;

use crate::domain::text::is_loopback;
use crate::domain::time::Timestamp;
use crate::ports::call_record;
use crate::ports::spans::{TRACEPARENT, Work};

/// What went wrong below.
type Cause = Box<dyn Error + Send + Sync>;

/// Why there is no answer with status 200.
#[derive(Debug, thiserror::Error)]
pub enum OutgoingError {
    /// Nothing of the request was sent.
    #[error(transparent)]
    NotSent(Cause),
    /// The answer has another status.
    #[error("the answer is {0}")]
    Status(StatusCode),
    /// The request was sent, at least in part, and no answer came that can be used.
    #[error(transparent)]
    Unanswered(Cause),
}

const LOCALHOST: &str = "localhost";

/// Reads a file that holds a secret, or says why it is not used. May block.
pub type ReadSecret = fn(&Path) -> Result<Zeroizing<String>, Cause>;

/// The address in a URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    is_encrypted: bool,
    host: String,
    port: u16,
    authority: String,
    path: String,
}

impl Address {
    /// Reads a URL: `https://`, or `http://` on this machine.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(url: &str) -> Result<Self, &'static str> {
        let uri: Uri = url.parse().map_err(|_| "is not a URL")?;
        let (Some(scheme), Some(authority)) = (uri.scheme(), uri.authority()) else {
            return Err("must begin with https://");
        };
        if authority.as_str().contains('@') {
            return Err("must not hold a user");
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        let is_encrypted = *scheme == Scheme::HTTPS;
        let is_allowed = is_encrypted || (*scheme == Scheme::HTTP && is_loopback(&host));
        if !is_allowed {
            return Err("must begin with https://, or with http:// and a loopback address");
        }
        let port = authority.port_u16().unwrap_or(if is_encrypted { 443 } else { 80 });
        let path = uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
        Ok(Self { is_encrypted, host, port, authority: authority.to_string(), path })
    }

    /// Whether it is reached over TLS.
    pub const fn is_encrypted(&self) -> bool {
        self.is_encrypted
    }

    /// The same server, with that path below the address's own.
    fn below(&self, path: &str) -> Self {
        Self { path: format!("{}/{path}", self.path.trim_end_matches('/')), ..self.clone() }
    }

    async fn connect(&self) -> io::Result<TcpStream> {
        match self.on_this_machine() {
            Some(addresses) => TcpStream::connect(&addresses[..]).await,
            None => TcpStream::connect((self.host.as_str(), self.port)).await,
        }
    }

    /// The addresses of `localhost`: no resolver is asked, which could name another machine.
    fn on_this_machine(&self) -> Option<[SocketAddr; 2]> {
        let loopback = [IpAddr::from(Ipv4Addr::LOCALHOST), IpAddr::from(Ipv6Addr::LOCALHOST)];
        (self.host == LOCALHOST).then(|| loopback.map(|ip| SocketAddr::new(ip, self.port)))
    }
}

/// A client for one address.
pub struct Outgoing {
    address: Address,
    tls: Option<ServerTls>,
    read_secret: ReadSecret,
    limits: OutgoingLimits,
}

/// The limits of each request.
#[derive(Debug, Clone, Copy)]
pub struct OutgoingLimits {
    /// How long it may take, all of it.
    pub within: Duration,
    /// The largest answer.
    pub max_bytes: usize,
}

/// TLS to one server, which has to prove its name.
#[derive(Clone)]
pub struct ServerTls {
    connector: TlsConnector,
    verifier: Arc<WebPkiServerVerifier>,
    name: ServerName<'static>,
}

/// An answer, and the certificates of the server that it is from, if it came over TLS.
pub struct Answer {
    /// Its body.
    pub body: Bytes,
    /// The certificates, the server's own first.
    pub server: Vec<CertificateDer<'static>>,
}

impl Outgoing {
    /// Trusts the CAs in that PEM, or the public ones. Tokens are read by `read_secret`, for each request.
    ///
    /// # Errors
    /// What is wrong with the CAs, or with the name in the URL.
    pub fn new(
        address: Address,
        cas: Option<&str>,
        read_secret: ReadSecret,
        limits: OutgoingLimits,
    ) -> Result<Self, &'static str> {
        let tls = if address.is_encrypted { Some(ServerTls::new(&address.host, cas)?) } else { None };
        Ok(Self { address, tls, read_secret, limits })
    }

    /// A client of the same server for a path below the address. A path that can't be one fails each request.
    #[must_use]
    pub fn below(&self, path: &str) -> Self {
        let Self { address, tls, read_secret, limits } = self;
        Self { address: address.below(path), tls: tls.clone(), read_secret: *read_secret, limits: *limits }
    }

    /// Whether a server with these certificates is trusted, at the time when it answered.
    pub fn trusts(&self, server: &[CertificateDer<'_>], at: Timestamp) -> bool {
        let at = UnixTime::since_unix_epoch(at.since(Timestamp::from_micros(0)).unwrap_or_default());
        match (&self.tls, server) {
            (None, _) => true,
            (Some(ServerTls { verifier, name, .. }), [leaf, rest @ ..]) => {
                verifier.verify_server_cert(leaf, rest, name, &[], at).is_ok()
            }
            (Some(_), []) => false,
        }
    }

    /// Gets what is at the address. Does not connect if the token can't be used.
    ///
    /// # Errors
    /// There is no answer with status 200 in time, or it is too large.
    pub async fn get(&self, accept: &'static str, token_file: Option<&Path>) -> Result<Answer, OutgoingError> {
        let mut request = Request::new(Full::default());
        request.headers_mut().insert(ACCEPT, HeaderValue::from_static(accept));
        self.send(request, token_file).await
    }

    /// Posts a JSON document, and wipes it. Does not connect if the token can't be used.
    ///
    /// # Errors
    /// There is no answer with status 200 in time, or it is too large.
    pub async fn post_json(
        &self,
        document: Zeroizing<Vec<u8>>,
        token_file: Option<&Path>,
    ) -> Result<Answer, OutgoingError> {
        let mut request = Request::new(Full::new(Bytes::from_owner(document)));
        *request.method_mut() = Method::POST;
        let json = HeaderValue::from_static("application/json");
        request.headers_mut().extend([(CONTENT_TYPE, json.clone()), (ACCEPT, json)]);
        self.send(request, token_file).await
    }

    /// Posts a document with these headers, and returns the status of the answer, whose body is not read.
    ///
    /// # Errors
    /// There is no answer in time.
    pub async fn post(&self, document: Bytes, headers: HeaderMap) -> Result<StatusCode, OutgoingError> {
        let mut request = Request::new(Full::new(document));
        *request.method_mut() = Method::POST;
        *request.headers_mut() = headers;
        match self.exchanged(request, None, |_| false).await {
            Ok((status, _)) => Ok(status),
            Err(error) => Err(error),
        }
    }

    async fn send(&self, request: Request<Full<Bytes>>, token_file: Option<&Path>) -> Result<Answer, OutgoingError> {
        // A redirection would leave the configured address.
        match self.exchanged(request, token_file, |status| status == StatusCode::OK).await? {
            (StatusCode::OK, answer) => Ok(answer),
            (status, _) => Err(OutgoingError::Status(status)),
        }
    }

    /// As [`Self::exchanged_in_trace`], with a span if the call or the work that it is for is traced.
    async fn exchanged(
        &self,
        mut request: Request<Full<Bytes>>,
        token_file: Option<&Path>,
        wants_body: fn(StatusCode) -> bool,
    ) -> Result<(StatusCode, Answer), OutgoingError> {
        let method = if request.method() == Method::POST { "POST" } else { "GET" };
        let mut span = call_record::span(|| {
            let Address { host, port, .. } = &self.address;
            Work::Request { method, host: host.as_str().into(), port: *port, status: None, failure: None }
        });
        if let Some(parent) = span.as_ref().and_then(|span| span.trace_parent()?.parse().ok()) {
            request.headers_mut().insert(TRACEPARENT, parent);
        }
        let exchanged = self.exchanged_in_trace(request, token_file, wants_body).await;
        if let Some(span) = &mut span {
            match &exchanged {
                Ok((status, _)) | Err(OutgoingError::Status(status)) => span.note_status(status.as_u16()),
                Err(OutgoingError::NotSent(_)) => span.note_no_answer("not_sent"),
                Err(OutgoingError::Unanswered(_)) => span.note_no_answer("unanswered"),
            }
        }
        exchanged
    }

    /// Sends a request and returns the status, and the body if it is wanted with that status.
    async fn exchanged_in_trace(
        &self,
        mut request: Request<Full<Bytes>>,
        token_file: Option<&Path>,
        wants_body: fn(StatusCode) -> bool,
    ) -> Result<(StatusCode, Answer), OutgoingError> {
        let mut is_sent = false;
        let sent = async {
            *request.uri_mut() = self.address.path.parse()?;
            request.headers_mut().insert(HOST, self.address.authority.parse()?);
            if let Some(file) = token_file {
                let (read_secret, file) = (self.read_secret, file.to_owned());
                let token = tokio::task::spawn_blocking(move || read_secret(&file)).await??;
                let mut value = HeaderValue::try_from(format!("Bearer {}", token.trim()))?;
                value.set_sensitive(true);
                request.headers_mut().insert(AUTHORIZATION, value);
            }
            let socket = self.address.connect().await?;
            let ((status, body), server) = match &self.tls {
                None => {
                    is_sent = true;
                    (self.exchange(socket, request, wants_body).await?, Vec::new())
                }
                Some(tls) => {
                    let stream = tls.connect(socket).await?;
                    let server = stream.get_ref().1.peer_certificates().unwrap_or_default().to_vec();
                    is_sent = true;
                    (self.exchange(stream, request, wants_body).await?, server)
                }
            };
            Ok((status, Answer { body, server }))
        };
        match tokio::time::timeout(self.limits.within, sent).await.unwrap_or_else(|late| Err(Cause::from(late))) {
            Ok(answered) => Ok(answered),
            Err(cause) if is_sent => Err(OutgoingError::Unanswered(cause)),
            Err(cause) => Err(OutgoingError::NotSent(cause)),
        }
    }

    /// The status, and the body if it is wanted.
    async fn exchange(
        &self,
        stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
        request: Request<Full<Bytes>>,
        wants_body: fn(StatusCode) -> bool,
    ) -> Result<(StatusCode, Bytes), Cause> {
        let (mut sender, connection) = handshake(TokioIo::new(stream)).await?;
        // Ends with the sender.
        tokio::spawn(connection);
        let response = sender.send_request(request).await?;
        let status = response.status();
        if !wants_body(status) {
            return Ok((status, Bytes::new()));
        }
        Ok((status, Limited::new(response.into_body(), self.limits.max_bytes).collect().await?.to_bytes()))
    }
}

impl ServerTls {
    /// Trusts the CAs in that PEM, or the public ones, for a server of that name or IP address.
    ///
    /// # Errors
    /// What is wrong with the CAs, or with the name.
    pub fn new(host: &str, cas: Option<&str>) -> Result<Self, &'static str> {
        let mut roots = RootCertStore::empty();
        match cas {
            None => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
            Some(pem) => {
                for ca in CertificateDer::pem_slice_iter(pem.as_bytes()) {
                    let ca = ca.map_err(|_| "is not valid PEM")?;
                    roots.add(ca).map_err(|_| "holds a certificate that can't be a CA")?;
                }
            }
        }
        if roots.is_empty() {
            return Err("holds no certificate in PEM");
        }
        let name = ServerName::try_from(host.to_owned()).map_err(|_| "is for a URL without a valid name")?;
        let provider = Arc::new(default_provider());
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider)).build();
        let verifier = verifier.map_err(|_| "can't be used")?;
        let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let config = config.map_err(|_| "can't be used")?.with_webpki_verifier(Arc::clone(&verifier));
        let connector = TlsConnector::from(Arc::new(config.with_no_client_auth()));
        Ok(Self { connector, verifier, name })
    }

    /// Encrypts a connection to the server.
    ///
    /// # Errors
    /// The server does not prove its name, or the connection is lost.
    pub async fn connect(&self, socket: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        self.connector.connect(self.name.clone(), socket).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_over_tls_or_on_this_machine() {
        let address = Address::parse("https://id.example.com/keys?v=1").unwrap();
        assert_eq!((address.host.as_str(), address.port, address.path.as_str()), ("id.example.com", 443, "/keys?v=1"));
        for url in ["http://127.0.0.1:8080/keys", "http://[::1]/keys", "http://localhost:80", "https://[2001:db8::1]/k"]
        {
            Address::parse(url).unwrap();
        }
        for url in ["http://id.example.com/keys", "ftp://127.0.0.1/keys", "/keys", "", "https://u:p@id.example.com/"] {
            assert!(Address::parse(url).is_err(), "{url}");
        }
    }

    #[test]
    fn localhost_is_on_this_machine_whatever_a_resolver_says() {
        let addresses = |url| Address::parse(url).unwrap().on_this_machine();
        let local = Some(["127.0.0.1:8080", "[::1]:8080"].map(|text| text.parse().unwrap()));
        assert_eq!(addresses("http://localhost:8080/keys"), local);
        assert_eq!(addresses("https://localhost.example.com/keys"), None);
        assert!(Address::parse("http://localhost.example.com/keys").is_err());
    }
}
