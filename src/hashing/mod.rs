//! The hash engine.
