//! Refusals of permission as encrypted messages, which refused callers can pass on to their administrators.

use super::{Gates, Permit};
use crate::domain::audit_event::{AuditEvent, AuditOutcome};
use crate::domain::denial::Denial;
use crate::domain::names::AuthorizationMessage;
use crate::ports::DenialProblem;
use crate::service::ServiceError;

impl Gates {
    /// The message about a refusal, for the administrators of the tenant that its event belongs to. `None` if there is no
    /// key.
    pub(super) fn authorization_message(&self, refusal: &AuditEvent) -> Option<AuthorizationMessage> {
        let denial = Denial::of(refusal, self.installation.denials_readable);
        self.ports.denials.encrypt(&denial, refusal.tenant)
    }

    /// The refusal in a message for the permitted tenant; without a tenant, in one for no tenant. Records who read it.
    pub(super) async fn denial(&self, permit: &Permit, message: &AuthorizationMessage) -> Result<Denial, ServiceError> {
        let denial = self.ports.denials.decrypt(message, permit.tenant())?;
        if !denial.readable().is_open(self.now()) {
            return Err(DenialProblem::Expired.into());
        }
        self.ports.store.record(&self.event(permit, AuditOutcome::Done)).await?;
        let is_by_tenant = permit.call().caller().tenant().is_some();
        Ok(if is_by_tenant { denial.for_a_tenant() } else { denial })
    }
}
