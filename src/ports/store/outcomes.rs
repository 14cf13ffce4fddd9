//! What came of a write.

/// What came of a creation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Creation {
    /// It is there now.
    Created,
    /// One of that name was there already.
    AlreadyExists,
    /// There is no such tenant.
    TenantAbsent,
    /// There is no such instance.
    InstanceAbsent,
}

/// What came of a deletion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deletion {
    /// It is gone now.
    Deleted,
    /// There was none.
    Absent,
    /// It still has what belongs to it.
    NotEmpty,
}
