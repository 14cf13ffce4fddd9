//! The gRPC code of each reason.

use tonic::Code;

use crate::edge::Reason;

/// The gRPC code of a reason.
pub const fn code_of(reason: Reason) -> Code {
    Code::from_i32(reason.status_code() as i32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edge::Retry;

    #[test]
    fn every_reason_whose_code_retry_policies_name_has_decided() {
        // The codes of gRFC A6's own examples, and those that published policies add.
        let named = [
            Code::Cancelled,
            Code::Unknown,
            Code::DeadlineExceeded,
            Code::ResourceExhausted,
            Code::Aborted,
            Code::OutOfRange,
            Code::Internal,
            Code::Unavailable,
            Code::DataLoss,
        ];
        for &reason in Reason::ALL {
            let undecided = if named.contains(&code_of(reason)) { Retry::Unnamed } else { Retry::Forbidden };
            assert_ne!(reason.retry(), undecided, "{}", reason.name());
        }
    }
}
