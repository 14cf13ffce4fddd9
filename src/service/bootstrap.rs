//! The first operator. Its token is the only one that is issued without a permission; access to the store is enough.

use uuid::Uuid;

use super::authenticate::new_token;
use super::requests::IssuedToken;
use super::{Service, ServiceError};
use crate::domain::access_token::{AccessToken, AccessTokenForm, AccessTokenStatus, DEFAULT_TIME_TO_LIVE, TokenId};
use crate::domain::action::Action;
use crate::domain::audit_event::{AuditEvent, AuditOutcome};
use crate::domain::caller::Caller;
use crate::domain::names::FreeName;
use crate::domain::resource::Resource;

impl Service {
    /// Issues the first operator's token, or nothing if an operator already holds a valid one.
    pub async fn bootstrap(&self, name: FreeName) -> Result<Option<IssuedToken>, ServiceError> {
        let caller = Caller::Operator(name);
        let created_at = self.gates.now();
        let expires_at = created_at.after(DEFAULT_TIME_TO_LIVE);
        let id = TokenId(self.gates.new_id());
        let (form, status) = (AccessTokenForm::Bearer, AccessTokenStatus::Active);
        let (tenant, last_used_at, holder) = (None, None, caller.clone());
        let token = AccessToken { id, caller: holder, tenant, created_at, expires_at, form, status, last_used_at };
        let (text, digest) = new_token(&self.gates);
        let event = AuditEvent {
            id: self.gates.new_id(),
            at: created_at,
            request_id: Uuid::nil(),
            correlation_id: None,
            caller,
            action: Action::IssueAccessToken,
            resource: Resource::Installation.to_string(),
            subject: None,
            tenant: None,
            process: self.gates.process(),
            policies: Vec::new(),
            outcome: AuditOutcome::Done,
        };
        let is_first = self.gates.bootstrap(&token, &digest, &event).await?;
        Ok(is_first.then_some(IssuedToken { text, token }))
    }
}
