//! Which calls are traced: the caller's own context decides (W3C Trace Context), and without one a ratio.

use std::sync::Arc;
use std::time::Instant;

use super::{RequestId, only};
use crate::domain::sample_ratio::SampleRatio;
use crate::ports::spans::{Protocol, Spans, Trace, TraceId};
use crate::ports::{Clock, Entropy};

/// Where the spans of calls go, and which calls have some.
#[derive(Clone)]
pub struct Traces {
    /// Takes the spans.
    pub spans: Arc<dyn Spans>,
    /// The part of the calls without a context that is traced.
    pub ratio: SampleRatio,
}

/// The context of a trace, as a caller sends it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct TraceParent {
    trace: TraceId,
    span: u64,
    is_sampled: bool,
}

impl Traces {
    /// The trace of a request that began at that moment, if it is traced. A trace that begins here has the id of its
    /// first request.
    pub fn of<'a>(
        &self,
        request_id: RequestId,
        parents: impl IntoIterator<Item = &'a [u8]>,
        protocol: Protocol,
        (clock, begun): (&Arc<dyn Clock>, Instant),
        entropy: &dyn Entropy,
    ) -> Option<Trace> {
        let parent = TraceParent::of_values(parents);
        let own = request_id.0.as_u128();
        let is_sampled = parent.map_or_else(|| self.ratio.takes(own), |parent| parent.is_sampled);
        if !is_sampled {
            return None;
        }
        let mut span = [0; 8];
        entropy.fill(&mut span);
        let ids = (
            parent.map_or(TraceId(own), |parent| parent.trace),
            u64::from_be_bytes(span),
            parent.map(|parent| parent.span),
        );
        let at = clock.now().before(clock.instant().saturating_duration_since(begun));
        Some(Trace::new((Arc::clone(&self.spans), Arc::clone(clock)), ids, Some(protocol), at))
    }
}

impl TraceParent {
    /// The context that a caller sent, from the values of its header. One that is sent twice is ignored, and so is one that
    /// can't be read.
    fn of_values<'a>(values: impl IntoIterator<Item = &'a [u8]>) -> Option<Self> {
        Self::parse(only(values)?)
    }

    /// Reads `version-trace-span-flags`. A later version may have more parts.
    fn parse(text: &[u8]) -> Option<Self> {
        let mut parts = text.split(|&byte| byte == b'-');
        let version = hexadecimal(parts.next()?, 2)?;
        let (trace, span) = (hexadecimal(parts.next()?, 32)?, hexadecimal(parts.next()?, 16)?);
        let flags = hexadecimal(parts.next()?, 2)?;
        let has_ended = parts.next().is_none();
        let is_usable = version != 0xff && (version != 0 || has_ended) && trace != 0 && span != 0;
        let span = u64::try_from(span).ok()?;
        is_usable.then_some(Self { trace: TraceId(trace), span, is_sampled: flags & 1 == 1 })
    }
}

/// A number of so many digits, in lower case.
fn hexadecimal(text: &[u8], digits: usize) -> Option<u128> {
    let is_lower = text.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let text = std::str::from_utf8(text).ok().filter(|text| is_lower && text.len() == digits)?;
    u128::from_str_radix(text, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_context_is_read_as_the_standard_says_or_ignored() {
        let (trace, span) = ("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7");
        let read = |text: &str| TraceParent::parse(text.as_bytes());
        let context = |is_sampled| {
            let trace = TraceId(0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736);
            Some(TraceParent { trace, span: 0x00f0_67aa_0ba9_02b7, is_sampled })
        };
        let table = [
            (format!("00-{trace}-{span}-01"), context(true)),
            (format!("00-{trace}-{span}-00"), context(false)),
            // Other flags, and a later version with another part.
            (format!("00-{trace}-{span}-ff"), context(true)),
            (format!("00-{trace}-{span}-02"), context(false)),
            (format!("cc-{trace}-{span}-01-later"), context(true)),
            (format!("00-{trace}-{span}-01-later"), None),
            (format!("ff-{trace}-{span}-01"), None),
            (format!("00-{}-{span}-01", "0".repeat(32)), None),
            (format!("00-{trace}-{}-01", "0".repeat(16)), None),
            (format!("00-{}-{span}-01", trace.to_uppercase()), None),
            (format!("00-{trace}-{span}"), None),
            (format!("00-{trace}-{span}-1"), None),
            (format!("00-{trace}-{span}-+1"), None),
            (format!("0-{trace}-{span}-01"), None),
            (format!("00-{}-{span}-01", &trace[1..]), None),
            (String::new(), None),
        ];
        for (text, expected) in table {
            assert_eq!(read(&text), expected, "{text}");
        }
        let sent = format!("00-{trace}-{span}-01");
        assert_eq!(TraceParent::of_values([sent.as_bytes(), sent.as_bytes()]), None);
        assert_eq!(TraceParent::of_values([]), None);
    }
}
