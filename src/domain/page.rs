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

/// A part of a list whose items are counted, and which begins at a place of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CountedPageRequest {
    /// The number of items before it.
    pub skip: u64,
    /// The maximum number of items.
    pub size: u32,
}

/// A part of a list, in the list's order, with the number of all items.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CountedPage<T> {
    /// The items.
    pub items: Vec<T>,
    /// The number of items of the whole list.
    pub total: u64,
}

/// A part of a list, in the list's order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// The items.
    pub items: Vec<T>,
    /// Where to continue, or `None` at the end.
    pub next: Option<String>,
}
