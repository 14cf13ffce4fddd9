//! Converts messages to domain values and back. The functions of the RPCs use these.

pub(super) mod audit_events;
pub(super) mod change_events;
pub(super) mod deliveries;
pub(super) mod entries;
pub(super) mod lists;
pub(super) mod passwords;
pub(super) mod statuses;
pub(super) mod subject_name;
pub(super) mod tenant_settings;
pub(super) mod times;
