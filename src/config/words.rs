//! The words of settings that can be one of a few.

use super::parse::{ClientCertificates, HashKernel, LogCalls, LogFormat, TlsVersion};
use super::settings::{Kind, Setting};

impl Setting {
    /// The words that it can be, if they are few: what a shell completes.
    pub fn words(&self) -> &'static [&'static str] {
        match (self.kind, self.key) {
            (Kind::Flag, _) => &["true", "false"],
            (_, "hashing.kernel") => HashKernel::WORDS,
            (_, "log.calls") => LogCalls::WORDS,
            (_, "log.format") => LogFormat::WORDS,
            (_, "tls.client_certificates") => ClientCertificates::WORDS,
            (_, "tls.minimum_version") => TlsVersion::WORDS,
            _ => &[],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Effective, SETTINGS, Sources};

    #[test]
    fn the_words_are_those_that_the_message_of_a_mistake_names() {
        for setting in SETTINGS {
            let flags = vec![(setting.key.to_owned(), "no such word".to_owned())];
            let examined = Effective::examine(&Sources { flags, ..Sources::default() });
            let mistakes = examined.map_or_else(|mistakes| mistakes, |(_, mistakes)| mistakes);
            let flag = format!("--{}:", setting.flag());
            let message = mistakes.iter().map(ToString::to_string).find(|text| text.starts_with(&flag));
            let wanted = message.as_deref().and_then(|text| text.split_once("; use `")).map(|(_, words)| words);
            let named = wanted.map(|words| words.split('`').step_by(2).collect::<Vec<_>>()).unwrap_or_default();
            let named: Vec<_> = named.into_iter().filter(|word| !word.is_empty()).collect();
            assert_eq!(named, setting.words(), "{}: {message:?}", setting.key);
        }
    }
}
