//! The layer table of `docs/architecture.md`, enforced.
