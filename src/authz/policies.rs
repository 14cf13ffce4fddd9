//! The policies in force: read and validated as a whole, or refused as a whole.

use std::collections::HashMap;

use cedar_policy::{Entities, Policy, PolicyId, PolicySet, Request, Response, Schema, ValidationMode, Validator};

use miette::Diagnostic;

use super::entities::EntityTypes;
use super::groups::{GROUPS_FILE, Groups};
use super::nesting::{STACK_BYTES, beyond_limits};
use super::problem::PolicyProblem;
use crate::domain::names::FreeName;

/// The terms of permissions, in Cedar's schema syntax.
pub const SCHEMA: &str = include_str!("schema.cedarschema");
const GUARDS: &str = include_str!("guards.cedar");
const BUILT_IN: &str = include_str!("policies.cedar");

/// How many policies an operator may add. Each decision evaluates all of them.
const MAX_POLICIES: usize = 1000;

/// A file with policies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyFile {
    /// Its name without the directory. The ids of an operator's policies begin with it.
    pub name: String,
    /// Its text.
    pub text: String,
}

/// The texts that the policies are read from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyTexts {
    /// Whether the built-in permits are in force. The guards always are.
    pub built_in: bool,
    /// The operator's own, and the file with groups, if there is one.
    pub files: Vec<PolicyFile>,
}

/// Why there are no permissions.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AuthzError {
    /// The schema is not valid Cedar.
    #[error("the schema of permissions can't be read: {0}")]
    Schema(String),
    /// Every mistake in the policies.
    #[error("the policies can't be used: {}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Policies(Vec<PolicyProblem>),
}

/// The built-in schema.
pub(super) fn schema() -> Result<Schema, AuthzError> {
    let (schema, _warnings) =
        Schema::from_cedarschema_str(SCHEMA).map_err(|error| AuthzError::Schema(error.to_string()))?;
    Ok(schema)
}

/// Policies that passed the strict validator.
#[derive(Debug)]
pub struct Policies {
    set: PolicySet,
    groups: Groups,
    built_in: usize,
    warnings: Vec<PolicyProblem>,
}

impl Policies {
    /// The guards, the built-in permits if they are wanted, and the operator's own.
    ///
    /// # Errors
    /// Every mistake in every file.
    pub fn read(texts: &PolicyTexts) -> Result<Self, AuthzError> {
        std::thread::scope(|scope| {
            let reader = std::thread::Builder::new().stack_size(STACK_BYTES);
            let reading =
                reader.spawn_scoped(scope, || Self::read_here(texts)).ok().and_then(|reading| reading.join().ok());
            reading.unwrap_or_else(|| {
                Err(AuthzError::Policies(vec![PolicyProblem::in_all("reading the policies failed")]))
            })
        })
    }

    fn read_here(texts: &PolicyTexts) -> Result<Self, AuthzError> {
        let of_program = [("guards.cedar", GUARDS), ("policies.cedar", if texts.built_in { BUILT_IN } else { "" })];
        let of_program = of_program.map(|(name, text)| PolicyFile { name: name.to_owned(), text: text.to_owned() });
        let mut reading = Reading::default();
        for file in &of_program {
            reading.add(file, "");
        }
        let built_in = reading.policies.num_of_policies();
        let types = EntityTypes::parse().map_err(|error| AuthzError::Schema(error.to_string()))?;
        let mut groups = Groups::default();
        for file in &texts.files {
            if file.name == GROUPS_FILE {
                match Groups::read(file, &types) {
                    Ok(read) => groups = read,
                    Err(problems) => reading.problems.extend(problems),
                }
            } else {
                reading.add(file, &format!("{}/", file.name));
            }
        }
        let added = reading.policies.num_of_policies() - built_in;
        if added > MAX_POLICIES {
            let message = format!("there are {added} policies, and at most {MAX_POLICIES} are allowed");
            return Err(AuthzError::Policies(vec![PolicyProblem::in_all(message)]));
        }
        reading.validate(schema()?, built_in, groups, &types).map_err(AuthzError::Policies)
    }

    /// How many policies there are, with the built-in ones.
    pub fn count(&self) -> usize {
        self.set.num_of_policies()
    }

    /// How many of them are built in.
    pub fn built_in_count(&self) -> usize {
        self.built_in
    }

    /// What is valid and probably a mistake, such as a policy that never applies.
    pub fn warnings(&self) -> &[PolicyProblem] {
        &self.warnings
    }

    /// The groups of callers.
    pub(super) fn groups(&self) -> &Groups {
        &self.groups
    }

    /// The response of the policies to a request.
    pub(super) fn evaluate(&self, request: &Request, entities: &Entities) -> Response {
        cedar_policy::Authorizer::new().is_authorized(request, &self.set, entities)
    }
}

/// Policies while they are read.
#[derive(Default)]
struct Reading<'a> {
    policies: PolicySet,
    files: HashMap<PolicyId, &'a PolicyFile>,
    problems: Vec<PolicyProblem>,
}

impl<'a> Reading<'a> {
    /// Adds the policies of a file, under the ids that they give themselves and a prefix.
    fn add(&mut self, file: &'a PolicyFile, prefix: &str) {
        if let Some((offset, message)) = beyond_limits(&file.text) {
            return self.problems.push(PolicyProblem::at_offset(file, offset, message));
        }
        let set = match file.text.parse::<PolicySet>() {
            Ok(set) => set,
            Err(errors) => {
                return self.problems.extend(errors.iter().map(|error| PolicyProblem::found(file, error)));
            }
        };
        let is_operators = !prefix.is_empty();
        if is_operators && set.is_empty() {
            // More often a file that is being written than a wish.
            return self.problems.push(PolicyProblem::at_offset(file, 0, "holds no policy"));
        }
        let slots = set.templates().map(|template| {
            PolicyProblem::at(file, &template.to_string(), "is a template; write a policy for each of its links")
        });
        self.problems.extend(slots);
        for policy in set.policies() {
            if let Err(message) = self.add_policy(file, prefix, policy) {
                self.problems.push(PolicyProblem::at(file, &policy.to_string(), message));
            }
        }
    }

    fn add_policy(&mut self, file: &'a PolicyFile, prefix: &str, policy: &Policy) -> Result<(), String> {
        let id = policy.annotation("id").ok_or("has no @id(\"…\"), by which decisions name it")?;
        FreeName::parse(id).map_err(|problem| format!("its @id {problem}"))?;
        let prefixed = PolicyId::new(format!("{prefix}{id}"));
        let added = self.policies.add(policy.new_id(prefixed.clone()));
        added.map_err(|_| format!("its @id {id:?} is that of another policy in the file"))?;
        self.files.insert(prefixed, file);
        Ok(())
    }

    /// Strict, because Cedar skips a policy that fails: a forbid that reads an absent attribute would permit.
    fn validate(
        mut self,
        schema: Schema,
        built_in: usize,
        groups: Groups,
        types: &EntityTypes,
    ) -> Result<Policies, Vec<PolicyProblem>> {
        let validation = Validator::new(schema).validate(&self.policies, ValidationMode::Strict);
        let place = |found: &dyn Diagnostic, id| match self.files.get(id) {
            Some(file) => PolicyProblem::found(file, found),
            None => PolicyProblem::in_all(found.to_string()),
        };
        self.problems.extend(validation.validation_errors().map(|error| place(error, error.policy_id())));
        self.problems.extend(groups.unknown_in(&self.policies, types).map(|(policy, group)| {
            let (group, text) = (group.to_string(), policy.to_string());
            let message = format!("names {group}, which {GROUPS_FILE} does not have");
            match self.files.get(policy.id()) {
                Some(file) => PolicyProblem::in_policy(file, &text, &group, message),
                None => PolicyProblem::in_all(message),
            }
        }));
        self.problems.sort();
        if !self.problems.is_empty() {
            return Err(self.problems);
        }
        let warnings = validation.validation_warnings().map(|found| place(found, found.policy_id())).collect();
        Ok(Policies { set: self.policies, groups, built_in, warnings })
    }
}

#[cfg(test)]
mod tests;
