//! The directory of the permitted tenant. No other tenant can be named through it.

use super::{Gates, Permit};
use crate::domain::names::{InstanceId, TenantName};
use crate::domain::page::{Page, PageRequest};
use crate::domain::settings::TenantSettings;
use crate::domain::subject::{Instance, InstanceStatus, Subject, SubjectKind, SubjectName};
use crate::ports::store::{
    Authority, Creation, Deletion, FirstPassword, Lookup, NewSubject, SubjectEntry, SubjectStatus,
};
use crate::ports::{Store, StoreError};
use crate::service::ServiceError;
use crate::service::error::Missing;

/// The instances, the subjects and the settings of one tenant.
pub(in crate::service) struct Directory<'a> {
    store: &'a dyn Store,
    tenant: &'a TenantName,
}

impl Gates {
    /// The directory of a permit's tenant.
    pub(in crate::service) fn directory<'a>(&'a self, permit: &'a Permit) -> Result<Directory<'a>, ServiceError> {
        let tenant = permit.tenant_name().ok_or(ServiceError::NotFound(Missing::Tenant))?;
        Ok(Directory { store: self.ports.store.as_ref(), tenant })
    }
}

impl Directory<'_> {
    pub(in crate::service) async fn settings(&self) -> Result<TenantSettings, ServiceError> {
        self.store.settings(self.tenant).await?.ok_or(ServiceError::NotFound(Missing::Tenant))
    }

    pub(in crate::service) async fn replace_settings(
        &self,
        expected: &TenantSettings,
        settings: &TenantSettings,
        authority: &Authority,
    ) -> Result<bool, StoreError> {
        self.store.replace_settings(self.tenant, expected, settings, authority).await
    }

    pub(in crate::service) async fn create_instance(
        &self,
        instance: &Instance,
        authority: &Authority,
    ) -> Result<Creation, StoreError> {
        self.store.create_instance(self.tenant, instance, authority).await
    }

    pub(in crate::service) async fn instance(&self, id: &InstanceId) -> Result<Instance, ServiceError> {
        self.store.instance(self.tenant, id).await?.ok_or(ServiceError::NotFound(Missing::Instance))
    }

    pub(in crate::service) async fn instances(&self, page: &PageRequest) -> Result<Page<Instance>, StoreError> {
        self.store.instances(self.tenant, page).await
    }

    pub(in crate::service) async fn set_instance_status(
        &self,
        id: &InstanceId,
        status: InstanceStatus,
        authority: &Authority,
    ) -> Result<bool, StoreError> {
        self.store.set_instance_status(self.tenant, id, status, authority).await
    }

    pub(in crate::service) async fn delete_instance(
        &self,
        id: &InstanceId,
        authority: &Authority,
    ) -> Result<Deletion, StoreError> {
        self.store.delete_instance(self.tenant, id, authority).await
    }

    pub(in crate::service) async fn look_up(&self, name: &SubjectName) -> Result<Lookup, StoreError> {
        self.store.look_up(self.tenant, name).await
    }

    pub(in crate::service) async fn create_subject(
        &self,
        subject: Subject,
        first_password: Option<FirstPassword>,
        authority: &Authority,
    ) -> Result<Creation, StoreError> {
        let new = NewSubject { tenant: self.tenant.clone(), subject, first_password };
        self.store.create_subject(&new, authority).await
    }

    pub(in crate::service) async fn subject(&self, name: &SubjectName) -> Result<Option<SubjectEntry>, StoreError> {
        self.store.subject(self.tenant, name).await
    }

    pub(in crate::service) async fn subjects(
        &self,
        kind: SubjectKind,
        instance: Option<&InstanceId>,
        page: &PageRequest,
    ) -> Result<Page<SubjectEntry>, StoreError> {
        self.store.subjects(self.tenant, kind, instance, page).await
    }

    pub(in crate::service) async fn set_subject_status(
        &self,
        name: &SubjectName,
        status: SubjectStatus,
        authority: &Authority,
    ) -> Result<bool, StoreError> {
        self.store.set_subject_status(self.tenant, name, status, authority).await
    }

    pub(in crate::service) async fn delete_subject(
        &self,
        name: &SubjectName,
        authority: &Authority,
    ) -> Result<Deletion, StoreError> {
        self.store.delete_subject(self.tenant, name, authority).await
    }
}
