//! The settings in force, as people read them.

use super::settings::{Kind, SETTINGS, Setting};
use super::sources::Source;
use super::values::Values;

/// What stands for the value of a secret.
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
    let shown = if setting.kind == Kind::Secret && !value.is_empty() { HIDDEN } else { value };
    let shown = match setting.kind {
        Kind::Text | Kind::Secret => toml::Value::String(shown.to_owned()).to_string(),
        Kind::Number | Kind::Flag => shown.to_owned(),
    };
    format!("{name} = {shown} # {}\n", source.brief().replace(char::is_control, " "))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: Setting = Setting { key: "a.b", default: "", kind: Kind::Secret, help: "A secret, for this test." };

    #[test]
    fn a_secret_is_never_shown() {
        let shown = line(&SECRET, "b", (Source::Flag("a-b".to_owned()), "hunter2"));
        assert_eq!(shown, "b = \"(hidden)\" # --a-b\n");
        assert_eq!(line(&SECRET, "b", (Source::default("a.b"), "")), "b = \"\" # default\n");
    }
}
