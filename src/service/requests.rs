//! What the use cases take, parsed.

use std::sync::Arc;
use std::time::Duration;

use crate::domain::access_token::AccessToken;
use crate::domain::change_event::{ChangeEvent, Position};
use crate::domain::credential::{ExpectedVersion, PasswordHash, Version};
use crate::domain::field::InvalidField;
use crate::domain::names::{
    AccountName, ClientToken, DomainName, FreeName, IamUserId, IamUserName, InstanceId, RamUserName, Region, TenantName,
};
use crate::domain::password::{NewPassword, Password};
use crate::domain::subject::{InstanceAccountStatus, InstanceStatus, MailDomainStatus, SubjectName, Tags};
use crate::domain::time::Timestamp;
use crate::ports::store::SubjectEntry;
use crate::service::ServiceError;
use zeroize::Zeroizing;

/// What a caller guards a change with, so that it is neither made twice nor on top of what the caller does not know.
#[derive(Debug, Clone, Default)]
pub struct Guards {
    /// The version that the caller counts on.
    pub expected_version: Option<ExpectedVersion>,
    /// What the request is marked with, so that sending it again is safe.
    pub client_token: Option<ClientToken>,
}

/// What `ModifyPWByDomain` takes.
pub struct ModifyPwByDomain {
    /// The mail domain.
    pub domain: DomainName,
    /// Its new password.
    pub new_password: NewPassword,
    /// What the caller guards the change with.
    pub guards: Guards,
}

/// What `ChangePassword` and `ChangePasswordV5` take: the subject is the caller.
pub struct ChangeOwnPassword {
    /// The current password.
    pub old_password: Password,
    /// The new one.
    pub new_password: NewPassword,
    /// What the caller guards the change with.
    pub guards: Guards,
}

/// What `ModifyAccountPassword` takes.
pub struct ModifyAccountPassword {
    /// The instance.
    pub instance: InstanceId,
    /// The account.
    pub account: AccountName,
    /// The current password.
    pub old_password: Password,
    /// The new one.
    pub new_password: NewPassword,
    /// What the caller guards the change with.
    pub guards: Guards,
}

/// What a verification found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verification {
    /// The password is the current one.
    MatchedCurrent,
    /// The password is the one before, during an overlap.
    MatchedPrevious,
    /// The password is the current one, and it has to be changed.
    ChangeRequired,
    /// The same, and only an administrator can replace it.
    Expired,
    /// The password is wrong, or there is none, or there is no such subject.
    NotMatched,
}

/// A password that an administrator sets.
pub enum WantedPassword {
    /// This one.
    Given(NewPassword),
    /// One that the service generates.
    Generated,
}

impl WantedPassword {
    /// The password, which only an administrator may leave to be generated.
    pub(super) fn given(self) -> Result<NewPassword, ServiceError> {
        match self {
            Self::Given(password) => Ok(password),
            Self::Generated => Err(ServiceError::Internal("a generated password has no client token")),
        }
    }
}

/// What an administrator's reset answers.
pub struct Reset {
    /// The credential's version after it.
    pub version: Version,
    /// The password, where it was generated.
    pub generated: Option<Arc<Password>>,
}

/// A subject to be created.
pub struct SubjectToCreate {
    /// Its name.
    pub name: SubjectName,
    /// What else is to be known of it.
    pub attributes: AttributesToCreate,
    /// Its first password, where it is to have one.
    pub first_password: Option<WantedPassword>,
}

/// What is to be known of a subject besides its name.
pub enum AttributesToCreate {
    /// Of a mail domain.
    MailDomain {
        /// The region; `None` means the configured one.
        region: Option<Region>,
        /// The state.
        status: MailDomainStatus,
    },
    /// Of a RAM user: nothing.
    RamUser,
    /// Of an IAM user.
    IamUser {
        /// The user name; `None` means the user id.
        user_name: Option<IamUserName>,
        /// The tags.
        tags: Tags,
    },
    /// Of an instance account.
    InstanceAccount {
        /// The state.
        status: InstanceAccountStatus,
    },
}

/// A subject that was created.
pub struct CreatedSubject {
    /// The subject.
    pub entry: SubjectEntry,
    /// Its first password, where it was generated.
    pub generated: Option<Arc<Password>>,
}

/// An instance to be created.
pub struct InstanceToCreate {
    /// Its id.
    pub id: InstanceId,
    /// Its region; `None` means the configured one.
    pub region: Option<Region>,
    /// Its state.
    pub status: InstanceStatus,
}

/// How the stored passwords are hashed.
pub struct HashPosture {
    /// How new ones are: the algorithm and its parameters.
    pub target: String,
    /// The hashes by algorithm and parameters, the most frequent first.
    pub groups: Vec<HashGroup>,
}

/// The hashes of one algorithm with the same parameters.
pub struct HashGroup {
    /// The algorithm.
    pub algorithm: &'static str,
    /// Its parameters.
    pub parameters: String,
    /// How many there are.
    pub hashes: u64,
    /// How many of them are weaker than new ones in any way.
    pub below_target: u64,
}

/// Where a watch begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WatchFrom {
    /// Now: what was committed before is not told.
    Now,
    /// With the oldest event that is kept.
    Oldest,
    /// After that position.
    Cursor(Position),
}

/// One message of a watch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WatchItem {
    /// The position after it: another watch resumes from there.
    pub cursor: Position,
    /// The change; `None` for a heartbeat.
    pub event: Option<ChangeEvent>,
}

/// A subject with the hash of its password, as far as it could be read.
pub struct RowToImport {
    /// The number that the row is told by.
    pub number: u64,
    /// Its tenant.
    pub tenant: Option<TenantName>,
    /// Its name.
    pub name: Option<SubjectName>,
    /// What else is to be known of it.
    pub attributes: Option<AttributesToCreate>,
    /// The hash.
    pub hash: Option<PasswordHash>,
    /// When the password was set; `None` means now.
    pub changed_at: Option<Timestamp>,
    /// What is wrong with it so far. What could not be read has a problem here.
    pub problems: Vec<RowProblem>,
}

/// What is wrong with a row of an import.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RowProblem {
    /// A field is bad.
    Field(InvalidField),
    /// Whoever read the row could not read all of it.
    Told {
        /// The field.
        field: String,
        /// The stable name of the problem.
        reason: String,
        /// The problem in words.
        description: String,
    },
    /// There is no such tenant.
    TenantAbsent,
    /// There is no such instance.
    InstanceAbsent,
    /// The subject is there, with another hash or none.
    OtherHash,
    /// The subject is there, with other attributes.
    OtherAttributes,
}

/// A row of an import that was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedRow {
    /// Its number.
    pub row_number: u64,
    /// Everything that is wrong with it.
    pub problems: Vec<RowProblem>,
}

/// What came of an import. Each row is counted once.
#[derive(Debug, Default)]
pub struct ImportReport {
    /// Rows that were stored.
    pub imported: u64,
    /// Rows that were there already.
    pub unchanged: u64,
    /// Rows that were refused.
    pub refused: u64,
    /// Rows with nothing wrong, whose batch was refused because of others.
    pub held_back: u64,
    /// The first of the refused rows.
    pub refused_rows: Vec<RefusedRow>,
}

/// An access token to be issued.
pub struct TokenToIssue {
    /// Whom it is to stand for.
    pub holder: TokenHolder,
    /// How long it is to be valid; `None` means the default.
    pub time_to_live: Option<Duration>,
}

/// Whom an access token is to stand for.
pub enum TokenHolder {
    /// An operator, who belongs to no tenant.
    Operator(FreeName),
    /// A member of a tenant; `None` means the issuer's own.
    Member(Option<TenantName>, Member),
}

/// A caller who belongs to a tenant.
pub enum Member {
    /// Its root.
    Root,
    /// A RAM user.
    RamUser(RamUserName),
    /// An IAM user.
    IamUser(IamUserId),
    /// A relying system.
    Service(FreeName),
}

/// An access token that was issued.
pub struct IssuedToken {
    /// Its text: the only time that it is shown.
    pub text: Zeroizing<String>,
    /// The token.
    pub token: AccessToken,
}
