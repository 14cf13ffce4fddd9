//! Parts of a list.

/// Which part of a list is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageRequest {
    /// How many items at most.
    pub size: u32,
    /// The key of the last item of the part before, as [`Page::next`] gave it.
    pub after: Option<String>,
}

impl PageRequest {
    /// The size where the caller names none.
    pub const DEFAULT_SIZE: u32 = 50;
    /// The largest size.
    pub const MAX_SIZE: u32 = 1000;
}

/// A part of a list, in the list's order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// The items.
    pub items: Vec<T>,
    /// Where to go on, or `None` at the end.
    pub next: Option<String>,
}
