//! The context of a request: what is known before its message is read.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use uuid::Uuid;

use super::only;
use crate::domain::action::Action;
use crate::domain::time::days;
use crate::ports::{CallRecord, Deadline};

/// What is known of a request before its message is read. The outermost layer of an edge creates it; every inner layer
/// and every error refers to it.
#[derive(Debug, Clone)]
pub struct RequestContext {
    /// The id that the service gave to the request.
    pub request_id: RequestId,
    /// The caller's own id of the request, if it sent one.
    pub correlation_id: Option<CorrelationId>,
    /// The operation, if it is one of ours.
    pub action: Option<Action>,
    /// How long the request may take.
    pub times: Times,
    /// The other end of the connection.
    pub peer: SocketAddr,
    /// What is noted of the call while it is served.
    pub record: Arc<CallRecord>,
}

#[cfg(test)]
impl RequestContext {
    /// A request with a fixed id, for tests.
    #[expect(clippy::disallowed_methods, reason = "there is no other way to make an instant")]
    pub(crate) fn of_test(action: Option<Action>) -> Self {
        let request_id = RequestId(Uuid::from_u128(0xAB));
        let times = Times::new(None, Duration::from_secs(7), action, Instant::now());
        let peer = (std::net::Ipv4Addr::LOCALHOST, 7).into();
        Self { request_id, correlation_id: None, action, times, peer, record: Arc::default() }
    }
}

/// The id of a request, written as the vendors' pages do: upper case, hyphenated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestId(pub Uuid);

impl fmt::Display for RequestId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:X}", self.0.hyphenated())
    }
}

/// A caller's own id of its request: 1 to 128 visible ASCII characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CorrelationId(Arc<str>);

impl CorrelationId {
    const MAX_BYTES: usize = 128;

    /// The id, or `None` if the text can't be one.
    pub fn parse(text: &str) -> Option<Self> {
        let is_usable = (1..=Self::MAX_BYTES).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
        is_usable.then(|| Self(text.into()))
    }

    /// The id that a caller sent, from the values of its header. One that is sent twice is ignored.
    pub fn of_values<'a>(values: impl IntoIterator<Item = &'a [u8]>) -> Option<Self> {
        Self::parse(std::str::from_utf8(only(values)?).ok()?)
    }

    /// The id as the caller wrote it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// How long a request may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Times {
    /// When the caller no longer waits for the end of the response.
    pub deadline: Deadline,
    /// How soon the response must begin.
    pub to_answer: Duration,
    /// How long each message of a stream may take to arrive, and then to be processed.
    pub each_message: Duration,
}

impl Times {
    /// The longest time that a request may take, whatever its caller allows.
    const MAX: Duration = days(366);

    /// The times of a request for `action` that arrives at `now`, if its caller waits for `timeout` and the service
    /// allows a request `longest`.
    ///
    /// A response that lasts as long as its caller listens must begin within `longest`; its end is up to the caller's
    /// timeout. For a request that is sent as a stream, `longest` applies to each message.
    pub fn new(timeout: Option<Duration>, longest: Duration, action: Option<Action>, now: Instant) -> Self {
        let bounded = timeout.map_or(longest, |timeout| timeout.min(longest));
        let unbounded = timeout.unwrap_or(Self::MAX).min(Self::MAX);
        let in_all = if action.is_some_and(Action::is_open_ended) { unbounded } else { bounded };
        let to_answer = if action.is_some_and(Action::is_sent_as_stream) { unbounded } else { bounded };
        Self { deadline: Deadline::at(now + in_all), to_answer, each_message: longest }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_correlation_id_is_visible_ascii() {
        assert_eq!(CorrelationId::parse("order-7/a").unwrap().as_str(), "order-7/a");
        assert!(CorrelationId::parse(&"x".repeat(128)).is_some());
        for bad in ["", "two words", "\u{e4}", &"x".repeat(129)] {
            assert_eq!(CorrelationId::parse(bad), None, "{bad}");
        }
        let of_values = |values: &[&'static [u8]]| CorrelationId::of_values(values.iter().copied());
        assert_eq!(of_values(&[b"order-7"]).unwrap().as_str(), "order-7");
        for bad in [&[][..], &[&b"order-7"[..], b"order-7"], &[b"\xE4"]] {
            assert_eq!(of_values(bad), None, "{bad:?}");
        }
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "there is no other way to make an instant")]
    fn only_streams_may_take_longer_than_a_request() {
        let now = Instant::now();
        let (second, hour) = (Duration::from_secs(1), Duration::from_hours(1));
        let times = |timeout, action| {
            let times = Times::new(timeout, second, action, now);
            (times.deadline.remaining(now), times.to_answer)
        };
        let unary = Some(Action::ChangePassword);
        assert_eq!(times(None, unary), (second, second));
        assert_eq!(times(Some(hour), unary), (second, second));
        assert_eq!(times(Some(second / 2), unary), (second / 2, second / 2));
        assert_eq!(times(Some(hour), Some(Action::WatchChanges)), (hour, second));
        assert_eq!(times(Some(hour), Some(Action::ImportCredentials)), (second, hour));
        assert_eq!(times(None, Some(Action::ImportCredentials)), (second, Times::MAX));
        assert_eq!(times(Some(Duration::MAX), Some(Action::WatchChanges)), (Times::MAX, second));
    }
}
