//! Messages to domain values and back: the pieces that the RPCs' functions are put together from.

pub(super) mod change_events;
pub(super) mod entries;
pub(super) mod lists;
pub(super) mod passwords;
pub(super) mod settings;
pub(super) mod statuses;
pub(super) mod subject_name;
pub(super) mod times;
