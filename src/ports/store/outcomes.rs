//! Outcomes of writes.

/// The outcome of a creation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Creation {
    /// It was created.
    Created,
    /// The name is already taken.
    AlreadyExists,
    /// The tenant does not exist.
    TenantAbsent,
    /// The instance does not exist.
    InstanceAbsent,
}

/// The outcome of a deletion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deletion {
    /// It was deleted.
    Deleted,
    /// It did not exist.
    Absent,
    /// Something still belongs to it.
    NotEmpty,
}
