//! Callers and resources as Cedar's entities. Names become values, never policy text.

use cedar_policy::{
    Entity, EntityAttrEvaluationError, EntityId, EntityTypeName, EntityUid, ParseErrors, RestrictedExpression,
};

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
    instance: EntityTypeName,
    subjects: Vec<(SubjectKind, EntityTypeName)>,
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
            subjects: SubjectKind::ALL
                .iter()
                .map(|kind| Ok((*kind, kind.entity_type().parse()?)))
                .collect::<Result<_, Box<ParseErrors>>>()?,
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
                self.resource(&Resource::subject(tenant.clone(), SubjectName::RamUser(name.clone())))
            }
            Caller::IamUser(tenant, id, _) => {
                self.resource(&Resource::subject(tenant.clone(), SubjectName::IamUser(id.clone())))
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
                let name = text("resource_name", &id);
                let entity = Entity::new_with_tags(uid(&self.installation, id), [name], [], [])?;
                Ok(Lineage { ancestors: vec![], entity })
            }
            Resource::Tenant(tenant) => Ok(Lineage { ancestors: vec![], entity: self.tenant(tenant)? }),
            Resource::Instance { tenant, region, id: name, status } => {
                let mut attributes =
                    vec![text("resource_name", &id), text("region", region.as_str()), text("name", name.as_str())];
                attributes.extend(status.map(|status| text("status", status)));
                self.in_tenant(&self.instance, id, tenant, attributes)
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
                    let instance = self.resource(&Resource::Instance { tenant, region, id, status: None })?;
                    ancestors.push(instance.entity);
                }
                let uid = uid(self.of_kind(name.kind()), id);
                let parent = ancestors.last().map(Entity::uid);
                let tags = tags.iter().map(|(key, value)| text(key, value));
                let entity = Entity::new_with_tags(uid, attributes, parent, tags)?;
                Ok(Lineage { ancestors, entity })
            }
        }
    }

    fn of_kind(&self, kind: SubjectKind) -> &EntityTypeName {
        // Every kind is in the list. The default fits no action on subjects, so it would be denied.
        let known = self.subjects.iter().find(|(known, _)| *known == kind);
        known.map_or(&self.tenant, |(_, name)| name)
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
