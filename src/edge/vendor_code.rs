//! The code that a vendor's own operation would have returned.

use crate::domain::action::Action;
use crate::domain::field::{FieldProblem, InvalidField};
use crate::ports::SignatureRefusal;
use crate::service::ServiceError;
use crate::service::error::{Missing, Stateful};

/// A vendor's error code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum VendorCode {
    /// A source ties the code to this operation or to its whole product.
    Exact(&'static str),
    /// No source does; this code is the nearest.
    Nearest(&'static str),
}

/// The codes of one error; empty if the vendor has none.
#[derive(Default)]
struct Codes {
    /// Direct Mail `ModifyPWByDomain`.
    direct_mail: &'static str,
    /// RAM `ChangePassword` and the policies.
    ram: &'static str,
    /// Huawei IAM: the page of `changePasswordV5` lists none.
    iam: &'static str,
    /// Tair: the page of `ModifyAccountPassword` lists none.
    tair: &'static str,
}

impl VendorCode {
    /// The vendor's code for an error of that action, if there is one.
    pub(super) fn of(error: &ServiceError, action: Option<Action>) -> Option<Self> {
        let codes = codes_of(error);
        let code = match action? {
            Action::ModifyPwByDomain => Self::Exact(codes.direct_mail),
            Action::ChangePassword
            | Action::GetPasswordPolicy
            | Action::SetPasswordPolicy
            | Action::GetSecurityPreference
            | Action::SetSecurityPreference => Self::Exact(codes.ram),
            Action::ChangePasswordV5
            | Action::ShowPasswordPolicyV5
            | Action::UpdatePasswordPolicyV5
            | Action::DecodeAuthorizationMessage => Self::Nearest(codes.iam),
            Action::ModifyAccountPassword | Action::ResetAccountPassword | Action::DescribeAccounts => {
                Self::Nearest(codes.tair)
            }
            _ => return None,
        };
        let (Self::Exact(text) | Self::Nearest(text)) = code;
        (!text.is_empty()).then_some(code)
    }
}

/// No wildcard: a new error does not build until its codes are decided.
fn codes_of(error: &ServiceError) -> Codes {
    let none = Codes::default();
    match error {
        ServiceError::InvalidFields(fields) => {
            let problem = |name| problem_of(fields, name);
            let direct_mail = problem("domain_name").map_or("", |_| "InvalidDomainName.Malformed");
            let tair = if problem("instance_id") == Some(&FieldProblem::Missing) {
                "MissingInstanceId"
            } else {
                problem("account_name").map_or("", |_| "InvalidAccountName.Format")
            };
            let ram = problem("minimum_password_length").map_or("", |_| "InvalidParameter.MinimumPasswordLength.Range");
            Codes { direct_mail, ram, iam: "IAM.0007", tair }
        }
        ServiceError::PolicyViolation(_) => Codes {
            direct_mail: "InvalidDomainPassword.Malformed",
            ram: "InvalidParameter.NewPassword.TooWeak",
            iam: "1118",
            tair: "InvalidAccountPassword.Format",
        },
        ServiceError::PasswordReused => Codes {
            direct_mail: "InvalidDomainPassword.equalcurrent",
            ram: "InvalidParameter.NewPassword.ReusePrevention",
            iam: "1108",
            ..none
        },
        ServiceError::OldPasswordIncorrect => {
            Codes { ram: "InvalidParameter.OldPassword.Incorrect", iam: "1103", ..none }
        }
        ServiceError::CallerNotEligible(_) => Codes { ram: "NotSupport.Account", ..none },
        ServiceError::SignatureRefused(refusal) => {
            let alibaba = match refusal {
                SignatureRefusal::ForeignKey => "InvalidAccessKeyId.NotFound",
                SignatureRefusal::Mismatch => "SignatureDoesNotMatch",
                SignatureRefusal::Expired => "InvalidTimeStamp.Expired",
                SignatureRefusal::NonceUsed => "SignatureNonceUsed",
            };
            Codes { direct_mail: alibaba, ram: alibaba, iam: "APIGW.0301", tair: alibaba }
        }
        ServiceError::AccessDenied { .. } => {
            Codes { direct_mail: "Forbidden", ram: "NoPermission", iam: "PAP5.0001", tair: "Forbidden.RAM" }
        }
        ServiceError::ResourceState { of: Stateful::MailDomain, .. } => {
            Codes { direct_mail: "InvalidDomainStatus.Malformed", ..none }
        }
        ServiceError::ResourceState { of: Stateful::Instance | Stateful::Account, .. } => {
            Codes { tair: "IncorrectDBInstanceState", ..none }
        }
        ServiceError::NotFound(Missing::MailDomain) => Codes { direct_mail: "InvalidDomain.NotFound", ..none },
        ServiceError::NotFound(Missing::User) => Codes { ram: "EntityNotExist.User", iam: "IAM.0004", ..none },
        ServiceError::NotFound(Missing::Instance) => Codes { tair: "InvalidInstanceId.NotFound", ..none },
        ServiceError::NotFound(Missing::Account) => Codes { tair: "InvalidAccountName.NotFound", ..none },
        ServiceError::NotFound(Missing::Tenant | Missing::AccessToken)
        | ServiceError::Unauthenticated
        | ServiceError::AlreadyExists
        | ServiceError::NotEmpty
        | ServiceError::SelfChangeDisabled
        | ServiceError::PasswordTooYoung { .. }
        | ServiceError::PasswordExpired
        | ServiceError::VersionConflict { .. }
        | ServiceError::ClientTokenMismatch
        | ServiceError::AuthorizationMessage(_)
        | ServiceError::TooManyAttempts { .. }
        | ServiceError::AttemptsStopped { .. }
        | ServiceError::QuotaUsedUp { .. }
        | ServiceError::NotAdmitted(_)
        | ServiceError::DeadlineExceeded
        | ServiceError::CursorExpired
        | ServiceError::WatchInterrupted(_)
        | ServiceError::Store(_)
        | ServiceError::HookUnavailable(_)
        | ServiceError::Hasher(_)
        | ServiceError::Pepper(_)
        | ServiceError::Internal(_) => none,
    }
}

fn problem_of<'a>(fields: &'a [InvalidField], name: &str) -> Option<&'a FieldProblem> {
    fields.iter().find(|invalid| invalid.field == name).map(|invalid| &invalid.problem)
}
