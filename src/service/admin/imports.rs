//! Subjects with hashes that other systems made.
//!
//! A batch is decided before anything of it is written: what is there is read, each row is judged, and only where none
//! is refused is the batch stored, as a whole. A dry run does the same and does not store; what it would have stored it
//! remembers, for the rows that follow.

mod batch;
mod remembered;

use std::sync::Arc;

use tokio::sync::OwnedSemaphorePermit;

use crate::service::gates::Gates;
use crate::service::requests::{ImportReport, RefusedRow, RowToImport};
use crate::service::{Call, Service, ServiceError};
use batch::{Batch, Verdict};
use remembered::Remembered;

/// So many refused rows are told; of the others, how many they are.
const MOST_TOLD: usize = 1000;
/// How often a batch is decided anew when somebody else writes in between.
const TRIES: usize = 8;

/// An import under way.
pub struct Import {
    gates: Arc<Gates>,
    call: Call,
    dry_run: Option<DryRun>,
    report: ImportReport,
}

/// What a dry run has besides. There is one at a time, because it takes memory.
struct DryRun {
    remembered: Remembered,
    _turn: OwnedSemaphorePermit,
}

impl Service {
    /// Begins an import.
    pub fn import(&self, call: Call, dry_run: bool) -> Result<Import, ServiceError> {
        let dry_run = if dry_run {
            let turn = Arc::clone(&self.dry_runs).try_acquire_owned().map_err(|_| Remembered::busy())?;
            Some(DryRun { remembered: Remembered::default(), _turn: turn })
        } else {
            None
        };
        Ok(Import { gates: Arc::clone(&self.gates), call, dry_run, report: ImportReport::default() })
    }
}

impl Import {
    /// Imports a batch: all of it, or nothing where a row is refused.
    pub async fn add(&mut self, rows: Vec<RowToImport>) -> Result<(), ServiceError> {
        let permits = self.gates.permit_imports(&self.call, rows.iter().filter_map(|row| row.tenant.as_ref())).await?;
        let batch = Batch::new(&self.gates, rows)?;
        for _ in 0..TRIES {
            let found = self.gates.found(&permits, &batch.names()).await?;
            let verdicts = batch.judge(found, self.dry_run.as_ref().map(|dry_run| &dry_run.remembered));
            let is_stored = if verdicts.iter().any(|verdict| matches!(verdict, Verdict::Refused(_))) {
                true
            } else if let Some(dry_run) = &mut self.dry_run {
                batch.newcomers(&verdicts).try_for_each(|newcomer| dry_run.remembered.add(&newcomer))?;
                true
            } else {
                let newcomers: Vec<_> = batch.newcomers(&verdicts).collect();
                newcomers.is_empty() || self.gates.import(&permits, &newcomers, &batch.unchanged(&verdicts)).await?
            };
            if is_stored {
                self.report.count(batch.numbers().zip(verdicts));
                return Ok(());
            }
        }
        Err(ServiceError::Internal("the directory kept changing"))
    }

    /// What came of all batches.
    pub fn finish(self) -> ImportReport {
        self.report
    }
}

impl ImportReport {
    fn count(&mut self, verdicts: impl Iterator<Item = (u64, Verdict)>) {
        let (mut new, mut repeated, refused_before) = (0, 0, self.refused);
        for (row_number, verdict) in verdicts {
            match verdict {
                Verdict::New => new += 1,
                Verdict::Repeated => repeated += 1,
                Verdict::Unchanged => self.unchanged += 1,
                Verdict::Refused(problems) => {
                    self.refused += 1;
                    if self.refused_rows.len() < MOST_TOLD {
                        self.refused_rows.push(RefusedRow { row_number, problems });
                    }
                }
            }
        }
        if self.refused > refused_before {
            self.held_back += new + repeated;
        } else {
            self.imported += new;
            self.unchanged += repeated;
        }
    }
}
