//! Access tokens.

use crate::domain::access_token::{
    AccessToken, AccessTokenForm, AccessTokenStatus, DEFAULT_TIME_TO_LIVE, MAX_ACCESS_KEYS, TokenId,
};
use crate::domain::caller::{Caller, CallerKind};
use crate::domain::names::TenantName;
use crate::domain::page::{Page, PageRequest};
use crate::ports::store::{TokenInsertion, TokenProof};
use crate::service::authenticate::{new_secret, new_token};
use crate::service::error::Missing;
use crate::service::gates::Scope;
use crate::service::requests::{IssuedToken, TokenHolder, TokenToIssue};
use crate::service::{Call, Service, ServiceError};

impl Service {
    /// Issues an access token. Only an operator issues an operator's, which belongs to no tenant.
    pub async fn issue_access_token(&self, call: Call, request: TokenToIssue) -> Result<IssuedToken, ServiceError> {
        let TokenToIssue { holder, time_to_live, form } = request;
        let (scope, caller, tenant) = match holder {
            TokenHolder::Operator(name) => (Scope::from(self.gates.tenants(call).await?), Caller::Operator(name), None),
            TokenHolder::Member(tenant, member) => {
                let directory = self.directory(call, tenant).await?;
                let (caller, tenant) = (directory.caller_of(member).await?, directory.id());
                (directory.into(), caller, Some(tenant))
            }
        };
        let created_at = self.gates.now();
        let expires_at = created_at.after(time_to_live.unwrap_or(DEFAULT_TIME_TO_LIVE));
        let (id, status) = (TokenId(self.gates.new_id()), AccessTokenStatus::Active);
        let last_used_at = None;
        let token = AccessToken { id, caller, tenant, created_at, expires_at, form, status, last_used_at };
        let (text, inserted) = match form {
            AccessTokenForm::Bearer => {
                let (text, digest) = new_token(&self.gates);
                (text, scope.insert_token(&token, TokenProof::Digest(&digest)).await?)
            }
            AccessTokenForm::AccessKey => {
                let secret = new_secret(&self.gates);
                let sealed =
                    scope.seal_secret(&token, &secret).ok_or_else(|| ServiceError::malformed("form", NO_PEPPER_KEY))?;
                (secret, scope.insert_token(&token, TokenProof::Secret(&sealed)).await?)
            }
        };
        match inserted {
            TokenInsertion::Inserted => Ok(IssuedToken { text, token }),
            TokenInsertion::HolderGone => Err(ServiceError::NotFound(Missing::User)),
            TokenInsertion::TooMany => Err(ServiceError::malformed("caller_name", TOO_MANY_KEYS)),
        }
    }

    /// Lists the tokens of a tenant, or the operators' if an operator names none.
    pub async fn list_access_tokens(
        &self,
        call: Call,
        tenant: Option<TenantName>,
        page: PageRequest,
    ) -> Result<Page<AccessToken>, ServiceError> {
        self.scope(call, tenant).await?.tokens(&page).await
    }

    /// Disables a token at once, or enables it again. The tenant is as in [`Self::revoke_access_token`].
    pub async fn set_access_token_status(
        &self,
        call: Call,
        tenant: Option<TenantName>,
        id: TokenId,
        status: AccessTokenStatus,
    ) -> Result<AccessToken, ServiceError> {
        let scope = self.scope_of_token(call, tenant, id).await?;
        if !scope.set_token_status(id, status).await? {
            return Err(no_such_token(&scope, id).await?);
        }
        scope.token(id).await?.ok_or(ServiceError::NotFound(Missing::AccessToken))
    }

    /// Revokes a token at once. An operator need not name the token's tenant, and gets an error if it names a wrong
    /// one. To any other caller, another tenant's token does not exist.
    pub async fn revoke_access_token(
        &self,
        call: Call,
        tenant: Option<TenantName>,
        id: TokenId,
    ) -> Result<(), ServiceError> {
        let scope = self.scope_of_token(call, tenant, id).await?;
        if scope.delete_token(id).await? { Ok(()) } else { Err(no_such_token(&scope, id).await?) }
    }

    /// Opens the tenant of a token, or what belongs to none: the named tenant, or for an operator that of the token.
    async fn scope_of_token(
        &self,
        call: Call,
        tenant: Option<TenantName>,
        id: TokenId,
    ) -> Result<Scope<'_>, ServiceError> {
        let tenant = match tenant {
            None if call.caller().kind() == CallerKind::Operator => self.gates.tenant_of_token(id).await?,
            named => named,
        };
        self.scope(call, tenant).await
    }
}

const NO_PEPPER_KEY: &str = "must be a bearer token: without a pepper key, the secret of an access key can't be stored. Make \
                             a key with `credentiald pepper new-key` and set pepper.keys_file";
const TOO_MANY_KEYS: &str = "must be a caller with fewer than two unexpired access keys: revoke one";
const _: () = assert!(MAX_ACCESS_KEYS == 2);

/// The error for a token that is not in the scope. An operator learns that it is in another one.
async fn no_such_token(scope: &Scope<'_>, id: TokenId) -> Result<ServiceError, ServiceError> {
    let is_elsewhere = scope.is_by_operator() && scope.token(id).await?.is_some();
    Ok(if is_elsewhere {
        ServiceError::malformed("tenant", "must be the token's tenant, or empty")
    } else {
        ServiceError::NotFound(Missing::AccessToken)
    })
}
