//! What the delivery of passwords to the nodes of instances needs from the store.

use async_trait::async_trait;
use uuid::Uuid;

use super::{Authority, StoreError};
use crate::domain::audit_event::AuditEvent;
use crate::domain::delivery::{DeliveryBacklog, DeliveryState, DeliveryStep, DueDelivery, DueInstances};
use crate::domain::endpoint::StoredEndpoint;
use crate::domain::names::{InstanceId, TenantName};
use crate::domain::subject::{SubjectId, SubjectName};
use crate::domain::time::Timestamp;

/// Endpoints of instances, and the deliveries of their accounts' passwords. The commit of a change adds its delivery; the deletion
/// of an account makes that of its password a withdrawal, which ends with its last attempt or with the next delivery to an account of
/// the same name.
#[async_trait]
pub trait Deliveries: Send + Sync {
    /// Sets the endpoint of an instance, and makes its pending deliveries due. Returns whether the instance exists.
    async fn set_endpoint(
        &self,
        tenant: &TenantName,
        instance: &InstanceId,
        endpoint: &StoredEndpoint,
        authority: &Authority,
    ) -> Result<bool, StoreError>;

    /// Removes the endpoint of an instance, with its deliveries. Returns whether there was one.
    async fn delete_endpoint(
        &self,
        tenant: &TenantName,
        instance: &InstanceId,
        authority: &Authority,
    ) -> Result<bool, StoreError>;

    /// The endpoint of an instance, if it has one.
    async fn endpoint(&self, tenant: &TenantName, instance: &InstanceId) -> Result<Option<StoredEndpoint>, StoreError>;

    /// The last delivery of an account's password, if there was one.
    async fn delivery(&self, subject: SubjectId) -> Result<Option<DeliveryState>, StoreError>;

    /// What is left to withdraw from the nodes of an account of that name that was deleted, if anything is.
    async fn withdrawal(&self, tenant: &TenantName, account: &SubjectName)
    -> Result<Option<DeliveryState>, StoreError>;

    /// Those of these accounts that have one, at most a thousand. One that can't be read MUST NOT fail the others.
    async fn deliveries_of(
        &self,
        subjects: &[SubjectId],
    ) -> Result<Vec<(SubjectId, Result<DeliveryState, StoreError>)>, StoreError>;

    /// Instances with deliveries that are due and that no process delivers at the moment. Those whose time was set by a clock
    /// that has been put back since MUST become due: overlaps that start later than now, and attempts and leases more than
    /// [`FURTHEST_AHEAD`](crate::domain::delivery::FURTHEST_AHEAD) later.
    async fn due_instances(&self, now: Timestamp, most: u32) -> Result<DueInstances, StoreError>;

    /// Leases the endpoint of an instance to a round of deliveries until a time, or renews its lease. MUST return `None` while
    /// another lease lasts. An endpoint that can't be read MUST be leased all the same, so that others get their turn.
    async fn lease_endpoint(
        &self,
        tenant: &TenantName,
        instance: &InstanceId,
        by: Uuid,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<Option<StoredEndpoint>, StoreError>;

    /// Ends the lease of a round. Until the time, if there is one, the instance gets no other round.
    async fn release_endpoint(
        &self,
        tenant: &TenantName,
        instance: &InstanceId,
        by: Uuid,
        rests_until: Option<Timestamp>,
    ) -> Result<(), StoreError>;

    /// The deliveries of an instance that are due, the longest first. Those that can't be read MUST NOT keep others out.
    async fn due_deliveries(
        &self,
        tenant: &TenantName,
        instance: &InstanceId,
        now: Timestamp,
        most: u32,
    ) -> Result<Vec<Result<DueDelivery, StoreError>>, StoreError>;

    /// Records what an attempt made of a delivery, if nothing was written to it since it was read and the round still has
    /// the lease. MUST remove the passwords of a delivery without a further attempt, and all of a withdrawal without one.
    /// Adds the audit event together with it. Returns whether it was recorded.
    async fn record_delivery(
        &self,
        due: &DueDelivery,
        step: &DeliveryStep,
        by: Uuid,
        event: Option<&AuditEvent>,
    ) -> Result<bool, StoreError>;

    /// What is not delivered yet, counted up to `most`.
    async fn delivery_backlog(&self, most: u32) -> Result<DeliveryBacklog, StoreError>;
}
