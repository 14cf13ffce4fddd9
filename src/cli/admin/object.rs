//! What a request is about, in words: so that its refusal names it.

use std::fmt;

use prost_reflect::{DynamicMessage, Value};

use crate::domain::text::printable;
use crate::edge::Reason;
use crate::grpc::generated::credential::v1 as wire;
use wire::subject_name::Subject;

/// The objects that a request names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::cli) struct Object {
    tenant: Option<String>,
    instance: Option<String>,
    /// The kind and the name of the one that is in the tenant or in the instance.
    last: Option<(&'static str, String)>,
}

impl Object {
    /// That of a subject of the caller's own tenant.
    pub(in crate::cli) fn of_subject(name: Option<&wire::SubjectName>) -> Self {
        let (instance, last) = match name.and_then(|name| name.subject.clone()) {
            Some(Subject::MailDomain(name)) => (None, Some(("mail domain", name))),
            Some(Subject::RamUser(name)) => (None, Some(("RAM user", name))),
            Some(Subject::IamUser(name)) => (None, Some(("IAM user", name))),
            Some(Subject::InstanceAccount(name)) => (Some(name.instance_id), Some(("account", name.account_name))),
            None => (None, None),
        };
        Self { tenant: None, instance, last }
    }

    /// That of a request of the administration.
    pub(super) fn of_request(request: &DynamicMessage) -> Self {
        let tenant = text(request, "tenant");
        let subject = request.get_field_by_name("subject");
        if let Some(name) = subject.as_deref().and_then(Value::as_message) {
            let name = name.transcode_to::<wire::SubjectName>().ok();
            return Self { tenant, ..Self::of_subject(name.as_ref()) };
        }
        let kinds = [
            ("account_name", "account"),
            ("domain_name", "mail domain"),
            ("user_id", "IAM user"),
            ("token_id", "access token"),
        ];
        let mut kinds = kinds.into_iter();
        let instance = text(request, "instance_id");
        let last = kinds.find_map(|(field, kind)| Some((kind, text(request, field)?)));
        // An instance's endpoint has the name of a user of another system.
        let ram_user = || text(request, "user_name").filter(|_| instance.is_none()).map(|name| ("RAM user", name));
        Self { last: last.or_else(ram_user), tenant, instance }
    }

    /// The message of a refusal for that reason, with the object's name, if it is about the object.
    pub(super) fn message(&self, reason: Reason, message: &str) -> Option<String> {
        match reason {
            Reason::TenantNotFound => Some(format!("no tenant `{}`", printable(self.tenant.as_deref()?))),
            Reason::InstanceNotFound => {
                self.instance.as_ref()?;
                Some(format!("no {}", Self { last: None, ..self.clone() }))
            }
            Reason::DomainNotFound | Reason::UserNotFound | Reason::AccountNotFound | Reason::AccessTokenNotFound => {
                self.last.as_ref()?;
                Some(format!("no {self}"))
            }
            Reason::AlreadyExists => Some(format!("{self} exists already")),
            Reason::NotEmpty if self.last.is_none() && self.instance.is_some() => Some(format!(
                "{self} is not empty: it has accounts, or a node has passwords of deleted ones (see `describe-delivery`)"
            )),
            Reason::NotEmpty => Some(format!("{self} is not empty")),
            Reason::PasswordPolicyViolation
            | Reason::PasswordReused
            | Reason::OldPasswordIncorrect
            | Reason::ResourceState
            | Reason::PasswordTooYoung
            | Reason::PasswordExpired
            | Reason::AccessDenied
            | Reason::VersionConflict => Some(format!("{self}: {message}")),
            _ => None,
        }
        .filter(|_| *self != Self::default())
    }
}

fn text(request: &DynamicMessage, field: &str) -> Option<String> {
    let text = request.get_field_by_name(field)?.as_str()?.to_owned();
    Some(text).filter(|text| !text.is_empty())
}

impl fmt::Display for Object {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { tenant, instance, last } = self;
        let parts = [
            last.as_ref().map(|(kind, name)| (*kind, name)),
            instance.as_ref().map(|name| ("instance", name)),
            tenant.as_ref().map(|name| ("tenant", name)),
        ];
        let mut between = "";
        for (kind, name) in parts.into_iter().flatten() {
            write!(formatter, "{between}{kind} `{}`", printable(name))?;
            between = if kind == "account" { " of " } else { " in " };
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_names_what_is_missing() {
        let object = |tenant: Option<&str>, instance: Option<&str>, last: Option<(&'static str, &str)>| Object {
            tenant: tenant.map(str::to_owned),
            instance: instance.map(str::to_owned),
            last: last.map(|(kind, name)| (kind, name.to_owned())),
        };
        let user = object(Some("acme"), None, Some(("RAM user", "b\nob")));
        let account = object(None, Some("r-1"), Some(("account", "app")));
        for (object, reason, message) in [
            (&user, Reason::UserNotFound, Some("no RAM user `b\\nob` in tenant `acme`")),
            (&user, Reason::TenantNotFound, Some("no tenant `acme`")),
            (&user, Reason::AlreadyExists, Some("RAM user `b\\nob` in tenant `acme` exists already")),
            (&user, Reason::ResourceState, Some("RAM user `b\\nob` in tenant `acme`: the message")),
            (&user, Reason::Overloaded, None),
            (&account, Reason::AccountNotFound, Some("no account `app` of instance `r-1`")),
            (&account, Reason::InstanceNotFound, Some("no instance `r-1`")),
            (&account, Reason::TenantNotFound, None),
            (&Object::default(), Reason::AccessDenied, None),
        ] {
            assert_eq!(object.message(reason, "the message").as_deref(), message, "{reason:?}");
        }
    }
}
