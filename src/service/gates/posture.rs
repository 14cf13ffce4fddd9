//! How the stored passwords are hashed.

use std::collections::BTreeMap;

use super::{Gates, Permit};
use crate::domain::names::TenantName;
use crate::domain::page::PageRequest;
use crate::ports::HashDescription;
use crate::ports::store::{Generation, HashCount, HashEntry, StoredHashes, SubjectEntry};
use crate::service::requests::{DescribedCredential, DescribedSubject, HashGroup, HashPosture};
use crate::service::{Service, ServiceError};

impl Gates {
    /// Counts the current hashes of a tenant, or of all, by algorithm and parameters. Reads them a page at a time; no
    /// hash leaves this gate.
    pub(super) async fn hash_posture(
        &self,
        permit: &Permit,
        tenant: Option<&TenantName>,
    ) -> Result<HashPosture, ServiceError> {
        let (mut groups, mut page) = (BTreeMap::new(), PageRequest { size: PageRequest::MAX_SIZE, after: None });
        loop {
            self.check_deadline(permit)?;
            let found = self.ports.store.hashes(tenant, &page).await?;
            found.items.iter().for_each(|entry| count(&mut groups, self.describe(entry)));
            match found.next {
                Some(next) => page.after = Some(next),
                None => break,
            }
        }
        let mut groups: Vec<HashGroup> = groups.into_values().collect();
        groups.sort_by_key(|group| std::cmp::Reverse(group.hashes));
        let target = self.ports.hasher.describe(&self.ports.hasher.decoy());
        Ok(HashPosture { target: format!("{} {}", target.algorithm, target.parameters), groups })
    }

    /// Fails once the deadline of a call that reads page after page has passed.
    pub(super) fn check_deadline(&self, permit: &Permit) -> Result<(), ServiceError> {
        let is_over = permit.call().deadline.remaining(self.ports.clock.instant()).is_zero();
        if is_over { Err(ServiceError::DeadlineExceeded) } else { Ok(()) }
    }

    /// What may be disclosed of a subject. Its hash does not leave this gate.
    pub(in crate::service) fn described(&self, entry: SubjectEntry) -> DescribedSubject {
        let SubjectEntry { subject, credential, hash } = entry;
        let credential = credential.zip(hash).map(|(state, hash)| {
            let entry = HashEntry { subject: subject.id, version: state.version, hash };
            DescribedCredential { state, hash_algorithm: self.describe(&entry).algorithm }
        });
        DescribedSubject { subject, credential }
    }

    fn describe(&self, entry: &HashEntry) -> HashDescription {
        match self.ports.pepper.open(&entry.hash, entry.subject, entry.version) {
            Ok(hash) if hash.is_verified_elsewhere() => HashDescription::verified_elsewhere(),
            Ok(hash) => self.ports.hasher.describe(&hash),
            Err(_) => HashDescription::unreadable(),
        }
    }
}

impl Service {
    /// Counts the hashes that no password verifies against, because their key is missing, by algorithm: of current and of
    /// earlier passwords. Reads all hashes.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn hashes_without_key(
        &self,
        store: &dyn StoredHashes,
    ) -> Result<BTreeMap<&'static str, HashCount>, ServiceError> {
        let mut counts = BTreeMap::<_, HashCount>::new();
        for key in store.keys_in_use().await? {
            for age in Generation::ALL {
                let mut after = None;
                loop {
                    let found = store.hashes_under(age, key.as_ref(), after, PageRequest::MAX_SIZE).await?;
                    let Some(last) = found.last() else { break };
                    after = Some((last.subject, last.version));
                    for description in found.iter().map(|entry| self.gates.describe(entry)) {
                        if description.lacks_key {
                            *counts.entry(description.algorithm).or_default().of(age) += 1;
                        }
                    }
                }
            }
        }
        Ok(counts)
    }
}

fn count(groups: &mut BTreeMap<(&'static str, String), HashGroup>, description: HashDescription) {
    let HashDescription { algorithm, parameters, is_below_target, lacks_key: _ } = description;
    let group = groups.entry((algorithm, parameters.clone())).or_insert_with(|| HashGroup {
        algorithm,
        parameters,
        hashes: 0,
        below_target: 0,
    });
    group.hashes += 1;
    group.below_target += u64::from(is_below_target);
}
