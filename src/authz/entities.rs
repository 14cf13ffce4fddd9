//! Callers and resources as Cedar's entities. Names become values, never policy text.

use cedar_policy::{
    Entity, EntityAttrEvaluationError, EntityId, EntityTypeName, EntityUid, ParseErrors, RestrictedExpression,
};

use super::groups::Groups;
use crate::domain::action::Action;
use crate::domain::caller::Caller;
use crate::domain::names::TenantName;
use crate::domain::resource::Resource;
use crate::domain::subject::{SubjectKind, SubjectName};

/// The entity types of the schema, parsed once.
pub(super) struct EntityTypes {
    action: EntityTypeName,
    installation: EntityTypeName,
    tenant: EntityTypeName,
    root: EntityTypeName,
    service: EntityTypeName,
    operator: EntityTypeName,
    group: EntityTypeName,
    instance: EntityTypeName,
    mail_domain: EntityTypeName,
    ram_user: EntityTypeName,
    iam_user: EntityTypeName,
    account: EntityTypeName,
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
            instance: "Instance".parse()?,
            group: "Group".parse()?,
            mail_domain: SubjectKind::MailDomain.entity_type().parse()?,
            ram_user: SubjectKind::RamUser.entity_type().parse()?,
            iam_user: SubjectKind::IamUser.entity_type().parse()?,
            account: SubjectKind::InstanceAccount.entity_type().parse()?,
        })
    }

    /// The action's name.
    pub(super) fn action(&self, action: Action) -> EntityUid {
        uid(&self.action, action.name())
    }

    /// The group of that name.
    pub(super) fn group(&self, name: &str) -> EntityUid {
        uid(&self.group, name)
    }

    /// Whether the entity is a group.
    pub(super) fn is_group(&self, uid: &EntityUid) -> bool {
        *uid.type_name() == self.group
    }

    /// The caller, after its parents.
    pub(super) fn caller(&self, caller: &Caller, groups: &Groups) -> Built<Lineage> {
        match caller {
            Caller::Root(tenant) => {
                self.in_tenant(&self.root, format!("acs:ram::{tenant}:root"), tenant, vec![], groups)
            }
            Caller::RamUser(tenant, name, _) => {
                self.resource(&Resource::subject(tenant.clone(), SubjectName::RamUser(name.clone())), groups)
            }
            Caller::IamUser(tenant, id, _) => {
                self.resource(&Resource::subject(tenant.clone(), SubjectName::IamUser(id.clone())), groups)
            }
            Caller::Service(tenant, name) => {
                let id = format!("tenant/{tenant}/service/{name}");
                self.in_tenant(&self.service, id, tenant, vec![text("name", name.as_str())], groups)
            }
            Caller::Operator(name) => {
                let attributes = [text("name", name.as_str())];
                let uid = uid(&self.operator, format!("operator/{name}"));
                let parents: Vec<_> = groups.of(&uid).collect();
                let entity = Entity::new_with_tags(uid, attributes, parents, [])?;
                Ok(Lineage { ancestors: vec![], entity })
            }
        }
    }

    /// The resource, after its parents.
    pub(super) fn resource(&self, resource: &Resource, groups: &Groups) -> Built<Lineage> {
        let id = resource.to_string();
        match resource {
            Resource::Installation => {
                let name = text("resource_name", &id);
                let entity = Entity::new_with_tags(uid(&self.installation, id), [name], [], [])?;
                Ok(Lineage { ancestors: vec![], entity })
            }
            Resource::Tenant(tenant) => Ok(Lineage { ancestors: vec![], entity: self.tenant(tenant)? }),
            Resource::Instance { tenant, region, id: name, status } => {
                let mut attributes =
                    vec![text("resource_name", &id), text("region", region.as_str()), text("name", name.as_str())];
                attributes.extend(status.map(|status| text("status", status)));
                self.in_tenant(&self.instance, id, tenant, attributes, groups)
            }
            Resource::Subject { tenant, name, region, status, tags } => {
                let mut ancestors = vec![self.tenant(tenant)?];
                let mut attributes = vec![text("resource_name", &id), text("name", name.key())];
                attributes.extend(ancestors.first().map(|tenant| entity("tenant", tenant.uid())));
                attributes.extend(region.iter().map(|region| text("region", region.as_str())));
                attributes.extend(status.map(|status| text("status", status)));
                if let (Some(instance), Some(region)) = (name.instance(), region) {
                    // Nothing is known of the instance's own state here.
                    let (tenant, region, id) = (tenant.clone(), region.clone(), instance.clone());
                    let instance = self.resource(&Resource::Instance { tenant, region, id, status: None }, groups)?;
                    ancestors.push(instance.entity);
                }
                let uid = uid(self.of_kind(name.kind()), id);
                let parents: Vec<_> = ancestors.last().map(Entity::uid).into_iter().chain(groups.of(&uid)).collect();
                let tags = tags.iter().map(|(key, value)| text(key, value));
                let entity = Entity::new_with_tags(uid, attributes, parents, tags)?;
                Ok(Lineage { ancestors, entity })
            }
        }
    }

    fn of_kind(&self, kind: SubjectKind) -> &EntityTypeName {
        match kind {
            SubjectKind::MailDomain => &self.mail_domain,
            SubjectKind::RamUser => &self.ram_user,
            SubjectKind::IamUser => &self.iam_user,
            SubjectKind::InstanceAccount => &self.account,
        }
    }

    fn tenant(&self, tenant: &TenantName) -> Built<Entity> {
        let id = Resource::Tenant(tenant.clone()).to_string();
        let attributes = [text("resource_name", &id), text("name", tenant.as_str())];
        Ok(Entity::new_with_tags(uid(&self.tenant, id), attributes, [], [])?)
    }

    fn in_tenant(
        &self,
        kind: &EntityTypeName,
        id: String,
        tenant: &TenantName,
        mut attributes: Vec<Attribute>,
        groups: &Groups,
    ) -> Built<Lineage> {
        let tenant = self.tenant(tenant)?;
        attributes.push(entity("tenant", tenant.uid()));
        let uid = uid(kind, id);
        let parents: Vec<_> = groups.of(&uid).chain([tenant.uid()]).collect();
        let entity = Entity::new_with_tags(uid, attributes, parents, [])?;
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
