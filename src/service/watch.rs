//! `WatchChanges`: the changes of a tenant's subjects, for as long as the caller listens.

use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::gates::WatchSlot;
use super::requests::{WatchFrom, WatchItem};
use super::{Call, Service, ServiceError};
use crate::domain::resource::Resource;
use crate::ports::call_record::for_same_call;

/// How many items are queued for a slow caller; with a full queue, nothing more is read.
const READY: usize = 16;

/// A watch from the caller's side. Dropping it ends it.
pub struct Watch {
    items: mpsc::Receiver<WatchItem>,
    /// Ends with the error that ended the watch; `None` once that was returned.
    follows: Option<JoinHandle<ServiceError>>,
    _slot: Arc<WatchSlot>,
}

impl Service {
    /// Watches the caller's own tenant.
    pub async fn watch_changes(&self, call: Call, from: WatchFrom) -> Result<Watch, ServiceError> {
        let tenant = call.own_tenant()?.clone();
        let permit = self.gates.permit(call, &Resource::Tenant(tenant.clone())).await?;
        let watcher = self.gates.watcher(permit, tenant, from).await?;
        let slot = watcher.slot();
        let (sender, items) = mpsc::channel(READY);
        Ok(Watch { items, follows: Some(tokio::spawn(for_same_call(watcher.follow(sender)))), _slot: slot })
    }

    /// Ends every watch, and refuses new ones. An orderly stop would otherwise wait for them.
    pub fn end_watches(&self) {
        self.gates.end_watches();
    }
}

impl Watch {
    /// The next item; at the end the error that ended the watch, and then nothing.
    pub async fn next(&mut self) -> Option<Result<WatchItem, ServiceError>> {
        if let Some(item) = self.items.recv().await {
            return Some(Ok(item));
        }
        let ended = self.follows.take()?.await;
        Some(Err(ended.unwrap_or(ServiceError::Internal("a watch was lost"))))
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if let Some(follows) = &self.follows {
            follows.abort();
        }
    }
}
