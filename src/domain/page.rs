//! Parts of a list.

/// The requested part of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageRequest {
    /// The maximum number of items.
    pub size: u32,
    /// The key of the last item of the previous part, as [`Page::next`] returned it.
    pub after: Option<String>,
}

impl PageRequest {
    /// The size if the caller names none.
    pub const DEFAULT_SIZE: u32 = 50;
    /// The largest size.
    pub const MAX_SIZE: u32 = 1000;
}

/// A part of a list, in the list's order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// The items.
    pub items: Vec<T>,
    /// Where to continue, or `None` at the end.
    pub next: Option<String>,
}
