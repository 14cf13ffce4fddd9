//! Tables of plain columns, for people and for `awk`.

use comfy_table::{Table, presets};

/// A table without lines.
pub(super) fn plain() -> Table {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING);
    table
}

/// The table's text without trailing spaces.
pub(super) fn trimmed(table: &Table) -> String {
    let lines: Vec<_> = table.lines().map(|line| line.trim_end().trim_start_matches(' ').to_owned()).collect();
    lines.join("\n")
}
