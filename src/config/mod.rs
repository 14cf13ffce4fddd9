//! The settings of the service, as plain data.
