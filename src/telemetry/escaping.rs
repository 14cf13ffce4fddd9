//! The fields of an event or a span as text, on one line.
//!
//! The formatter of `tracing-subscriber` (0.3.23) escapes terminal sequences but not line ends, so that a value from
//! outside could forge a line of the log (CWE-117).

use std::fmt::{self, Write};

use tracing::field::Field;
use tracing_subscriber::field::MakeExt;
use tracing_subscriber::fmt::FormatFields;
use tracing_subscriber::fmt::format::{Writer, debug_fn};

use crate::domain::text::stands_for_itself;

/// Formats fields as `name=value`, and the message as it is.
pub(super) fn on_one_line() -> impl for<'writer> FormatFields<'writer> + Send + Sync + 'static {
    debug_fn(|writer: &mut Writer<'_>, field: &Field, value: &dyn fmt::Debug| {
        if field.name() != "message" {
            write!(writer, "{field}=")?;
        }
        write!(Escaped(writer), "{value:?}")
    })
    .delimited(" ")
}

/// Escapes characters that end a line, control a terminal or change the direction of text.
struct Escaped<'a, 'writer>(&'a mut Writer<'writer>);

impl Write for Escaped<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        text.chars().try_for_each(|character| {
            if stands_for_itself(character) {
                self.0.write_char(character)
            } else {
                write!(self.0, "{}", character.escape_default())
            }
        })
    }
}
