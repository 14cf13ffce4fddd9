//! Commands print and read only here.

use std::io::{self, ErrorKind, IsTerminal, Read, Write};
use std::mem;
use std::process::ExitCode;

use rustix::termios::tcgetwinsize;

use super::environment::Environment;
use super::failure::Failure;
use super::keyboard::{Hidden, typed_line};
use super::table::{Layout, RED, YELLOW, painted};
use crate::domain::text::BYTE_ORDER_MARK;

/// More than any password, token or list that is piped into a command.
const MAX_INPUT_BYTES: u64 = 64 * 1024;

/// The flag with which a password is read from standard input.
pub(super) const PASSWORD_FLAG: &str = "--password-stdin";

/// The streams that a command prints to and reads from.
pub(super) struct Terminal {
    output: Box<dyn Write + Send>,
    errors: Box<dyn Write + Send>,
    input: Box<dyn Read + Send>,
    /// Whether the input is typed.
    is_typed: bool,
    /// Whether errors are for programs.
    is_for_programs: bool,
    /// The number of columns that are seen at a time, if the output is seen by people.
    width: Option<usize>,
    /// Whether the output has colours, and whether errors have.
    colours: [bool; 2],
}

impl Terminal {
    /// The process's own. Colours are for terminals that have them, and for people who want them (no-color.org).
    pub(super) fn standard(environment: &Environment, is_for_programs: bool) -> Self {
        let is_set = |name| environment.text(name).is_some_and(|text| !text.is_empty());
        let has_colours = !is_set("NO_COLOR") && is_set("TERM") && environment.text("TERM") != Some("dumb");
        let seen = [io::stdout().is_terminal(), io::stderr().is_terminal()];
        let [is_seen, _] = seen;
        Self {
            output: Box::new(io::stdout()),
            errors: Box::new(io::stderr()),
            input: Box::new(io::stdin()),
            is_typed: io::stdin().is_terminal(),
            is_for_programs,
            width: is_seen.then(|| width(environment)).flatten(),
            colours: seen.map(|is_seen| is_seen && has_colours),
        }
    }

    /// Any three, for a test.
    #[cfg(test)]
    pub(super) fn of(
        output: Box<dyn Write + Send>,
        errors: Box<dyn Write + Send>,
        input: Box<dyn Read + Send>,
    ) -> Self {
        Self { output, errors, input, is_typed: false, is_for_programs: false, width: None, colours: [false; 2] }
    }

    /// Prints a text and a line end. A closed pipe is no failure: `credentiald … | head` is fine.
    pub(super) fn print(&mut self, text: &str) -> Result<(), Failure> {
        printed(writeln!(self.output, "{text}").and_then(|()| self.output.flush()))
    }

    /// The same, [apart](Self::write_apart).
    pub(super) async fn print_apart(&mut self, text: String) -> Result<(), Failure> {
        printed(self.write_apart(move |output| writeln!(output, "{text}")).await)
    }

    /// The output of a command that writes more than a few lines.
    pub(super) fn output(&mut self) -> &mut dyn Write {
        &mut self.output
    }

    /// Writes to the output on a thread of its own, so that a caller can end although its reader reads nothing. If this is
    /// dropped early, the output is lost.
    pub(super) async fn write_apart<T: Send + 'static>(
        &mut self,
        write: impl FnOnce(&mut dyn Write) -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        let mut output = mem::replace(&mut self.output, Box::new(io::sink()));
        let writing = tokio::task::spawn_blocking(move || {
            let written = write(&mut output).and_then(|written| output.flush().map(|()| written));
            (output, written)
        });
        let (output, written) = writing.await.map_err(io::Error::other)?;
        self.output = output;
        written
    }

    /// Prints to standard error. Ignores a failure, since there is no other place to report it.
    pub(super) fn complain(&mut self, text: &str) {
        let [_, has_colours] = self.colours;
        let begun = [("error:", RED), ("warning:", YELLOW)].into_iter().filter(|_| has_colours);
        let begun = begun.map(|(word, colour)| (word, text.strip_prefix(word), colour));
        let _ = match begun.into_iter().find(|(_, rest, _)| rest.is_some()) {
            Some((word, Some(rest), colour)) => writeln!(self.errors, "{}{rest}", painted(word, colour)),
            _ => writeln!(self.errors, "{text}"),
        };
    }

    /// Prints why a command failed.
    pub(super) fn report(&mut self, failure: &Failure) {
        let message = failure.to_string();
        if self.is_for_programs && !message.is_empty() {
            let _ = writeln!(self.errors, "{}", failure.to_json());
        } else if !message.is_empty() {
            self.complain(&message);
        }
    }

    /// Prints the output of the argument parser: a mistake, or the requested help.
    pub(super) fn answer(&mut self, answer: &clap::Error) -> ExitCode {
        let text = answer.render();
        if self.is_for_programs && answer.use_stderr() {
            let text = text.to_string();
            let failure = Failure::usage(text.strip_prefix("error: ").unwrap_or(&text).trim_end());
            self.report(&failure);
            return failure.exit_code();
        }
        let [of_output, of_errors] = self.colours;
        let (stream, has_colours) =
            if answer.use_stderr() { (&mut self.errors, of_errors) } else { (&mut self.output, of_output) };
        let written = if has_colours { write!(stream, "{}", text.ansi()) } else { write!(stream, "{text}") };
        let _ = written.and_then(|()| stream.flush());
        ExitCode::from(u8::try_from(answer.exit_code()).unwrap_or(2))
    }

    /// The number of columns that are seen at a time, if people see the output.
    pub(super) const fn width(&self) -> Option<usize> {
        self.width
    }

    /// How tables are laid out: by the width, unless everything is asked for.
    pub(super) fn layout(&self, is_wide: bool) -> Layout {
        let [has_colours, _] = self.colours;
        Layout { width: self.width.filter(|_| !is_wide), has_colours }
    }

    /// Reads a secret. If it is typed, asks for it and does not show it; otherwise reads standard input to its end, if that
    /// is wanted: `flags` say so.
    pub(super) fn secret(&mut self, name: &str, flags: &str, from_input: bool) -> Result<String, Failure> {
        if self.is_typed {
            let _hidden = Hidden::begin()?;
            self.ask(name)
        } else if from_input {
            self.read()
        } else {
            Err(no_terminal(flags))
        }
    }

    /// Reads a secret to set. Typed input is asked for twice, because it is not shown.
    pub(super) fn new_secret(&mut self, from_input: bool) -> Result<String, Failure> {
        if !self.is_typed {
            return self.secret("New password", PASSWORD_FLAG, from_input);
        }
        let _hidden = Hidden::begin()?;
        self.ask_twice()
    }

    /// Reads the old secret, if there is one, and the new one: from standard input, each on a line.
    pub(super) fn change_of_secret(&mut self, has_old: bool, from_input: bool) -> Result<(String, String), Failure> {
        if self.is_typed {
            let _hidden = Hidden::begin()?;
            let old = if has_old { self.ask("Old password")? } else { String::new() };
            return Ok((old, self.ask_twice()?));
        }
        if !from_input {
            return Err(no_terminal(PASSWORD_FLAG));
        }
        let text = self.read()?;
        let lines: Vec<_> = text.split('\n').map(|line| line.strip_suffix('\r').unwrap_or(line)).collect();
        match lines[..] {
            [new] if !has_old => Ok((String::new(), new.to_owned())),
            [old, new] if has_old => Ok((old.to_owned(), new.to_owned())),
            _ => {
                let wanted =
                    if has_old { "two lines, the old and the new password" } else { "one line, the new password" };
                Err(Failure::usage(format!("standard input must hold {wanted}; it holds {} lines", lines.len())))
            }
        }
    }

    /// Asks for a line that is typed and not shown.
    fn ask(&mut self, name: &str) -> Result<String, Failure> {
        let _ = write!(self.errors, "{name} (not shown): ").and_then(|()| self.errors.flush());
        let line = typed_line(&mut self.input);
        let _ = writeln!(self.errors);
        line.map_err(|error| Failure::caused("nothing was typed", &error))
    }

    fn ask_twice(&mut self) -> Result<String, Failure> {
        let new = self.ask("New password")?;
        if self.ask("New password again")? == new { Ok(new) } else { Err(Failure::failed("the new passwords differ")) }
    }

    /// Reads standard input to its end. Drops a byte order mark at the start and one line end at the end.
    fn read(&mut self) -> Result<String, Failure> {
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

fn printed(written: io::Result<()>) -> Result<(), Failure> {
    match written {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(Failure::caused("can't print", &error)),
        _ => Ok(()),
    }
}

/// The width of the terminal that standard output is.
fn width(environment: &Environment) -> Option<usize> {
    let set = environment.text("COLUMNS").and_then(|text| text.parse().ok());
    let real = || tcgetwinsize(io::stdout()).ok().map(|size| usize::from(size.ws_col));
    set.or_else(real).filter(|width| *width > 0)
}

fn no_terminal(flags: &str) -> Failure {
    Failure::usage(format!("standard input is not a terminal: use {flags}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::failure::Kind;

    #[test]
    fn a_change_has_the_old_and_the_new_password_on_a_line_each() {
        let change = |input: &'static [u8], has_old| {
            Terminal::of(Box::new(io::sink()), Box::new(io::sink()), Box::new(input)).change_of_secret(has_old, true)
        };
        assert_eq!(change(b" o ld\nnew\r\n", true).unwrap(), (" o ld".to_owned(), "new".to_owned()));
        assert_eq!(change(b"new", false).unwrap(), (String::new(), "new".to_owned()));
        for (input, has_old) in [(&b"new\n"[..], true), (b"old\nnew\n\n", true), (b"old\nnew\n", false)] {
            assert!(change(input, has_old).is_err_and(|failure| failure.kind() == Kind::Usage), "{input:?}");
        }
    }

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
