//! Input that is typed at a terminal, without showing it.

use std::io::{self, ErrorKind, Read};

use rustix::termios::{LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr};

use super::failure::Failure;

/// Longer than any password.
const MAX_LINE_BYTES: usize = 4096;

/// While this exists, the terminal shows nothing of what is typed, and passes on each key. Then it is as before.
pub(super) struct Hidden {
    before: Termios,
}

impl Hidden {
    pub(super) fn begin() -> Result<Self, Failure> {
        let hide = || -> io::Result<Self> {
            let before = tcgetattr(io::stdin())?;
            let mut hidden = before.clone();
            // Without signals, because one would end the process before the terminal is as before.
            hidden.local_modes -= LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG;
            hidden.special_codes[SpecialCodeIndex::VMIN] = 1;
            hidden.special_codes[SpecialCodeIndex::VTIME] = 0;
            tcsetattr(io::stdin(), OptionalActions::Now, &hidden)?;
            Ok(Self { before })
        };
        hide().map_err(|error| Failure::caused("the terminal can't hide what is typed", &error))
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        // A terminal that is gone needs nothing.
        let _ = tcsetattr(io::stdin(), OptionalActions::Now, &self.before);
    }
}

/// Reads a line, key by key. Backspace and Ctrl-U correct it; Ctrl-C and Ctrl-D end it without a result.
pub(super) fn typed_line(keys: &mut dyn Read) -> io::Result<String> {
    let mut line = Vec::new();
    let mut key = [0];
    loop {
        let [byte] = match keys.read(&mut key)? {
            0 => return Err(ErrorKind::UnexpectedEof.into()),
            _ => key,
        };
        match byte {
            b'\n' | b'\r' => break,
            0x03 | 0x04 => return Err(ErrorKind::Interrupted.into()),
            0x15 => line.clear(),
            0x08 | 0x7f => while line.pop().is_some_and(|last| last & 0xc0 == 0x80) {},
            0..0x20 => {}
            _ if line.len() == MAX_LINE_BYTES => return Err(ErrorKind::InvalidInput.into()),
            byte => line.push(byte),
        }
    }
    String::from_utf8(line).map_err(|_| io::Error::new(ErrorKind::InvalidData, "it is not UTF-8"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_typed_line_can_be_corrected_and_given_up() {
        for (keys, line) in [
            (&b"secret\nmore"[..], Some("secret")),
            (b" two words \r", Some(" two words ")),
            ("caf\u{e9}\u{e8}\u{7f}\n".as_bytes(), Some("caf\u{e9}")),
            (b"\x7f\x08ab\x15cd\x1b\n", Some("cd")),
            (b"\n", Some("")),
            (b"abc\x03\n", None),
            (b"\x04", None),
            (b"abc", None),
            (b"\xff\n", None),
        ] {
            assert_eq!(typed_line(&mut &keys[..]).ok().as_deref(), line, "{keys:?}");
        }
        let long = [b'a'; MAX_LINE_BYTES + 1];
        assert!(typed_line(&mut &long[..]).is_err());
    }
}
