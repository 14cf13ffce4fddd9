//! Hashes from other systems, on their way to the store.

use std::collections::{BTreeMap, BTreeSet};

use super::{Gates, Permit};
use crate::domain::audit_event::AuditOutcome;
use crate::domain::credential::{ChangeId, ChangedBy, HashDigest, PasswordHash, Version};
use crate::domain::hash_problem::HashProblem;
use crate::domain::names::TenantName;
use crate::domain::resource::Resource;
use crate::domain::subject::{Subject, SubjectId, SubjectName};
use crate::domain::tenant::TenantId;
use crate::domain::time::Timestamp;
use crate::ports::store::{Authority, FoundSubject, ImportedSubject, Lookup};
use crate::service::{Call, ServiceError};

/// Proves that a caller may import into each of some tenants.
pub struct ImportPermits(BTreeMap<TenantName, Permit>);

/// A subject to be imported, with the hash of its password.
#[derive(Clone, Copy)]
pub(in crate::service) struct Newcomer<'a> {
    /// Its tenant.
    pub(in crate::service) tenant: &'a TenantName,
    /// The subject.
    pub(in crate::service) subject: &'a Subject,
    /// The hash of its password, if it has one.
    pub(in crate::service) hash: Option<&'a PasswordHash>,
    /// When that password was set.
    pub(in crate::service) changed_at: Timestamp,
}

/// What exists under a subject's name.
pub(in crate::service) struct Existing {
    /// The subject, or what is missing.
    pub(in crate::service) lookup: Lookup,
    /// Its password.
    pub(in crate::service) password: ExistingPassword,
}

/// The password of a subject that exists.
pub(in crate::service) struct ExistingPassword {
    /// Whether it has one.
    pub(in crate::service) is_set: bool,
    /// Its hash, if that opens.
    pub(in crate::service) hash: Option<PasswordHash>,
    /// How the hash was made that this password had first, if an upgrade has replaced that.
    pub(in crate::service) first_hash: Option<HashDigest>,
}

impl ExistingPassword {
    /// Whether a hash is its own, or the one that it had first.
    pub(in crate::service) fn is_of(&self, hash: &PasswordHash, gates: &Gates) -> bool {
        let digest = || {
            let is_elsewhere = hash.is_verified_elsewhere();
            if is_elsewhere { Some(HashDigest::VERIFIED_ELSEWHERE) } else { gates.ports.hasher.digest(hash) }
        };
        let was_first = |first: HashDigest| digest() == Some(first);
        self.hash.as_ref() == Some(hash) || self.first_hash.is_some_and(was_first)
    }
}

/// What the ids of all subjects of one import begin with: a million subjects of other origin have it by chance once in a
/// million imports.
#[derive(Debug, Clone, Copy)]
pub(in crate::service) struct ImportId([u8; Self::BYTES]);

impl ImportId {
    const BYTES: usize = 5;

    /// Whether a subject comes from this import.
    pub(in crate::service) fn has_made(self, subject: SubjectId) -> bool {
        subject.0.as_bytes().starts_with(&self.0)
    }
}

/// The part of a batch that is stored.
pub(in crate::service) struct NewBatch<'a> {
    /// The subjects to be imported.
    pub(in crate::service) newcomers: Vec<Newcomer<'a>>,
    /// The tenant of each row that exists already.
    pub(in crate::service) unchanged: Vec<&'a TenantName>,
}

impl Gates {
    /// Checks the caller's evidence, and decides whether the caller may import into each of those tenants.
    pub(in crate::service) async fn permit_imports<'a>(
        &self,
        call: &Call,
        tenants: impl Iterator<Item = &'a TenantName>,
    ) -> Result<ImportPermits, ServiceError> {
        self.check_evidence(call).await?;
        let mut permits = BTreeMap::new();
        for tenant in tenants {
            if !permits.contains_key(tenant) {
                let permit = self.permit_proven(call.clone(), &Resource::Tenant(tenant.clone())).await?;
                permits.insert(tenant.clone(), permit);
            }
        }
        Ok(ImportPermits(permits))
    }

    /// The form in which a hash from elsewhere is stored.
    pub(in crate::service) fn imported_hash(&self, hash: &PasswordHash) -> Result<PasswordHash, HashProblem> {
        self.ports.hasher.imported(hash)
    }

    /// Whether there is another system that verifies passwords.
    pub(in crate::service) fn has_hook(&self) -> bool {
        self.ports.hook.is_some()
    }

    /// What exists under each of those names, with the hash of its password, in the form of an imported one. A hash that
    /// does not open counts as a different one.
    pub(in crate::service) async fn found(
        &self,
        permits: &ImportPermits,
        names: &[(&TenantName, &SubjectName)],
    ) -> Result<Vec<Existing>, ServiceError> {
        permits.cover(names.iter().map(|(tenant, _)| *tenant))?;
        let found = self.ports.store.look_up_all(names).await?;
        let open = |FoundSubject { lookup, hash: stored, first_hash }| {
            let is_set = stored.is_some();
            let hash = match (&lookup, stored) {
                (Lookup::Found(subject), Some(stored)) => {
                    let opened = self.ports.pepper.open(&stored.hash, subject.id, stored.version).ok();
                    opened.map(|hash| self.imported_hash(&hash).unwrap_or(hash))
                }
                _ => None,
            };
            Existing { lookup, password: ExistingPassword { is_set, hash, first_hash } }
        };
        Ok(found.into_iter().map(open).collect())
    }

    /// Adds the subjects of some batches with their passwords, with an audit event for each batch and tenant: all of
    /// it, or nothing if another write was faster.
    pub(in crate::service) async fn import(
        &self,
        permits: &ImportPermits,
        batches: &[NewBatch<'_>],
    ) -> Result<bool, ServiceError> {
        let newcomers = || batches.iter().flat_map(|batch| &batch.newcomers);
        permits.cover(newcomers().map(|newcomer| newcomer.tenant))?;
        let imported = |(newcomer, change_id): (&Newcomer<'_>, [u8; 16])| {
            let wrap = |hash| self.wrap(hash, newcomer.subject.id, Version::FIRST);
            Ok(ImportedSubject {
                tenant: newcomer.tenant.clone(),
                subject: newcomer.subject.clone(),
                hash: newcomer.hash.map(wrap).transpose()?,
                changed_by: match newcomer.hash {
                    Some(hash) if hash.is_verified_elsewhere() => ChangedBy::Elsewhere,
                    _ => ChangedBy::Administrator,
                },
                changed_at: newcomer.changed_at,
                change_id: ChangeId(uuid::Builder::from_random_bytes(change_id).into_uuid()),
            })
        };
        let change_ids = self.many_random(newcomers().count());
        let subjects = newcomers().zip(change_ids).map(imported).collect::<Result<Vec<_>, ServiceError>>()?;
        let authorities: Vec<_> = batches.iter().flat_map(|batch| self.authorities(permits, batch)).collect();
        let is_stored = self.ports.store.import(&subjects, &authorities).await?;
        if is_stored {
            let tenants: BTreeSet<_> = newcomers().map(|newcomer| newcomer.tenant).collect();
            for tenant in tenants {
                self.committed(Some(tenant));
            }
        }
        Ok(is_stored)
    }

    /// The id of an import that begins.
    pub(in crate::service) fn new_import_id(&self) -> ImportId {
        ImportId(self.random())
    }

    /// Fresh ids for a batch of an import, in order. They share their first half, so that they are adjacent in the store's
    /// indexes: with scattered ids, each row of a batch would write its own pages.
    pub(in crate::service) fn new_subject_ids(&self, of: ImportId, count: usize) -> Vec<SubjectId> {
        let batch: [u8; 8 - ImportId::BYTES] = self.random();
        let fresh = |random: [u8; 8]| {
            let mut bytes = [0; 16];
            let (import, rest) = bytes.split_at_mut(ImportId::BYTES);
            let (of_batch, rest) = rest.split_at_mut(batch.len());
            import.copy_from_slice(&of.0);
            of_batch.copy_from_slice(&batch);
            rest.copy_from_slice(&random);
            SubjectId(uuid::Builder::from_random_bytes(bytes).into_uuid())
        };
        let mut ids: Vec<_> = self.many_random(count).into_iter().map(fresh).collect();
        ids.sort_unstable_by_key(|id| id.0);
        ids
    }

    fn authorities(&self, permits: &ImportPermits, batch: &NewBatch<'_>) -> Vec<Authority> {
        let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        let of_tenant = |(tenant, permit): (&TenantName, &Permit)| {
            let subjects = count(batch.newcomers.iter().filter(|newcomer| newcomer.tenant == tenant).count());
            let unchanged = count(batch.unchanged.iter().filter(|of| **of == tenant).count());
            (subjects > 0).then(|| self.authority(permit, AuditOutcome::Imported { subjects, unchanged }))
        };
        permits.0.iter().filter_map(of_tenant).collect()
    }
}

impl ImportPermits {
    /// The tenants that exist.
    pub(in crate::service) fn tenants(&self) -> impl Iterator<Item = (&TenantName, TenantId)> {
        self.0.iter().filter_map(|(name, permit)| Some((name, permit.tenant()?)))
    }

    fn cover<'a>(&self, mut tenants: impl Iterator<Item = &'a TenantName>) -> Result<(), ServiceError> {
        if tenants.all(|tenant| self.0.contains_key(tenant)) {
            Ok(())
        } else {
            Err(ServiceError::Internal("a tenant that nothing was permitted in"))
        }
    }
}
