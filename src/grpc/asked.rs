//! What every answer to a call has to name: the request's id, and what was asked for.

use std::fmt;

use http::{Extensions, HeaderValue};
use uuid::Uuid;

use crate::domain::action::Action;
use crate::ports::Entropy;
use crate::service::Call;

/// The id of a request, written as the vendors' pages do: upper case, hyphenated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RequestId(pub(super) Uuid);

impl RequestId {
    /// A fresh one.
    pub(super) fn draw(entropy: &dyn Entropy) -> Self {
        let mut bytes = [0; 16];
        entropy.fill(&mut bytes);
        Self(uuid::Builder::from_random_bytes(bytes).into_uuid())
    }

    /// The id as a header's value, for [one reply alone](of_one_reply).
    pub(super) fn header_value(self) -> HeaderValue {
        // The text of a UUID is always a header's value.
        of_one_reply(HeaderValue::try_from(self.to_string()).unwrap_or_else(|_| HeaderValue::from_static("")))
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:X}", self.0.hyphenated())
    }
}

/// A value that no other reply has: one that HTTP/2 does not index (RFC 7541 §7.1.3). Indexed, it would push what all
/// replies have in common out of a connection's table.
pub(super) fn of_one_reply(mut value: HeaderValue) -> HeaderValue {
    value.set_sensitive(true);
    value
}

/// What was asked, as far as answers name it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked {
    /// The request's id.
    pub(super) request_id: RequestId,
    /// What was asked for, where it is one of our RPCs.
    pub(super) action: Option<Action>,
}

impl Asked {
    /// What the outermost layer left among a request's extensions.
    pub(super) fn in_extensions(extensions: &Extensions) -> Self {
        let asked = extensions.get().copied();
        asked.unwrap_or(Self { request_id: RequestId(Uuid::nil()), action: None })
    }

    /// What an authenticated call asked.
    pub(super) fn by(call: &Call) -> Self {
        Self { request_id: RequestId(call.request_id), action: Some(call.caller.action()) }
    }
}
