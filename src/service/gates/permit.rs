//! The first gate: permission.

use uuid::Uuid;

use super::Gates;
use crate::domain::action::Action;
use crate::domain::audit_event::{AuditEvent, AuditOutcome};
use crate::domain::caller::CallerKind;
use crate::domain::names::{FreeName, Region, TenantName};
use crate::domain::resource::Resource;
use crate::domain::subject::{Attributes, Subject, SubjectId, SubjectKind, SubjectName};
use crate::domain::tenant::TenantId;
use crate::domain::time::Timestamp;
use crate::ports::call_record::note_tenant;
use crate::ports::meter::{Counter, Rpc};
use crate::ports::store::{Absent, Lookup};
use crate::ports::{AccessRequest, Decision};
use crate::service::error::Missing;
use crate::service::{Call, ServiceError};

/// Proves that a caller is permitted its action on one resource. On the heap, because steps that pass it on would be
/// large otherwise.
pub struct Permit(Box<Permitted>);

struct Permitted {
    call: Call,
    resource: String,
    tenant: Option<(TenantId, TenantName)>,
    subject: Option<SubjectId>,
    policies: Vec<String>,
}

impl Permit {
    /// The call that was permitted.
    pub fn call(&self) -> &Call {
        &self.0.call
    }

    /// The tenant of the resource at the time of the permission, if there is one.
    pub fn tenant(&self) -> Option<TenantId> {
        self.0.tenant.as_ref().map(|(id, _)| *id)
    }

    /// The name of that tenant.
    pub fn tenant_name(&self) -> Option<&TenantName> {
        self.0.tenant.as_ref().map(|(_, name)| name)
    }

    pub(super) fn event(
        &self,
        id: Uuid,
        at: Timestamp,
        process: Option<FreeName>,
        outcome: AuditOutcome,
    ) -> AuditEvent {
        AuditEvent {
            id,
            at,
            request_id: self.0.call.request_id,
            correlation_id: self.0.call.correlation_id.clone(),
            caller: self.0.call.caller().clone(),
            action: self.0.call.caller.action(),
            resource: self.0.resource.clone(),
            subject: self.0.subject,
            // What a tenant's caller tries elsewhere belongs to its own tenant.
            tenant: self.0.call.evidence.as_ref().and_then(|evidence| evidence.tenant).or(self.tenant()),
            process,
            policies: self.0.policies.clone(),
            outcome,
        }
    }
}

/// Proves that a caller is permitted its action on one subject, whether the subject exists or not.
pub struct SubjectPermit {
    permit: Permit,
    tenant: TenantName,
    name: SubjectName,
    lookup: Lookup,
}

impl SubjectPermit {
    /// The permit, as one for any resource.
    pub fn permit(&self) -> &Permit {
        &self.permit
    }

    /// The call that was permitted.
    pub fn call(&self) -> &Call {
        self.permit.call()
    }

    /// The subject's tenant.
    pub fn tenant(&self) -> &TenantName {
        &self.tenant
    }

    /// The subject's name.
    pub fn name(&self) -> &SubjectName {
        &self.name
    }

    /// What exists under the name.
    pub fn lookup(&self) -> &Lookup {
        &self.lookup
    }

    /// The subject, or an error that names what is missing: the caller is permitted to know.
    pub fn subject(&self) -> Result<&Subject, ServiceError> {
        match &self.lookup {
            Lookup::Found(subject) => Ok(subject),
            Lookup::Missing(Absent::Subject { .. }) => Err(self.not_found()),
            Lookup::Missing(Absent::Instance) => Err(ServiceError::NotFound(Missing::Instance)),
            Lookup::Missing(Absent::Tenant) => Err(ServiceError::NotFound(Missing::Tenant)),
        }
    }

    /// The error if the subject is missing, or was deleted meanwhile.
    pub(in crate::service) fn not_found(&self) -> ServiceError {
        ServiceError::NotFound(match self.name.kind() {
            SubjectKind::MailDomain => Missing::MailDomain,
            SubjectKind::RamUser | SubjectKind::IamUser => Missing::User,
            SubjectKind::InstanceAccount => Missing::Account,
        })
    }
}

impl Gates {
    /// Checks the caller's evidence, which may have ended since the headers of the call, and decides whether the caller is
    /// permitted on this resource. Records a refusal.
    pub(in crate::service) async fn permit(&self, call: Call, resource: &Resource) -> Result<Permit, ServiceError> {
        self.check_evidence(&call).await?;
        self.permit_proven(call, resource).await
    }

    /// The same for a caller whose evidence was just checked.
    pub(super) async fn permit_proven(&self, call: Call, resource: &Resource) -> Result<Permit, ServiceError> {
        let tenant = self.tenant_of(&call, resource.tenant()).await?;
        self.decide(call, resource, tenant, None).await
    }

    /// The same on this subject. Reads its attributes together with the evidence, and never its credential.
    pub(in crate::service) async fn permit_subject(
        &self,
        call: Call,
        tenant: TenantName,
        name: SubjectName,
    ) -> Result<SubjectPermit, ServiceError> {
        let may_see = call.caller().kind() == CallerKind::Operator || call.caller().tenant() == Some(&tenant);
        let of_tenant = self.tenant_of(&call, may_see.then_some(&tenant)).await?;
        let lookup = match &call.evidence {
            Some(evidence) if may_see => self.ports.store.look_up_for(evidence, self.now(), &tenant, &name).await?,
            None if may_see => self.ports.store.look_up(&tenant, &name).await?,
            _ => {
                self.check_evidence(&call).await?;
                Lookup::Missing(Absent::Tenant)
            }
        };
        let resource = resource(call.caller.action(), &tenant, &name, &lookup, self.default_region());
        let id = lookup.subject_id();
        let permit = self.decide(call, &resource, of_tenant, id).await?;
        Ok(SubjectPermit { permit, tenant, name, lookup })
    }

    /// The tenant of that name. The caller's own is the one that its evidence is bound to, whichever tenant has that
    /// name now.
    async fn tenant_of(
        &self,
        call: &Call,
        name: Option<&TenantName>,
    ) -> Result<Option<(TenantId, TenantName)>, ServiceError> {
        let Some(name) = name else { return Ok(None) };
        let id = match &call.evidence {
            Some(evidence) if call.caller().tenant() == Some(name) => evidence.tenant,
            _ => self.ports.store.tenant(name).await?.map(|tenant| tenant.id),
        };
        Ok(id.map(|id| (id, name.clone())))
    }

    async fn decide(
        &self,
        call: Call,
        resource: &Resource,
        tenant: Option<(TenantId, TenantName)>,
        subject: Option<SubjectId>,
    ) -> Result<Permit, ServiceError> {
        if let Some((_, name)) = &tenant {
            note_tenant(name);
        }
        let action = call.caller.action();
        let decision = self.ports.authorizer.decide(AccessRequest { caller: call.caller(), action, resource });
        let (is_permitted, policies) = match decision {
            Decision::Permitted { policies } => (true, policies),
            Decision::Denied { policies } => (false, policies),
        };
        let permit = Permit(Box::new(Permitted { call, resource: resource.to_string(), tenant, subject, policies }));
        if is_permitted {
            return Ok(permit);
        }
        self.ports.meter.count(Counter::PermissionsRefused(Rpc(Some(action))));
        let event = self.event(&permit, AuditOutcome::Denied { repeats: None });
        let message = self.authorization_message(&event);
        Box::pin(self.record_refusal(event)).await?;
        // The true region, if there is one, is recorded but not disclosed.
        let resource = resource.clone().named_in(self.default_region()).to_string();
        Err(ServiceError::AccessDenied { action, resource, message })
    }
}

/// The resource that a subject is or belongs to: `ModifyAccountPassword` is permitted on the instance.
pub(super) fn resource(
    action: Action,
    tenant: &TenantName,
    name: &SubjectName,
    lookup: &Lookup,
    default: &Region,
) -> Resource {
    let attributes = match lookup {
        Lookup::Found(subject) => subject.attributes.view(),
        Lookup::Missing(Absent::Subject { region }) => Attributes { region: region.as_ref(), ..Attributes::default() },
        Lookup::Missing(_) => Attributes::default(),
    };
    let (tenant, region) = (tenant.clone(), attributes.region.unwrap_or(default).clone());
    match name.instance() {
        Some(instance) if action == Action::ModifyAccountPassword => {
            Resource::Instance { tenant, region, id: instance.clone(), status: attributes.instance_status }
        }
        _ => Resource::Subject {
            tenant,
            name: name.clone(),
            region: name.kind().has_region().then_some(region),
            status: attributes.status,
            tags: attributes.tags.cloned().unwrap_or_default(),
        },
    }
}
