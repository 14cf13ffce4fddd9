//! Batches that arrived together; each is decided separately.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use super::batch::{Batch, Verdict, key};
use super::remembered::Remembered;
use crate::ports::retries::TRIES_IN_A_RACE;
use crate::service::ServiceError;
use crate::service::gates::{Gates, ImportId, ImportPermits, NewBatch, Newcomer};
use crate::service::requests::RowToImport;

/// Digests of the names in a group. Two names that share one by chance only cost a wait.
pub(super) type NameDigests = HashSet<u64>;

/// Batches that arrived together.
pub(super) struct Group {
    permits: ImportPermits,
    id: ImportId,
    skips_existing: bool,
    batches: Vec<Batch>,
}

/// Batches with the verdicts on their rows.
pub(super) struct Decided {
    group: Group,
    verdicts: Vec<Vec<Verdict>>,
}

impl Group {
    /// Finds all problems of each row on its own.
    pub(super) fn new(
        gates: &Gates,
        permits: ImportPermits,
        batches: Vec<Vec<RowToImport>>,
        id: ImportId,
        skips_existing: bool,
    ) -> Self {
        let mut ids = gates.new_subject_ids(id, batches.iter().map(Vec::len).sum()).into_iter();
        let batches = batches.into_iter().map(|rows| Batch::new(gates, rows, &mut ids)).collect();
        Self { permits, id, skips_existing, batches }
    }

    /// What shows whether two groups have a name in common.
    pub(super) fn name_digests(&self, state: &RandomState) -> NameDigests {
        let names = self.batches.iter().flat_map(Batch::names);
        names.map(|name| state.hash_one(key(name))).collect()
    }

    /// Decides by what exists at this moment.
    pub(super) async fn decided(self, gates: &Gates, remembered: Option<&Remembered>) -> Result<Decided, ServiceError> {
        let verdicts = self.verdicts(gates, remembered).await?;
        Ok(Decided { group: self, verdicts })
    }

    async fn verdicts(
        &self,
        gates: &Gates,
        remembered: Option<&Remembered>,
    ) -> Result<Vec<Vec<Verdict>>, ServiceError> {
        let names: Vec<_> = self.batches.iter().flat_map(Batch::names).collect();
        let mut found = gates.found(&self.permits, &names).await?.into_iter();
        let mut before = HashMap::new();
        let (id, skips) = (self.id, self.skips_existing);
        let judged =
            self.batches.iter().map(|batch| batch.judge(gates, &mut found, remembered, &mut before, id, skips));
        Ok(judged.collect())
    }
}

impl Decided {
    /// Stores what is new, all at once. Decides again if another write was faster.
    pub(super) async fn stored(mut self, gates: Arc<Gates>) -> Result<Self, ServiceError> {
        for _ in 0..TRIES_IN_A_RACE {
            let new: Vec<_> = self.new_batches().filter(|batch| !batch.newcomers.is_empty()).collect();
            if new.is_empty() || gates.import(&self.group.permits, &new).await? {
                return Ok(self);
            }
            self.verdicts = self.group.verdicts(&gates, None).await?;
        }
        Err(ServiceError::Internal("the directory kept changing"))
    }

    /// The subjects to be stored.
    pub(super) fn newcomers(&self) -> impl Iterator<Item = Newcomer<'_>> {
        self.new_batches().flat_map(|batch| batch.newcomers)
    }

    /// Each batch with the verdicts on its rows.
    pub(super) fn into_batches(self) -> impl Iterator<Item = (Batch, Vec<Verdict>)> {
        self.group.batches.into_iter().zip(self.verdicts)
    }

    /// The batches without a refused row.
    fn new_batches(&self) -> impl Iterator<Item = NewBatch<'_>> {
        let decided = self.group.batches.iter().zip(&self.verdicts);
        let accepted = decided.filter(|(_, verdicts)| !Verdict::any_refused(verdicts));
        accepted.map(|(batch, verdicts)| NewBatch {
            newcomers: batch.newcomers(verdicts).collect(),
            unchanged: batch.unchanged(verdicts),
        })
    }
}
