//! Evidence of the caller's identity.

use super::access_token::TokenId;
use super::tenant::TenantId;

/// What proved the caller's identity when the call began. It is checked again before anything is done for the call, and
/// in the transaction of each write: a token may be revoked, expire or end with its tenant during a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Evidence {
    /// The access token.
    pub token: TokenId,
    /// The tenant that it is bound to; `None` for an operator.
    pub tenant: Option<TenantId>,
}
