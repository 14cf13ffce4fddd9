//! Ports for servers that the tests start.

use std::net::TcpListener;
use std::sync::atomic::{AtomicU16, Ordering};

/// A port that no one else is given, also while nothing listens there: below the ports that the system gives out.
pub fn steady_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let of_process = u16::try_from(std::process::id() % 100).unwrap() * 100;
    let free = (0..100).map(|_| 10_000 + of_process + NEXT.fetch_add(1, Ordering::SeqCst) % 100).find(|port| {
        // Tried, because other programs may listen there.
        TcpListener::bind(("127.0.0.1", *port)).is_ok()
    });
    free.expect("a port is free")
}

/// A port that is free at the moment.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
