//! The code that a vendor's own operation would have answered with.

use crate::domain::action::Action;
use crate::domain::field::{FieldProblem, InvalidField};
use crate::service::ServiceError;
use crate::service::error::{Missing, Stateful};

/// A vendor's error code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum VendorCode {
    /// A source ties the code to this operation or to its whole product.
    Exact(&'static str),
    /// No source does, and this one comes near.
    Nearest(&'static str),
}

impl VendorCode {
    /// The vendor's code for an error of that action, where there is one.
    pub(super) fn of(error: &ServiceError, action: Option<Action>) -> Option<Self> {
        match action? {
            Action::ModifyPwByDomain => direct_mail(error).map(Self::Exact),
            Action::ChangePassword => ram(error).map(Self::Exact),
            Action::ChangePasswordV5 => iam(error).map(Self::Nearest),
            Action::ModifyAccountPassword => tair(error).map(Self::Nearest),
            _ => None,
        }
    }
}

/// The codes of Direct Mail `ModifyPWByDomain`.
fn direct_mail(error: &ServiceError) -> Option<&'static str> {
    Some(match error {
        ServiceError::InvalidFields(fields) if problem_of(fields, "domain_name").is_some() => {
            "InvalidDomainName.Malformed"
        }
        ServiceError::PolicyViolation(_) => "InvalidDomainPassword.Malformed",
        ServiceError::PasswordReused => "InvalidDomainPassword.equalcurrent",
        ServiceError::ResourceState { of: Stateful::MailDomain, .. } => "InvalidDomainStatus.Malformed",
        ServiceError::AccessDenied { .. } => "Forbidden",
        ServiceError::NotFound(Missing::MailDomain) => "InvalidDomain.NotFound",
        _ => return None,
    })
}

/// The codes of RAM `ChangePassword`.
fn ram(error: &ServiceError) -> Option<&'static str> {
    Some(match error {
        ServiceError::PolicyViolation(_) => "InvalidParameter.NewPassword.TooWeak",
        ServiceError::PasswordReused => "InvalidParameter.NewPassword.ReusePrevention",
        ServiceError::OldPasswordIncorrect => "InvalidParameter.OldPassword.Incorrect",
        ServiceError::CallerNotEligible(_) => "NotSupport.Account",
        ServiceError::AccessDenied { .. } => "NoPermission",
        ServiceError::NotFound(Missing::User) => "EntityNotExist.User",
        _ => return None,
    })
}

/// Codes of Huawei IAM: the page of `changePasswordV5` lists none.
fn iam(error: &ServiceError) -> Option<&'static str> {
    Some(match error {
        ServiceError::InvalidFields(_) => "IAM.0007",
        ServiceError::PolicyViolation(_) => "1118",
        ServiceError::PasswordReused => "1108",
        ServiceError::OldPasswordIncorrect => "1103",
        ServiceError::AccessDenied { .. } => "PAP5.0001",
        ServiceError::NotFound(Missing::User) => "IAM.0004",
        _ => return None,
    })
}

/// Codes of Tair: the page of `ModifyAccountPassword` lists none.
fn tair(error: &ServiceError) -> Option<&'static str> {
    Some(match error {
        ServiceError::InvalidFields(fields) if problem_of(fields, "instance_id") == Some(&FieldProblem::Missing) => {
            "MissingInstanceId"
        }
        ServiceError::InvalidFields(fields) if problem_of(fields, "account_name").is_some() => {
            "InvalidAccountName.Format"
        }
        ServiceError::PolicyViolation(_) => "InvalidAccountPassword.Format",
        ServiceError::ResourceState { of: Stateful::Instance | Stateful::Account, .. } => "IncorrectDBInstanceState",
        ServiceError::AccessDenied { .. } => "Forbidden.RAM",
        ServiceError::NotFound(Missing::Instance) => "InvalidInstanceId.NotFound",
        ServiceError::NotFound(Missing::Account) => "InvalidAccountName.NotFound",
        _ => return None,
    })
}

fn problem_of<'a>(fields: &'a [InvalidField], name: &str) -> Option<&'a FieldProblem> {
    fields.iter().find(|invalid| invalid.field == name).map(|invalid| &invalid.problem)
}
