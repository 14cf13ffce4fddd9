//! Subjects that a dry run would have stored.

use std::collections::BTreeSet;
use std::collections::HashMap;
use std::hash::BuildHasher;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;

use super::batch::{Difference, key, own_words};
use crate::domain::credential::PasswordHash;
use crate::domain::field::{FieldProblem, LengthUnit};
use crate::domain::names::TenantName;
use crate::ports::NotAdmitted;
use crate::service::ServiceError;
use crate::service::gates::Newcomer;

/// The maximum number of remembered subjects for all dry runs together: between 100 and 200 MiB.
const MOST: usize = 3_500_000;
/// The maximum for those of one tenant: about 25 MiB. Only an operator can use up the room of all others.
const MOST_OF_A_TENANT: usize = 900_000;
/// When to retry if there is no room for a dry run.
const AGAIN_AFTER: Duration = Duration::from_secs(10);

/// The dry runs under way: one for each tenant, and one for operators.
#[derive(Default)]
pub(in crate::service) struct DryRuns {
    of: Mutex<BTreeSet<Option<TenantName>>>,
    remembered: AtomicUsize,
}

impl DryRuns {
    /// Begins a dry run of a tenant, or of operators.
    pub(super) fn begin(self: &Arc<Self>, of: Option<TenantName>) -> Result<Remembered, ServiceError> {
        if !self.of.lock().insert(of.clone()) {
            return Err(busy());
        }
        let most = if of.is_some() { MOST_OF_A_TENANT } else { MOST };
        Ok(Remembered { subjects: HashMap::new(), most, of, all: Arc::clone(self) })
    }
}

/// Why there is no room for a dry run now.
fn busy() -> ServiceError {
    ServiceError::NotAdmitted(NotAdmitted::Overloaded { expected_wait: AGAIN_AFTER })
}

/// Digests of what a dry run would have stored: of each name, with the digest of its hash and attributes. They are long
/// enough to distinguish a few million subjects, and keyed, so that no caller can make two that are alike.
pub(super) struct Remembered {
    subjects: HashMap<u64, [u64; 2]>,
    most: usize,
    of: Option<TenantName>,
    all: Arc<DryRuns>,
}

impl Drop for Remembered {
    fn drop(&mut self) {
        self.all.remembered.fetch_sub(self.subjects.len(), Ordering::Relaxed);
        self.all.of.lock().remove(&self.of);
    }
}

impl Remembered {
    /// How a row differs from the one that was remembered under its name.
    pub(super) fn difference(&self, newcomer: &Newcomer<'_>) -> Option<Difference> {
        let [hash, attributes] = self.subjects.get(&self.name(newcomer))?;
        let [own_hash, own_attributes] = self.content(newcomer);
        Some(Difference { in_hash: *hash != own_hash, in_attributes: *attributes != own_attributes })
    }

    pub(super) fn add(&mut self, newcomer: &Newcomer<'_>) -> Result<(), ServiceError> {
        let (name, content) = (self.name(newcomer), self.content(newcomer));
        if self.subjects.contains_key(&name) {
            return Ok(());
        }
        if self.subjects.len() >= self.most {
            let problem = FieldProblem::TooLong { max: self.most, found: self.most + 1, unit: LengthUnit::Entries };
            return Err(ServiceError::invalid_field("options.dry_run", problem));
        }
        if self.all.remembered.fetch_add(1, Ordering::Relaxed) >= MOST {
            self.all.remembered.fetch_sub(1, Ordering::Relaxed);
            return Err(busy());
        }
        self.subjects.insert(name, content);
        Ok(())
    }

    fn name(&self, Newcomer { tenant, subject, .. }: &Newcomer<'_>) -> u64 {
        self.subjects.hasher().hash_one(key((tenant, &subject.name)))
    }

    fn content(&self, newcomer: &Newcomer<'_>) -> [u64; 2] {
        let attributes: Vec<&str> = own_words(newcomer.subject).collect();
        [
            self.subjects.hasher().hash_one(newcomer.hash.map(PasswordHash::expose)),
            self.subjects.hasher().hash_one(attributes),
        ]
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::domain::names::RamUserName;
    use crate::domain::subject::{RamUser, Subject, SubjectAttributes, SubjectId, SubjectName};
    use crate::domain::time::Timestamp;

    fn is_busy<T>(begun: &Result<T, ServiceError>) -> bool {
        matches!(begun, Err(ServiceError::NotAdmitted(NotAdmitted::Overloaded { .. })))
    }

    #[test]
    fn each_tenant_has_a_dry_run_of_its_own_and_operators_have_one() {
        let all = Arc::new(DryRuns::default());
        let [acme, globex] = ["acme", "globex"].map(|name| Some(TenantName::parse(name).unwrap()));
        let first = all.begin(acme.clone()).unwrap();
        assert!(is_busy(&all.begin(acme.clone())));
        let others = [all.begin(globex).unwrap(), all.begin(None).unwrap()];
        assert!(is_busy(&all.begin(None)));
        drop(first);
        assert!(all.begin(acme).is_ok());
        drop(others);
    }

    #[test]
    fn all_dry_runs_together_remember_so_much_and_no_more() {
        let all = Arc::new(DryRuns::default());
        let acme = TenantName::parse("acme").unwrap();
        let subject = Subject {
            id: SubjectId(Uuid::nil()),
            name: SubjectName::RamUser(RamUserName::parse("alice").unwrap()),
            attributes: SubjectAttributes::RamUser(RamUser),
            created_at: Timestamp::from_micros(0),
        };
        let hash = PasswordHash::new("x".to_owned());
        let newcomer =
            Newcomer { tenant: &acme, subject: &subject, hash: Some(&hash), changed_at: Timestamp::from_micros(0) };
        let mut remembered = all.begin(Some(acme.clone())).unwrap();
        all.remembered.store(MOST, Ordering::Relaxed);
        assert!(is_busy(&remembered.add(&newcomer)));
        all.remembered.store(MOST - 1, Ordering::Relaxed);
        remembered.add(&newcomer).unwrap();
        remembered.add(&newcomer).unwrap();
        assert_eq!(all.remembered.load(Ordering::Relaxed), MOST, "the same one once");
        drop(remembered);
        assert_eq!(all.remembered.load(Ordering::Relaxed), MOST - 1);
        let mut small = all.begin(Some(acme.clone())).unwrap();
        small.most = 0;
        assert!(matches!(small.add(&newcomer), Err(ServiceError::InvalidFields(_))));
    }
}
