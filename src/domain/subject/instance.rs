//! Instances, which accounts belong to.

use super::status::status;
use crate::domain::names::{InstanceId, Region};
use crate::domain::time::Timestamp;

status! {
    /// The state of an instance (Tair `InstanceStatus`).
    InstanceStatus {
        /// Running.
        Normal = "normal",
        /// Being created.
        Creating = "creating",
        /// Its configuration is changing.
        Changing = "changing",
        /// Disabled.
        Inactive = "inactive",
        /// Being flushed.
        Flushing = "flushing",
        /// Released.
        Released = "released",
        /// Its billing method is changing.
        Transforming = "transforming",
        /// Unavailable.
        Unavailable = "unavailable",
        /// In error.
        Error = "error",
        /// Being migrated.
        Migrating = "migrating",
        /// Being restored from a backup.
        BackupRecovering = "backup-recovering",
        /// Its minor version is being upgraded.
        MinorVersionUpgrading = "minor-version-upgrading",
        /// Its network is being changed.
        NetworkModifying = "network-modifying",
        /// Its TLS setting is being changed.
        SslModifying = "ssl-modifying",
        /// Its major version is being upgraded.
        MajorVersionUpgrading = "major-version-upgrading",
    }
}

/// A Tair or Redis instance, which accounts belong to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instance {
    /// Its id.
    pub id: InstanceId,
    /// The region.
    pub region: Region,
    /// Its state.
    pub status: InstanceStatus,
    /// When it was created.
    pub created_at: Timestamp,
}
