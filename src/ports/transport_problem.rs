//! Why a request can't be answered as it should be.

/// What went wrong with a request before an edge had all of it, or while it was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TransportProblem {
    /// Its head or its body is not well-formed.
    Malformed,
    /// It is of another version of the protocol.
    Version,
    /// Its head is too large.
    HeadTooLarge,
    /// Its body is too large.
    BodyTooLarge,
    /// It ended before its end.
    Incomplete,
    /// It did not come in time.
    TooSlow,
    /// The code that answers it panicked.
    Internal,
}
