//! What the tests read from the documents.

use std::collections::BTreeSet;
use std::fs;
use std::ops::Range;
use std::path::{Component, Path, PathBuf};

use pulldown_cmark::{CodeBlockKind, Event, Options, Parser, Tag, TagEnd};

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

    /// The fenced blocks.
    pub fn blocks(&self) -> Vec<Block> {
        let block = |(event, range): (Event, Range<usize>)| {
            let Event::Start(Tag::CodeBlock(CodeBlockKind::Fenced(language))) = event else { return None };
            let lines = self.text[range].split_once('\n').and_then(|(_, lines)| lines.strip_suffix("```"));
            let text = lines.unwrap_or_else(|| panic!("{}: a block is not closed", self.name)).to_owned();
            Some(Block { language: language.into_string(), text })
        };
        self.events().filter_map(block).collect()
    }

    /// The first block below a heading.
    pub fn block_below(&self, heading: &str) -> Block {
        let text = format!("\n{}", self.text);
        let (_, below) = text.split_once(&format!("\n{heading}\n")).unwrap_or_else(|| panic!("no {heading:?}"));
        let part = Self { path: self.path.clone(), name: self.name.clone(), text: below.to_owned() };
        part.blocks().into_iter().next().unwrap()
    }

    /// The code spans, each line end a blank.
    pub fn spans(&self) -> Vec<String> {
        let (mut spans, mut is_in_block) = (Vec::new(), false);
        for (event, _) in self.events() {
            match event {
                Event::Start(Tag::CodeBlock(_)) => is_in_block = true,
                Event::End(TagEnd::CodeBlock) => is_in_block = false,
                Event::Code(span) => spans.push(span.into_string()),
                Event::Text(text) if !is_in_block => {
                    assert!(!text.contains('`'), "{}: a backtick without another: {text}", self.name);
                }
                _ => {}
            }
        }
        spans
    }

    /// The targets of links.
    pub fn links(&self) -> Vec<String> {
        let target = |(event, _)| match event {
            Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => Some(dest_url.into_string()),
            _ => None,
        };
        self.events().filter_map(target).collect()
    }

    /// What links can name of the document, as GitHub makes it of headings.
    pub fn anchors(&self) -> BTreeSet<String> {
        let slug = |(event, range): (Event, Range<usize>)| {
            let Event::Start(Tag::Heading { .. }) = event else { return None };
            let heading = self.text[range].trim_start_matches('#').trim().to_lowercase();
            let kept = heading.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
            Some(kept.collect::<String>().replace(' ', "-"))
        };
        self.events().filter_map(slug).collect()
    }

    pub fn tables(&self) -> Vec<Table> {
        let mut tables: Vec<Table> = Vec::new();
        for (event, range) in self.events() {
            match event {
                Event::Start(Tag::Table(_)) => tables.push(Table { head: Vec::new(), rows: Vec::new() }),
                Event::Start(Tag::TableRow) => tables.last_mut().unwrap().rows.push(Vec::new()),
                Event::Start(Tag::TableCell) => {
                    let Table { head, rows } = tables.last_mut().unwrap();
                    rows.last_mut().unwrap_or(head).push(self.text[range].trim().to_owned());
                }
                _ => {}
            }
        }
        tables
    }

    fn events(&self) -> impl Iterator<Item = (Event<'_>, Range<usize>)> {
        Parser::new_ext(&self.text, Options::ENABLE_TABLES).into_offset_iter()
    }
}

impl Table {
    /// The words in backticks in the column with that head, if there is one.
    pub fn column(&self, head: &str) -> Vec<String> {
        let Some(index) = self.head.iter().position(|cell| cell == head) else { return Vec::new() };
        let cells = self.rows.iter().filter_map(|row| row.get(index));
        cells.flat_map(|cell| cell.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>()).collect()
    }
}
