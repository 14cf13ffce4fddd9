//! A way to a database server that can be cut where it hurts.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Where a connection is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// `COMMIT` never arrives.
    BeforeCommit,
    /// `COMMIT` is done, and the answer is lost.
    AfterCommit,
    /// `COMMIT` is done, and the connection falls silent.
    Silence,
}

/// Passes connections on to a server on this machine.
pub struct Proxy {
    pub port: u16,
    state: Arc<State>,
    task: JoinHandle<()>,
}

#[derive(Default)]
struct State {
    cut: Mutex<Option<Cut>>,
    asked: Mutex<Vec<String>>,
    closed: AtomicBool,
    /// Counts how often all connections were silenced, and whether new ones are.
    silence: watch::Sender<(u32, bool)>,
}

impl Proxy {
    pub async fn to(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::new(State::default());
        let of_task = Arc::clone(&state);
        let task = tokio::spawn(async move {
            loop {
                let (client, _) = listener.accept().await.unwrap();
                if !of_task.closed.load(Ordering::SeqCst) {
                    let state = Arc::clone(&of_task);
                    tokio::spawn(async move {
                        let (mut silence, mut client) = (state.silence.subscribe(), client);
                        let (before, is_silent) = *silence.borrow_and_update();
                        if !is_silent {
                            tokio::select! {
                                () = pass(&mut client, server, &state, before) => return,
                                _ = silence.wait_for(|(times, _)| *times > before) => {}
                            }
                        }
                        if state.closed.load(Ordering::SeqCst) {
                            return;
                        }
                        // Open, and never heard of again.
                        std::future::pending::<()>().await;
                    });
                }
            }
        });
        Self { port, state, task }
    }

    /// Cuts the connection of the next commit.
    pub fn cut(&self, cut: Cut) {
        *self.state.cut.lock().unwrap() = Some(cut);
    }

    /// From now on nobody new is let through.
    pub fn close(&self) {
        self.state.closed.store(true, Ordering::SeqCst);
    }

    /// Closes all connections, and lets nobody through any more.
    pub fn hang_up(&self) {
        self.close();
        self.fall_silent();
    }

    /// From now on nothing is heard on any connection, nor on new ones.
    pub fn fall_silent(&self) {
        self.state.silence.send_modify(|(times, is_silent)| (*times, *is_silent) = (*times + 1, true));
    }

    /// New connections are passed on again.
    pub fn speak(&self) {
        self.state.silence.send_modify(|(_, is_silent)| *is_silent = false);
    }

    /// What the server was asked for since the last time, one text for each round trip.
    pub fn take_asked(&self) -> Vec<String> {
        std::mem::take(&mut *self.state.asked.lock().unwrap())
    }

    /// Whether the connection was cut that was to be.
    pub fn has_cut(&self) -> bool {
        self.state.cut.lock().unwrap().is_none()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Passes on what both say, until all connections have been silenced more often than `before`.
async fn pass(client: &mut TcpStream, server: u16, state: &State, before: u32) {
    let Ok(mut server) = TcpStream::connect(("127.0.0.1", server)).await else { return };
    let (mut asked, mut answered) = (vec![0; 65536], vec![0; 65536]);
    let mut messages = Messages::default();
    loop {
        tokio::select! {
            read = client.read(&mut asked) => {
                let Ok(length @ 1..) = read else { return };
                // Sent after the silence began, of which this task may not know yet.
                if state.silence.borrow().0 > before {
                    return std::future::pending().await;
                }
                let trips = messages.take(&asked[..length]);
                let is_commit = trips.iter().any(|text| text == "COMMIT" || text.starts_with("WITH step_0"));
                state.asked.lock().unwrap().extend(trips);
                let cut = if is_commit { state.cut.lock().unwrap().take() } else { None };
                if cut == Some(Cut::BeforeCommit) || server.write_all(&asked[..length]).await.is_err() {
                    return;
                }
                if matches!(cut, Some(Cut::AfterCommit | Cut::Silence)) {
                    let _ = server.read(&mut answered).await;
                }
                match cut {
                    Some(Cut::Silence) => std::future::pending().await,
                    Some(_) => return,
                    None => {}
                }
            }
            read = server.read(&mut answered) => {
                let Ok(length @ 1..) = read else { return };
                if client.write_all(&answered[..length]).await.is_err() {
                    return;
                }
            }
        }
    }
}

/// The messages of a client (<https://www.postgresql.org/docs/current/protocol-message-formats.html>).
#[derive(Default)]
struct Messages {
    rest: Vec<u8>,
    has_begun: bool,
    prepared: HashMap<String, String>,
    bound: Option<String>,
}

impl Messages {
    /// The texts of what the server has to answer before the client goes on.
    fn take(&mut self, bytes: &[u8]) -> Vec<String> {
        self.rest.extend_from_slice(bytes);
        let mut trips = Vec::new();
        loop {
            let kind = usize::from(self.has_begun);
            let Some(length) = self.rest.get(kind..kind + 4) else { return trips };
            let end = kind + u32::from_be_bytes(length.try_into().unwrap()) as usize;
            let Some(body) = self.rest.get(kind + 4..end) else { return trips };
            let mut texts = body.split(|byte| *byte == 0).map(|text| String::from_utf8_lossy(text).into_owned());
            let mut text = || texts.next().unwrap_or_default();
            match self.has_begun.then(|| self.rest[0]) {
                // Anything but the request for TLS begins the session.
                None => self.has_begun = end != 8,
                Some(b'Q') => trips.push(text()),
                Some(b'P') => drop(self.prepared.insert(text(), text())),
                Some(b'B') => {
                    let (_portal, statement) = (text(), text());
                    self.bound = self.prepared.get(&statement).cloned();
                }
                Some(b'S') => trips.push(self.bound.take().unwrap_or_else(|| "prepare".to_owned())),
                Some(_) => {}
            }
            self.rest.drain(..end);
        }
    }
}
