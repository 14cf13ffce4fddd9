//! The entries of the directory as messages.

use super::statuses::Numbered;
use super::times::timestamp;
use crate::domain::access_token::AccessToken;
use crate::domain::credential::ChangedBy;
use crate::domain::subject::{
    IamUser, Instance, InstanceAccount, InstanceAccountName, MailDomain, SubjectAttributes, SubjectName,
};
use crate::domain::tenant::Tenant;
use crate::grpc::generated::credential::admin::v1 as wire;
use crate::service::ServiceError;
use crate::service::requests::{DescribedCredential, DescribedSubject};

const OTHER_KIND: ServiceError = ServiceError::Internal("a subject of another kind than was asked for");

impl From<DescribedCredential> for wire::CredentialState {
    fn from(DescribedCredential { state, hash_algorithm }: DescribedCredential) -> Self {
        Self {
            version: state.version.number(),
            change_time: Some(timestamp(state.changed_at)),
            verified_elsewhere: state.changed_by == ChangedBy::Elsewhere,
            password_reset_required: state.changed_by == ChangedBy::AdministratorForNow,
            hash_algorithm: hash_algorithm.to_owned(),
        }
    }
}

impl From<Tenant> for wire::Tenant {
    fn from(tenant: Tenant) -> Self {
        Self { tenant: tenant.name.to_string(), create_time: Some(timestamp(tenant.created_at)) }
    }
}

impl From<Instance> for wire::Instance {
    fn from(instance: Instance) -> Self {
        Self {
            instance_id: instance.id.to_string(),
            region: instance.region.to_string(),
            status: instance.status.number(),
            create_time: Some(timestamp(instance.created_at)),
        }
    }
}

impl From<AccessToken> for wire::AccessToken {
    fn from(token: AccessToken) -> Self {
        Self {
            token_id: token.id.0.to_string(),
            caller_kind: token.caller.kind().number(),
            caller_name: token.caller.name().to_owned(),
            create_time: Some(timestamp(token.created_at)),
            expire_time: Some(timestamp(token.expires_at)),
            form: token.form.number(),
            status: token.status.number(),
            access_key_id: token.access_key_id().unwrap_or_default(),
            last_use_time: token.last_used_at.map(timestamp),
        }
    }
}

impl TryFrom<DescribedSubject> for wire::MailDomain {
    type Error = ServiceError;

    fn try_from(DescribedSubject { subject, credential }: DescribedSubject) -> Result<Self, ServiceError> {
        let SubjectAttributes::MailDomain(MailDomain { region, status }) = subject.attributes else {
            return Err(OTHER_KIND);
        };
        Ok(Self {
            domain_name: subject.name.as_written().to_owned(),
            region: region.to_string(),
            status: status.number(),
            subject_id: subject.id.to_string(),
            credential: credential.map(Into::into),
            create_time: Some(timestamp(subject.created_at)),
        })
    }
}

impl TryFrom<DescribedSubject> for wire::RamUser {
    type Error = ServiceError;

    fn try_from(DescribedSubject { subject, credential }: DescribedSubject) -> Result<Self, ServiceError> {
        let SubjectAttributes::RamUser(_) = subject.attributes else { return Err(OTHER_KIND) };
        Ok(Self {
            user_name: subject.name.as_written().to_owned(),
            subject_id: subject.id.to_string(),
            credential: credential.map(Into::into),
            create_time: Some(timestamp(subject.created_at)),
        })
    }
}

impl TryFrom<DescribedSubject> for wire::IamUser {
    type Error = ServiceError;

    fn try_from(DescribedSubject { subject, credential }: DescribedSubject) -> Result<Self, ServiceError> {
        let SubjectAttributes::IamUser(IamUser { user_name, tags }) = subject.attributes else {
            return Err(OTHER_KIND);
        };
        Ok(Self {
            user_id: subject.name.as_written().to_owned(),
            user_name: user_name.as_str().to_owned(),
            tags: tags.into_iter().collect(),
            subject_id: subject.id.to_string(),
            credential: credential.map(Into::into),
            create_time: Some(timestamp(subject.created_at)),
        })
    }
}

impl TryFrom<DescribedSubject> for wire::InstanceAccount {
    type Error = ServiceError;

    fn try_from(DescribedSubject { subject, credential }: DescribedSubject) -> Result<Self, ServiceError> {
        let SubjectName::InstanceAccount(InstanceAccountName { instance, account }) = subject.name else {
            return Err(OTHER_KIND);
        };
        let SubjectAttributes::InstanceAccount(InstanceAccount { status, .. }) = subject.attributes else {
            return Err(OTHER_KIND);
        };
        Ok(Self {
            instance_id: instance.to_string(),
            account_name: account.to_string(),
            account_status: status.number(),
            subject_id: subject.id.to_string(),
            credential: credential.map(Into::into),
            create_time: Some(timestamp(subject.created_at)),
        })
    }
}
