//! A way between two that is as bad as a test makes it.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::random::Random;

/// How many of a thousand pieces of data meet with something.
const TROUBLED: u64 = 8;
/// How long a piece is late, stuck, or not heard of until the connection is given up, in milliseconds.
const LATE: std::ops::Range<u64> = 1..300;
const STUCK: std::ops::Range<u64> = 100..6_000;
const UNHEARD_OF: std::ops::Range<u64> = 500..8_000;

/// What can happen to a piece of data.
#[derive(Debug, Clone, Copy)]
pub enum Trouble {
    /// It is late.
    Delay,
    /// A part of it arrives, and the connection is closed.
    Cut,
    /// A part of it arrives, and the connection is reset.
    Reset,
    /// A part of it arrives, and the rest later.
    Stall,
    /// It does not arrive, nor does anything after it.
    Silence,
}

pub const TROUBLES: [Trouble; 5] = [Trouble::Delay, Trouble::Cut, Trouble::Reset, Trouble::Stall, Trouble::Silence];

/// Passes connections on.
pub struct Wire {
    pub address: SocketAddr,
    state: Arc<State>,
    task: JoinHandle<()>,
}

struct State {
    random: Mutex<Random>,
    is_troubled: AtomicBool,
    /// Nothing at all gets through.
    is_down: watch::Sender<bool>,
    met: [AtomicU64; TROUBLES.len()],
}

impl Wire {
    pub async fn to(server: SocketAddr, random: Random) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (is_down, met) = (watch::Sender::new(false), Default::default());
        let state = Arc::new(State { random: Mutex::new(random), is_troubled: AtomicBool::new(false), is_down, met });
        let of_task = Arc::clone(&state);
        let task = tokio::spawn(async move {
            loop {
                let (client, _) = listener.accept().await.unwrap();
                tokio::spawn(pass(client, server, Arc::clone(&of_task)));
            }
        });
        Self { address, state, task }
    }

    /// Whether pieces meet with troubles from now on.
    pub fn trouble(&self, is_troubled: bool) {
        self.state.is_troubled.store(is_troubled, Ordering::SeqCst);
    }

    /// Whether nothing gets through from now on: neither data, nor a new connection, nor the end of one.
    pub fn go_down(&self, is_down: bool) {
        self.state.is_down.send_replace(is_down);
    }

    /// How many pieces have met with which trouble.
    pub fn met(&self) -> [(Trouble, u64); TROUBLES.len()] {
        let mut met = TROUBLES.map(|trouble| (trouble, 0));
        for ((_, count), counted) in met.iter_mut().zip(&self.state.met) {
            *count = counted.load(Ordering::SeqCst);
        }
        met
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl State {
    /// What happens to the next piece, and a number that decides how.
    fn draw(&self) -> (Option<Trouble>, Random) {
        let mut random = self.random.lock().unwrap();
        let is_met = self.is_troubled.load(Ordering::SeqCst) && random.within(0..1000) < TROUBLED;
        let trouble = is_met.then(|| *random.pick(&TROUBLES));
        if let Some(trouble) = trouble {
            self.met[trouble as usize].fetch_add(1, Ordering::SeqCst);
        }
        (trouble, random.split())
    }

    /// Waits until something gets through.
    async fn up(&self) {
        let _ = self.is_down.subscribe().wait_for(|is_down| !is_down).await;
    }
}

async fn pass(client: TcpStream, server: SocketAddr, state: Arc<State>) {
    state.up().await;
    let Ok(server) = TcpStream::connect(server).await else { return };
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    // What ends one direction ends both.
    tokio::select! {
        () = carry(from_client, to_server, &state) => {}
        () = carry(from_server, to_client, &state) => {}
    }
    state.up().await;
}

async fn carry(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, state: &State) {
    let mut piece = vec![0; 65536];
    loop {
        let Ok(length @ 1..) = from.read(&mut piece).await else { return };
        state.up().await;
        let (trouble, mut random) = state.draw();
        let part = usize::try_from(random.within(0..length as u64)).unwrap();
        let (part, rest) = piece[..length].split_at(part);
        let passed = match trouble {
            None => to.write_all(&piece[..length]).await,
            Some(Trouble::Delay) => {
                tokio::time::sleep(random.millis(LATE)).await;
                to.write_all(&piece[..length]).await
            }
            Some(Trouble::Cut) => {
                let _ = to.write_all(part).await;
                return;
            }
            Some(Trouble::Reset) => {
                let _ = to.write_all(part).await;
                return reset(&from, &to);
            }
            Some(Trouble::Stall) => {
                let _ = to.write_all(part).await;
                tokio::time::sleep(random.millis(STUCK)).await;
                to.write_all(rest).await
            }
            Some(Trouble::Silence) => {
                tokio::time::sleep(random.millis(UNHEARD_OF)).await;
                return reset(&from, &to);
            }
        };
        if passed.is_err() {
            return;
        }
    }
}

/// Lets both ends learn that the connection is gone, once it is dropped.
fn reset(from: &OwnedReadHalf, to: &OwnedWriteHalf) {
    for stream in [from.as_ref(), to.as_ref()] {
        let _ = stream.set_zero_linger();
    }
}

/// Some time that is long enough for whatever is under way to meet with it.
pub fn a_while(random: &mut Random) -> Duration {
    random.millis(200..5_000)
}
