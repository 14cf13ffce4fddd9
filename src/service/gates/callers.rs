//! Callers before they are known: what their proofs lead to. Nothing here is decided on permission.

use std::sync::Arc;

use super::Gates;
use crate::domain::access_token::{AccessToken, TokenDigest, TokenId};
use crate::domain::caller::Caller;
use crate::domain::named_caller::{Member, NamedCaller};
use crate::domain::names::TenantName;
use crate::domain::tenant::TenantId;
use crate::ports::meter::Counter;
use crate::ports::{ExternalIdentity, JwtRefusal, PresentedJwt};
use crate::service::{Call, ProofRefusal, ServiceError};

impl Gates {
    /// The caller of that name, with the id of its tenant, or `None` if one of the two does not exist. Like
    /// [`Self::access_token`], a look-up before the caller is known.
    pub(in crate::service) async fn caller_named(
        &self,
        name: &NamedCaller,
    ) -> Result<Option<(Caller, Option<TenantId>)>, ServiceError> {
        let (tenant, member) = match name {
            NamedCaller::Operator(name) => return Ok(Some((Caller::Operator(name.clone()), None))),
            NamedCaller::Member(tenant, member) => (tenant, member),
        };
        let Some(found) = self.ports.store.tenant(tenant).await? else { return Ok(None) };
        let caller = self.caller_of(tenant, member.clone()).await?;
        Ok(caller.map(|caller| (caller, Some(found.id))))
    }

    /// The caller that a member of the tenant is, or `None` if it is a subject that does not exist.
    pub(super) async fn caller_of(&self, tenant: &TenantName, member: Member) -> Result<Option<Caller>, ServiceError> {
        let subject = match member.subject() {
            Some(name) => self.ports.store.look_up(tenant, &name).await?.subject_id(),
            None => None,
        };
        Ok(member.of(tenant.clone(), subject))
    }

    /// The identity that a JWT proves.
    pub(in crate::service) async fn verify_jwt(
        &self,
        jwt: PresentedJwt<'_>,
    ) -> Result<Arc<dyn ExternalIdentity>, JwtRefusal> {
        let verified = match &self.ports.jwts {
            Some(jwts) => jwts.verify(jwt, self.now()).await,
            None => Err(JwtRefusal::NoIssuers),
        };
        verified.inspect_err(|_| self.ports.meter.count(Counter::JwtsRefused))
    }

    /// If the log has room for a line about that refusal: how many like it were left out before.
    pub(in crate::service) fn log_refused_proof(&self, refusal: ProofRefusal) -> Option<u64> {
        self.refused_proofs.lock().due(refusal, self.ports.clock.instant())
    }

    /// The access token with that digest: a look-up before the caller is known.
    pub(in crate::service) async fn access_token(
        &self,
        digest: &TokenDigest,
    ) -> Result<Option<AccessToken>, ServiceError> {
        Ok(self.ports.store.access_token(digest).await?)
    }

    /// The tenant that a token is bound to, if any. Like a subject's attributes, it is read to decide on permission.
    pub(in crate::service) async fn tenant_of_token(&self, id: TokenId) -> Result<Option<TenantName>, ServiceError> {
        let token = self.ports.store.access_token_of(id).await?;
        Ok(token.and_then(|token| token.caller.tenant().cloned()))
    }

    /// Takes one request from the quotas of the caller and its tenant.
    pub(in crate::service) fn take_quota(&self, caller: &Caller) -> Result<(), ServiceError> {
        let taken = self.quotas.take(caller);
        if let Err(ServiceError::QuotaUsedUp { of, .. }) = taken {
            self.ports.meter.count(Counter::QuotaRefusals(of));
        }
        taken
    }

    /// Checks that the evidence for a call's caller still holds.
    pub(in crate::service) async fn check_evidence(&self, call: &Call) -> Result<(), ServiceError> {
        let Some(evidence) = &call.evidence else { return Ok(()) };
        let is_proven = self.ports.store.is_proven(evidence, self.now()).await?;
        is_proven.then_some(()).ok_or(ServiceError::Unauthenticated)
    }
}
