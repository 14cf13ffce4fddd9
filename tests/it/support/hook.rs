//! The system that subjects come from: it verifies passwords over HTTP, one connection for each.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

/// What it does with a question.
#[derive(Clone)]
pub enum Hook {
    /// Compares the password with this one.
    Knows(&'static str),
    /// The same, but never answers questions of this tenant.
    KnowsExceptOf(&'static str, &'static str),
    /// Sends these bytes.
    Sends(String),
    /// Never answers.
    Hangs,
}

/// A running one. It keeps what it was asked.
#[derive(Clone)]
pub struct HookServer {
    pub address: SocketAddr,
    does: Arc<Mutex<Hook>>,
    asked: Arc<Mutex<Vec<(String, Value)>>>,
    now: Arc<AtomicUsize>,
    most: Arc<AtomicUsize>,
    open: watch::Sender<bool>,
}

impl HookServer {
    pub async fn start(does: Hook) -> Self {
        Self::listen(does, None).await
    }

    pub async fn listen(does: Hook, tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = Self {
            address: listener.local_addr().unwrap(),
            does: Arc::new(Mutex::new(does)),
            asked: Arc::default(),
            now: Arc::default(),
            most: Arc::default(),
            open: watch::Sender::new(true),
        };
        let running = server.clone();
        tokio::spawn(async move {
            loop {
                let (socket, _) = listener.accept().await.unwrap();
                let (running, tls) = (running.clone(), tls.clone());
                tokio::spawn(async move {
                    match tls {
                        None => running.answer(socket).await,
                        Some(tls) => match tls.accept(socket).await {
                            Ok(socket) => running.answer(socket).await,
                            Err(_) => None,
                        },
                    }
                });
            }
        });
        server
    }

    async fn answer(&self, mut socket: impl AsyncRead + AsyncWrite + Unpin) -> Option<()> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(socket.read_u8().await.ok()?);
        }
        let head = String::from_utf8(head).unwrap().to_lowercase();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap().parse().unwrap();
        let mut body = vec![0; length];
        socket.read_exact(&mut body).await.ok()?;
        let question: Value = serde_json::from_slice(&body).unwrap();
        self.asked.lock().unwrap().push((head, question.clone()));
        self.most.fetch_max(self.now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        let does = self.does.lock().unwrap().clone();
        let matched = |password: &str| with_body(&format!("{{\"matched\": {}}}", question["password"] == password));
        let answer = match does {
            Hook::Knows(password) => matched(password),
            Hook::KnowsExceptOf(tenant, password) if question["tenant"] != tenant => matched(password),
            Hook::KnowsExceptOf(..) | Hook::Hangs => std::future::pending().await,
            Hook::Sends(answer) => answer,
        };
        self.open.subscribe().wait_for(|is_open| *is_open).await.ok()?;
        self.now.fetch_sub(1, Ordering::SeqCst);
        socket.write_all(answer.as_bytes()).await.ok()?;
        socket.shutdown().await.ok()
    }

    /// From now on it does that.
    pub fn does(&self, does: Hook) {
        *self.does.lock().unwrap() = does;
    }

    /// Holds its answers back, or sends them.
    pub fn hold(&self, is_held: bool) {
        self.open.send_replace(!is_held);
    }

    /// The heads and the documents that it got.
    pub fn asked(&self) -> Vec<(String, Value)> {
        self.asked.lock().unwrap().clone()
    }

    /// How many questions it had at once, at most.
    pub fn most_at_once(&self) -> usize {
        self.most.load(Ordering::SeqCst)
    }

    /// Waits until it has got that many questions.
    pub async fn has_got(&self, count: usize) {
        while self.asked().len() < count {
            tokio::task::yield_now().await;
        }
    }
}

/// A good answer with that body.
pub fn with_body(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

/// An address without a listener.
pub async fn nowhere() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    assert!(TcpStream::connect(address).await.is_err());
    address
}
