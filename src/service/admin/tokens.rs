//! Access tokens.

use crate::domain::access_token::{AccessToken, DEFAULT_TIME_TO_LIVE, TokenId};
use crate::domain::audit_event::AuditOutcome;
use crate::domain::caller::{Caller, CallerKind};
use crate::domain::field::{FieldProblem, InvalidField};
use crate::domain::names::{FreeName, IamUserId, RamUserName, TenantName};
use crate::domain::page::{Page, PageRequest};
use crate::domain::resource::Resource;
use crate::domain::subject::SubjectName;
use crate::ports::store::Lookup;
use crate::service::authenticate::new_token;
use crate::service::error::Missing;
use crate::service::gates::Permit;
use crate::service::requests::{IssuedToken, TokenToIssue};
use crate::service::{Call, Service, ServiceError};

impl Service {
    /// Issues an access token. Only an operator issues an operator's, which belongs to no tenant.
    pub async fn issue_access_token(
        &self,
        call: Call,
        tenant: Option<TenantName>,
        request: TokenToIssue,
    ) -> Result<IssuedToken, ServiceError> {
        let TokenToIssue { kind, name, time_to_live } = request;
        let wanted = Wanted::parse(kind, &name, tenant.as_ref())?;
        let (permit, caller) = match wanted {
            Wanted::Operator(name) => (self.gates.permit(call, &Resource::Installation).await?, Caller::Operator(name)),
            Wanted::Member(member) => {
                let (permit, tenant) = self.permit_tenant(call, tenant).await?;
                let caller = self.member(&permit, tenant, member).await?;
                (permit, caller)
            }
        };
        let created_at = self.gates.now();
        let expires_at = created_at.after(time_to_live.unwrap_or(DEFAULT_TIME_TO_LIVE));
        let token = AccessToken { id: TokenId(self.gates.new_id()), caller, created_at, expires_at };
        let (text, digest) = new_token(&self.gates);
        let event = self.gates.event(&permit, AuditOutcome::Done);
        if !self.gates.access_tokens(&permit).insert_access_token(&token, &digest, &event).await? {
            return Err(ServiceError::NotFound(Missing::User));
        }
        Ok(IssuedToken { text, token })
    }

    /// The caller that a token is to stand for, bound to the subject where it is one.
    async fn member(&self, permit: &Permit, tenant: TenantName, member: Member) -> Result<Caller, ServiceError> {
        let name = match &member {
            Member::Root => return Ok(Caller::Root(tenant)),
            Member::Service(name) => return Ok(Caller::Service(tenant, name.clone())),
            Member::RamUser(name) => SubjectName::RamUser(name.clone()),
            Member::IamUser(id) => SubjectName::IamUser(id.clone()),
        };
        match (self.gates.look_up(permit, &tenant, &name).await?, member) {
            (Lookup::Found(subject), Member::RamUser(name)) => Ok(Caller::RamUser(tenant, name, subject.id)),
            (Lookup::Found(subject), Member::IamUser(id)) => Ok(Caller::IamUser(tenant, id, subject.id)),
            _ => Err(ServiceError::NotFound(Missing::User)),
        }
    }

    /// Lists the tokens of a tenant, or the operators' where an operator names none.
    pub async fn list_access_tokens(
        &self,
        call: Call,
        tenant: Option<TenantName>,
        page: PageRequest,
    ) -> Result<Page<AccessToken>, ServiceError> {
        let (permit, tenant) = self.permit_tenant_or_all(call, tenant).await?;
        Ok(self.gates.access_tokens(&permit).access_tokens(tenant.as_ref(), &page).await?)
    }

    /// Revokes a token at once. One that is gone already is none to worry about.
    pub async fn revoke_access_token(
        &self,
        call: Call,
        tenant: Option<TenantName>,
        id: TokenId,
    ) -> Result<(), ServiceError> {
        let (permit, tenant) = self.permit_tenant_or_all(call, tenant).await?;
        let event = self.gates.event(&permit, AuditOutcome::Done);
        self.gates.access_tokens(&permit).delete_access_token(tenant.as_ref(), id, &event).await?;
        Ok(())
    }
}

/// Whom a token is to stand for, parsed.
enum Wanted {
    Operator(FreeName),
    Member(Member),
}

/// A caller who belongs to a tenant.
enum Member {
    Root,
    RamUser(RamUserName),
    IamUser(IamUserId),
    Service(FreeName),
}

impl Wanted {
    fn parse(kind: CallerKind, name: &str, tenant: Option<&TenantName>) -> Result<Self, ServiceError> {
        let mut invalid = Vec::new();
        if kind == CallerKind::Operator && tenant.is_some() {
            let problem =
                FieldProblem::Malformed { expected: "must be empty for an operator, who belongs to no tenant" };
            invalid.push(InvalidField { field: "tenant", problem });
        }
        let wanted = match kind {
            CallerKind::Root if name.is_empty() || name == "root" => Ok(Self::Member(Member::Root)),
            CallerKind::Root => Err(FieldProblem::Malformed { expected: "must be empty for root" }),
            CallerKind::RamUser => RamUserName::parse(name).map(|name| Self::Member(Member::RamUser(name))),
            CallerKind::IamUser => IamUserId::parse(name).map(|id| Self::Member(Member::IamUser(id))),
            CallerKind::Service => FreeName::parse(name).map(|name| Self::Member(Member::Service(name))),
            CallerKind::Operator => FreeName::parse(name).map(Self::Operator),
        };
        match wanted {
            Ok(wanted) if invalid.is_empty() => Ok(wanted),
            Ok(_) => Err(ServiceError::InvalidFields(invalid)),
            Err(problem) => {
                invalid.push(InvalidField { field: "caller_name", problem });
                Err(ServiceError::InvalidFields(invalid))
            }
        }
    }
}
