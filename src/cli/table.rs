//! Tables of plain columns, for people and for `awk`.

use comfy_table::{Table, presets};
use unicode_width::UnicodeWidthStr;

/// The colour of errors.
pub(super) const RED: &str = "1;31";
/// The colour of warnings.
pub(super) const YELLOW: &str = "1;33";
const BOLD: &str = "1";

/// How a table is laid out.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Layout {
    /// The columns of the terminal. Without a number, everything is shown in full.
    pub(super) width: Option<usize>,
    /// Whether it has colours.
    pub(super) has_colours: bool,
}

impl Layout {
    /// Whether each line of a text fits.
    pub(super) fn fits(self, text: &str) -> bool {
        self.width.is_none_or(|width| text.lines().all(|line| line.width() <= width))
    }

    /// A table whose first line is the heading.
    pub(super) fn headed(self, table: &str) -> String {
        match table.split_once('\n') {
            Some((heading, rest)) if self.has_colours => format!("{}\n{rest}", painted(heading, BOLD)),
            _ => table.to_owned(),
        }
    }

    /// A text on lines that leave so much room for what is before it. Words stay whole.
    pub(super) fn wrapped(self, text: &str, before: usize) -> String {
        let Some(width) = self.width.map(|width| width.saturating_sub(before).max(1)) else { return text.to_owned() };
        let mut lines = vec![String::new()];
        for word in text.split(' ') {
            match lines.last_mut() {
                Some(line) if line.is_empty() => line.push_str(word),
                Some(line) if line.width().saturating_add(word.width()) < width => {
                    line.push(' ');
                    line.push_str(word);
                }
                _ => lines.push(word.to_owned()),
            }
        }
        lines.join("\n")
    }
}

/// A text in a colour of the terminal.
pub(super) fn painted(text: &str, colour: &str) -> String {
    format!("\u{1b}[{colour}m{text}\u{1b}[0m")
}

/// A table without lines.
pub(super) fn plain() -> Table {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING);
    table
}

/// The table's text without the space around it.
pub(super) fn trimmed(table: &Table) -> String {
    let lines: Vec<_> = table.lines().collect();
    let before = lines.iter().map(|line| line.len() - line.trim_start_matches(' ').len()).min().unwrap_or_default();
    let lines: Vec<_> = lines.iter().map(|line| line.get(before..).unwrap_or_default().trim_end()).collect();
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_stay_whole_where_a_text_is_wrapped() {
        let narrow = Layout { width: Some(20), has_colours: false };
        assert_eq!(narrow.wrapped("one two three four", 10), "one two\nthree four");
        assert_eq!(narrow.wrapped("a-very-long-word-that-fits-nowhere b", 10), "a-very-long-word-that-fits-nowhere\nb");
        assert_eq!(Layout::default().wrapped("one two three", 10), "one two three");
    }

    #[test]
    fn a_text_takes_the_columns_that_a_terminal_gives_it() {
        // Characters of East Asia take two columns each, combining marks none.
        let narrow = Layout { width: Some(6), has_colours: false };
        assert!(narrow.fits("密码文") && !narrow.fits("密码文字"));
        assert!(narrow.fits("e\u{301}e\u{301}e\u{301}e\u{301}e\u{301}e\u{301}"));
        assert_eq!(narrow.wrapped("密 码 文 字", 0), "密 码\n文 字");
    }
}
