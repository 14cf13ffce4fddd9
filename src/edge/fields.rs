//! Reading a message's fields, so that every bad one is told at once.

use crate::domain::credential::ExpectedVersion;
use crate::domain::field::{FieldProblem, InvalidField};
use crate::domain::names::{AccountName, ClientToken, InstanceId, TenantName};
use crate::domain::password::{NewPassword, Password};
use crate::domain::subject::SubjectName;
use crate::service::ServiceError;
use crate::service::requests::Guards;

/// Collects what is wrong with a message's fields while they are read.
///
/// Read each field, keep what comes, and put it together in [`Fields::all`], which only gives it out where no field is
/// bad.
#[derive(Default)]
pub struct Fields(Vec<InvalidField>);

impl Fields {
    /// Keeps a value, or notes what is wrong with it.
    pub fn take<T>(&mut self, field: &'static str, parsed: Result<T, FieldProblem>) -> Option<T> {
        parsed.map_err(|problem| self.0.push(InvalidField { field, problem })).ok()
    }

    /// Keeps what a text means, or `None` where it is empty.
    pub fn take_unless_empty<T>(
        &mut self,
        field: &'static str,
        text: &str,
        parse: impl FnOnce(&str) -> Result<T, FieldProblem>,
    ) -> Option<T> {
        if text.is_empty() { None } else { self.take(field, parse(text)) }
    }

    /// Notes everything that is wrong with settings.
    pub fn settings<T>(&mut self, checked: Result<T, Vec<InvalidField>>) {
        self.0.extend(checked.err().into_iter().flatten());
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
        Some(SubjectName::InstanceAccount(instance?, account?))
    }

    /// The version that the caller counts on, and the client token; without one it is empty.
    pub fn guards(&mut self, version: Option<u64>, client_token: &str) -> Guards {
        Guards {
            expected_version: version.map(ExpectedVersion),
            client_token: self.take_unless_empty("client_token", client_token, ClientToken::parse),
        }
    }

    /// Everything that is wrong, where that does not end the call.
    pub fn problems(self) -> Vec<InvalidField> {
        self.0
    }

    /// Puts the values together.
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
    fn every_bad_field_is_told_in_the_order_of_reading() {
        let mut fields = Fields::default();
        let tenant = fields.tenant("no spaces");
        let domain = fields.take("domain_name", DomainName::parse(""));
        let guards = fields.guards(Some(3), "retry 1");
        let error = fields.all(|| Some((tenant?, domain?, guards))).unwrap_err();
        let ServiceError::InvalidFields(fields) = error else { panic!("{error}") };
        let told: Vec<_> = fields.iter().map(|invalid| (invalid.field, invalid.problem.reason())).collect();
        assert_eq!(
            told,
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
