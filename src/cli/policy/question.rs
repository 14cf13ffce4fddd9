//! A question for the policies, as it is written in arguments and files, and their answer.

use serde_json::{Value, json};

use crate::authz::CedarAuthorizer;
use crate::cli::output::OutputArgs;
use crate::cli::table::{plain, trimmed};
use crate::domain::action::Action;
use crate::domain::caller::{Caller, CallerKind, EligibleCaller};
use crate::domain::named_caller::NamedCaller;
use crate::domain::resource::Resource;
use crate::domain::subject::Tags;
use crate::ports::{AccessRequest, Decision};

/// Parses a caller as logs write it: tenant, kind and name, as in `acme/ram-user/jane` and `-/operator/ops`.
pub(super) fn caller(text: &str) -> Result<Caller, String> {
    NamedCaller::parse_shown(text).and_then(NamedCaller::for_policies).ok_or_else(|| {
        let kinds = CallerKind::ALL.map(CallerKind::as_str).join(", ");
        format!("{text:?} must be tenant/kind/name, as in acme/ram-user/jane or -/operator/ops; the kinds are {kinds}")
    })
}

/// Parses the name of an action.
pub(super) fn action(text: &str) -> Result<Action, String> {
    Action::of(text).ok_or_else(|| format!("{text:?} is not an action; for example, ram:ChangePassword is one"))
}

/// Parses a resource, with its state and tags if there are any.
pub(super) fn resource(name: &str, state: Option<&str>, tags: Tags) -> Result<Resource, String> {
    let resource = Resource::parse(name).ok_or_else(|| {
        format!("{name:?} is not a resource; for example, tenant/acme and acs:ram::acme:user/jane are resources")
    })?;
    let resource = match state {
        Some(state) => resource.in_state(state).ok_or_else(|| format!("{name} has no state {state:?}"))?,
        None => resource,
    };
    resource.tagged(tags).ok_or_else(|| format!("{name} has no tags; only IAM users have"))
}

/// Who asks for what.
pub(super) struct Question {
    pub(super) caller: Caller,
    pub(super) action: Action,
    pub(super) resource: Resource,
}

/// A question with its answer.
pub(super) struct Answer {
    question: Question,
    pub(super) is_allowed: bool,
    policies: Vec<String>,
    /// Whether this kind of caller can use the action at all.
    is_eligible: bool,
}

impl Question {
    /// Decides as the service does. Fails if the action does not apply to such a resource.
    pub(super) fn ask(self, authorizer: &CedarAuthorizer) -> Result<Answer, String> {
        let is_eligible = EligibleCaller::new(self.caller.clone(), self.action).is_some();
        if !is_eligible {
            return Ok(Answer { question: self, is_allowed: false, policies: Vec::new(), is_eligible });
        }
        let Self { caller, action, resource } = &self;
        let decision = authorizer.explain(AccessRequest { caller, action: *action, resource });
        let (is_allowed, policies) =
            match decision.map_err(|error| format!("{} of {resource}: {error}", action.name()))? {
                Decision::Permitted { policies } => (true, policies),
                Decision::Denied { policies } => (false, policies),
            };
        Ok(Answer { question: self, is_allowed, policies, is_eligible })
    }
}

/// A decision as one word.
pub(super) const fn word(is_allowed: bool) -> &'static str {
    if is_allowed { "allow" } else { "deny" }
}

impl Answer {
    /// The policies that decided, or why none did.
    fn reason(&self) -> String {
        match (self.is_eligible, self.policies.as_slice()) {
            (false, _) => "(not for this kind of caller)".to_owned(),
            (true, []) => "(no policy permits it)".to_owned(),
            (true, policies) => policies.join(", "),
        }
    }

    fn to_json(&self) -> Value {
        let Question { caller, action, resource } = &self.question;
        json!({
            "caller": caller.to_string(),
            "action": action.name(),
            "resource": resource.to_string(),
            "decision": word(self.is_allowed),
            "policies": self.policies,
            "eligible": self.is_eligible,
        })
    }
}

/// The answers as a table.
pub(super) fn table<'a>(answers: impl Iterator<Item = &'a Answer>) -> String {
    let mut table = plain();
    table.set_header(["CALLER", "ACTION", "RESOURCE", "DECISION", "POLICIES"]);
    table.add_rows(answers.map(|answer| {
        let Question { caller, action, resource } = &answer.question;
        let decision = word(answer.is_allowed).to_owned();
        [caller.to_string(), action.name().to_owned(), resource.to_string(), decision, answer.reason()]
    }));
    trimmed(&table)
}

/// The answers in the format that is asked for: for people this text, and the decisions alone as words.
pub(super) fn shown<'a>(output: &OutputArgs, answers: impl Iterator<Item = &'a Answer>, text: &str) -> String {
    let answers: Vec<_> = answers.collect();
    let words: Vec<_> = answers.iter().map(|answer| word(answer.is_allowed)).collect();
    let json = json!({ "decisions": answers.iter().map(|answer| answer.to_json()).collect::<Vec<_>>() });
    output.shown(&json, text, &words.join("\n"))
}
