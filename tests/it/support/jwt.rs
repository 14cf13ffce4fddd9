//! Issuers of JWTs: keys, tokens, and a server of their keys on loopback.

use std::net::SocketAddr;
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair,
    RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512, RSA_PSS_SHA256, RSA_PSS_SHA384, RSA_PSS_SHA512, RsaEncoding,
    RsaKeyPair,
};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use credentiald::ambient::SystemClock;
use credentiald::ports::Clock;
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use super::certificates::Leaf;

pub const ISSUER: &str = "https://id.example.com";
pub const AUDIENCE: &str = "credentiald";
pub const ALGORITHMS: [&str; 9] = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA"];

/// Keys of RSA take long to make.
static RSA: LazyLock<RsaKeyPair> = LazyLock::new(|| RsaKeyPair::generate(KeySize::Rsa2048).unwrap());

/// A key of an issuer, for one algorithm.
pub struct SigningKey {
    pub id: String,
    pub algorithm: &'static str,
    pair: Pair,
}

enum Pair {
    Rsa(&'static dyn RsaEncoding),
    Ec(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

impl SigningKey {
    pub fn new(id: &str, algorithm: &'static str) -> Self {
        let pair = match algorithm {
            "RS256" => Pair::Rsa(&RSA_PKCS1_SHA256),
            "RS384" => Pair::Rsa(&RSA_PKCS1_SHA384),
            "RS512" => Pair::Rsa(&RSA_PKCS1_SHA512),
            "PS256" => Pair::Rsa(&RSA_PSS_SHA256),
            "PS384" => Pair::Rsa(&RSA_PSS_SHA384),
            "PS512" => Pair::Rsa(&RSA_PSS_SHA512),
            "ES256" => Pair::Ec(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap()),
            "ES384" => Pair::Ec(EcdsaKeyPair::generate(&ECDSA_P384_SHA384_FIXED_SIGNING).unwrap()),
            "EdDSA" => Pair::Ed25519(Ed25519KeyPair::generate().unwrap()),
            _ => panic!("{algorithm}"),
        };
        Self { id: id.to_owned(), algorithm, pair }
    }

    /// The public key, as an issuer publishes it.
    pub fn jwk(&self) -> Value {
        let mut jwk = match &self.pair {
            Pair::Rsa(_) => {
                // A sequence of two integers, the first of 2048 bits with a zero before it.
                let n = &RSA.public_key().as_ref()[9..][..256];
                json!({ "kty": "RSA", "n": encoded(n), "e": "AQAB" })
            }
            Pair::Ec(pair) => {
                let (x, y) = pair.public_key().as_ref()[1..].split_at(if self.algorithm == "ES256" { 32 } else { 48 });
                let curve = if self.algorithm == "ES256" { "P-256" } else { "P-384" };
                json!({ "kty": "EC", "crv": curve, "x": encoded(x), "y": encoded(y) })
            }
            Pair::Ed25519(pair) => {
                json!({ "kty": "OKP", "crv": "Ed25519", "x": encoded(pair.public_key().as_ref()) })
            }
        };
        jwk["kid"] = json!(self.id);
        jwk["use"] = json!("sig");
        jwk
    }

    pub fn header(&self) -> Value {
        json!({ "alg": self.algorithm, "kid": self.id, "typ": "JWT" })
    }

    pub fn token(&self, claims: &Value) -> String {
        self.sign(&self.header().to_string(), &claims.to_string())
    }

    /// A token of texts that need not be JSON.
    pub fn sign(&self, header: &str, claims: &str) -> String {
        let signed = format!("{}.{}", encoded(header), encoded(claims));
        let signature = match &self.pair {
            Pair::Rsa(encoding) => {
                let mut signature = vec![0; 256];
                RSA.sign(*encoding, &SystemRandom::new(), signed.as_bytes(), &mut signature).unwrap();
                signature
            }
            Pair::Ec(pair) => pair.sign(&SystemRandom::new(), signed.as_bytes()).unwrap().as_ref().to_vec(),
            Pair::Ed25519(pair) => pair.sign(signed.as_bytes()).as_ref().to_vec(),
        };
        format!("{signed}.{}", encoded(signature))
    }
}

pub fn encoded(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The claims of a good token about that subject, valid for three hours.
pub fn claims(subject: &str) -> Value {
    json!({ "iss": ISSUER, "aud": AUDIENCE, "sub": subject, "exp": seconds_from_now(3 * 3600) })
}

pub fn seconds_from_now(seconds: i64) -> i64 {
    SystemClock.now().as_micros() / 1_000_000 + seconds
}

pub fn key_set(keys: &[&SigningKey]) -> String {
    json!({ "keys": keys.iter().map(|key| key.jwk()).collect::<Vec<_>>() }).to_string()
}

/// The table of an issuer whose keys are at `jwks`, with rules for a root and a relay.
pub fn issuers(jwks: &str) -> String {
    let algorithms = ALGORITHMS.map(|name| format!("{name:?}")).join(", ");
    format!(
        "[[issuer]]\nissuer = \"{ISSUER}\"\naudience = \"{AUDIENCE}\"\nalgorithms = [{algorithms}]\n{jwks}\n\
         [[issuer.rule]]\nsubject = \"root\"\ncaller = \"root acme\"\n\
         [[issuer.rule]]\nsubject = \"relay\"\ncaller = \"service acme relay\"\nclaims = {{ azp = \"mail\" }}\n"
    )
}

/// A server of keys. It keeps the heads of requests.
pub struct JwksServer {
    pub address: SocketAddr,
    body: Arc<Mutex<Option<String>>>,
    heads: Arc<Mutex<Vec<String>>>,
    scheme: &'static str,
}

impl JwksServer {
    pub async fn start(keys: &[&SigningKey]) -> Self {
        Self::listen(keys, None, "").await
    }

    /// Over TLS, and only for requests with that bearer token.
    pub async fn start_with(keys: &[&SigningKey], certificate: &Leaf, token: &'static str) -> Self {
        Self::listen(keys, Some(certificate.acceptor()), token).await
    }

    async fn listen(keys: &[&SigningKey], tls: Option<TlsAcceptor>, token: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let body = Arc::new(Mutex::new(Some(key_set(keys))));
        let server = Self {
            address,
            body: Arc::clone(&body),
            heads: Arc::default(),
            scheme: if tls.is_some() { "https" } else { "http" },
        };
        let heads = Arc::clone(&server.heads);
        tokio::spawn(async move {
            loop {
                let (socket, _) = listener.accept().await.unwrap();
                let Some(mut socket) = transport(socket, tls.as_ref()).await else { continue };
                let mut request = Vec::new();
                while !request.ends_with(b"\r\n\r\n") {
                    request.push(socket.read_u8().await.unwrap());
                }
                let head = String::from_utf8(request).unwrap();
                let is_allowed = head.contains(token);
                heads.lock().unwrap().push(head);
                let answer = match body.lock().unwrap().as_deref().filter(|_| is_allowed) {
                    Some(body) => format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()),
                    None => "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n".to_owned(),
                };
                let _ = socket.write_all(answer.as_bytes()).await;
                let _ = socket.shutdown().await;
            }
        });
        server
    }

    /// Serves these keys from now on.
    pub fn put(&self, keys: &[&SigningKey]) {
        self.answer(Some(key_set(keys)));
    }

    /// Answers that from now on, or fails.
    pub fn answer(&self, body: Option<String>) {
        *self.body.lock().unwrap() = body;
    }

    pub fn requests(&self) -> usize {
        self.heads.lock().unwrap().len()
    }

    /// The head of each request.
    pub fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }

    /// The setting that names it.
    pub fn setting(&self) -> String {
        format!("jwks_url = \"{}://{}/keys\"", self.scheme, self.address)
    }
}

trait Transport: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Transport for T {}

/// The stream of a connection, or nothing where its handshake fails.
async fn transport(socket: TcpStream, tls: Option<&TlsAcceptor>) -> Option<Box<dyn Transport>> {
    match tls {
        None => Some(Box::new(socket)),
        Some(tls) => Some(Box::new(tls.accept(socket).await.ok()?)),
    }
}

/// After which keys are fetched again.
pub const REFRESH: Duration = Duration::from_mins(5);
/// A little more than the least time between two fetches.
pub const BETWEEN_FETCHES: Duration = Duration::from_secs(31);
