//! Access tokens.

use crate::domain::access_token::{AccessToken, DEFAULT_TIME_TO_LIVE, TokenId};
use crate::domain::caller::{Caller, CallerKind};
use crate::domain::field::{FieldProblem, InvalidField};
use crate::domain::names::TenantName;
use crate::domain::page::{Page, PageRequest};
use crate::service::authenticate::new_token;
use crate::service::error::Missing;
use crate::service::gates::Scope;
use crate::service::requests::{IssuedToken, TokenHolder, TokenToIssue};
use crate::service::{Call, Service, ServiceError};

impl Service {
    /// Issues an access token. Only an operator issues an operator's, which belongs to no tenant.
    pub async fn issue_access_token(&self, call: Call, request: TokenToIssue) -> Result<IssuedToken, ServiceError> {
        let TokenToIssue { holder, time_to_live } = request;
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
        let token = AccessToken { id: TokenId(self.gates.new_id()), caller, tenant, created_at, expires_at };
        let (text, digest) = new_token(&self.gates);
        if !scope.insert_token(&token, &digest).await? {
            return Err(ServiceError::NotFound(Missing::User));
        }
        Ok(IssuedToken { text, token })
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

    /// Revokes a token at once. An operator need not name the token's tenant, and gets an error if it names a wrong
    /// one. To any other caller, another tenant's token does not exist.
    pub async fn revoke_access_token(
        &self,
        call: Call,
        tenant: Option<TenantName>,
        id: TokenId,
    ) -> Result<(), ServiceError> {
        let is_operator = call.caller().kind() == CallerKind::Operator;
        let tenant = match tenant {
            None if is_operator => self.gates.tenant_of_token(id).await?,
            named => named,
        };
        let scope = self.scope(call, tenant).await?;
        if scope.delete_token(id).await? {
            return Ok(());
        }
        if is_operator && scope.token_exists(id).await? {
            let problem = FieldProblem::Malformed { expected: "must be the token's tenant, or empty" };
            return Err(ServiceError::InvalidFields(vec![InvalidField { field: "tenant", problem }]));
        }
        Err(ServiceError::NotFound(Missing::AccessToken))
    }
}
