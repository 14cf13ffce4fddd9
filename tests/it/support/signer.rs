//! Signs requests as the vendors document it. Shares no code with the service.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::net::SocketAddr;
use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::hmac::{self, HMAC_SHA1_FOR_LEGACY_USE_ONLY, HMAC_SHA256};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use credentiald::ambient::SystemClock;
use credentiald::ports::Clock;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use uuid::Uuid;

use super::certificates::ClientTls;

const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');
/// What the `Host` header of every request says.
const HOST: &str = "vendor.test:80";

/// An access key of a caller.
#[derive(Clone)]
pub struct AccessKey {
    pub id: String,
    pub secret: String,
}

/// The parameters of a request.
pub type Parameters<'a> = &'a [(&'a str, &'a str)];

impl AccessKey {
    /// A request of Alibaba Cloud's current SDKs.
    pub fn acs3(&self, action: &str, version: &str, parameters: Parameters<'_>) -> Request<Bytes> {
        let query = canonical(parameters.to_vec());
        let body_digest = hex(digest(&SHA256, b"").as_ref());
        let (time, nonce) = (extended_time(), Uuid::new_v4().simple().to_string());
        let headers = [
            ("host", HOST),
            ("x-acs-action", action),
            ("x-acs-content-sha256", &body_digest),
            ("x-acs-date", &time),
            ("x-acs-signature-nonce", &nonce),
            ("x-acs-version", version),
        ];
        let (names, digest) = canonical_request("POST", "/", &query, &headers, &body_digest);
        let signature = hex(&mac(HMAC_SHA256, &self.secret, &format!("ACS3-HMAC-SHA256\n{digest}")));
        let authorization =
            format!("ACS3-HMAC-SHA256 Credential={},SignedHeaders={names},Signature={signature}", self.id);
        request("POST", &format!("/?{query}"), &headers, &authorization, Bytes::new())
    }

    /// A request of Alibaba Cloud's old SDKs, by GET.
    pub fn v1(&self, action: &str, version: &str, parameters: Parameters<'_>) -> Request<Bytes> {
        let (time, nonce) = (extended_time(), Uuid::new_v4().to_string());
        let mut all = parameters.to_vec();
        all.extend([
            ("AccessKeyId", self.id.as_str()),
            ("Action", action),
            ("RegionId", "cn-hangzhou"),
            ("SignatureMethod", "HMAC-SHA1"),
            ("SignatureNonce", &nonce),
            ("SignatureType", ""),
            ("SignatureVersion", "1.0"),
            ("Timestamp", &time),
            ("Version", version),
        ]);
        let query = canonical(all);
        let string_to_sign = format!("GET&%2F&{}", escaped(&query));
        let signature = mac(HMAC_SHA1_FOR_LEGACY_USE_ONLY, &format!("{}&", self.secret), &string_to_sign);
        let signature = escaped(&BASE64_STANDARD.encode(signature));
        let path = format!("/?{query}&Signature={signature}");
        Request::get(path).header("host", HOST).body(Bytes::new()).unwrap()
    }

    /// A request of Huawei Cloud's SDKs, and beyond what they do with a client token.
    pub fn sdk_hmac(&self, method: &str, path: &str, body: &str, client_token: Option<&str>) -> Request<Bytes> {
        let token = client_token.map(|token| ("x-client-token", token));
        self.sdk_hmac_with(method, path, body, token.as_slice())
    }

    /// The same, with these headers signed too, or in place of the usual ones.
    pub fn sdk_hmac_with(&self, method: &str, path: &str, body: &str, more: Parameters<'_>) -> Request<Bytes> {
        let time = extended_time().replace(['-', ':'], "");
        let mut headers = BTreeMap::from([("content-type", "application/json"), ("host", HOST), ("x-sdk-date", &time)]);
        headers.extend(more.iter().copied());
        let headers: Vec<_> = headers.into_iter().collect();
        let body_digest = hex(digest(&SHA256, body.as_bytes()).as_ref());
        let (names, digest) = canonical_request(method, &format!("{path}/"), "", &headers, &body_digest);
        let signature = hex(&mac(HMAC_SHA256, &self.secret, &format!("SDK-HMAC-SHA256\n{time}\n{digest}")));
        let authorization = format!("SDK-HMAC-SHA256 Access={}, SignedHeaders={names}, Signature={signature}", self.id);
        request(method, path, &headers, &authorization, body.to_owned().into())
    }
}

fn request(method: &str, path: &str, headers: &[(&str, &str)], authorization: &str, body: Bytes) -> Request<Bytes> {
    let request = Request::builder().method(method).uri(path).header("authorization", authorization);
    headers.iter().fold(request, |request, (name, value)| request.header(*name, *value)).body(body).unwrap()
}

/// The names of the signed headers, and the digest of the canonical request.
fn canonical_request(
    method: &str,
    path: &str,
    query: &str,
    headers: &[(&str, &str)],
    body_digest: &str,
) -> (String, String) {
    let names = headers.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(";");
    let lines = headers.iter().fold(String::new(), |lines, (name, value)| lines + name + ":" + value + "\n");
    let canonical = [method, path, query, &lines, &names, body_digest].join("\n");
    (names, hex(digest(&SHA256, canonical.as_bytes()).as_ref()))
}

fn canonical(mut parameters: Vec<(&str, &str)>) -> String {
    parameters.sort_unstable();
    parameters.iter().map(|(name, value)| format!("{}={}", escaped(name), escaped(value))).collect::<Vec<_>>().join("&")
}

fn escaped(text: &str) -> String {
    utf8_percent_encode(text, ESCAPED).to_string()
}

fn mac(algorithm: hmac::Algorithm, key: &str, text: &str) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(algorithm, key.as_bytes()), text.as_bytes()).as_ref().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut hex, byte| {
        write!(hex, "{byte:02x}").unwrap();
        hex
    })
}

/// `2026-01-02T03:04:05Z`.
fn extended_time() -> String {
    format!("{}Z", &SystemClock.now().to_string()[..19])
}

/// A connection to the edge for SDKs.
pub struct Sender(SendRequest<Full<Bytes>>);

impl Sender {
    pub async fn open(address: SocketAddr) -> Self {
        Self::over(connected(address).await).await
    }

    async fn over(stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static) -> Self {
        let (sender, connection) = handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        Self(sender)
    }

    pub async fn send(&mut self, request: Request<Bytes>) -> Response<Bytes> {
        self.0.ready().await.unwrap();
        let (head, body) = self.0.send_request(request.map(Full::new)).await.unwrap().into_parts();
        Response::from_parts(head, body.collect().await.unwrap().to_bytes())
    }
}

/// Sends a request over a connection of its own.
pub async fn send(address: SocketAddr, request: Request<Bytes>) -> Response<Bytes> {
    Sender::open(address).await.send(request).await
}

/// Sends a request over a connection of its own, with TLS.
pub async fn send_over(tls: &ClientTls, address: SocketAddr, request: Request<Bytes>) -> Response<Bytes> {
    let mut config = tls.config.as_ref().clone();
    config.alpn_protocols.clear();
    let connector = TlsConnector::from(Arc::new(config));
    let stream = connector.connect(tls.name.clone(), connected(address).await).await.unwrap();
    Sender::over(stream).await.send(request).await
}

async fn connected(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}
