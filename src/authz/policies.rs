//! The policies in force: read and validated as a whole, or refused as a whole.

use cedar_policy::{Entities, PolicyId, PolicySet, Request, Response, Schema, ValidationMode, Validator};

const SCHEMA: &str = include_str!("schema.cedarschema");
const BUILT_IN: &str = include_str!("policies.cedar");

/// Why policies are refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AuthzError {
    /// The schema is not valid Cedar.
    #[error("the schema can't be read: {0}")]
    Schema(String),
    /// The text is not valid Cedar.
    #[error("the policies can't be read: {0}")]
    Unreadable(String),
    /// A policy has no `@id("…")`, which decisions name it by.
    #[error("policy {0}, counted from 1, has no @id(\"…\")")]
    WithoutId(usize),
    /// Two policies have the same id.
    #[error("two policies have the id {0:?}")]
    DuplicateId(String),
    /// A template decides nothing by itself.
    #[error("the policies contain a template without a link")]
    Template,
    /// A policy refers to something that is not in the schema, or may fail.
    #[error("the policies don't fit the schema: {0}")]
    Invalid(String),
}

/// The built-in schema.
pub(super) fn schema() -> Result<Schema, AuthzError> {
    let (schema, _warnings) =
        Schema::from_cedarschema_str(SCHEMA).map_err(|error| AuthzError::Schema(error.to_string()))?;
    Ok(schema)
}

/// Policies that passed the strict validator.
#[derive(Debug)]
pub(super) struct Policies(PolicySet);

impl Policies {
    /// The built-in policies, and those in the text.
    pub(super) fn read(schema: &Schema, additional: &str) -> Result<Self, AuthzError> {
        let mut policies = PolicySet::new();
        for text in [BUILT_IN, additional] {
            add(&mut policies, text)?;
        }
        // Strict, because Cedar skips a policy that fails: a forbid that reads an absent attribute would permit.
        let validation = Validator::new(schema.clone()).validate(&policies, ValidationMode::Strict);
        if validation.validation_passed() {
            return Ok(Self(policies));
        }
        let errors: Vec<_> = validation.validation_errors().map(ToString::to_string).collect();
        Err(AuthzError::Invalid(errors.join("; ")))
    }

    /// The response of the policies to a request.
    pub(super) fn evaluate(&self, request: &Request, entities: &Entities) -> Response {
        cedar_policy::Authorizer::new().is_authorized(request, &self.0, entities)
    }
}

/// Adds the policies of one text, under the ids that they give themselves.
fn add(policies: &mut PolicySet, text: &str) -> Result<(), AuthzError> {
    let added: PolicySet =
        text.parse().map_err(|error: cedar_policy::ParseErrors| AuthzError::Unreadable(error.to_string()))?;
    if added.templates().next().is_some() {
        return Err(AuthzError::Template);
    }
    for (index, policy) in added.policies().enumerate() {
        let id = policy.annotation("id").filter(|id| !id.is_empty()).ok_or(AuthzError::WithoutId(index + 1))?;
        let duplicate = AuthzError::DuplicateId(id.to_owned());
        policies.add(policy.new_id(PolicyId::new(id))).map_err(|_| duplicate)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::domain::action::Action;

    fn refusal(additional: &str) -> AuthzError {
        Policies::read(&schema().unwrap(), additional).unwrap_err()
    }

    #[test]
    fn the_schema_has_exactly_the_actions_that_there_are() {
        let schema = schema().unwrap();
        let groups: BTreeSet<_> = schema.action_groups().map(|uid| uid.id().unescaped().to_owned()).collect();
        let actions: BTreeSet<_> = schema.actions().map(|uid| uid.id().unescaped().to_owned()).collect();
        let expected = Action::ALL.iter().map(|action| action.name().to_owned());
        assert_eq!(actions, expected.chain(groups).collect());
    }

    #[test]
    fn the_built_in_policies_pass_without_a_warning() {
        let schema = schema().unwrap();
        let Policies(built_in) = Policies::read(&schema, "").unwrap();
        let validation = Validator::new(schema).validate(&built_in, ValidationMode::Strict);
        assert!(validation.validation_passed_without_warnings());
    }

    #[test]
    fn a_forbid_that_reads_an_attribute_which_may_be_absent_is_refused() {
        let forbid =
            |when: &str| format!("@id(\"x\") forbid (principal, action, resource is MailDomain) when {{ {when} }};");
        let unguarded = forbid("resource.status == \"verified\"");
        assert!(matches!(refusal(&unguarded), AuthzError::Invalid(_)));
        let guarded = forbid("resource has status && resource.status == \"verified\"");
        assert!(Policies::read(&schema().unwrap(), &guarded).is_ok());
    }

    #[test]
    fn a_forbid_that_reads_a_tag_which_may_be_absent_is_refused() {
        let unguarded =
            "@id(\"x\") forbid (principal, action, resource is IamUser) when { resource.getTag(\"env\") == \"prod\" };";
        assert!(matches!(refusal(unguarded), AuthzError::Invalid(_)));
    }

    #[test]
    fn mistakes_are_refused_by_name() {
        let misspelt = "@id(\"x\") permit (principal, action == Action::\"ram:ChangePasword\", resource);";
        assert!(matches!(refusal(misspelt), AuthzError::Invalid(text) if text.contains("ChangePasword")));
        assert!(matches!(refusal("permit (principal"), AuthzError::Unreadable(_)));
        assert_eq!(refusal("permit (principal, action, resource);"), AuthzError::WithoutId(1));
        let twice = "@id(\"x\") permit (principal is Root, action, resource);".repeat(2);
        assert_eq!(refusal(&twice), AuthzError::DuplicateId("x".to_owned()));
        let built_in = "@id(\"operator-administers\") permit (principal is Root, action, resource);";
        assert_eq!(refusal(built_in), AuthzError::DuplicateId("operator-administers".to_owned()));
        let template = "@id(\"x\") permit (principal == ?principal, action, resource);";
        assert_eq!(refusal(template), AuthzError::Template);
    }
}
