//! What a dry run would have stored.

use std::collections::HashMap;
use std::hash::BuildHasher;
use std::time::Duration;

use super::batch::{Difference, own_words};
use crate::domain::field::{FieldProblem, InvalidField, LengthUnit};
use crate::ports::NotAdmitted;
use crate::service::ServiceError;
use crate::service::gates::Newcomer;

/// So many subjects are remembered at most: about 100 MiB of them.
const MOST: usize = 3_500_000;
/// When whoever finds a dry run under way should come again.
const AGAIN_AFTER: Duration = Duration::from_secs(10);

/// Digests of what a dry run would have stored: of the names, and with each that of hash and attributes. They are as long
/// as it takes to tell a few million subjects apart, and keyed, so that nobody can make two that are alike.
#[derive(Default)]
pub(super) struct Remembered(HashMap<u64, [u64; 2]>);

impl Remembered {
    /// Why there is no second dry run at a time.
    pub(super) fn busy() -> ServiceError {
        ServiceError::NotAdmitted(NotAdmitted::Overloaded { expected_wait: AGAIN_AFTER })
    }

    /// In what a row differs from the one that was remembered under its name.
    pub(super) fn difference(&self, newcomer: &Newcomer<'_>) -> Option<Difference> {
        let [hash, attributes] = self.0.get(&self.name(newcomer))?;
        let [own_hash, own_attributes] = self.content(newcomer);
        Some(Difference { in_hash: *hash != own_hash, in_attributes: *attributes != own_attributes })
    }

    pub(super) fn add(&mut self, newcomer: &Newcomer<'_>) -> Result<(), ServiceError> {
        if self.0.len() >= MOST {
            let problem = FieldProblem::TooLong { max: MOST, found: MOST + 1, unit: LengthUnit::Entries };
            return Err(ServiceError::InvalidFields(vec![InvalidField { field: "options.dry_run", problem }]));
        }
        self.0.insert(self.name(newcomer), self.content(newcomer));
        Ok(())
    }

    fn name(&self, newcomer: &Newcomer<'_>) -> u64 {
        let name = &newcomer.subject.name;
        self.0.hasher().hash_one((newcomer.tenant, name.kind(), name.instance(), name.key()))
    }

    fn content(&self, newcomer: &Newcomer<'_>) -> [u64; 2] {
        let attributes: Vec<&str> = own_words(&newcomer.subject.attributes).collect();
        [self.0.hasher().hash_one(newcomer.hash.expose()), self.0.hasher().hash_one(attributes)]
    }
}
