//! States, each with one stable word.

/// Declares a state as an enum with one stable word for each value.
macro_rules! status {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name { $($(#[$variant_doc])* $variant),+ }

        impl $name {
            /// Every value.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The value as one word, the same in the store, the log and the audit.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }

            /// The value with that word, or `None` if there is no such value.
            pub fn of(word: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|status| status.as_str() == word)
            }
        }
    };
}
pub(super) use status;
