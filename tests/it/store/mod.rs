//! Laws that hold for every store.
