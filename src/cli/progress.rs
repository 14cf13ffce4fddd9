//! Progress bars on standard error, which show nothing if that is not a terminal.

use indicatif::{ProgressBar, ProgressStyle};

/// The bar in that form. A template that can't be read leaves the library's own form.
pub(super) fn styled(bar: ProgressBar, template: &str) -> ProgressBar {
    match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}
