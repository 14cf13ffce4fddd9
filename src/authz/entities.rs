//! Callers and resources as Cedar's entities. Names become values, never policy text.

use cedar_policy::{
    Entity, EntityAttrEvaluationError, EntityId, EntityTypeName, EntityUid, ParseErrors, RestrictedExpression,
};

use crate::domain::action::Action;
use crate::domain::caller::Caller;
use crate::domain::names::TenantName;
use crate::domain::resource::Resource;
use crate::domain::subject::Tags;

/// The entity types of the schema, parsed once.
pub(super) struct EntityTypes {
    action: EntityTypeName,
    installation: EntityTypeName,
    tenant: EntityTypeName,
    root: EntityTypeName,
    service: EntityTypeName,
    operator: EntityTypeName,
    ram_user: EntityTypeName,
    iam_user: EntityTypeName,
    mail_domain: EntityTypeName,
    instance: EntityTypeName,
    instance_account: EntityTypeName,
}

impl EntityTypes {
    pub(super) fn parse() -> Result<Self, Box<ParseErrors>> {
        Ok(Self {
            action: "Action".parse()?,
            installation: "Installation".parse()?,
            tenant: "Tenant".parse()?,
            root: "Root".parse()?,
            service: "Service".parse()?,
            operator: "Operator".parse()?,
            ram_user: "RamUser".parse()?,
            iam_user: "IamUser".parse()?,
            mail_domain: "MailDomain".parse()?,
            instance: "Instance".parse()?,
            instance_account: "InstanceAccount".parse()?,
        })
    }

    /// The action's name.
    pub(super) fn action(&self, action: Action) -> EntityUid {
        uid(&self.action, action.name())
    }

    /// The caller, after its parents.
    pub(super) fn caller(&self, caller: &Caller) -> Built<Lineage> {
        match caller {
            Caller::Root(tenant) => self.in_tenant(&self.root, format!("acs:ram::{tenant}:root"), tenant, vec![]),
            Caller::RamUser(tenant, name, _) => {
                self.resource(&Resource::RamUser { tenant: tenant.clone(), name: name.clone() })
            }
            Caller::IamUser(tenant, id, _) => {
                let (tenant, id) = (tenant.clone(), id.clone());
                self.resource(&Resource::IamUser { tenant, id, tags: Tags::new() })
            }
            Caller::Service(tenant, name) => {
                let id = format!("tenant/{tenant}/service/{name}");
                self.in_tenant(&self.service, id, tenant, vec![text("name", name.as_str())])
            }
            Caller::Operator(name) => {
                let attributes = [text("name", name.as_str())];
                let entity =
                    Entity::new_with_tags(uid(&self.operator, format!("operator/{name}")), attributes, [], [])?;
                Ok(Lineage { ancestors: vec![], entity })
            }
        }
    }

    /// The resource, after its parents.
    pub(super) fn resource(&self, resource: &Resource) -> Built<Lineage> {
        let id = resource.to_string();
        match resource {
            Resource::Installation => {
                let entity = Entity::with_uid(uid(&self.installation, id));
                Ok(Lineage { ancestors: vec![], entity })
            }
            Resource::Tenant(tenant) => Ok(Lineage { ancestors: vec![], entity: self.tenant(tenant)? }),
            Resource::RamUser { tenant, name } => {
                self.in_tenant(&self.ram_user, id, tenant, vec![text("name", name.as_str())])
            }
            Resource::IamUser { tenant, id: name, tags } => {
                let tenant = self.tenant(tenant)?;
                let attributes = [entity("tenant", tenant.uid()), text("name", name.as_str())];
                let tags = tags.iter().map(|(key, value)| text(key, value));
                let entity = Entity::new_with_tags(uid(&self.iam_user, id), attributes, [tenant.uid()], tags)?;
                Ok(Lineage { ancestors: vec![tenant], entity })
            }
            Resource::MailDomain { tenant, region, name, status } => {
                let attributes = located(region.as_str(), name.lower_case(), *status);
                self.in_tenant(&self.mail_domain, id, tenant, attributes)
            }
            Resource::Instance { tenant, region, id: name, status } => {
                let attributes = located(region.as_str(), name.as_str(), *status);
                self.in_tenant(&self.instance, id, tenant, attributes)
            }
            Resource::InstanceAccount { tenant, region, instance, name, status } => {
                // Nothing is known of the instance's own state here.
                let instance = Resource::Instance {
                    tenant: tenant.clone(),
                    region: region.clone(),
                    id: instance.clone(),
                    status: None,
                };
                let Lineage { mut ancestors, entity: instance } = self.resource(&instance)?;
                let mut attributes = located(region.as_str(), name.as_str(), *status);
                attributes.push(entity("tenant", uid(&self.tenant, Resource::Tenant(tenant.clone()).to_string())));
                let uid = uid(&self.instance_account, id);
                let entity = Entity::new_with_tags(uid, attributes, [instance.uid()], [])?;
                ancestors.push(instance);
                Ok(Lineage { ancestors, entity })
            }
        }
    }

    fn tenant(&self, tenant: &TenantName) -> Built<Entity> {
        let id = Resource::Tenant(tenant.clone()).to_string();
        Ok(Entity::new_with_tags(uid(&self.tenant, id), [text("name", tenant.as_str())], [], [])?)
    }

    fn in_tenant(
        &self,
        kind: &EntityTypeName,
        id: String,
        tenant: &TenantName,
        mut attributes: Vec<Attribute>,
    ) -> Built<Lineage> {
        let tenant = self.tenant(tenant)?;
        attributes.push(entity("tenant", tenant.uid()));
        let entity = Entity::new_with_tags(uid(kind, id), attributes, [tenant.uid()], [])?;
        Ok(Lineage { ancestors: vec![tenant], entity })
    }
}

/// An entity and its parents.
pub(super) struct Lineage {
    ancestors: Vec<Entity>,
    entity: Entity,
}

impl Lineage {
    /// The entity's name.
    pub(super) fn uid(&self) -> EntityUid {
        self.entity.uid()
    }

    /// All entities of a request, each once. More is known of a resource than of a caller: its tags.
    pub(super) fn of_request(caller: Self, resource: Self) -> Vec<Entity> {
        let mut all = resource.ancestors;
        all.push(resource.entity);
        for entity in caller.ancestors.into_iter().chain([caller.entity]) {
            if !all.iter().any(|known| known.uid() == entity.uid()) {
                all.push(entity);
            }
        }
        all
    }
}

/// Building fails only if an attribute must be computed; these are plain values.
type Built<T> = Result<T, Box<EntityAttrEvaluationError>>;

type Attribute = (String, RestrictedExpression);

fn uid(kind: &EntityTypeName, id: impl AsRef<str>) -> EntityUid {
    EntityUid::from_type_name_and_id(kind.clone(), EntityId::new(id))
}

fn text(name: &str, value: &str) -> Attribute {
    (name.to_owned(), RestrictedExpression::new_string(value.to_owned()))
}

fn entity(name: &str, uid: EntityUid) -> Attribute {
    (name.to_owned(), RestrictedExpression::new_entity_uid(uid))
}

fn located(region: &str, name: &str, status: Option<&str>) -> Vec<Attribute> {
    let status = status.map(|status| text("status", status));
    [text("region", region), text("name", name)].into_iter().chain(status).collect()
}
