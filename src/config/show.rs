//! The settings in force as text for people.

use std::borrow::Cow;

use super::settings::{Kind, SETTINGS, Setting};
use super::sources::Source;
use super::values::Values;
use crate::domain::text::printable;

/// Shown instead of the value of a secret.
const HIDDEN: &str = "(hidden)";

/// Every setting as TOML, with its source as a comment.
pub(super) fn to_toml(values: &Values) -> String {
    let mut section = "";
    let mut lines = Vec::new();
    for setting in SETTINGS {
        let (before, name) = setting.key.split_once('.').unwrap_or(("", setting.key));
        if before != section {
            let gap = if section.is_empty() { "" } else { "\n" };
            lines.push(format!("{gap}[{before}]\n"));
            section = before;
        }
        lines.push(line(setting, name, values.in_force(setting.key)));
    }
    lines.concat()
}

fn line(setting: &Setting, name: &str, (source, value): (Source, &str)) -> String {
    let text = |text: &str| toml::Value::String(text.to_owned()).to_string();
    let shown = match setting.kind {
        Kind::Secret if !value.is_empty() => text(HIDDEN),
        Kind::Url => text(&without_password(value)),
        Kind::Text | Kind::Secret => text(value),
        Kind::Number | Kind::Flag => value.to_owned(),
    };
    format!("{name} = {shown} # {}\n", printable(&source.brief()))
}

/// Whether a URL may hold a password.
pub fn holds_password(url: &str) -> bool {
    around_user(url).is_some()
}

/// A URL without the part before its last `@`, if that part can hold a password.
fn without_password(url: &str) -> Cow<'_, str> {
    match around_user(url) {
        Some((scheme, rest)) => Cow::Owned(format!("{scheme}://{HIDDEN}@{rest}")),
        None => Cow::Borrowed(url),
    }
}

/// The parts before and after the user of a URL, if a password can be with it.
fn around_user(url: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = url.split_once("://")?;
    let (user, rest) = rest.rsplit_once('@')?;
    user.contains(':').then_some((scheme, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: Setting = Setting { key: "a.b", default: "", kind: Kind::Secret, help: "A secret, for this test." };

    #[test]
    fn the_password_of_a_url_is_never_shown() {
        for (url, shown) in [
            ("sqlite:/var/a@b:c.db", "sqlite:/var/a@b:c.db"),
            ("postgres://u@h:1/d", "postgres://u@h:1/d"),
            ("postgres://u:hunter2@h1,h2:3/d?sslmode=require", "postgres://(hidden)@h1,h2:3/d?sslmode=require"),
            ("postgres://u:hunter2/@x?hunter2@h/d", "postgres://(hidden)@h/d"),
        ] {
            assert_eq!(without_password(url), shown);
        }
    }

    #[test]
    fn a_secret_is_never_shown() {
        let shown = line(&SECRET, "b", (Source::Flag("a-b".to_owned()), "hunter2"));
        assert_eq!(shown, "b = \"(hidden)\" # --a-b\n");
        assert_eq!(line(&SECRET, "b", (Source::default("a.b"), "")), "b = \"\" # default\n");
    }
}
