//! What every edge needs, whatever protocol it speaks: what is known of a request before its message is read, who its caller
//! is, and what an error says.
//!
//! An edge reads its protocol's headers into a [`RequestContext`] and [`Credentials`], its messages through [`Fields`], and
//! writes an [`Explanation`] in its protocol's words.

mod credentials;
mod explanation;
mod fields;
mod reason;
mod request_context;
mod vendor_code;

pub use credentials::{Credentials, authenticate};
pub use explanation::{Explanation, Violation};
pub use fields::Fields;
pub use reason::{Reason, Retry};
pub use request_context::{CorrelationId, RequestContext, RequestId, Times};
