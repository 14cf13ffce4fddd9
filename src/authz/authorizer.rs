//! The authorizer: decides a request by the policies in force, from the attributes of caller and resource.

use std::collections::HashMap;
use std::sync::Arc;

use cedar_policy::{Context, Entities, Entity, Request, Response, Schema};
use tokio::sync::watch;

use super::entities::{EntityTypes, Lineage};
use super::groups::Groups;
use super::policies::{AuthzError, Policies, schema};
use super::remembered::Remembered;
use crate::domain::action::Action;
use crate::domain::resource::Resource;
use crate::ports::{AccessRequest, Authorizer, Counter, Decision, Meter};

/// Decides by Cedar policies.
pub struct CedarAuthorizer {
    schema: Schema,
    types: EntityTypes,
    /// Each action with its groups.
    actions: HashMap<Action, Entity>,
    policies: watch::Receiver<Arc<Policies>>,
    pub(super) remembered: Remembered,
    meter: Arc<dyn Meter>,
}

impl CedarAuthorizer {
    /// Decides by the policies in force, now and later. A decision that has begun is made by those before.
    ///
    /// # Errors
    /// None in a binary that passed its tests.
    pub fn new(policies: watch::Receiver<Arc<Policies>>, meter: Arc<dyn Meter>) -> Result<Self, AuthzError> {
        let schema = schema()?;
        let types = EntityTypes::parse().map_err(|error| AuthzError::Schema(error.to_string()))?;
        let all = schema.action_entities().map_err(|error| AuthzError::Schema(error.to_string()))?;
        let known = |action: &Action| Some((*action, all.get(&types.action(*action))?.clone()));
        let actions = Action::ALL.iter().filter_map(known).collect();
        Ok(Self { schema, types, actions, policies, remembered: Remembered::default(), meter })
    }

    /// The policies in force.
    pub(super) fn policies(&self) -> Arc<Policies> {
        Arc::clone(&self.policies.borrow())
    }

    /// Whether an action applies to such a resource.
    pub fn applies(&self, action: Action, resource: &Resource) -> bool {
        let kind = self.types.resource(resource, &Groups::default()).map(|resource| resource.uid().type_name().clone());
        let applies = self.schema.resources_for_action(&self.types.action(action));
        kind.is_ok_and(|kind| applies.is_some_and(|mut kinds| kinds.any(|known| *known == kind)))
    }

    /// Decides a request, or says why the schema has no such request.
    ///
    /// # Errors
    /// The action does not apply to such a caller or resource.
    pub fn explain(&self, request: AccessRequest<'_>) -> Result<Decision, Box<dyn std::error::Error>> {
        let policies = self.policies();
        self.prepare(request, &policies).map(|prepared| prepared.decision(&policies))
    }

    /// Puts a request into Cedar's terms, with the groups that go with the policies. Checks the request against the schema, so that policies see what they were validated for. Does not
    /// check the entities: the way that they are built makes them fit, the tests prove it, and a check each time would
    /// cost several times as much as the decision.
    pub(super) fn prepare(
        &self,
        request: AccessRequest<'_>,
        policies: &Policies,
    ) -> Result<Prepared, Box<dyn std::error::Error>> {
        let caller = self.types.caller(request.caller, policies.groups())?;
        let resource = self.types.resource(request.resource, policies.groups())?;
        let entity = |action: &Action| self.actions.get(action).ok_or("the schema lacks the action");
        let (action, included) = (entity(&request.action)?, request.action.includes().iter().map(entity));
        let included = included.collect::<Result<Vec<_>, _>>()?;
        let (schema, no_context) = (Some(&self.schema), Context::empty);
        let own = Request::new(caller.uid(), action.uid(), resource.uid(), no_context(), schema)?;
        let mut of_included = Vec::new();
        for action in &included {
            of_included.push(Request::new(caller.uid(), action.uid(), resource.uid(), no_context(), schema)?);
        }
        let entities = Lineage::of_request(caller, resource);
        debug_assert!(Entities::from_entities(entities.clone(), Some(&self.schema)).is_ok(), "they fit the schema");
        let actions = included.into_iter().chain([action]).cloned();
        let entities = Entities::from_entities(entities.into_iter().chain(actions), None)?;
        Ok(Prepared { own, of_included, entities })
    }

    /// Decides by the policies in force, and reports policies that fail. Returns whether none did, too.
    pub(super) fn decide_prepared(&self, prepared: &Prepared, policies: &Policies) -> (Decision, bool) {
        let response = prepared.evaluate(policies);
        let mut failed = response.diagnostics().errors().peekable();
        let is_sound = failed.peek().is_none();
        if !is_sound {
            self.meter.count(Counter::PolicyFailures);
        }
        failed.for_each(|error| tracing::error!(%error, "denied: a policy failed"));
        (decision(&response), is_sound)
    }
}

/// A request in Cedar's terms.
pub(super) struct Prepared {
    /// For the action itself.
    own: Request,
    /// For each action that it includes.
    of_included: Vec<Request>,
    entities: Entities,
}

impl Prepared {
    /// What those policies decide.
    pub(super) fn decision(&self, policies: &Policies) -> Decision {
        decision(&self.evaluate(policies))
    }

    /// The response for the first of the included actions that is denied; if none is, that for the action itself.
    fn evaluate(&self, policies: &Policies) -> Response {
        let denies = |response: &Response| matches!(decision(response), Decision::Denied { .. });
        let mut of_included = self.of_included.iter().map(|request| policies.evaluate(request, &self.entities));
        of_included.find(denies).unwrap_or_else(|| policies.evaluate(&self.own, &self.entities))
    }
}

/// The decision on a request that the schema does not have.
pub(super) fn refused(request: AccessRequest<'_>, error: &dyn std::error::Error) -> Decision {
    let AccessRequest { caller, action, resource } = request;
    let action = action.name();
    tracing::warn!(%caller, action, %resource, %error, "denied: the request does not fit the schema");
    Decision::Denied { policies: Vec::new() }
}

impl Authorizer for CedarAuthorizer {
    fn decide(&self, request: AccessRequest<'_>) -> Decision {
        let policies = self.policies();
        if let Some(decision) = self.remembered.get(request, &policies) {
            return decision;
        }
        let prepared = match self.prepare(request, &policies) {
            Ok(prepared) => prepared,
            Err(error) => return refused(request, error.as_ref()),
        };
        let (decision, is_sound) = self.decide_prepared(&prepared, &policies);
        // A failure is reported each time, so it is not remembered.
        if is_sound {
            self.remembered.put(request, &policies, &decision);
        }
        decision
    }
}

/// Cedar skips a policy that fails. If it was a forbid, skipping it could permit: so any failure denies.
fn decision(response: &Response) -> Decision {
    let diagnostics = response.diagnostics();
    let failed = sorted(diagnostics.errors().map(failed_policy));
    if !failed.is_empty() {
        return Decision::Denied { policies: failed };
    }
    let policies = sorted(diagnostics.reason().map(ToString::to_string));
    match response.decision() {
        cedar_policy::Decision::Allow => Decision::Permitted { policies },
        cedar_policy::Decision::Deny => Decision::Denied { policies },
    }
}

fn failed_policy(error: &cedar_policy::AuthorizationError) -> String {
    let cedar_policy::AuthorizationError::PolicyEvaluationError(error) = error;
    error.policy_id().to_string()
}

fn sorted(ids: impl Iterator<Item = String>) -> Vec<String> {
    let mut ids: Vec<_> = ids.collect();
    ids.sort();
    ids
}

#[cfg(test)]
mod tests;
