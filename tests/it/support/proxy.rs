//! A way to a database server that can be cut where it hurts.

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
                                () = pass(&mut client, server, &state) => return,
                                _ = silence.wait_for(|(times, _)| *times > before) => {}
                            }
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

    /// From now on nothing is heard on any connection, nor on new ones.
    pub fn fall_silent(&self) {
        self.state.silence.send_modify(|(times, is_silent)| (*times, *is_silent) = (*times + 1, true));
    }

    /// New connections are passed on again.
    pub fn speak(&self) {
        self.state.silence.send_modify(|(_, is_silent)| *is_silent = false);
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

async fn pass(client: &mut TcpStream, server: u16, state: &State) {
    let Ok(mut server) = TcpStream::connect(("127.0.0.1", server)).await else { return };
    let (mut asked, mut answered) = (vec![0; 65536], vec![0; 65536]);
    loop {
        tokio::select! {
            read = client.read(&mut asked) => {
                let Ok(length @ 1..) = read else { return };
                let is_commit = asked[..length].windows(7).any(|window| window == b"COMMIT\0");
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
