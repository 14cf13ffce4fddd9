//! Subjects with hashes that other systems made.

use std::collections::HashMap;

use tonic::Status;

use super::wire;
use crate::domain::credential::{PasswordHash, says_no_password};
use crate::domain::field::{FieldProblem, InvalidField, LengthUnit};
use crate::domain::names::{IamUserName, Region, TenantName};
use crate::domain::subject::{GivenAttributes, InstanceAccountStatus, MailDomainStatus};
use crate::domain::tags::parse_tags;
use crate::edge::{Fields, Reason};
use crate::grpc::calls::Messages;
use crate::grpc::convert::statuses::Numbered;
use crate::grpc::convert::times::point_in_time;
use crate::grpc::generated::credential::v1::subject_name::Subject;
use crate::service::requests::{
    ImportOptions, ImportReport, ImportedPassword, Refusals, RefusedRow, RowProblem, RowToImport, SubjectFrom,
    WithoutHash,
};
use crate::service::{Call, Import, Service, ServiceError};

const MAX_ROWS: usize = 1000;
/// Largest number of batches that are stored at once, if they have arrived: more would block other writers for longer,
/// and save little.
const MOST_TOGETHER: usize = 6;
/// Bounds on how much of a client's own problems of a row is returned.
const MAX_REPORTED_PROBLEMS: usize = 8;
const MAX_REPORTED_CHARACTERS: usize = 200;

pub(super) async fn import(
    service: &Service,
    call: Call,
    mut messages: Messages<wire::ImportCredentialsRequest>,
) -> Result<wire::ImportCredentialsResponse, Status> {
    let mut import = None;
    let added = add_all(service, call, &mut messages, &mut import).await;
    // However it ends, what was begun is completed before the reply.
    let report = match import {
        Some(import) => messages.within(import.finish()).await,
        None => Ok(ImportReport::default()),
    };
    added?;
    report.map(Into::into).map_err(|error| messages.refused(&error))
}

async fn add_all(
    service: &Service,
    call: Call,
    messages: &mut Messages<wire::ImportCredentialsRequest>,
    import: &mut Option<Import>,
) -> Result<(), Status> {
    let own_tenant = call.caller().tenant().cloned();
    let mut next_number = 1;
    loop {
        let together = messages.next_together(MOST_TOGETHER).await?;
        if together.is_empty() {
            return Ok(());
        }
        let (mut batches, mut end) = (Vec::with_capacity(together.len()), None);
        for wire::ImportCredentialsRequest { options, rows } in together {
            let begun = begin(service, &call, import, options);
            let without_hash = import.as_ref().map(Import::without_hash).unwrap_or_default();
            let read = |()| read_all(rows, own_tenant.as_ref(), &mut next_number, without_hash);
            match begun.and_then(read) {
                Ok(rows) => batches.push(rows),
                Err(error) => {
                    end = Some(error);
                    break;
                }
            }
        }
        if let Some(import) = import {
            messages.within(import.add(batches)).await.map_err(|error| messages.refused(&error))?;
        }
        end.map_or(Ok(()), |error| Err(messages.refused(&error)))?;
    }
}

/// Begins the import with the first message.
fn begin(
    service: &Service,
    call: &Call,
    import: &mut Option<Import>,
    options: Option<wire::ImportOptions>,
) -> Result<(), ServiceError> {
    match (&import, options) {
        (Some(_), Some(_)) => Err(ServiceError::malformed("options", "belongs into the first message")),
        (Some(_), None) => Ok(()),
        (None, options) => {
            let wire::ImportOptions { dry_run, skip_existing, without_password, verify_elsewhere } =
                options.unwrap_or_default();
            let without_hash = match (without_password, verify_elsewhere) {
                (false, false) => WithoutHash::Refused,
                (true, false) => WithoutHash::NoPassword,
                (false, true) => WithoutHash::Elsewhere,
                (true, true) => {
                    let expected = "must not be set together with `without_password`";
                    return Err(ServiceError::malformed("options.verify_elsewhere", expected));
                }
            };
            let options = ImportOptions { is_dry_run: dry_run, skips_existing: skip_existing, without_hash };
            *import = Some(service.import(call.clone(), options)?);
            Ok(())
        }
    }
}

fn read_all(
    rows: Vec<wire::ImportRow>,
    own_tenant: Option<&TenantName>,
    next_number: &mut u64,
    without_hash: WithoutHash,
) -> Result<Vec<RowToImport>, ServiceError> {
    if rows.len() > MAX_ROWS {
        let problem = FieldProblem::TooLong { max: MAX_ROWS, found: rows.len(), unit: LengthUnit::Entries };
        return Err(ServiceError::invalid_field("rows", problem));
    }
    let read = |row: wire::ImportRow| {
        let place = *next_number;
        *next_number += 1;
        read_import_row(row, place, own_tenant, without_hash)
    };
    Ok(rows.into_iter().map(read).collect())
}

/// Reads a row, which has the number `place` if it has none of its own.
pub(crate) fn read_import_row(
    row: wire::ImportRow,
    place: u64,
    own_tenant: Option<&TenantName>,
    without_hash: WithoutHash,
) -> RowToImport {
    let mut fields = Fields::default();
    let tenant = match (row.tenant.as_str(), own_tenant) {
        ("", Some(own)) => Ok(own.clone()),
        (named, _) => TenantName::parse(named),
    };
    let tenant = fields.take("tenant", tenant);
    let attributes = Given {
        region: row.region,
        mail_domain_status: row.mail_domain_status,
        user_name: row.user_name,
        tags: row.tags,
        account_status: row.account_status,
    };
    let subject = row.subject.as_ref().and_then(|name| name.subject.as_ref());
    let attributes = fields.take_all(attributes.read(subject));
    let name = fields.subject(row.subject);
    let password = match row.hash {
        hash if without_hash == WithoutHash::NoPassword && says_no_password(&hash) => Ok(ImportedPassword::Absent),
        hash if without_hash == WithoutHash::Elsewhere && hash.is_empty() => Ok(ImportedPassword::Elsewhere),
        hash if hash.is_empty() => Err(FieldProblem::Missing),
        hash => Ok(ImportedPassword::Hash(PasswordHash::new(hash))),
    };
    let password = fields.take("hash", password);
    let changed_at = row.change_time.and_then(|time| fields.take("change_time", point_in_time(time)));

    let reported: Vec<_> = row.problems.into_iter().take(MAX_REPORTED_PROBLEMS).collect();
    // A value that could not be read is not missing, and nothing in it is.
    let is_reported = |missing: &InvalidField| {
        let covers = |other: &str| other.starts_with(missing.field) || missing.field.starts_with(other);
        missing.problem == FieldProblem::Missing && reported.iter().any(|other| covers(&other.field))
    };
    let own = fields.problems().into_iter().filter(|invalid| !is_reported(invalid)).map(RowProblem::Field);
    let problems = own.chain(reported.iter().map(Into::into)).collect();
    let number = if row.row_number == 0 { place } else { row.row_number };
    RowToImport { number, tenant, name, attributes, password, changed_at, problems }
}

/// The attributes in a row of any kind.
struct Given {
    region: String,
    mail_domain_status: i32,
    user_name: String,
    tags: HashMap<String, String>,
    account_status: i32,
}

impl Given {
    /// Reads those that the kind of the subject has. The others must be absent.
    fn read(self, subject: Option<&Subject>) -> Result<GivenAttributes, Vec<InvalidField>> {
        let mut fields = Fields::default();
        let kind = subject.map(Subject::kind);
        let has = |field| kind.is_some_and(|kind| kind.imported().contains(&field));
        for (field, is_given) in [
            ("region", !self.region.is_empty()),
            ("mail_domain_status", self.mail_domain_status != 0),
            ("user_name", !self.user_name.is_empty()),
            ("tags", !self.tags.is_empty()),
            ("account_status", self.account_status != 0),
        ] {
            if is_given && kind.is_some() && !has(field) {
                let problem = FieldProblem::Malformed { expected: "must be empty for this kind of subject" };
                fields.take::<()>(field, Err(problem));
            }
        }
        let mut attributes = GivenAttributes::default();
        if has("region") {
            attributes.region = fields.take_unless_empty("region", &self.region, Region::parse);
        }
        if has("mail_domain_status") {
            let status = MailDomainStatus::specified(self.mail_domain_status);
            attributes.mail_domain_status = fields.take("mail_domain_status", status).flatten();
        }
        if let Some(Subject::IamUser(id)) = subject {
            attributes.user_name = fields.take("user_name", IamUserName::given(&self.user_name, id)).flatten();
        }
        if has("tags") {
            attributes.tags = fields.take("tags", parse_tags(self.tags)).unwrap_or_default();
        }
        if has("account_status") {
            let status = InstanceAccountStatus::specified(self.account_status);
            attributes.account_status = fields.take("account_status", status).flatten();
        }
        let problems = fields.problems();
        if problems.is_empty() { Ok(attributes) } else { Err(problems) }
    }
}

impl From<&wire::RowProblem> for RowProblem {
    fn from(problem: &wire::RowProblem) -> Self {
        let short = |text: &str| text.chars().take(MAX_REPORTED_CHARACTERS).collect();
        Self::Reported {
            field: short(&problem.field),
            reason: short(&problem.reason),
            description: short(&problem.description),
        }
    }
}

impl From<ImportReport> for wire::ImportCredentialsResponse {
    fn from(report: ImportReport) -> Self {
        let refused_rows: Vec<_> = report.refused_rows.into_iter().map(wire::RefusedRow::from).collect();
        let reported = refused_rows.len().try_into().unwrap_or(u64::MAX);
        Self {
            imported: report.imported,
            unchanged: report.unchanged,
            skipped: report.skipped,
            refused: report.refused,
            held_back: report.held_back,
            refused_rows,
            refused_rows_left_out: report.refused.saturating_sub(reported),
            refusals: report.refusals.into_iter().map(Into::into).collect(),
            needed_ceiling_kib: report.needed_ceiling_kib.unwrap_or_default(),
        }
    }
}

impl From<Refusals> for wire::Refusals {
    fn from(refusals: Refusals) -> Self {
        let wire::RowProblem { field, reason, .. } = refusals.example.into();
        Self { field, reason, count: refusals.count }
    }
}

impl From<RefusedRow> for wire::RefusedRow {
    fn from(row: RefusedRow) -> Self {
        Self { row_number: row.row_number, problems: row.problems.into_iter().map(Into::into).collect() }
    }
}

impl From<RowProblem> for wire::RowProblem {
    fn from(problem: RowProblem) -> Self {
        let of = |field: &str, reason: Reason, description: &str| Self {
            field: field.to_owned(),
            reason: reason.name().to_owned(),
            description: description.to_owned(),
        };
        match problem {
            RowProblem::Field(InvalidField { field, problem }) => {
                Self { field: field.to_owned(), reason: problem.reason().to_owned(), description: problem.to_string() }
            }
            RowProblem::Reported { field, reason, description } => Self { field, reason, description },
            RowProblem::TenantAbsent => of("tenant", Reason::TenantNotFound, "does not exist"),
            RowProblem::InstanceAbsent => {
                of("subject.instance_account.instance_id", Reason::InstanceNotFound, "does not exist")
            }
            RowProblem::OtherHash(SubjectFrom::Before) => {
                of("hash", Reason::AlreadyExists, "the subject is there with another hash, or none")
            }
            RowProblem::OtherHash(SubjectFrom::EarlierRow) => {
                of("hash", Reason::AlreadyExists, "an earlier row has the subject with another hash, or none")
            }
            RowProblem::OtherAttributes(SubjectFrom::Before) => {
                of("subject", Reason::AlreadyExists, "the subject is there with other attributes")
            }
            RowProblem::OtherAttributes(SubjectFrom::EarlierRow) => {
                of("subject", Reason::AlreadyExists, "an earlier row has the subject with other attributes")
            }
        }
    }
}
