//! The streams of a connection: each is counted, and a stream whose peer reads none of its response is reset.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use http::{Request, Response};
use http_body::{Body, Frame, SizeHint};
use hyper::rt::Executor;
use hyper::service::HttpService;
use parking_lot::Mutex;
use tokio::time::{Instant, Sleep, sleep_until};
use tower::Service;

use super::activity::Activity;
use crate::ports::Clock;

tokio::task_local! {
    /// The patience with the peer of the current task's stream.
    static PATIENCE: Patience;
}

/// Runs the tasks of a connection's streams.
#[derive(Clone)]
pub(super) struct Streams {
    activity: Arc<Activity>,
    clock: Arc<dyn Clock>,
    stall: Duration,
}

impl Streams {
    pub(super) const fn new(activity: Arc<Activity>, clock: Arc<dyn Clock>, stall: Duration) -> Self {
        Self { activity, clock, stall }
    }
}

impl<T: Future<Output = ()> + Send + 'static> Executor<T> for Streams {
    fn execute(&self, stream: T) {
        let open = self.activity.open();
        let patience = Patience { clock: Arc::clone(&self.clock), stall: self.stall, until: Arc::default() };
        let waited_for = patience.clone();
        tokio::spawn(PATIENCE.scope(patience, async move {
            tokio::select! {
                // The stream first: it decides whether there is something to wait for.
                biased;
                () = stream => {}
                () = waited_for.spent() => tracing::debug!("a stream was reset: its client reads nothing of the response"),
            }
            drop(open);
        }));
    }
}

/// How long a response waits for its peer. The transport polls for the next part of a body only once the peer has room
/// for the one before, and does not poll the body until then: so the whole task is ended.
#[derive(Clone)]
struct Patience {
    clock: Arc<dyn Clock>,
    stall: Duration,
    until: Arc<Mutex<Option<Instant>>>,
}

impl Patience {
    /// A part of a response is ready.
    fn begin() {
        let _ = PATIENCE.try_with(|patience| patience.set(Some((patience.clock.instant() + patience.stall).into())));
    }

    /// The peer has taken it.
    fn end() {
        let _ = PATIENCE.try_with(|patience| patience.set(None));
    }

    fn set(&self, until: Option<Instant>) {
        *self.until.lock() = until;
    }

    /// Waits until the peer has taken nothing for too long. Polled by the stream's own task after each of its steps.
    async fn spent(self) {
        let mut timer: Option<Pin<Box<Sleep>>> = None;
        poll_fn(|context| {
            let Some(until) = *self.until.lock() else {
                return Poll::Pending;
            };
            let timer = timer.get_or_insert_with(|| Box::pin(sleep_until(until)));
            if timer.deadline() != until {
                timer.as_mut().reset(until);
            }
            timer.as_mut().poll(context)
        })
        .await;
    }
}

/// A service as the transport calls it, which counts cancelled calls.
pub(super) fn counted<S, R, B>(
    service: S,
    activity: Arc<Activity>,
) -> impl HttpService<
    R,
    ResBody = Answer<B>,
    Error = Infallible,
    Future: Future<Output = Result<Response<Answer<B>>, Infallible>> + Send,
>
where
    S: Service<Request<R>, Response = Response<B>, Error = Infallible, Future: Send> + Clone,
    R: Body,
    B: Body + Unpin,
{
    hyper::service::service_fn(move |request: Request<R>| {
        let call = Call { activity: Arc::clone(&activity), is_over: false };
        // Called here, not in the future, so that inner timers start now.
        // On the heap: the transport moves the future of a call several times.
        let response = Box::pin(service.clone().call(request));
        async move { response.await.map(|response| response.map(|body| Answer::new(body, call))) }
    })
}

/// A call. If it is dropped before it is over, it counts as cancelled.
struct Call {
    activity: Arc<Activity>,
    is_over: bool,
}

impl Drop for Call {
    fn drop(&mut self) {
        if !self.is_over {
            self.activity.given_up();
        }
    }
}

/// The body of a response.
pub(super) struct Answer<B> {
    body: B,
    call: Call,
}

impl<B: Body> Answer<B> {
    fn new(body: B, mut call: Call) -> Self {
        call.is_over = body.is_end_stream();
        Self { body, call }
    }
}

impl<B: Body + Unpin> Body for Answer<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let this = self.get_mut();
        Patience::end();
        let frame = ready!(Pin::new(&mut this.body).poll_frame(context));
        match &frame {
            Some(Ok(frame)) if frame.is_data() => {
                this.call.is_over = this.body.is_end_stream();
                Patience::begin();
            }
            _ => this.call.is_over = true,
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::Empty;
    use tower::service_fn;

    use super::*;
    use crate::domain::time::Timestamp;

    struct Still(std::time::Instant);

    impl Clock for Still {
        fn now(&self) -> Timestamp {
            Timestamp::from_micros(0)
        }

        fn instant(&self) -> std::time::Instant {
            self.0
        }
    }

    /// The transport moves it several times on its way to its task.
    #[test]
    fn the_future_of_a_call_is_small_whatever_the_service_does() {
        let large = service_fn(|_: Request<Empty<&[u8]>>| async {
            let kept = [0_u8; 4096];
            std::future::ready(()).await;
            std::hint::black_box(&kept);
            Ok::<_, Infallible>(Response::new(Empty::<&[u8]>::new()))
        });
        assert!(size_of_val(&large.clone().call(Request::new(Empty::new()))) >= 4096);
        #[expect(clippy::disallowed_methods, reason = "there is no other way to make an instant")]
        let clock = Still(std::time::Instant::now());
        let activity = Arc::new(Activity::new(Arc::new(clock)));
        let mut counted = counted(large, activity);
        assert!(size_of_val(&counted.call(Request::new(Empty::new()))) <= 64);
    }
}
