//! Why a request can't be read.

/// What went wrong with a request before an edge had all of it.
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
}
