//! Access tokens.

use crate::domain::access_token::{AccessToken, DEFAULT_TIME_TO_LIVE, TokenId};
use crate::domain::audit_event::AuditOutcome;
use crate::domain::caller::{Caller, CallerKind};
use crate::domain::field::{FieldProblem, InvalidField};
use crate::domain::names::TenantName;
use crate::domain::page::{Page, PageRequest};
use crate::domain::resource::Resource;
use crate::domain::subject::SubjectName;
use crate::ports::store::Lookup;
use crate::service::authenticate::new_token;
use crate::service::error::Missing;
use crate::service::gates::Permit;
use crate::service::requests::{IssuedToken, Member, TokenHolder, TokenToIssue};
use crate::service::{Call, Service, ServiceError};

impl Service {
    /// Issues an access token. Only an operator issues an operator's, which belongs to no tenant.
    pub async fn issue_access_token(&self, call: Call, request: TokenToIssue) -> Result<IssuedToken, ServiceError> {
        let TokenToIssue { holder, time_to_live } = request;
        let (permit, caller, tenant) = match holder {
            TokenHolder::Operator(name) => {
                (self.gates.permit(call, &Resource::Installation).await?, Caller::Operator(name), None)
            }
            TokenHolder::Member(tenant, member) => {
                let permit = self.permit_tenant(call, tenant).await?;
                let caller = self.member(&permit, member).await?;
                let tenant = permit.tenant();
                (permit, caller, tenant)
            }
        };
        let created_at = self.gates.now();
        let expires_at = created_at.after(time_to_live.unwrap_or(DEFAULT_TIME_TO_LIVE));
        let token = AccessToken { id: TokenId(self.gates.new_id()), caller, tenant, created_at, expires_at };
        let (text, digest) = new_token(&self.gates);
        let authority = self.gates.authority(&permit, AuditOutcome::Done);
        if !self.gates.access_tokens(&permit).insert_access_token(&token, &digest, &authority).await? {
            return Err(ServiceError::NotFound(Missing::User));
        }
        Ok(IssuedToken { text, token })
    }

    /// The caller that a token authenticates, bound to the subject if it is one.
    async fn member(&self, permit: &Permit, member: Member) -> Result<Caller, ServiceError> {
        let tenant = permit.tenant_name().cloned().ok_or(ServiceError::NotFound(Missing::Tenant))?;
        let name = match &member {
            Member::Root => return Ok(Caller::Root(tenant)),
            Member::Service(name) => return Ok(Caller::Service(tenant, name.clone())),
            Member::RamUser(name) => SubjectName::RamUser(name.clone()),
            Member::IamUser(id) => SubjectName::IamUser(id.clone()),
        };
        match (self.gates.directory(permit)?.look_up(&name).await?, member) {
            (Lookup::Found(subject), Member::RamUser(name)) => Ok(Caller::RamUser(tenant, name, subject.id)),
            (Lookup::Found(subject), Member::IamUser(id)) => Ok(Caller::IamUser(tenant, id, subject.id)),
            _ => Err(ServiceError::NotFound(Missing::User)),
        }
    }

    /// Lists the tokens of a tenant, or the operators' if an operator names none.
    pub async fn list_access_tokens(
        &self,
        call: Call,
        tenant: Option<TenantName>,
        page: PageRequest,
    ) -> Result<Page<AccessToken>, ServiceError> {
        let (permit, tenant) = self.permit_tenant_or_all(call, tenant).await?;
        Ok(self.gates.access_tokens(&permit).access_tokens(tenant.as_ref(), &page).await?)
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
        let (permit, tenant) = self.permit_tenant_or_all(call, tenant).await?;
        let authority = self.gates.authority(&permit, AuditOutcome::Done);
        let tokens = self.gates.access_tokens(&permit);
        let is_revoked = tokens.delete_access_token(tenant.as_ref(), id, &authority).await?;
        if is_revoked {
            return Ok(());
        }
        if is_operator && tokens.access_token_of(id).await?.is_some() {
            let problem = FieldProblem::Malformed { expected: "must be the token's tenant, or empty" };
            return Err(ServiceError::InvalidFields(vec![InvalidField { field: "tenant", problem }]));
        }
        Err(ServiceError::NotFound(Missing::AccessToken))
    }
}
