//! JSON as XML, in the form that the vendor's pages show: a list is an element for each of its items.

use serde_json::Value;

/// A document.
pub(super) fn document(root: &str, content: &Value) -> String {
    let mut document = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n".to_owned();
    append(&mut document, root, content);
    document
}

fn append(to: &mut String, name: &str, value: &Value) {
    if let Value::Array(items) = value {
        return items.iter().for_each(|item| append(to, name, item));
    }
    to.extend(["<", name, ">"]);
    match value {
        Value::Object(members) => members.iter().for_each(|(name, value)| append(to, name, value)),
        Value::String(text) => append_escaped(to, text),
        Value::Null => {}
        scalar => to.push_str(&scalar.to_string()),
    }
    to.extend(["</", name, ">"]);
}

fn append_escaped(to: &mut String, text: &str) {
    for character in text.chars() {
        match character {
            '&' => to.push_str("&amp;"),
            '<' => to.push_str("&lt;"),
            '>' => to.push_str("&gt;"),
            character => to.push(character),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_list_is_an_element_for_each_item() {
        let content = json!({ "Accounts": { "Account": [{ "Name": "a" }, { "Name": "<b&" }] }, "Success": true });
        let expected = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<R><Accounts><Account><Name>a</Name></Account>\
                        <Account><Name>&lt;b&amp;</Name></Account></Accounts><Success>true</Success></R>";
        assert_eq!(document("R", &content), expected);
    }
}
