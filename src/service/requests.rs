//! Requests and results of the use cases, parsed.

mod imports;

use std::sync::Arc;
use std::time::Duration;

use crate::domain::access_token::{AccessToken, AccessTokenForm};
use crate::domain::attempts::{Failures, PairFailures};
use crate::domain::audit_event::AuditEvent;
use crate::domain::audit_filter::AuditFilter;
use crate::domain::candidate_policy::Comparisons;
use crate::domain::change_event::{ChangeEvent, Position};
use crate::domain::credential::{CredentialState, ExpectedVersion, Version};
use crate::domain::delivery_progress::{Deliver, DeliveryProgress};
use crate::domain::endpoint::Endpoint;
use crate::domain::named_caller::Member;
use crate::domain::names::{AccountName, ClientToken, DomainName, FreeName, InstanceId, Region, TenantName};
use crate::domain::page::Page;
use crate::domain::password::{NewPassword, Password};
use crate::domain::subject::{GivenAttributes, InstanceStatus, Subject, SubjectName};
use crate::domain::tenant_settings::TenantSettings;
use crate::domain::time::Timestamp;
use crate::ports::store::UnreadableEvent;
use crate::service::ServiceError;
use zeroize::Zeroizing;

pub use imports::{
    ImportOptions, ImportReport, ImportedPassword, Refusals, RefusedRow, RowProblem, RowToImport, SubjectFrom,
    WithoutHash,
};

/// Guards of a change, so that it is neither made twice nor made on a version that the caller does not know.
#[derive(Debug, Clone, Default)]
pub struct Guards {
    /// The version that the caller expects.
    pub expected_version: Option<ExpectedVersion>,
    /// The key of the request, which makes a retry idempotent.
    pub client_token: Option<ClientToken>,
}

/// Request of `SetInstanceEndpoint`.
pub struct EndpointToSet {
    /// The instance.
    pub instance: InstanceId,
    /// Its endpoint.
    pub endpoint: Endpoint,
    /// The password of the endpoint's user.
    pub password: Password,
}

/// Request of `ModifyPWByDomain`.
pub struct ModifyPwByDomain {
    /// The mail domain.
    pub domain: DomainName,
    /// Its new password.
    pub new_password: NewPassword,
    /// The caller's guards for the change.
    pub guards: Guards,
}

/// Request of `ChangePassword` and `ChangePasswordV5`: the subject is the caller.
pub struct ChangeOwnPassword {
    /// The current password.
    pub old_password: Password,
    /// The new password.
    pub new_password: NewPassword,
    /// The caller's guards for the change.
    pub guards: Guards,
}

/// Request of `ModifyAccountPassword`.
pub struct ModifyAccountPassword {
    /// The instance.
    pub instance: InstanceId,
    /// The account.
    pub account: AccountName,
    /// The current password.
    pub old_password: Password,
    /// The new password.
    pub new_password: NewPassword,
    /// Whether the call waits until it is delivered.
    pub deliver: Deliver,
    /// The caller's guards for the change.
    pub guards: Guards,
}

/// Result of a verification.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verification {
    /// The password is the current one.
    MatchedCurrent,
    /// The password is the previous one, during an overlap.
    MatchedPrevious,
    /// The password is the current one, and it has to be changed.
    ChangeRequired,
    /// The same, and only an administrator can replace it.
    Expired,
    /// The password is wrong, or there is no password or no such subject.
    NotMatched,
}

/// A password that an administrator sets.
pub enum WantedPassword {
    /// A given one.
    Given(NewPassword),
    /// One that the service generates.
    Generated,
}

impl WantedPassword {
    /// The password, if it is given.
    pub(super) fn as_given(&self) -> Option<&NewPassword> {
        match self {
            Self::Given(password) => Some(password),
            Self::Generated => None,
        }
    }

    /// The given password, to be compared with the one that a change under the same client token set. A generated one is
    /// another.
    pub(super) fn given(self) -> Result<NewPassword, ServiceError> {
        match self {
            Self::Given(password) => Ok(password),
            Self::Generated => Err(ServiceError::ClientTokenMismatch),
        }
    }
}

/// A password that was set.
pub struct Changed {
    /// The credential's version after the change.
    pub version: Version,
    /// The password, if it was generated.
    pub generated: Option<Arc<Password>>,
    /// How far it is delivered, if it is to be.
    pub delivery: Option<DeliveryProgress>,
}

/// A subject to be created.
pub struct SubjectToCreate {
    /// Its name.
    pub name: SubjectName,
    /// Its attributes.
    pub attributes: GivenAttributes,
    /// Its first password, if it gets one.
    pub first_password: Option<WantedPassword>,
    /// Whether the subject has to replace its first password.
    pub is_temporary: bool,
    /// Whether the call waits until its first password is delivered.
    pub deliver: Deliver,
}

/// A new password that an administrator gives a subject.
pub struct Reset {
    /// The subject.
    pub name: SubjectName,
    /// The new password.
    pub wanted: WantedPassword,
    /// Whether the subject has to replace it.
    pub is_temporary: bool,
    /// What else happens.
    pub effects: Effects,
    /// The caller's guards for the reset.
    pub guards: Guards,
}

impl Reset {
    /// A reset without guards and other effects.
    pub fn of(name: SubjectName, wanted: WantedPassword) -> Self {
        Self { name, wanted, is_temporary: false, effects: Effects::default(), guards: Guards::default() }
    }
}

/// What a change of a password does besides.
#[derive(Debug, Clone, Copy, Default)]
pub struct Effects {
    /// Whether the subject's access tokens end, also if the tenant's settings keep them.
    pub ends_tokens: bool,
    /// Whether an administrator's reset begins the subject's overlap, as its own change does.
    pub keeps_previous: bool,
    /// Whether the call waits until the password is delivered.
    pub deliver: Deliver,
}

/// A reset that would be possible.
pub struct PossibleReset {
    /// The credential's version now.
    pub version: Option<Version>,
    /// A password that the policy accepts, if one was to be generated.
    pub generated: Option<Arc<Password>>,
}

/// A subject and what may be disclosed of its credential.
pub struct DescribedSubject {
    /// The subject.
    pub subject: Subject,
    /// Its credential, if it has one.
    pub credential: Option<DescribedCredential>,
}

/// What may be disclosed of a credential.
pub struct DescribedCredential {
    /// Its state.
    pub state: CredentialState,
    /// The algorithm of its hash, as [`HashGroup`] names it.
    pub hash_algorithm: &'static str,
}

/// A subject that was created.
pub struct CreatedSubject {
    /// The subject.
    pub entry: DescribedSubject,
    /// Its first password, if it was generated.
    pub generated: Option<Arc<Password>>,
    /// How far its first password is delivered, if it is to be.
    pub delivery: Option<DeliveryProgress>,
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

/// A candidate, how it compares, and the users whom it affects at once.
pub struct DescribedCandidate {
    /// Its version.
    pub version: Version,
    /// Its settings, of which only the password policies are used.
    pub settings: TenantSettings,
    /// How it compares with the policies in force since it was set.
    pub comparisons: Comparisons,
    /// The RAM users.
    pub ram_users: CandidateUsers,
    /// The IAM users.
    pub iam_users: CandidateUsers,
}

/// Users with a password, by what its age means under the candidate, and under the policy in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CandidateUsers {
    /// How many.
    pub users: u64,
    /// How many have to change it under the candidate.
    pub change_required: u64,
    /// For how many only an administrator can replace it under the candidate.
    pub expired: u64,
    /// How many have to change it now.
    pub change_required_now: u64,
    /// For how many only an administrator can replace it now.
    pub expired_now: u64,
}

/// How the stored passwords are hashed.
pub struct HashPosture {
    /// How new passwords are hashed: the algorithm and its parameters.
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
    /// The number of hashes.
    pub hashes: u64,
    /// How many of them are weaker than new hashes in any way.
    pub below_target: u64,
}

/// Where a watch starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WatchFrom {
    /// Now: events committed before are not sent.
    Now,
    /// With the oldest event that is kept.
    Oldest,
    /// After that position.
    Cursor(Position),
}

/// One message of a watch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WatchItem {
    /// The position after this item: another watch resumes from there.
    pub cursor: Position,
    /// The change; `None` for a heartbeat.
    pub event: Option<ChangeEvent>,
}

/// Which part of the audit log to read.
#[derive(Debug, Clone, Default)]
pub struct AuditQuery {
    /// Which events. Its tenant is the one that the caller may read.
    pub filter: AuditFilter,
    /// After that position. Without one, where the log begins, or for a reader that follows it, where it ends.
    pub cursor: Option<Position>,
    /// How many events at most.
    pub most: Option<u32>,
    /// Whether to wait for events that are yet to come.
    pub follow: bool,
}

/// One message of a reader of the audit log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditItem {
    /// The position after this item: another reader resumes from there.
    pub cursor: Position,
    /// The event; `None` for a cursor alone.
    pub event: Option<Result<AuditEvent, UnreadableEvent>>,
}

/// The wrong passwords in a row that count for a subject.
pub struct FailuresOnSubject {
    /// Those of each caller.
    pub page: Page<FailuresOfCaller>,
    /// Those of all callers together.
    pub by_all: Failures,
    /// Until when all callers are slowed, if they are.
    pub slowed_until: Option<Timestamp>,
}

/// The wrong passwords in a row of one caller, or of one origin that it gave.
pub struct FailuresOfCaller {
    /// The caller and its failures.
    pub pair: PairFailures,
    /// Whether the caller gave an origin.
    pub has_origin: bool,
    /// Until when the caller has to wait, if it has to.
    pub wait_until: Option<Timestamp>,
}

/// An access token to be issued.
pub struct TokenToIssue {
    /// The holder of the token.
    pub holder: TokenHolder,
    /// How long the token is valid; `None` means the default.
    pub time_to_live: Option<Duration>,
    /// How the token proves its caller.
    pub form: AccessTokenForm,
}

/// The holder of an access token to be issued.
pub enum TokenHolder {
    /// An operator, which belongs to no tenant.
    Operator(FreeName),
    /// A member of a tenant; `None` means the issuer's own.
    Member(Option<TenantName>, Member),
}

/// An access token that was issued.
pub struct IssuedToken {
    /// Its text, or the secret of an access key: this is the only time that it is shown.
    pub text: Zeroizing<String>,
    /// The token.
    pub token: AccessToken,
}
