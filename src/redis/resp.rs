//! The protocol of Redis, version 2: commands, and as much of their answers as is needed.

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader, Take};
use zeroize::Zeroizing;

use crate::ports::NodeProblem;

/// The most bytes that a node may send on one connection.
const MAX_BYTES: u64 = 4 << 20;
/// The longest text of an error that is kept.
const MAX_ERROR: usize = 200;

/// A connection to a node.
pub(super) struct Connection<S>(BufReader<Take<S>>);

/// An answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Reply {
    /// A text.
    Text(String),
    /// An error: its code and its message.
    Error(String),
    /// That there is nothing.
    Nothing,
    /// A number.
    Number,
    /// A list: all texts in it and in the lists within it, in their order.
    List(Vec<String>),
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    pub(super) fn new(stream: S) -> Self {
        Self(BufReader::new(stream.take(MAX_BYTES)))
    }

    /// Sends a command and reads its answer.
    pub(super) async fn command(&mut self, parts: &[&str]) -> Result<Reply, NodeProblem> {
        let stream = self.0.get_mut().get_mut();
        let sent = async {
            stream.write_all(&encoded(parts)).await?;
            stream.flush().await
        };
        sent.await.map_err(|error| lost(&error))?;
        self.reply().await
    }

    async fn reply(&mut self) -> Result<Reply, NodeProblem> {
        let mut texts: Option<Vec<String>> = None;
        let mut left: u64 = 1;
        while left > 0 {
            left -= 1;
            let line = self.line().await?;
            let (kind, rest) = line.split_at_checked(1).ok_or_else(unreadable)?;
            let reply = match kind {
                "+" => Reply::Text(rest.to_owned()),
                "-" => Reply::Error(shown(rest)),
                ":" => Reply::Number,
                "$" | "*" if rest == "-1" => Reply::Nothing,
                "$" => Reply::Text(self.text(rest.parse().map_err(|_| unreadable())?).await?),
                "*" => {
                    left += u64::from(rest.parse::<u32>().map_err(|_| unreadable())?);
                    texts.get_or_insert_default();
                    continue;
                }
                _ => return Err(unreadable()),
            };
            match (&mut texts, reply) {
                (None, reply) => return Ok(reply),
                (Some(texts), Reply::Text(text)) => texts.push(text),
                (Some(_), _) => {}
            }
        }
        texts.map(Reply::List).ok_or_else(unreadable)
    }

    async fn line(&mut self) -> Result<String, NodeProblem> {
        let mut line = Vec::new();
        self.0.read_until(b'\n', &mut line).await.map_err(|error| lost(&error))?;
        let line = line.strip_suffix(b"\r\n").ok_or_else(|| lost(&"the connection ended"))?;
        String::from_utf8(line.to_vec()).map_err(|_| unreadable())
    }

    async fn text(&mut self, length: u32) -> Result<String, NodeProblem> {
        let mut bytes = Vec::new();
        let wanted = u64::from(length) + 2;
        let read = (&mut self.0).take(wanted).read_to_end(&mut bytes).await.map_err(|error| lost(&error))?;
        if read as u64 != wanted {
            return Err(lost(&"the connection ended"));
        }
        bytes.truncate(length as usize);
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }
}

/// A command as a list of texts, in a buffer that is never moved and wiped at the end.
fn encoded(parts: &[&str]) -> Zeroizing<Vec<u8>> {
    let length = parts.iter().map(|part| part.len() + 16).sum::<usize>() + 16;
    let mut bytes = Zeroizing::new(Vec::with_capacity(length));
    bytes.extend_from_slice(format!("*{}\r\n", parts.len()).as_bytes());
    for part in parts {
        bytes.extend_from_slice(format!("${}\r\n", part.len()).as_bytes());
        bytes.extend_from_slice(part.as_bytes());
        bytes.extend_from_slice(b"\r\n");
    }
    bytes
}

/// The text of an error, as far as it is shown.
fn shown(text: &str) -> String {
    text.chars().filter(|character| !character.is_control()).take(MAX_ERROR).collect()
}

fn lost(error: &dyn std::fmt::Display) -> NodeProblem {
    NodeProblem::Unreachable(error.to_string())
}

fn unreadable() -> NodeProblem {
    NodeProblem::Refused("something that is not the protocol of Redis".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn answered(answer: &[u8]) -> Result<Reply, NodeProblem> {
        let (ours, mut theirs) = tokio::io::duplex(4096);
        theirs.write_all(answer).await.unwrap();
        theirs.shutdown().await.unwrap();
        Connection::new(ours).reply().await
    }

    #[test]
    fn a_command_is_a_list_of_texts() {
        assert_eq!(*encoded(&["AUTH", "a", ""]), b"*3\r\n$4\r\nAUTH\r\n$1\r\na\r\n$0\r\n\r\n");
    }

    #[tokio::test]
    async fn answers_of_every_kind_are_read() {
        let other = b"*4\r\n$5\r\nflags\r\n*2\r\n+on\r\n:3\r\n*0\r\n$-1\r\n+next\r\n";
        for (answer, expected) in [
            (&b"+OK\r\n"[..], Reply::Text("OK".to_owned())),
            (b"-NOPERM no\r\n", Reply::Error("NOPERM no".to_owned())),
            (b":12\r\n", Reply::Number),
            (b"$2\r\nab\r\n", Reply::Text("ab".to_owned())),
            (b"$-1\r\n", Reply::Nothing),
            (b"*-1\r\n", Reply::Nothing),
            (other, Reply::List(["flags", "on"].map(str::to_owned).to_vec())),
        ] {
            assert_eq!(answered(answer).await.unwrap(), expected, "{}", String::from_utf8_lossy(answer));
        }
        let (ours, mut theirs) = tokio::io::duplex(4096);
        theirs.write_all(other).await.unwrap();
        let mut connection = Connection::new(ours);
        assert!(matches!(connection.reply().await.unwrap(), Reply::List(_)));
        assert_eq!(connection.reply().await.unwrap(), Reply::Text("next".to_owned()), "the list was read to its end");
    }

    #[tokio::test]
    async fn what_is_no_answer_is_a_problem() {
        for bad in
            [&b""[..], b"+OK", b"+OK\n", b"\r\n", b"HTTP/1.1 400\r\n", b"$3\r\nab\r\n", b"$x\r\n", b"*9\r\n+a\r\n"]
        {
            assert!(answered(bad).await.is_err(), "{}", String::from_utf8_lossy(bad));
        }
    }
}
