//! The states and the kinds that messages hold as numbers.

use crate::domain::access_token::{AccessTokenForm, AccessTokenStatus};
use crate::domain::caller::CallerKind;
use crate::domain::delivery::DeliveryPhase;
use crate::domain::delivery_progress::Deliver;
use crate::domain::field::FieldProblem;
use crate::domain::subject::{InstanceAccountStatus, InstanceStatus, MailDomainStatus};

/// The enums on the wire.
mod wire {
    pub(super) use crate::grpc::generated::credential::admin::v1::*;
    pub(super) use crate::grpc::generated::credential::v1::Deliver;
}

/// Ties an enum of the domain to the one of the same name and values on the wire, which also has `Unspecified`.
macro_rules! mirror {
    ($($name:ident { $($value:ident),+ $(,)? })+) => {
        $(
            impl Numbered for $name {
                fn specified(number: i32) -> Result<Option<Self>, FieldProblem> {
                    Ok(match wire::$name::try_from(number).map_err(|_| UNKNOWN)? {
                        wire::$name::Unspecified => None,
                        $(wire::$name::$value => Some(Self::$value),)+
                    })
                }

                fn number(self) -> i32 {
                    let value = match self {
                        $(Self::$value => wire::$name::$value,)+
                    };
                    value.into()
                }
            }
        )+
    };
}

/// An enum that messages hold as a number.
pub(in crate::grpc) trait Numbered: Sized {
    /// The value of a number, or `None` for "unspecified".
    fn specified(number: i32) -> Result<Option<Self>, FieldProblem>;

    /// The number of the value.
    fn number(self) -> i32;

    /// The value of a number, which is required.
    fn required(number: i32) -> Result<Self, FieldProblem> {
        Self::specified(number)?.ok_or(FieldProblem::Missing)
    }

    /// The value of a number, or the default for "unspecified".
    fn or(number: i32, default: Self) -> Result<Self, FieldProblem> {
        Ok(Self::specified(number)?.unwrap_or(default))
    }
}

const UNKNOWN: FieldProblem = FieldProblem::Malformed { expected: "must be one of the enum's values" };

mirror! {
    MailDomainStatus {
        Verified, VerificationFailed, WithoutCnameAndIcpFiling, WithoutIcpFiling, WithoutCname,
    }
    InstanceStatus {
        Normal, Creating, Changing, Inactive, Flushing, Released, Transforming, Unavailable, Error, Migrating,
        BackupRecovering, MinorVersionUpgrading, NetworkModifying, SslModifying, MajorVersionUpgrading,
    }
    InstanceAccountStatus { Available, Unavailable }
    Deliver { Background, Wait }
    DeliveryPhase { Adding, Settling, Overlapping, Done, Superseded, Withdrawing, Replacing }
    AccessTokenForm { Bearer, AccessKey }
    AccessTokenStatus { Active, Inactive }
    CallerKind { Root, RamUser, IamUser, Service, Operator }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_unspecified_is_missing_or_the_default() {
        assert_eq!(InstanceStatus::required(0), Err(FieldProblem::Missing));
        assert_eq!(InstanceStatus::or(0, InstanceStatus::Normal), Ok(InstanceStatus::Normal));
        assert_eq!(InstanceStatus::or(11, InstanceStatus::Normal), Ok(InstanceStatus::BackupRecovering));
    }

    #[test]
    fn an_unknown_number_is_refused() {
        for number in [-1, 6, 99, i32::MAX] {
            assert_eq!(MailDomainStatus::or(number, MailDomainStatus::Verified), Err(UNKNOWN));
            assert_eq!(MailDomainStatus::required(number), Err(UNKNOWN));
        }
    }
}
