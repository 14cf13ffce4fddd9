//! What authentication needs from the store.

use std::time::Duration;

use async_trait::async_trait;

use super::{Authority, StoreError};
use crate::domain::access_token::{AccessToken, AccessTokenStatus, NonceKey, TokenDigest, TokenId};
use crate::domain::audit_event::AuditEvent;
use crate::domain::names::TenantName;
use crate::domain::page::{Page, PageRequest};
use crate::domain::sealed::Sealed;
use crate::domain::time::{Timestamp, minutes};
use crate::ports::Evidence;

/// Access tokens. Only the digest of a bearer token's text is stored, and only the sealed secret of an access key. Nothing
/// here may find the tokens of a tenant that is gone: a tenant of the same name is another one.
#[async_trait]
pub trait AccessTokens: Send + Sync {
    /// The token whose text has that digest, or `None`. MUST NOT find a token bound to a subject that is gone.
    async fn access_token(&self, digest: &TokenDigest) -> Result<Option<AccessToken>, StoreError>;

    /// The token of that id, or `None`.
    async fn access_token_of(&self, id: TokenId) -> Result<Option<AccessToken>, StoreError>;

    /// The access key of that id with its sealed secret, and whether the nonce is spent; `None` as for
    /// [`Self::access_token`], or if it is a bearer token. Always one read.
    async fn access_key(&self, id: TokenId, nonce: Option<&NonceKey>) -> Result<Option<FoundKey>, StoreError>;

    /// Spends a nonce until that time. Returns false if it is spent already. Of callers that race for one, in any process,
    /// exactly one MUST get true, or an error if the outcome of its commit is unknown.
    async fn spend_nonce(&self, nonce: &NonceKey, until: Timestamp) -> Result<bool, StoreError>;

    /// Notes that an access key signed a request, unless a use within the minute before is noted.
    async fn note_key_use(&self, id: TokenId, at: Timestamp) -> Result<(), StoreError>;

    /// Whether evidence still proves a caller at that time.
    async fn is_proven(&self, evidence: &Evidence, at: Timestamp) -> Result<bool, StoreError>;

    /// The soonest expiry after that time of a token that is not disabled, of any caller. It may be that of a token that
    /// nothing finds any more.
    async fn next_expiry(&self, after: Timestamp) -> Result<Option<Timestamp>, StoreError>;

    /// Adds a token, with its audit event. For an access key, which only a tenant's caller has, MUST count those of the
    /// caller in the same transaction.
    async fn insert_access_token(
        &self,
        token: &AccessToken,
        proof: TokenProof<'_>,
        authority: &Authority,
    ) -> Result<TokenInsertion, StoreError>;

    /// Adds an operator's token to a store that has no operator's token valid at its creation. Returns whether it did.
    async fn bootstrap(
        &self,
        token: &AccessToken,
        digest: &TokenDigest,
        event: &AuditEvent,
    ) -> Result<bool, StoreError>;

    /// Tokens of a tenant, or the operators' if none is named, the oldest first.
    async fn access_tokens(
        &self,
        tenant: Option<&TenantName>,
        page: &PageRequest,
    ) -> Result<Page<AccessToken>, StoreError>;

    /// Sets the state of a token of a tenant, or of an operators' token if none is named. Returns whether it existed. As
    /// with a removal, a write that the token proves MUST NOT be committed after the token is disabled.
    async fn set_access_token_status(
        &self,
        tenant: Option<&TenantName>,
        id: TokenId,
        status: AccessTokenStatus,
        authority: &Authority,
    ) -> Result<bool, StoreError>;

    /// Removes a token of a tenant, or an operators' token if none is named. Returns whether it existed.
    async fn delete_access_token(
        &self,
        tenant: Option<&TenantName>,
        id: TokenId,
        authority: &Authority,
    ) -> Result<bool, StoreError>;
}

/// An access key that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundKey {
    /// The token that it is.
    pub token: AccessToken,
    /// Its secret.
    pub secret: Sealed,
    /// Whether the nonce is spent that it was looked up with.
    pub is_nonce_spent: bool,
}

/// How often the use of a key is noted, at most.
pub const KEY_USE_NOTED_EVERY: Duration = minutes(1);

/// What is stored to check the proof of a token's caller.
#[derive(Debug, Clone, Copy)]
pub enum TokenProof<'a> {
    /// Of a bearer token.
    Digest(&'a TokenDigest),
    /// Of an access key.
    Secret(&'a Sealed),
}

/// Outcome of adding a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenInsertion {
    /// It was added.
    Inserted,
    /// Its tenant or its subject is gone.
    HolderGone,
    /// It is an access key, and its caller has [`MAX_ACCESS_KEYS`](crate::domain::access_token::MAX_ACCESS_KEYS) that have not expired.
    TooMany,
}
