//! What a statement does, in a few words for traces.

/// Every table of the store.
const TABLES: [&str; 22] = [
    "access_token",
    "audit_checkpoint",
    "audit_cut",
    "audit_event",
    "candidate_policy",
    "change_event",
    "change_position",
    "client_token",
    "credential",
    "delivery",
    "earlier_hash",
    "endpoint",
    "instance",
    "leftover",
    "page_key",
    "pair_failures",
    "password_use",
    "schema_migration",
    "spent_nonce",
    "subject",
    "subject_failures",
    "tenant",
];

/// The longest summary (OpenTelemetry's semantic conventions for databases).
const LONGEST: usize = 255;

/// A summary as the semantic conventions of OpenTelemetry describe it: each operation with its tables, in their order, such as
/// `UPDATE credential INSERT audit_event`. It contains only words of the lists here, whatever the text is.
pub(super) fn summary_of(text: &str) -> String {
    let mut summary = String::new();
    let (mut operation, mut before) = (None, "");
    for word in text.split(|character: char| !character.is_ascii_alphanumeric() && character != '_') {
        if word.is_empty() {
            continue;
        }
        // `FOR UPDATE`, `FOR NO KEY UPDATE` and `DO UPDATE` are no operations.
        let is_part = matches!(before, "FOR" | "KEY" | "DO");
        if let Some(named) = operation_of(word).filter(|_| !is_part) {
            operation = Some(named);
        }
        if matches!(before, "FROM" | "INTO" | "JOIN" | "UPDATE")
            && let Some(table) = TABLES.iter().find(|table| **table == word)
        {
            let before = summary.len();
            for part in operation.take().into_iter().chain([*table]) {
                summary.extend([if summary.is_empty() { "" } else { " " }, part]);
            }
            if summary.len() > LONGEST {
                summary.truncate(before);
                break;
            }
        }
        before = word;
    }
    if summary.is_empty() { operation.unwrap_or("OTHER").to_owned() } else { summary }
}

fn operation_of(word: &str) -> Option<&'static str> {
    ["SELECT", "INSERT", "UPDATE", "DELETE", "PRAGMA"].into_iter().find(|operation| *operation == word)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;

    use super::*;

    #[test]
    fn each_operation_is_named_with_its_tables() {
        for (text, expected) in [
            ("SELECT name FROM tenant LIMIT 1", "SELECT tenant"),
            (
                "SELECT s.id FROM subject s JOIN tenant t ON t.name = s.tenant WHERE s.id = $1 FOR UPDATE",
                "SELECT subject tenant",
            ),
            ("SELECT count FROM (SELECT id FROM instance) i", "SELECT instance"),
            ("INSERT INTO leftover (tenant_id) SELECT id FROM tenant WHERE name = $1", "INSERT leftover SELECT tenant"),
            ("INSERT INTO endpoint (id) VALUES ($1) ON CONFLICT (id) DO UPDATE SET id = $1", "INSERT endpoint"),
            (
                "DELETE FROM access_token WHERE id IN (SELECT id FROM access_token)",
                "DELETE access_token SELECT access_token",
            ),
            (
                "WITH step_0 AS (UPDATE credential SET hash = $1 RETURNING 1), step_1 AS (INSERT INTO audit_event (id) \
                 SELECT $2 WHERE EXISTS (SELECT 1 FROM step_0) RETURNING 1) SELECT (SELECT count(*) FROM step_0)",
                "UPDATE credential INSERT audit_event",
            ),
            ("SELECT 1 FROM secret", "SELECT"),
            ("PRAGMA page_size", "PRAGMA"),
            ("secret", "OTHER"),
        ] {
            assert_eq!(summary_of(text), expected, "{text}");
        }
        // 23 bytes each, and a space before all but the first.
        assert_eq!(
            summary_of(&"SELECT a FROM subject_failures; ".repeat(100)),
            ["SELECT subject_failures"; 10].join(" ")
        );
    }

    #[test]
    fn every_table_is_known() {
        let mut found = BTreeSet::from(["schema_migration".to_owned()]);
        for folder in ["src/store/sqlite/migrations", "src/store/postgres/migrations"] {
            for file in fs::read_dir(format!("{}/{folder}", env!("CARGO_MANIFEST_DIR"))).unwrap() {
                let text = fs::read_to_string(file.unwrap().path()).unwrap();
                let tables = text.split("CREATE TABLE ").skip(1).filter_map(|rest| rest.split_whitespace().next());
                found.extend(tables.filter(|table| !table.starts_with("new_")).map(str::to_owned));
            }
        }
        assert_eq!(found, TABLES.map(str::to_owned).into());
    }
}
