//! Where the passwords of an instance's accounts are delivered, and how far that is.

use crate::domain::delivery::DeliveryState;
use crate::domain::endpoint::StoredEndpoint;
use crate::domain::names::{InstanceId, TenantName};
use crate::domain::subject::SubjectName;
use crate::service::requests::EndpointToSet;
use crate::service::{Call, Service, ServiceError};

const NO_PEPPER_KEY: &str = "can't be stored without a pepper key: make one with `credentiald pepper new-key` and set \
                             pepper.keys_file";

impl Service {
    /// Sets the endpoint of an instance.
    pub async fn set_instance_endpoint(
        &self,
        call: Call,
        tenant: Option<TenantName>,
        EndpointToSet { instance, endpoint, password }: EndpointToSet,
    ) -> Result<StoredEndpoint, ServiceError> {
        let directory = self.directory(call, tenant).await?;
        directory.check_endpoint(&endpoint).map_err(|expected| ServiceError::malformed("ca_pem", expected))?;
        let stored = directory.sealed_endpoint(endpoint, &password);
        let stored = stored.ok_or_else(|| ServiceError::malformed("password", NO_PEPPER_KEY))?;
        directory.set_endpoint(&instance, &stored).await?;
        Ok(stored)
    }

    /// The endpoint of an instance, if it has one.
    pub async fn describe_instance_endpoint(
        &self,
        call: Call,
        tenant: Option<TenantName>,
        instance: InstanceId,
    ) -> Result<Option<StoredEndpoint>, ServiceError> {
        let directory = self.directory(call, tenant).await?;
        directory.instance(&instance).await?;
        directory.endpoint(&instance).await
    }

    /// Removes the endpoint of an instance: from then on nothing is delivered to its nodes.
    pub async fn delete_instance_endpoint(
        &self,
        call: Call,
        tenant: Option<TenantName>,
        instance: InstanceId,
    ) -> Result<(), ServiceError> {
        let directory = self.directory(call, tenant).await?;
        directory.instance(&instance).await?;
        directory.delete_endpoint(&instance).await
    }

    /// How far the last password of an account is delivered, if it is one to be delivered. The account may be deleted, as long as
    /// nodes may have its password.
    pub async fn describe_delivery(
        &self,
        call: Call,
        tenant: Option<TenantName>,
        account: SubjectName,
    ) -> Result<Option<DeliveryState>, ServiceError> {
        let tenant = call.tenant_or_own(tenant)?;
        let permit = self.gates.permit_subject(call, tenant, account).await?;
        self.gates.delivery(&permit).await
    }
}
