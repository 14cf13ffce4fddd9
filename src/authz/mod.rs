//! Who may do what: Cedar.
