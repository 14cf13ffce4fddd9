//! Settings that name values in a list.

/// The values that a text names, separated by commas. An empty text names none.
///
/// # Errors
/// A name is unknown: the text is a list of those that there are.
pub fn names_in_list<T: Copy>(text: &str, known: &[T], name_of: fn(T) -> &'static str) -> Result<Vec<T>, String> {
    let names = text.split(',').map(str::trim).filter(|_| !text.trim().is_empty());
    let value = |name| known.iter().copied().find(|value| name_of(*value) == name);
    let values: Option<_> = names.map(value).collect();
    values.ok_or_else(|| {
        let names: Vec<_> = known.iter().map(|value| name_of(*value)).collect();
        format!("must be names of {}, separated by commas", names.join(", "))
    })
}
