//! What an import prints at its end.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;

use super::row::column;
use crate::cli::failure::Failure;
use crate::cli::terminal::Terminal;
use crate::domain::credential::{PasswordHash, says_no_password};
use crate::domain::text::printable;
use crate::grpc::generated::credential::admin::v1::{ImportCredentialsResponse, ImportRow};
use crate::hashing::algorithm_of;

/// Of hashes whose algorithm can't be told.
const UNKNOWN: &str = "unknown";
/// Of rows without one.
const NONE: &str = "no hash";

/// How many rows have a hash of each algorithm. Clones count together.
#[derive(Debug, Clone, Default)]
pub(super) struct Algorithms(Arc<Mutex<BTreeMap<&'static str, u64>>>);

impl Algorithms {
    pub(super) fn count(&self, rows: &[ImportRow]) {
        let mut counts = self.0.lock();
        for row in rows {
            let name = match row.hash.as_str() {
                hash if says_no_password(hash) => NONE,
                hash => algorithm_of(&PasswordHash::new(hash.to_owned())).unwrap_or(UNKNOWN),
            };
            *counts.entry(name).or_default() += 1;
        }
    }
}

/// Prints each problem of a refused row on a line of its own, then how many rows there are of each algorithm in a dry run,
/// how many problems of each kind, and the totals.
pub(super) fn report(
    response: &ImportCredentialsResponse,
    dry_run: Option<&Algorithms>,
    terminal: &mut Terminal,
) -> Result<(), Failure> {
    let of_column = |field: &str| column(field).map(|column| format!("{column}: ")).unwrap_or_default();
    for row in &response.refused_rows {
        for problem in &row.problems {
            let column = of_column(&problem.field);
            let line = format!("row {}: {column}{} ({})", row.row_number, problem.description, problem.reason);
            terminal.print(&printable(&line))?;
        }
    }
    if response.refused_rows_left_out > 0 {
        terminal.print(&format!("and {} more refused rows", response.refused_rows_left_out))?;
    }
    for (algorithm, rows) in dry_run.iter().flat_map(|algorithms| algorithms.0.lock().clone()) {
        terminal.print(&format!("{rows} of {algorithm}"))?;
    }
    for refusals in &response.refusals {
        let column = of_column(&refusals.field);
        terminal.print(&printable(&format!("{} refused: {column}{}", refusals.count, refusals.reason)))?;
    }
    if response.needed_ceiling_kib > 0 {
        let needed = response.needed_ceiling_kib;
        terminal.print(&format!("with `hashing.ceiling_kib` at {needed}, no row is refused for its memory"))?;
    }
    let ImportCredentialsResponse { imported, unchanged, skipped, refused, held_back, .. } = response;
    let done = if dry_run.is_some() { "dry run: would import" } else { "imported" };
    terminal.print(&format!(
        "{done} {imported}, unchanged {unchanged}, skipped {skipped}, refused {refused}, \
         held back with them {held_back}"
    ))?;
    match refused {
        0 => Ok(()),
        1 => Err(Failure::failed("1 row was refused")),
        _ => Err(Failure::failed(format!("{refused} rows were refused"))),
    }
}
