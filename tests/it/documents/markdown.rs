//! Reads as much Markdown as these documents are written in.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Component, Path, PathBuf};

/// A document.
pub struct Document {
    pub path: PathBuf,
    /// Its path from the project's root, for messages.
    pub name: String,
    text: String,
}

/// A fenced block.
pub struct Block {
    pub language: String,
    pub text: String,
}

/// A table: the words of its head, and its rows.
pub struct Table {
    pub head: Vec<String>,
    pub rows: Vec<Vec<String>>,
}

impl Document {
    pub fn read(root: &Path, path: &Path) -> Self {
        let name = path.strip_prefix(root).unwrap().display().to_string();
        let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{name}: {error}"));
        Self { path: path.to_owned(), name, text }
    }

    /// A path as links are written: from where the document is.
    pub fn beside(&self, path: &str) -> PathBuf {
        let mut target = self.path.parent().unwrap().to_owned();
        for part in Path::new(path).components() {
            match part {
                Component::ParentDir => drop(target.pop()),
                part => target.push(part),
            }
        }
        target
    }

    /// Everything, blocks included.
    pub fn text(&self) -> &str {
        &self.text
    }

    pub fn blocks(&self) -> Vec<Block> {
        let mut blocks: Vec<Block> = Vec::new();
        let mut inside = false;
        for line in self.text.lines() {
            if let Some(language) = line.strip_prefix("```") {
                if !inside {
                    blocks.push(Block { language: language.to_owned(), text: String::new() });
                }
                inside = !inside;
            } else if inside {
                let text = &mut blocks.last_mut().unwrap().text;
                text.push_str(line);
                text.push('\n');
            }
        }
        assert!(!inside, "{}: a block is not closed", self.name);
        blocks
    }

    /// The first block below a heading.
    pub fn block_below(&self, heading: &str) -> Block {
        let (_, below) = self.text.split_once(&format!("\n{heading}\n")).unwrap_or_else(|| panic!("no {heading:?}"));
        let part = Self { path: self.path.clone(), name: self.name.clone(), text: below.to_owned() };
        part.blocks().into_iter().next().unwrap()
    }

    /// What stands in single backticks, each line end a blank.
    pub fn spans(&self) -> Vec<String> {
        let mut spans = Vec::new();
        for paragraph in self.prose().split("\n\n") {
            let pieces: Vec<&str> = paragraph.split('`').collect();
            assert!(pieces.len() % 2 == 1, "{}: an odd number of backticks in:\n{paragraph}", self.name);
            spans.extend(pieces.iter().skip(1).step_by(2).map(|span| span.replace('\n', " ")));
        }
        spans
    }

    /// The targets of links.
    pub fn links(&self) -> Vec<String> {
        let prose = self.prose();
        let targets = prose.split("](").skip(1).filter_map(|rest| rest.split_once(')'));
        targets.map(|(target, _)| target.to_owned()).collect()
    }

    /// What links can name of the document, as GitHub makes it of headings.
    pub fn anchors(&self) -> BTreeSet<String> {
        let prose = self.prose();
        let headings = prose
            .lines()
            .filter_map(|line| line.trim_start_matches('#').strip_prefix(' ').filter(|_| line.starts_with('#')));
        let slug = |heading: &str| {
            let kept = heading
                .to_lowercase()
                .chars()
                .filter(|c| c.is_alphanumeric() || " -_".contains(*c))
                .collect::<String>();
            kept.replace(' ', "-")
        };
        headings.map(slug).collect()
    }

    pub fn tables(&self) -> Vec<Table> {
        let prose = self.prose();
        let mut tables: Vec<Table> = Vec::new();
        let mut before = "";
        for line in prose.lines() {
            let cells = |line: &str| line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect();
            if line.starts_with("|---") {
                tables.push(Table { head: cells(before), rows: Vec::new() });
            } else if line.starts_with('|') && before.starts_with('|') {
                tables.last_mut().unwrap().rows.push(cells(line));
            }
            before = line;
        }
        tables
    }

    /// Everything but the blocks.
    fn prose(&self) -> String {
        let mut inside = false;
        let outside = self.text.lines().filter(|line| {
            let is_fence = line.starts_with("```");
            inside ^= is_fence;
            !inside && !is_fence
        });
        outside.collect::<Vec<_>>().join("\n")
    }
}

impl Table {
    /// What stands in backticks in the column of that head, where there is one.
    pub fn column(&self, head: &str) -> Vec<String> {
        let Some(index) = self.head.iter().position(|cell| cell == head) else { return Vec::new() };
        let cells = self.rows.iter().filter_map(|row| row.get(index));
        cells.flat_map(|cell| cell.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>()).collect()
    }
}
