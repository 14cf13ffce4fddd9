//! Commands print and read only here.

use std::io::{self, ErrorKind, Read, Write};
use std::process::ExitCode;

use super::failure::Failure;
use crate::domain::text::BYTE_ORDER_MARK;

/// More than any password, token or list that is piped into a command.
const MAX_INPUT_BYTES: u64 = 64 * 1024;

/// The streams that a command prints to and reads from.
pub(super) struct Terminal {
    output: Box<dyn Write + Send>,
    errors: Box<dyn Write + Send>,
    input: Box<dyn Read + Send>,
}

impl Terminal {
    /// The process's own.
    pub(super) fn standard() -> Self {
        Self { output: Box::new(io::stdout()), errors: Box::new(io::stderr()), input: Box::new(io::stdin()) }
    }

    /// Any three, for a test.
    #[cfg(test)]
    pub(super) fn of(
        output: Box<dyn Write + Send>,
        errors: Box<dyn Write + Send>,
        input: Box<dyn Read + Send>,
    ) -> Self {
        Self { output, errors, input }
    }

    /// Prints a text and a line end. A closed pipe is no failure: `credentiald … | head` is fine.
    pub(super) fn print(&mut self, text: &str) -> Result<(), Failure> {
        match writeln!(self.output, "{text}").and_then(|()| self.output.flush()) {
            Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(Failure::caused("can't print", &error)),
            _ => Ok(()),
        }
    }

    /// The output of a command that writes more than a few lines.
    pub(super) fn output(&mut self) -> &mut dyn Write {
        &mut self.output
    }

    /// Prints to standard error. Ignores a failure, since there is no other place to report it.
    pub(super) fn complain(&mut self, text: &str) {
        let _ = writeln!(self.errors, "{text}");
    }

    /// Prints the output of the argument parser: a mistake, or the requested help.
    pub(super) fn answer(&mut self, answer: &clap::Error) -> ExitCode {
        let stream = if answer.use_stderr() { &mut self.errors } else { &mut self.output };
        let _ = write!(stream, "{}", answer.render()).and_then(|()| stream.flush());
        ExitCode::from(u8::try_from(answer.exit_code()).unwrap_or(2))
    }

    /// Reads standard input to its end. Drops a byte order mark at the start and one line end at the end.
    pub(super) fn read(&mut self) -> Result<String, Failure> {
        let mut text = String::new();
        let mut input = self.input.by_ref().take(MAX_INPUT_BYTES + 1);
        input.read_to_string(&mut text).map_err(|error| Failure::caused("can't read standard input", &error))?;
        if u64::try_from(text.len()).unwrap_or(u64::MAX) > MAX_INPUT_BYTES {
            return Err(Failure::failed("standard input is too long"));
        }
        if text.ends_with('\n') {
            text.pop();
            if text.ends_with('\r') {
                text.pop();
            }
        }
        if text.starts_with(BYTE_ORDER_MARK) {
            text.drain(..BYTE_ORDER_MARK.len());
        }
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(input: &'static [u8]) -> Result<String, Failure> {
        Terminal::of(Box::new(io::sink()), Box::new(io::sink()), Box::new(input)).read()
    }

    #[test]
    fn one_line_end_is_left_out_and_nothing_else() {
        assert_eq!(read(b" pass word \n").unwrap(), " pass word ");
        assert_eq!(read(b"one\r\n").unwrap(), "one");
        assert_eq!(read(b"one\n\n").unwrap(), "one\n");
        assert_eq!(read(b"").unwrap(), "");
        assert_eq!(read(b"\xef\xbb\xbfone\n").unwrap(), "one");
        assert!(read(b"\xff").is_err());
    }
}
