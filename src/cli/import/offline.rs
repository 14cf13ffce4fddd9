//! A first look at a file, without a service.

use super::report::Algorithms;
use super::source::Batches;
use crate::cli::failure::Failure;
use crate::domain::field::InvalidField;
use crate::domain::names::TenantName;
use crate::grpc::generated::credential::admin::v1::ImportCredentialsResponse;
use crate::grpc::read_import_row;
use crate::hashing::HashReader;
use crate::service::requests::{ImportReport, ImportedPassword, RefusedRow, RowProblem, WithoutHash};

/// In place of the tenant of a caller, who is not known.
const ANY_TENANT: &str = "own";

/// Checks what a service checks that has those settings and no subjects yet.
pub(super) fn check(
    batches: Batches,
    hashes: &HashReader,
    without_hash: WithoutHash,
    algorithms: &Algorithms,
) -> Result<ImportCredentialsResponse, Failure> {
    let own = TenantName::parse(ANY_TENANT).map_err(Failure::failed)?;
    let mut report = ImportReport::default();
    for rows in batches {
        let rows = rows?;
        algorithms.count(&rows);
        let (mut good, refused_before) = (0, report.refused);
        for row in rows {
            let row = read_import_row(row, 0, Some(&own), without_hash);
            let hash = row.password.as_ref().and_then(ImportedPassword::hash);
            let of_hash = hash.and_then(|hash| hashes.check(hash).err());
            let of_hash =
                of_hash.map(|problem| RowProblem::Field(InvalidField { field: "hash", problem: problem.into() }));
            let problems: Vec<_> = row.problems.into_iter().chain(of_hash).collect();
            if problems.is_empty() {
                good += 1;
            } else {
                report.refuse(RefusedRow { row_number: row.number, problems });
            }
        }
        let is_held_back = report.refused > refused_before;
        *(if is_held_back { &mut report.held_back } else { &mut report.imported }) += good;
    }
    Ok(report.into())
}
