//! Mail domains, RAM users, IAM users and instance accounts.

use std::sync::Arc;

use crate::domain::credential::{ChangeId, CredentialState, Version};
use crate::domain::delivery::DeliveredPasswords;
use crate::domain::names::{InstanceId, TenantName};
use crate::domain::page::{CountedPage, CountedPageRequest, Page, PageRequest};
use crate::domain::password::Password;
use crate::domain::subject::{Subject, SubjectId, SubjectKind, SubjectName};
use crate::ports::store::{Absent, FirstPassword, Lookup, SubjectEntry, SubjectStatus};
use crate::service::error::Missing;
use crate::service::gates::SubjectPermit;
use crate::service::requests::{CreatedSubject, DescribedSubject, SubjectToCreate, WantedPassword};
use crate::service::{Call, Service, ServiceError};

impl Service {
    /// Creates a subject, with its first password if one is wanted.
    pub async fn create_subject(
        &self,
        call: Call,
        tenant: Option<TenantName>,
        request: SubjectToCreate,
    ) -> Result<CreatedSubject, ServiceError> {
        let tenant = call.tenant_or_own(tenant)?;
        let (deadline, deliver) = (call.deadline, request.deliver);
        let permit = self.gates.permit_subject(call, tenant, request.name.clone()).await?;
        match permit.lookup() {
            Lookup::Found(_) => return Err(ServiceError::AlreadyExists),
            Lookup::Missing(Absent::Tenant) => return Err(ServiceError::NotFound(Missing::Tenant)),
            Lookup::Missing(Absent::Instance) => return Err(ServiceError::NotFound(Missing::Instance)),
            Lookup::Missing(Absent::Subject { .. }) => {}
        }
        let id = SubjectId(self.gates.new_id());
        let subject = self.gates.new_subject(id, request.name, request.attributes);
        let wanted = match request.first_password {
            Some(wanted) => Some(self.first_password(&permit, &subject, wanted, request.is_temporary).await?),
            None => None,
        };
        let (first_password, generated) = wanted.unzip();
        let credential = first_password.as_ref().map(|first| CredentialState {
            version: Version::FIRST,
            changed_at: subject.created_at,
            changed_by: first.changed_by,
        });
        let hash = first_password.as_ref().map(|first| first.hash.clone());
        let is_delivered = first_password.as_ref().is_some_and(|first| first.deliver.is_some());
        self.gates.create_subject(&permit, subject.clone(), first_password).await?;
        let delivery =
            if is_delivered { self.gates.delivered(subject.id, Version::FIRST, deliver, deadline).await } else { None };
        let entry = self.gates.described(SubjectEntry { subject, credential, hash });
        Ok(CreatedSubject { entry, generated: generated.flatten(), delivery })
    }

    /// The hash of a first password, and the password itself if it was generated.
    async fn first_password(
        &self,
        permit: &SubjectPermit,
        subject: &Subject,
        wanted: WantedPassword,
        is_temporary: bool,
    ) -> Result<(FirstPassword, Option<Arc<Password>>), ServiceError> {
        let policy = self.gates.policy_of(permit, subject, wanted.as_given()).await?;
        let (password, generated) = self.gates.wanted(&policy, wanted, is_temporary)?;
        let hash = self.gates.hash_first(permit, subject.id, &password).await?;
        let change_id = ChangeId(self.gates.new_id());
        let deliver = subject.name.instance().and_then(|_| {
            let delivered = DeliveredPasswords::of(&password.shared(), None);
            self.gates.seal_passwords(subject.id, Version::FIRST, &delivered)
        });
        let first = FirstPassword { hash, changed_by: password.set_by(), change_id, deliver };
        Ok((first, generated))
    }

    /// Describes a subject.
    pub async fn describe_subject(
        &self,
        call: Call,
        tenant: Option<TenantName>,
        name: SubjectName,
    ) -> Result<DescribedSubject, ServiceError> {
        let permit = self.permit_existing(call, tenant, name).await?;
        self.gates.subject(&permit).await
    }

    /// Lists the subjects of one kind, of one instance if it is named, in the order of their names.
    pub async fn list_subjects(
        &self,
        call: Call,
        tenant: Option<TenantName>,
        kind: SubjectKind,
        instance: Option<InstanceId>,
        page: PageRequest,
    ) -> Result<Page<DescribedSubject>, ServiceError> {
        let directory = self.directory(call, tenant).await?;
        if let Some(instance) = &instance {
            directory.instance(instance).await?;
        }
        directory.subjects(kind, instance.as_ref(), &page).await
    }

    /// Lists the accounts of an instance whose names contain a text, in the order of their names, and counts all of them.
    pub async fn list_accounts(
        &self,
        call: Call,
        tenant: Option<TenantName>,
        instance: InstanceId,
        containing: &str,
        page: CountedPageRequest,
    ) -> Result<CountedPage<Subject>, ServiceError> {
        let directory = self.directory(call, tenant).await?;
        directory.instance(&instance).await?;
        directory.accounts(&instance, containing, page).await
    }

    /// Sets the state of a mail domain or an instance account.
    pub async fn set_subject_status(
        &self,
        call: Call,
        tenant: Option<TenantName>,
        name: SubjectName,
        status: SubjectStatus,
    ) -> Result<DescribedSubject, ServiceError> {
        let permit = self.permit_existing(call, tenant, name).await?;
        self.gates.set_subject_status(&permit, status).await
    }

    /// Deletes a subject, with its credential, history and access tokens.
    pub async fn delete_subject(
        &self,
        call: Call,
        tenant: Option<TenantName>,
        name: SubjectName,
    ) -> Result<(), ServiceError> {
        let permit = self.permit_existing(call, tenant, name).await?;
        self.gates.delete_subject(&permit).await
    }

    pub(super) async fn permit_existing(
        &self,
        call: Call,
        tenant: Option<TenantName>,
        name: SubjectName,
    ) -> Result<SubjectPermit, ServiceError> {
        let tenant = call.tenant_or_own(tenant)?;
        let permit = self.gates.permit_subject(call, tenant, name).await?;
        permit.subject()?;
        Ok(permit)
    }
}
