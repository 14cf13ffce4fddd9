//! What proves who is calling.

use super::access_token::TokenId;
use super::tenant::TenantId;

/// What proved who is calling when the call began. It is asked for again before anything is done for the call, and in the
/// transaction of each write: a token may be revoked, expire or end with its tenant while a call goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Evidence {
    /// The access token.
    pub token: TokenId,
    /// The tenant that it is bound to; `None` for an operator.
    pub tenant: Option<TenantId>,
}
