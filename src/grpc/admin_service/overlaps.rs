//! Rotating a password without an outage.

use std::time::Duration;

use super::wire;
use crate::domain::field::FieldProblem;
use crate::domain::overlap::{KnownPassword, LONGEST_OVERLAP, OverlapState, PasswordUse};
use crate::domain::subject::{SubjectKind, SubjectName};
use crate::domain::time::Timestamp;
use crate::edge::Fields;
use crate::grpc::convert::statuses::Numbered;
use crate::grpc::convert::times::timestamp;
use crate::grpc::generated::credential::v1::SubjectName as NamedSubject;
use crate::service::{Call, Service, ServiceError};

pub(super) async fn set(
    service: &Service,
    call: Call,
    message: wire::SetPasswordOverlapRequest,
) -> Result<wire::SetPasswordOverlapResponse, ServiceError> {
    let mut fields = Fields::default();
    let tenant = fields.tenant(&message.tenant);
    let subject = overlapping(&mut fields, message.subject);
    let length = fields.take("overlap_seconds", length(message.overlap_seconds));
    let (subject, length) = fields.all(|| Some((subject?, length?)))?;
    let state = service.set_password_overlap(call, tenant, subject, length).await?;
    Ok(wire::SetPasswordOverlapResponse { overlap: Some(state.into()) })
}

pub(super) async fn describe(
    service: &Service,
    call: Call,
    message: wire::DescribePasswordOverlapRequest,
) -> Result<wire::DescribePasswordOverlapResponse, ServiceError> {
    let mut fields = Fields::default();
    let tenant = fields.tenant(&message.tenant);
    let subject = overlapping(&mut fields, message.subject);
    let state = service.describe_password_overlap(call, tenant, fields.all(|| subject)?).await?;
    Ok(wire::DescribePasswordOverlapResponse { overlap: Some(state.into()) })
}

pub(super) async fn end(
    service: &Service,
    call: Call,
    message: wire::EndPasswordOverlapRequest,
) -> Result<wire::EndPasswordOverlapResponse, ServiceError> {
    let mut fields = Fields::default();
    let tenant = fields.tenant(&message.tenant);
    let subject = overlapping(&mut fields, message.subject);
    let state = service.end_password_overlap(call, tenant, fields.all(|| subject)?).await?;
    Ok(wire::EndPasswordOverlapResponse { overlap: Some(state.into()) })
}

/// The subject, which must be of a kind that has overlaps.
fn overlapping(fields: &mut Fields, subject: Option<NamedSubject>) -> Option<SubjectName> {
    let name = fields.subject(subject)?;
    let checked = match name.kind() {
        SubjectKind::MailDomain | SubjectKind::InstanceAccount => Ok(name),
        SubjectKind::RamUser | SubjectKind::IamUser => Err(FieldProblem::Malformed {
            expected: "must be a mail domain or an instance account: users have no overlap",
        }),
    };
    fields.take("subject", checked)
}

fn length(seconds: u32) -> Result<Duration, FieldProblem> {
    let length = Duration::from_secs(seconds.into());
    if length <= LONGEST_OVERLAP {
        return Ok(length);
    }
    Err(FieldProblem::OutOfRange { min: 0, max: LONGEST_OVERLAP.as_secs(), found: seconds.into() })
}

impl From<OverlapState> for wire::PasswordOverlap {
    fn from(OverlapState { overlap, current, previous }: OverlapState) -> Self {
        let until = overlap.window.map(|window| window.end());
        Self {
            overlap_seconds: u32::try_from(overlap.length.as_secs()).unwrap_or(u32::MAX),
            current: current.map(|password| known(password, None)),
            previous: previous.map(|password| known(password, until)),
        }
    }
}

fn known(password: KnownPassword, until: Option<Timestamp>) -> wire::KnownPassword {
    let KnownPassword { version, changed_at, uses } = password;
    wire::KnownPassword {
        version: version.number(),
        change_time: changed_at.map(timestamp),
        expire_time: until.map(timestamp),
        uses: uses.into_iter().map(Into::into).collect(),
    }
}

impl From<PasswordUse> for wire::PasswordUse {
    fn from(PasswordUse { caller, at }: PasswordUse) -> Self {
        Self {
            caller_kind: caller.kind().number(),
            caller_name: caller.name().to_owned(),
            last_use_time: Some(timestamp(at)),
        }
    }
}
