//! Several statements as one, so that they cost one round trip and see one snapshot.

use std::fmt::Write;
use std::time::Duration;

use sqlx::postgres::PgRow;
use sqlx::{Column, Row as _, ValueRef};

use super::values::cell_of;
use crate::store::sql::{Columns, Row, Statement, StepKind, Steps, Value};

/// The column before those of each statement. No statement has one of that name.
const MARK: &str = "|";

/// Statements side by side: row 1 has the first row of each, row 2 the second of each, and so on.
pub(super) fn side_by_side(statements: &[Statement]) -> Statement {
    let (mut text, mut values) = (String::from("SELECT * FROM "), Vec::new());
    for (number, statement) in statements.iter().enumerate() {
        let joined = if number == 0 { "" } else { " FULL JOIN " };
        let numbered = numbered_from(values.len(), &statement.text);
        let using = if number == 0 { "" } else { " USING (place)" };
        // Writing to a string never fails.
        let _ = write!(
            text,
            "{joined}(SELECT row_number() OVER () AS place, 1 AS \"{MARK}\", q.* FROM ({numbered}) q) q{number}{using}"
        );
        values.extend(statement.values.iter().cloned());
    }
    text.push_str(" ORDER BY place");
    Statement::of_text(text, values)
}

/// The rows of each of so many statements, from those of [`side_by_side`].
pub(super) fn apart(found: &[PgRow], statements: usize) -> Vec<Vec<Row>> {
    let mut rows: Vec<Vec<Row>> = (0..statements).map(|_| Vec::new()).collect();
    let Some(first) = found.first() else { return rows };
    let names: Vec<&str> = first.columns().iter().map(Column::name).collect();
    let mut marks = names.iter().enumerate().filter(|(_, name)| **name == MARK).map(|(place, _)| place).peekable();
    for of_statement in &mut rows {
        let Some(mark) = marks.next() else { break };
        let columns = mark + 1..marks.peek().copied().unwrap_or(names.len());
        let shared: Columns = names.get(columns.clone()).unwrap_or_default().iter().copied().collect();
        let present = found.iter().filter(|row| row.try_get_raw(mark).is_ok_and(|mark| !mark.is_null()));
        let cells = |row: &PgRow| columns.clone().map(|column| cell_of(row, column)).collect();
        *of_statement = present.map(|row| Row::new(shared.clone(), cells(row))).collect();
    }
    rows
}

/// Fails unless the transaction is serializable, whatever happened to the session: a text that is no boolean.
const IS_SERIALIZABLE: &str = "CAST(CASE current_setting('transaction_isolation') WHEN 'serializable' THEN 'true' \
                               ELSE current_setting('transaction_isolation') END AS BOOLEAN)";

/// The steps of a write as one statement, which counts the rows of each in one row. It waits for a lock no longer than it
/// may; zero is without a limit.
///
/// PostgreSQL evaluates the condition first, then runs the steps in their order, because it evaluates the columns of that
/// row in theirs.
pub(super) fn steps_in_one(steps: &Steps, waits_for_locks: Duration) -> Statement {
    let (mut text, mut counts, mut values) = (String::from("WITH "), String::new(), Vec::new());
    for (number, step) in steps.iter().enumerate() {
        let comma = if number == 0 { "" } else { ", " };
        let condition = step.after.map(|place| format!(" AND EXISTS (SELECT 1 FROM step_{place})")).unwrap_or_default();
        let step_text = step.text(&condition);
        let end = if step.kind == StepKind::Change { " RETURNING 1" } else { lock_of(step.kind) };
        let numbered = numbered_from(values.len(), &step_text);
        // Writing to a string never fails.
        let _ = write!(text, "{comma}step_{number} AS ({numbered}{end})");
        let _ = write!(counts, "{comma}(SELECT count(*) FROM step_{number})");
        values.extend(step.values.iter().cloned());
    }
    values.push(format!("{}ms", waits_for_locks.as_millis()).into());
    let limited = format!("set_config('lock_timeout', ${}, true) IS NOT NULL", values.len());
    Statement::of_text(format!("{text} SELECT {counts} WHERE {limited} AND {IS_SERIALIZABLE}"), values)
}

/// The end of a query that locks its rows as a step does.
pub(super) const fn lock_of(kind: StepKind) -> &'static str {
    match kind {
        StepKind::Keep => " FOR KEY SHARE",
        StepKind::Lock => " FOR NO KEY UPDATE",
        StepKind::Change => "",
    }
}

/// The counts of [`steps_in_one`].
pub(super) fn counts_of(row: &PgRow) -> Vec<u64> {
    let count = |column| match cell_of(row, column) {
        Some(Value::Integer(count)) => u64::try_from(count).unwrap_or_default(),
        _ => 0,
    };
    (0..row.len()).map(count).collect()
}

/// A statement whose values come after so many others.
fn numbered_from(before: usize, text: &str) -> String {
    let mut numbered = String::with_capacity(text.len() + 16);
    let mut parts = text.split('$');
    numbered.extend(parts.next());
    for part in parts {
        let digits = part.bytes().take_while(u8::is_ascii_digit).count();
        let (number, rest) = part.split_at(digits);
        // Writing to a string never fails.
        let _ = match number.parse::<usize>() {
            Ok(number) => write!(numbered, "${}{rest}", before + number),
            // It stands for no value.
            Err(_) => write!(numbered, "${part}"),
        };
    }
    numbered
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::sql::sql;

    #[test]
    fn what_stands_for_no_value_stays() {
        assert_eq!(numbered_from(2, "SELECT '$' || $1 || '$.a'"), "SELECT '$' || $3 || '$.a'");
    }

    #[test]
    fn values_are_numbered_over_all_statements() {
        let both = side_by_side(&[sql("SELECT $2 + $1").bind(1_i64).bind(2_i64), sql("SELECT $1").bind(3_i64)]);
        let (first, second) = ("(SELECT $2 + $1) q", "(SELECT $3) q");
        assert!(both.text.contains(first) && both.text.contains(second), "{}", both.text);
        assert_eq!(both.values, [1, 2, 3].map(Value::Integer));
    }
}
