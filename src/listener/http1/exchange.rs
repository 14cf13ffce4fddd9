//! The exchange of one request and its answer that a connection is in, and what hyper may write meanwhile.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::watch;
use tokio::time::sleep_until;

use crate::listener::Limits;
use crate::ports::Clock;
use crate::ports::meter::Closing;

/// Where a connection is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// Nothing has come yet.
    New,
    /// A part of the head of a request is there.
    Head,
    /// The request is being answered.
    Open,
    /// The answer is being written.
    Answered,
    /// The answer is written, and no other request has begun; or hyper has a part of the next one, which came with the
    /// last one, and which no one can see here.
    Idle,
}

/// The stage of a connection, since when, and how long each may last.
pub(super) struct Exchange {
    state: watch::Sender<(Stage, Instant)>,
    clock: Arc<dyn Clock>,
    limits: Limits,
    begin_by: Instant,
}

impl Exchange {
    pub(super) fn new(clock: Arc<dyn Clock>, limits: Limits, begin_by: Instant) -> Self {
        Self { state: watch::Sender::new((Stage::New, clock.instant())), clock, limits, begin_by }
    }

    pub(super) fn stage(&self) -> Stage {
        self.state.borrow().0
    }

    pub(super) fn enter(&self, stage: Stage) {
        self.state.send_replace((stage, self.clock.instant()));
    }

    pub(super) fn is_idle_for(&self, least: Duration) -> bool {
        let (stage, since) = *self.state.borrow();
        stage == Stage::Idle && self.clock.instant().saturating_duration_since(since) >= least
    }

    /// Waits until the connection has no request.
    pub(super) async fn is_unused(&self) {
        // The sender is `self`, so it is still there.
        let _ = self.state.subscribe().wait_for(|(stage, _)| matches!(stage, Stage::New | Stage::Idle)).await;
    }

    /// Waits until a stage has lasted for too long.
    pub(super) async fn overdue(&self) -> Closing {
        let mut changes = self.state.subscribe();
        loop {
            let (stage, since) = *changes.borrow_and_update();
            let (until, reason) = match stage {
                Stage::New => (self.begin_by, Closing::Handshake),
                Stage::Head => (since + self.limits.handshake, Closing::Handshake),
                Stage::Answered => (since + self.limits.stall, Closing::Stalled),
                Stage::Idle => (since + self.limits.idle, Closing::Idle),
                Stage::Open => {
                    // The edge has a deadline of its own.
                    let _ = changes.changed().await;
                    continue;
                }
            };
            tokio::select! {
                biased;
                _ = changes.changed() => {}
                () = sleep_until(until.into()) => return reason,
            }
        }
    }
}

/// A transport that passes on what hyper writes only while a request is open or its answer is written. Anything else is
/// an answer of hyper's own, to a request that it can't read: that has no body, and our clients expect one.
pub(super) struct Guarded<T> {
    inner: T,
    exchange: Arc<Exchange>,
}

impl<T> Guarded<T> {
    pub(super) const fn new(inner: T, exchange: Arc<Exchange>) -> Self {
        Self { inner, exchange }
    }

    pub(super) fn into_inner(self) -> T {
        self.inner
    }

    fn passes_on(&self) -> bool {
        matches!(self.exchange.stage(), Stage::Open | Stage::Answered)
    }

    /// A peer that reads something of its answer gets time for the rest.
    fn progressed(&self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if self.exchange.stage() == Stage::Answered && matches!(written, Poll::Ready(Ok(1..))) {
            self.exchange.enter(Stage::Answered);
        }
        written
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Guarded<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = ready!(Pin::new(&mut self.inner).poll_read(context, buffer));
        if buffer.filled().len() > before && matches!(self.exchange.stage(), Stage::New | Stage::Idle) {
            self.exchange.enter(Stage::Head);
        }
        Poll::Ready(read)
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Guarded<T> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.passes_on() {
            let written = Pin::new(&mut self.inner).poll_write(context, bytes);
            return self.progressed(written);
        }
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.passes_on() {
            let written = Pin::new(&mut self.inner).poll_write_vectored(context, slices);
            return self.progressed(written);
        }
        Poll::Ready(Ok(slices.iter().map(|slice| slice.len()).sum()))
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    /// hyper flushes an answer once it has written all of it.
    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.inner).poll_flush(context))?;
        if self.exchange.stage() == Stage::Answered {
            self.exchange.enter(Stage::Idle);
        }
        Poll::Ready(Ok(()))
    }

    /// Closes nothing yet: another answer may follow.
    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
