//! The rows of a file, and the batches in which they are sent.

use std::io::{self, BufRead, Read};
use std::iter::Peekable;

use prost::Message;
use serde_json::Value;

use super::row::{COLUMNS, Draft, OF_EXPORTS, trimmed};
use super::systems::SystemRows;
use crate::cli::failure::Failure;
use crate::cli::file_format::Format;
use crate::domain::text::BYTE_ORDER_MARK;
use crate::grpc::generated::credential::admin::v1::ImportRow;

/// The most rows that the service takes in one message.
const MAX_BATCH_ROWS: usize = 1000;
/// Below the default of the service's `server.max_message_bytes`.
const MAX_BATCH_BYTES: usize = 60_000;
/// Tag and length of a row within its batch.
const BYTES_AROUND_A_ROW: usize = 8;

/// The input of a file.
pub(super) type Input = Box<dyn BufRead + Send>;

/// The rows of a file, in order.
pub(super) enum Rows {
    Jsonl(JsonLines),
    Csv(CsvRecords),
    System(SystemRows),
}

/// A JSON object on each line. A row has the number of its line; empty lines are skipped.
pub(super) struct JsonLines {
    input: Input,
    number: u64,
}

/// Records below a line with the column names. The first record is row 1.
pub(super) struct CsvRecords {
    reader: csv::Reader<Input>,
    columns: Vec<String>,
    number: u64,
}

impl Rows {
    pub(super) fn new(input: Input, format: Format) -> Result<Self, Failure> {
        match format {
            Format::Jsonl => Ok(Self::Jsonl(JsonLines { input, number: 0 })),
            Format::Csv => CsvRecords::new(input).map(Self::Csv),
        }
    }
}

impl Iterator for Rows {
    type Item = Result<ImportRow, Failure>;

    fn next(&mut self) -> Option<Self::Item> {
        let row = match self {
            Self::Jsonl(lines) => lines.read(),
            Self::Csv(records) => records.read(),
            Self::System(rows) => rows.read(),
        };
        let row = row.map_err(|error| Failure::caused("can't read the next row", &error)).transpose()?;
        Some(row.map(|row| match row.encoded_len() {
            0..=MAX_BATCH_BYTES => row,
            _ => Draft::unreadable(row.row_number, "is too long"),
        }))
    }
}

impl JsonLines {
    fn read(&mut self) -> io::Result<Option<ImportRow>> {
        loop {
            let mut line = Vec::new();
            let most = MAX_BATCH_BYTES as u64;
            if self.input.by_ref().take(most).read_until(b'\n', &mut line)? == 0 {
                return Ok(None);
            }
            self.number += 1;
            if line.len() == MAX_BATCH_BYTES && !line.ends_with(b"\n") {
                self.input.skip_until(b'\n')?;
                return Ok(Some(Draft::unreadable(self.number, "is too long")));
            }
            let line = line.strip_prefix(BYTE_ORDER_MARK.as_bytes()).unwrap_or(&line);
            if line.trim_ascii().is_empty() {
                continue;
            }
            if let Some(row) = self.row(line) {
                return Ok(Some(row));
            }
        }
    }

    fn row(&self, line: &[u8]) -> Option<ImportRow> {
        match serde_json::from_slice(line.trim_ascii_end()) {
            Ok(Value::Object(values)) => {
                let mut draft = Draft::new(self.number);
                draft.set_all(values);
                draft.finish()
            }
            Ok(_) => Some(Draft::unreadable(self.number, "is not a JSON object")),
            Err(error) => {
                let why = format!("is not JSON, from character {} on", error.column());
                Some(Draft::unreadable(self.number, &why))
            }
        }
    }
}

impl CsvRecords {
    fn new(input: Input) -> Result<Self, Failure> {
        let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(input);
        let headers =
            reader.headers().map_err(|error| Failure::caused("can't read the names of the columns", &error))?;
        let columns: Vec<String> = headers.iter().map(|name| trimmed(name).to_owned()).collect();
        let is_known = |name: &str| COLUMNS.contains(&name) || OF_EXPORTS.contains(&name);
        let unknown = columns.iter().filter(|name| !is_known(name));
        let twice =
            columns.iter().enumerate().filter(|(at, name)| columns.iter().take(*at).any(|other| other == *name));
        let missing = ["kind", "name", "hash"].into_iter().filter(|name| !columns.iter().any(|column| column == name));
        let mistakes: Vec<String> = unknown
            .map(|name| format!("there is no column {name:?}"))
            .chain(twice.map(|(_, name)| format!("the column {name:?} is there twice")))
            .chain(missing.map(|name| format!("the column {name:?} is missing")))
            .collect();
        if mistakes.is_empty() {
            Ok(Self { reader, columns, number: 0 })
        } else {
            Err(Failure::failed(format!("the first line does not name the columns: {}", mistakes.join(", "))))
        }
    }

    fn read(&mut self) -> io::Result<Option<ImportRow>> {
        let mut record = csv::ByteRecord::new();
        while self.reader.read_byte_record(&mut record)? {
            self.number += 1;
            if let Some(row) = self.row(&record) {
                return Ok(Some(row));
            }
        }
        Ok(None)
    }

    fn row(&self, record: &csv::ByteRecord) -> Option<ImportRow> {
        if record.len() != self.columns.len() {
            let why = format!("has {} values for {} columns", record.len(), self.columns.len());
            return Some(Draft::unreadable(self.number, &why));
        }
        let mut draft = Draft::new(self.number);
        for (column, value) in self.columns.iter().zip(record) {
            match std::str::from_utf8(value) {
                Ok(text) => draft.set(column, text),
                Err(_) => draft.problem(column, "is not UTF-8"),
            }
        }
        draft.finish()
    }
}

/// The rows in batches of a size that the service accepts.
pub(super) struct Batches {
    rows: Peekable<Box<dyn Iterator<Item = Result<ImportRow, Failure>> + Send>>,
    from_row: u64,
}

impl Batches {
    /// With a text before each hash, which may be empty.
    pub(super) fn new(rows: Rows, from_row: u64, before_hashes: String) -> Self {
        let marked = move |mut row: ImportRow| {
            if !row.hash.is_empty() {
                row.hash.insert_str(0, &before_hashes);
            }
            row
        };
        let rows: Box<dyn Iterator<Item = _> + Send> = Box::new(rows.map(move |row| row.map(&marked)));
        Self { rows: rows.peekable(), from_row }
    }
}

impl Iterator for Batches {
    type Item = Result<Vec<ImportRow>, Failure>;

    fn next(&mut self) -> Option<Self::Item> {
        let (mut batch, mut bytes) = (Vec::new(), 0);
        let mut fits = |row: &Result<ImportRow, Failure>| {
            bytes += row.as_ref().map_or(0, |row| row.encoded_len() + BYTES_AROUND_A_ROW);
            bytes <= MAX_BATCH_BYTES + BYTES_AROUND_A_ROW
        };
        while batch.len() < MAX_BATCH_ROWS {
            let from_row = self.from_row;
            while self.rows.next_if(|row| row.as_ref().is_ok_and(|row| row.row_number < from_row)).is_some() {}
            match self.rows.next_if(&mut fits) {
                Some(Ok(row)) => batch.push(row),
                Some(Err(failure)) => return Some(Err(failure)),
                None => break,
            }
        }
        (!batch.is_empty()).then_some(Ok(batch))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(text: &'static str, format: Format) -> Vec<ImportRow> {
        Rows::new(Box::new(text.as_bytes()), format).unwrap().map(|row| row.unwrap()).collect()
    }

    fn problems(row: &ImportRow) -> Vec<&str> {
        row.problems.iter().map(|problem| problem.description.as_str()).collect()
    }

    #[test]
    fn both_formats_say_the_same() {
        let jsonl =
            "{\"tenant\":\"acme\",\"kind\":\"iam-user\",\"name\":\"7\",\"tags\":{\"a\":\"b,c\"},\"hash\":\"$h\"}\n";
        let csv = "kind,name,tags,tenant,hash\r\niam-user,7,\"{\"\"a\"\":\"\"b,c\"\"}\",acme,$h\r\n";
        assert_eq!(rows(jsonl, Format::Jsonl)[0].encode_to_vec(), rows(csv, Format::Csv)[0].encode_to_vec());
    }

    #[test]
    fn byte_order_marks_blanks_and_ends_of_lines_say_nothing() {
        let plain =
            rows("{\"kind\":\"iam-user\",\"name\":\"7\",\"user_name\":\"Jane Doe\",\"hash\":\"$h\"}\n", Format::Jsonl);
        let row =
            "{\" kind\":\"iam-user \",\"name\":\"\u{feff}7\",\"user_name\":\" Jane Doe\",\"hash\":\"\\t$h\\r\\n\"}\r\n";
        let jsonl: &'static str = format!("\u{feff}{row}\u{feff} {row}").leak();
        let row = "iam-user ,\u{feff}7,Jane Doe ,\"\t$h\r\n\"\r\n";
        let csv = format!("\u{feff}kind,name ,user_name,hash\r\n{row}\u{feff}{row}").leak();
        for (text, format) in [(jsonl, Format::Jsonl), (csv, Format::Csv)] {
            let read = rows(text, format);
            assert_eq!(read.len(), 2);
            for row in read {
                assert_eq!(ImportRow { row_number: 1, ..row }.encode_to_vec(), plain[0].encode_to_vec(), "{text}");
            }
        }
    }

    #[test]
    fn rows_are_numbered_as_lines_and_as_records() {
        let numbers = |rows: Vec<ImportRow>| rows.iter().map(|row| row.row_number).collect::<Vec<_>>();
        assert_eq!(numbers(rows("{}\n\n  \n{}\n{}", Format::Jsonl)), [1, 4, 5]);
        assert_eq!(numbers(rows("kind,name,hash\na,\"b\nb\",c\n\nd,e,f\n", Format::Csv)), [1, 2]);
    }

    #[test]
    fn an_invalid_row_is_reported_and_the_rest_is_read() {
        let read = rows("{\"kind\":\n[1]\n\u{feff}{}\n{\"kind\":\"ram-user\",\"name\":\"a\"}\n", Format::Jsonl);
        let reported: Vec<_> = read.iter().map(|row| problems(row).join("; ")).collect();
        assert!(reported[0].starts_with("is not JSON") && reported[2].starts_with("must be one of"), "{reported:?}");
        assert_eq!((reported[1].as_str(), reported[3].as_str()), ("is not a JSON object", ""));

        let read = rows("kind,name,hash\nram-user,a\nram-user,b,$h\n", Format::Csv);
        assert_eq!((problems(&read[0]), problems(&read[1])), (vec!["has 2 values for 3 columns"], vec![]));
        let bytes: &[u8] = b"kind,name,hash\nram-user,\xff,$h\n";
        let row = Rows::new(Box::new(bytes), Format::Csv).unwrap().next().unwrap().unwrap();
        assert_eq!(problems(&row), ["is not UTF-8"]);
    }

    #[test]
    fn the_first_line_of_a_csv_file_names_the_columns() {
        let Err(error) = Rows::new(Box::new(&b"kind,colour,kind,hash\n"[..]), Format::Csv) else {
            panic!("it is read")
        };
        let reported = error.to_string();
        for mistake in ["no column \"colour\"", "\"kind\" is there twice", "\"name\" is missing"] {
            assert!(reported.contains(mistake), "{reported}");
        }
    }

    #[test]
    fn batches_stay_within_what_the_service_takes() {
        let long = "x".repeat(MAX_BATCH_BYTES);
        let mut lines: Vec<String> =
            (0..2500).map(|n| format!("{{\"kind\":\"ram-user\",\"name\":\"user{n}\"}}")).collect();
        lines[3] = format!("{{\"kind\":\"ram-user\",\"name\":\"{long}\"}}");
        lines[4] = format!("{{\"kind\":\"ram-user\",\"name\":\"{}\"}}", &long[..50_000]);
        lines[5] = lines[4].clone();
        let batches = |from_row| {
            let input = Box::new(io::Cursor::new(lines.join("\n")));
            let batches = Batches::new(Rows::new(input, Format::Jsonl).unwrap(), from_row, String::new());
            batches.map(|batch| batch.unwrap()).collect::<Vec<_>>()
        };
        let all = batches(1);
        for batch in &all {
            let bytes: usize = batch.iter().map(|row| row.encoded_len() + BYTES_AROUND_A_ROW).sum();
            assert!(!batch.is_empty() && batch.len() <= MAX_BATCH_ROWS && bytes <= 65_536, "{bytes}");
        }
        let numbers: Vec<u64> = all.iter().flatten().map(|row| row.row_number).collect();
        assert_eq!(numbers, (1..=2500).collect::<Vec<u64>>());
        assert_eq!(problems(&all[0][3]), ["is too long"]);
        assert_eq!(batches(2400).iter().flatten().map(|row| row.row_number).min(), Some(2400));
    }
}
