//! What every edge needs, whatever its protocol: the context of a request before its message is read, its authenticated
//! caller, and the explanation of an error.
//!
//! An edge reads its protocol's headers into a [`RequestContext`], has the caller authenticated by them ([`authenticate()`]),
//! reads its messages through [`Fields`], and writes an [`Explanation`] in the form of its protocol.

mod authenticate;
mod explanation;
mod fields;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod measured;
mod reason;
mod request_context;
mod status_code;
mod traces;
mod vendor_code;

pub use authenticate::{authenticate, authenticate_signed, disclosed, note_unchecked_signature};
pub use explanation::{Explanation, Violation};
pub use fields::Fields;
pub use measured::{CALLS, LoggedCalls, Measured, Measures};
pub use reason::{Reason, Retry};
pub use request_context::{CorrelationId, RequestContext, RequestId, Times};
pub use traces::Traces;

/// The value of a header that is there exactly once.
pub fn only<T>(values: impl IntoIterator<Item = T>) -> Option<T> {
    let mut values = values.into_iter();
    let first = values.next()?;
    values.next().is_none().then_some(first)
}
