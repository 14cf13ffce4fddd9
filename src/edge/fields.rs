//! Reads a message's fields, and reports all bad ones at once.

use crate::domain::credential::ExpectedVersion;
use crate::domain::field::{FieldProblem, InvalidField};
use crate::domain::names::{AccountName, ClientToken, InstanceId, TenantName};
use crate::domain::password::{NewPassword, Password};
use crate::domain::subject::SubjectName;
use crate::service::ServiceError;
use crate::service::requests::Guards;

/// Collects the problems of a message's fields while they are read.
///
/// Read each field, keep the results, and combine them in [`Fields::all`], which returns the combination only if no
/// field is bad.
#[derive(Default)]
pub struct Fields(Vec<InvalidField>);

impl Fields {
    /// Returns a parsed value, or records its problem.
    pub fn take<T>(&mut self, field: &'static str, parsed: Result<T, FieldProblem>) -> Option<T> {
        parsed.map_err(|problem| self.0.push(InvalidField { field, problem })).ok()
    }

    /// Returns the parsed text, or `None` if it is empty or bad.
    pub fn take_unless_empty<T>(
        &mut self,
        field: &'static str,
        text: &str,
        parse: impl FnOnce(&str) -> Result<T, FieldProblem>,
    ) -> Option<T> {
        if text.is_empty() { None } else { self.take(field, parse(text)) }
    }

    /// The value of several fields, or `None` with all of their problems recorded.
    pub fn take_all<T>(&mut self, checked: Result<T, Vec<InvalidField>>) -> Option<T> {
        checked.map_err(|problems| self.0.extend(problems)).ok()
    }

    /// The tenant that a request names; empty means the caller's own.
    pub fn tenant(&mut self, text: &str) -> Option<TenantName> {
        self.take_unless_empty("tenant", text, TenantName::parse)
    }

    /// A password to be verified.
    pub fn password(&mut self, field: &'static str, text: String) -> Option<Password> {
        self.take(field, Password::parse(text))
    }

    /// A password to be set or checked.
    pub fn new_password(&mut self, field: &'static str, text: String) -> Option<NewPassword> {
        self.take(field, NewPassword::parse(text))
    }

    /// The account that the fields `instance_id` and `account_name` name.
    pub fn account(&mut self, instance_id: &str, account_name: &str) -> Option<SubjectName> {
        let instance = self.take("instance_id", InstanceId::parse(instance_id));
        let account = self.take("account_name", AccountName::parse(account_name));
        Some(SubjectName::account(instance?, account?))
    }

    /// The version that the caller expects, and the client token, which is empty if there is none.
    pub fn guards(&mut self, version: Option<u64>, client_token: &str) -> Guards {
        Guards {
            expected_version: version.map(ExpectedVersion),
            client_token: self.take_unless_empty("client_token", client_token, ClientToken::parse),
        }
    }

    /// All problems, for a call that they do not end.
    pub fn problems(self) -> Vec<InvalidField> {
        self.0
    }

    /// Combines the values.
    ///
    /// # Errors
    /// Every bad field.
    pub fn all<T>(self, put_together: impl FnOnce() -> Option<T>) -> Result<T, ServiceError> {
        if !self.0.is_empty() {
            return Err(ServiceError::InvalidFields(self.0));
        }
        put_together().ok_or(ServiceError::Internal("a field is neither kept nor bad"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::names::DomainName;

    #[test]
    fn every_bad_field_is_reported_in_the_order_of_reading() {
        let mut fields = Fields::default();
        let tenant = fields.tenant("no spaces");
        let domain = fields.take("domain_name", DomainName::parse(""));
        let guards = fields.guards(Some(3), "retry 1");
        let error = fields.all(|| Some((tenant?, domain?, guards))).unwrap_err();
        let ServiceError::InvalidFields(fields) = error else { panic!("{error}") };
        let reported: Vec<_> = fields.iter().map(|invalid| (invalid.field, invalid.problem.reason())).collect();
        assert_eq!(
            reported,
            [
                ("tenant", "CHARACTER_NOT_ALLOWED"),
                ("domain_name", "REQUIRED"),
                ("client_token", "CHARACTER_NOT_ALLOWED")
            ]
        );
    }

    #[test]
    fn an_empty_tenant_means_the_callers_own() {
        let mut fields = Fields::default();
        let tenant = fields.tenant("");
        assert!(fields.all(|| Some(tenant)).unwrap().is_none());
    }
}
