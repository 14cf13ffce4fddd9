//! Writes whose steps are all known before they begin, so that a database over a network runs them in one round trip.

use super::{Statement, Transaction, Value};
use crate::ports::StoreError;

/// One step of a write.
///
/// It MUST NOT read what an earlier step writes: a database may run all steps on the snapshot before the first.
#[derive(Debug, Clone)]
pub(in crate::store) struct Step {
    /// Up to the end of its condition.
    head: &'static str,
    /// After its condition.
    tail: &'static str,
    pub(in crate::store) values: Vec<Value>,
    pub(in crate::store) kind: StepKind,
    /// The place of the step that has to find or change a row; otherwise this one is skipped.
    pub(in crate::store) after: Option<usize>,
}

/// What a step does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::store) enum StepKind {
    /// It finds rows, and locks them against removal. Others may take the same lock meanwhile.
    Keep,
    /// It finds rows, and locks them against changes. Rows that refer to them may be added meanwhile.
    Lock,
    /// It changes rows.
    Change,
}

impl Step {
    /// A step that changes rows. Its text ends with a condition.
    pub(super) fn change(head: &'static str) -> Self {
        Self { head, tail: "", values: Vec::new(), kind: StepKind::Change, after: None }
    }

    /// A step that finds rows and locks them against removal.
    pub(super) fn keep(head: &'static str) -> Self {
        Self { kind: StepKind::Keep, ..Self::change(head) }
    }

    /// A step that finds rows and locks them against changes.
    pub(super) fn lock(head: &'static str) -> Self {
        Self { kind: StepKind::Lock, ..Self::change(head) }
    }

    /// With more text after the condition.
    pub(super) fn then(self, tail: &'static str) -> Self {
        Self { tail, ..self }
    }

    /// Adds a value.
    pub(super) fn bind(mut self, value: impl Into<Value>) -> Self {
        self.values.push(value.into());
        self
    }

    /// Its text, with one more condition.
    pub(in crate::store) fn text(&self, condition: &str) -> String {
        [self.head, condition, self.tail].concat()
    }

    /// A statement that finds the same rows and locks none.
    pub(super) fn without_lock(self) -> Statement {
        self.statement("")
    }

    fn statement(self, lock: &'static str) -> Statement {
        let statement = Statement::of_parts(&[self.head, self.tail, lock]);
        self.values.into_iter().fold(statement, Statement::bind)
    }

    /// Runs it alone. Returns how many rows it found or changed.
    pub(super) async fn run(self, transaction: &mut dyn Transaction) -> Result<u64, StoreError> {
        let lock = transaction.lock_of(self.kind);
        match self.kind {
            StepKind::Keep | StepKind::Lock => Ok(transaction.fetch(self.statement(lock)).await?.len() as u64),
            StepKind::Change => transaction.execute(self.statement(lock)).await,
        }
    }
}

/// The steps of one write, in order.
#[derive(Debug, Clone, Default)]
pub(in crate::store) struct Steps(Vec<Step>);

impl Steps {
    /// Adds a step that is run if the one at that place found or changed a row. Returns its own place.
    pub(super) fn add(&mut self, step: Step, after: Option<usize>) -> usize {
        self.0.push(Step { after, ..step });
        self.0.len() - 1
    }

    pub(in crate::store) fn iter(&self) -> impl Iterator<Item = &Step> {
        self.0.iter()
    }

    /// Runs the steps one by one. Returns how many rows each found or changed.
    pub(in crate::store) async fn run(&self, transaction: &mut dyn Transaction) -> Result<Vec<u64>, StoreError> {
        let mut counts: Vec<u64> = Vec::with_capacity(self.0.len());
        for step in &self.0 {
            let is_due = step.after.is_none_or(|place| counts.get(place).is_some_and(|count| *count > 0));
            counts.push(if is_due { step.clone().run(transaction).await? } else { 0 });
        }
        Ok(counts)
    }
}
