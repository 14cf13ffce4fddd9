//! Reads just enough Rust to tell what a file names: paths, in `use` and elsewhere, of what is compiled into the
//! shipped program. Comments, literals and test code are not. Paths inside an inline module are read as the file's own.

use std::collections::{BTreeMap, BTreeSet};

use proc_macro2::{Delimiter, Spacing, TokenStream, TokenTree};

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
        Self { module, tokens: tokens(text) }
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

/// The tokens of shipped code: names, `::`, and single characters for all else. Literals leave nothing, lifetimes a `'`.
fn tokens(text: &str) -> Vec<String> {
    let mut tokens = Vec::new();
    flatten(text.parse().unwrap(), &mut tokens);
    tokens
}

fn flatten(stream: TokenStream, tokens: &mut Vec<String>) {
    let trees: Vec<TokenTree> = stream.into_iter().collect();
    let mut rest = trees.as_slice();
    while let [tree, after @ ..] = rest {
        rest = after;
        match (tree, after) {
            (TokenTree::Punct(mark), [TokenTree::Group(attribute), item @ ..])
                if mark.as_char() == '#' && attribute.stream().to_string().replace(' ', "") == "cfg(test)" =>
            {
                rest = &item[length_of_item(item)..];
            }
            (TokenTree::Punct(colon), [TokenTree::Punct(other), after @ ..])
                if colon.spacing() == Spacing::Joint && [colon, other].iter().all(|mark| mark.as_char() == ':') =>
            {
                tokens.push("::".to_owned());
                rest = after;
            }
            (TokenTree::Group(group), _) => {
                let (open, close) = match group.delimiter() {
                    Delimiter::Parenthesis => ("(", ")"),
                    Delimiter::Brace => ("{", "}"),
                    Delimiter::Bracket => ("[", "]"),
                    Delimiter::None => ("", ""),
                };
                tokens.push(open.to_owned());
                flatten(group.stream(), tokens);
                tokens.push(close.to_owned());
            }
            (TokenTree::Ident(name), _) => tokens.push(name.to_string().trim_start_matches("r#").to_owned()),
            (TokenTree::Punct(mark), _) => tokens.push(mark.to_string()),
            (TokenTree::Literal(_), _) => {}
        }
    }
}

/// The length of an item: up to its `;` or its braces.
fn length_of_item(trees: &[TokenTree]) -> usize {
    let is_end = |tree: &TokenTree| match tree {
        TokenTree::Punct(mark) => mark.as_char() == ';',
        TokenTree::Group(group) => group.delimiter() == Delimiter::Brace,
        _ => false,
    };
    trees.iter().position(is_end).map_or(trees.len(), |end| end + 1)
}

fn is_name(token: &str) -> bool {
    token.starts_with(|character: char| character.is_alphabetic() || character == '_')
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
