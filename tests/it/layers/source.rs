//! Reads just enough Rust to tell what a file names: paths, in `use` and elsewhere, of what is compiled into the
//! shipped program. Comments, literals and test code are not. Paths inside an inline module are read as the file's own.

use std::collections::{BTreeMap, BTreeSet};

/// A source file: where it is in the crate, and what its shipped code consists of.
pub struct SourceFile {
    /// The modules from the crate's root, `["service", "gates"]` for `service/gates.rs` and `service/gates/mod.rs`.
    module: Vec<String>,
    tokens: Vec<String>,
}

/// What a path stands for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Named {
    /// Something in this crate, by its path from the root.
    Own(Vec<String>),
    /// Something in another crate, by the name of that.
    Crate(String),
}

impl SourceFile {
    /// Reads a file by its path below `src`.
    pub fn read(path: &str, text: &str) -> Self {
        let mut module: Vec<String> = path.trim_end_matches(".rs").split('/').map(str::to_owned).collect();
        if module.last().is_some_and(|name| name == "mod") {
            module.pop();
        }
        Self { module, tokens: without_tests(&tokens(text)) }
    }

    /// The layer that the file is in: its first module.
    pub fn layer(&self) -> &str {
        &self.module[0]
    }

    /// Whether the file belongs to the module at this path.
    pub fn is_in(&self, module: &[&str]) -> bool {
        self.module.len() >= module.len() && self.module.iter().zip(module).all(|(own, other)| own == other)
    }

    /// Everything that the file names outside of itself, `crates` being the crates that there are.
    pub fn named(&self, crates: &BTreeSet<String>) -> BTreeSet<Named> {
        let mut paths = Vec::new();
        let mut aliases = BTreeMap::new();
        let mut rest = self.tokens.as_slice();
        while let [token, after @ ..] = rest {
            if token == "use" && after.first().is_none_or(|token| token != "<") {
                rest = use_tree(after, &[], &mut |path, alias| {
                    aliases.insert(alias, path.clone());
                    paths.push(path);
                });
            } else if is_name(token) || token == "::" {
                let (path, after) = chain(rest);
                if path.len() > 1 {
                    paths.push(path);
                }
                rest = after;
            } else {
                rest = after;
            }
        }
        paths.iter().filter_map(|path| self.resolve(path, &aliases, crates)).collect()
    }

    fn resolve(
        &self,
        path: &[String],
        aliases: &BTreeMap<String, Vec<String>>,
        crates: &BTreeSet<String>,
    ) -> Option<Named> {
        let (first, rest) = path.split_first()?;
        let below = |depth: usize, rest: &[String]| Named::Own([&self.module[..depth], rest].concat());
        match first.as_str() {
            "crate" | "credentiald" => Some(below(0, rest)),
            "self" => Some(below(self.module.len(), rest)),
            "super" => {
                let supers = path.iter().take_while(|name| *name == "super").count();
                Some(below(self.module.len().checked_sub(supers)?, &path[supers..]))
            }
            _ => match aliases.get(first).filter(|target| target[0] != *first) {
                Some(target) => self.resolve(&[target, rest].concat(), aliases, crates),
                None => crates.contains(first).then(|| Named::Crate(first.clone())),
            },
        }
    }
}

/// Names, `::`, and single characters for all else; literals and comments leave nothing, lifetimes a `'`.
fn tokens(text: &str) -> Vec<String> {
    let mut tokens = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let length = literal_or_comment(rest);
        if length > 0 {
            rest = &rest[length..];
        } else if is_name_start(first) {
            let length = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
            tokens.push(rest[..length].to_owned());
            rest = &rest[length..];
        } else if let Some(after) = rest.strip_prefix("::") {
            tokens.push("::".to_owned());
            rest = after;
        } else {
            if !first.is_whitespace() {
                tokens.push(first.to_string());
            }
            rest = &rest[first.len_utf8()..];
        }
    }
    tokens
}

/// The length of the literal or comment that the text starts with, 0 where it starts with neither.
fn literal_or_comment(text: &str) -> usize {
    if text.starts_with("//") {
        return text.find('\n').unwrap_or(text.len());
    }
    if text.starts_with("/*") {
        return block_comment(text);
    }
    let unprefixed = text.trim_start_matches(['b', 'c']);
    let prefix = text.len() - unprefixed.len();
    if let Some(raw) = unprefixed.strip_prefix('r') {
        let hashes = raw.len() - raw.trim_start_matches('#').len();
        if prefix <= 1 && raw[hashes..].starts_with('"') {
            let end = format!("\"{}", "#".repeat(hashes));
            let body = prefix + 1 + hashes + 1;
            return text[body..].find(&end).map_or(text.len(), |at| body + at + end.len());
        }
    }
    if prefix <= 1 && unprefixed.starts_with('"') {
        return prefix + quoted(unprefixed, '"');
    }
    if prefix <= 1 && unprefixed.starts_with('\'') {
        let mut characters = unprefixed.chars().skip(1);
        let is_character = matches!((characters.next(), characters.next()), (Some('\\'), _) | (_, Some('\'')));
        return if is_character { prefix + quoted(unprefixed, '\'') } else { prefix + 1 };
    }
    if text.starts_with(|c: char| c.is_ascii_digit()) {
        return text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
    }
    0
}

fn block_comment(text: &str) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while at < text.len() {
        if text[at..].starts_with("/*") {
            depth += 1;
            at += 2;
        } else if text[at..].starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                break;
            }
        } else {
            at += text[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    at
}

fn quoted(text: &str, quote: char) -> usize {
    let mut is_escaped = false;
    for (at, character) in text.char_indices().skip(1) {
        match character {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            _ if character == quote => return at + 1,
            _ => {}
        }
    }
    text.len()
}

fn is_name_start(character: char) -> bool {
    character.is_alphabetic() || character == '_'
}

fn is_name(token: &str) -> bool {
    token.starts_with(is_name_start)
}

/// Leaves out every item behind `#[cfg(test)]`.
fn without_tests(tokens: &[String]) -> Vec<String> {
    const CFG_TEST: [&str; 7] = ["#", "[", "cfg", "(", "test", ")", "]"];
    let mut shipped = Vec::new();
    let mut rest = tokens;
    while let [token, after @ ..] = rest {
        if rest.len() > CFG_TEST.len() && rest.iter().zip(CFG_TEST).all(|(token, other)| token == other) {
            rest = &rest[CFG_TEST.len()..];
            rest = &rest[item(rest)..];
        } else {
            shipped.push(token.clone());
            rest = after;
        }
    }
    shipped
}

/// The length of an item: up to its `;`, or to the end of its braces.
fn item(tokens: &[String]) -> usize {
    let mut depth = 0_usize;
    for (at, token) in tokens.iter().enumerate() {
        match token.as_str() {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" => depth = depth.saturating_sub(1),
            "}" if depth <= 1 => return at + 1,
            "}" => depth -= 1,
            ";" if depth == 0 => return at + 1,
            _ => {}
        }
    }
    tokens.len()
}

/// The path that the tokens start with, and what follows.
fn chain(tokens: &[String]) -> (Vec<String>, &[String]) {
    let mut rest = tokens;
    let mut path = Vec::new();
    if rest.first().is_some_and(|token| token == "::") {
        rest = &rest[1..];
    }
    while let Some(name) = rest.first().filter(|name| is_name(name)) {
        path.push(name.clone());
        rest = &rest[1..];
        match rest {
            [separator, next, ..] if separator == "::" && is_name(next) => rest = &rest[1..],
            _ => break,
        }
    }
    (path, rest)
}

/// Tells each path of a `use` tree with the name that it gets, and answers what follows the tree.
fn use_tree<'a>(tokens: &'a [String], prefix: &[String], tell: &mut dyn FnMut(Vec<String>, String)) -> &'a [String] {
    let mut path = prefix.to_vec();
    let mut rest = tokens;
    while let [token, after @ ..] = rest {
        rest = after;
        match token.as_str() {
            "::" => {}
            "{" => {
                while !matches!(rest.first().map(String::as_str), None | Some("}")) {
                    rest = use_tree(rest, &path, tell);
                    if rest.first().is_some_and(|token| token == ",") {
                        rest = &rest[1..];
                    }
                }
                return rest.get(1..).unwrap_or_default();
            }
            "as" => {
                if let [alias, after @ ..] = rest {
                    tell(path, alias.clone());
                    return after;
                }
            }
            "self" if !prefix.is_empty() && path.len() == prefix.len() => {}
            "," | "}" | ";" => {
                rest = &tokens[tokens.len() - rest.len() - 1..];
                break;
            }
            _ => path.push(token.clone()),
        }
    }
    if let Some(alias) = path.last().cloned() {
        tell(path, alias);
    }
    rest
}
