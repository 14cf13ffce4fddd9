//! Subjects with hashes from other systems.
//!
//! A batch is decided before any of it is written: the import reads what exists and judges each row, and stores the
//! batch as a whole only if no row is refused. A dry run does the same without storing; it remembers what it would have
//! stored, for the rows that follow. Batches that arrive together are a group: it is stored as one, while others are stored
//! and the next one is read.

mod batch;
mod group;
mod remembered;

use std::collections::{BTreeMap, VecDeque};
use std::hash::RandomState;
use std::sync::Arc;

use tokio::task::JoinHandle;

use crate::domain::names::TenantName;
use crate::domain::tenant::TenantId;
use crate::service::error::Missing;
use crate::service::gates::{Gates, ImportId, ImportPermits};
use crate::service::requests::{ImportOptions, ImportReport, RefusedRow, RowToImport, WithoutHash};
use crate::service::{Call, Service, ServiceError};
use batch::Verdict;
use group::{Decided, Group, NameDigests};
pub(in crate::service) use remembered::DryRuns;
use remembered::Remembered;

/// Groups that an import stores at the same time. PostgreSQL works for each on a CPU of its own; each takes a connection and
/// memory.
const GROUPS_AT_ONCE: usize = 2;

/// An import under way.
pub struct Import {
    gates: Arc<Gates>,
    call: Call,
    id: ImportId,
    /// What a dry run would have stored, if this is one.
    dry_run: Option<Remembered>,
    options: ImportOptions,
    /// The tenants that rows were permitted in: each stays the same tenant to the end of the stream.
    tenants: BTreeMap<TenantName, TenantId>,
    /// The groups that are being stored, in order. This finishes whether the caller waits or not.
    under_way: VecDeque<UnderWay>,
    /// Makes digests of names that are the same throughout the import.
    digests: RandomState,
    report: ImportReport,
}

/// A group that is being stored.
struct UnderWay {
    names: NameDigests,
    stored: JoinHandle<Result<Decided, ServiceError>>,
}

impl Service {
    /// Begins an import.
    pub fn import(&self, call: Call, options: ImportOptions) -> Result<Import, ServiceError> {
        let of = call.caller().tenant().cloned();
        let dry_run = if options.is_dry_run { Some(self.dry_runs.begin(of)?) } else { None };
        Ok(Import {
            gates: Arc::clone(&self.gates),
            call,
            id: self.gates.new_import_id(),
            dry_run,
            options,
            tenants: BTreeMap::new(),
            under_way: VecDeque::new(),
            digests: RandomState::new(),
            report: ImportReport::default(),
        })
    }
}

impl Import {
    /// What a row without a hash is.
    pub const fn without_hash(&self) -> WithoutHash {
        self.options.without_hash
    }

    /// Imports batches: each as a whole, or not at all if a row is refused. When this returns, these batches are
    /// decided, and nearly all of those before are stored.
    pub async fn add(&mut self, batches: Vec<Vec<RowToImport>>) -> Result<(), ServiceError> {
        let tenants = batches.iter().flatten().filter_map(|row| row.tenant.as_ref());
        let permits = self.gates.permit_imports(&self.call, tenants).await?;
        self.bind(&permits)?;
        let group = Group::new(&self.gates, permits, batches, self.id, self.options.skips_existing);
        let names = group.name_digests(&self.digests);
        // A row is judged by those before it: the group waits for the others with one of its names.
        if self.under_way.iter().any(|other| !other.names.is_disjoint(&names)) {
            self.settle_to(0).await?;
        }
        let decided = group.decided(&self.gates, self.dry_run.as_ref()).await?;
        self.settle_to(GROUPS_AT_ONCE - 1).await?;
        if let Some(remembered) = &mut self.dry_run {
            decided.newcomers().try_for_each(|newcomer| remembered.add(&newcomer))?;
            self.report.count_all(decided);
        } else {
            let stored = self.gates.detach(decided.stored(Arc::clone(&self.gates)));
            self.under_way.push_back(UnderWay { names, stored });
        }
        Ok(())
    }

    /// Binds the stream to the tenants that it names.
    ///
    /// # Errors
    /// One of them was deleted and recreated since rows of this stream were permitted in it.
    fn bind(&mut self, permits: &ImportPermits) -> Result<(), ServiceError> {
        for (name, id) in permits.tenants() {
            if *self.tenants.entry(name.clone()).or_insert(id) != id {
                return Err(ServiceError::NotFound(Missing::Tenant));
            }
        }
        Ok(())
    }

    /// The result of all batches, once they are stored.
    pub async fn finish(mut self) -> Result<ImportReport, ServiceError> {
        self.settle_to(0).await?;
        Ok(self.report)
    }

    /// Waits until no more than so many groups are under way, the first ones first.
    async fn settle_to(&mut self, most: usize) -> Result<(), ServiceError> {
        while self.under_way.len() > most
            && let Some(first) = self.under_way.front_mut()
        {
            let stored = (&mut first.stored).await;
            self.under_way.pop_front();
            self.report.count_all(stored.map_err(|_| ServiceError::Internal("a batch was lost"))??);
        }
        Ok(())
    }
}

impl ImportReport {
    fn count_all(&mut self, decided: Decided) {
        for (batch, verdicts) in decided.into_batches() {
            self.count(batch.numbers().zip(verdicts));
        }
    }

    fn count(&mut self, verdicts: impl Iterator<Item = (u64, Verdict)>) {
        let (mut new, mut repeated, refused_before) = (0, 0, self.refused);
        for (row_number, verdict) in verdicts {
            match verdict {
                Verdict::New => new += 1,
                Verdict::Repeated => repeated += 1,
                Verdict::Unchanged => self.unchanged += 1,
                Verdict::Skipped => self.skipped += 1,
                Verdict::Refused(problems) => self.refuse(RefusedRow { row_number, problems }),
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
