//! Values and transitions: no async, no clock, no I/O.

pub mod access_token;
pub mod action;
pub mod attempts;
pub mod audit_chain;
pub mod audit_event;
pub mod audit_filter;
pub mod caller;
pub mod caller_rules;
pub mod change_event;
pub mod client_token;
pub mod credential;
pub mod denial;
pub mod field;
pub mod named_caller;
pub mod names;
pub mod overlap;
pub mod page;
pub mod password;
pub mod resource;
pub mod sealed;
pub mod subject;
pub mod tags;
pub mod tenant;
pub mod tenant_settings;
pub mod text;
pub mod time;
