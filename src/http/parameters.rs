//! The parameters of a request: those of its query and of its form together.

use std::collections::BTreeMap;
use std::fmt;

use zeroize::Zeroizing;

use super::percent::{LONGEST_ESCAPE, append_encoded, decoded};

/// Largest number of parameters. The SDKs send fewer than twenty.
const MOST: usize = 100;

/// Why the parameters of a request are refused. Repeats no value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParameterProblem {
    /// An escape is broken, or a name or a value is not UTF-8.
    #[error("the query or the form is not well percent-encoded UTF-8")]
    Encoding,
    /// A parameter is there twice, in one place or in both.
    #[error("a parameter is there twice")]
    Repeated,
    /// There are more than the service reads.
    #[error("there are too many parameters")]
    TooMany,
}

/// The parameters by name, in the order in which signatures cover them. Values are passwords too: they are wiped, and
/// can't be printed.
#[derive(Default)]
pub struct Parameters(BTreeMap<String, Zeroizing<String>>);

impl Parameters {
    /// Parses the query and the form of a request. A parameter without `=` has an empty value.
    ///
    /// # Errors
    /// The first problem: the service must not guess which of two values is meant.
    pub fn parse(query: &str, form: &str) -> Result<Self, ParameterProblem> {
        let mut parameters = BTreeMap::new();
        for pair in query.split('&').chain(form.split('&')).filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let (name, value) = decoded(name).zip(decoded(value)).ok_or(ParameterProblem::Encoding)?;
            if parameters.len() == MOST {
                return Err(ParameterProblem::TooMany);
            }
            if parameters.insert(name.to_string(), value).is_some() {
                return Err(ParameterProblem::Repeated);
            }
        }
        Ok(Self(parameters))
    }

    /// The value of a parameter, if it is there.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(|value| value.as_str())
    }

    /// The canonical form that signatures cover, without the parameter of that name.
    pub(super) fn canonical(&self, without: Option<&str>) -> Zeroizing<String> {
        let length = |(name, value): (&String, &Zeroizing<String>)| LONGEST_ESCAPE * (name.len() + value.len()) + 2;
        let mut canonical = Zeroizing::new(String::with_capacity(self.0.iter().map(length).sum()));
        for (name, value) in self.0.iter().filter(|(name, _)| Some(name.as_str()) != without) {
            if !canonical.is_empty() {
                canonical.push('&');
            }
            append_encoded(&mut canonical, name);
            canonical.push('=');
            append_encoded(&mut canonical, value);
        }
        canonical
    }
}

impl fmt::Debug for Parameters {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Parameters").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn query_and_form_are_one_list_in_the_order_of_names() {
        let parameters = Parameters::parse("b=2&a=+x&Signature=s&flag", "c=%2B&empty=").unwrap();
        assert_eq!(*parameters.canonical(Some("Signature")), "a=%20x&b=2&c=%2B&empty=&flag=");
        assert_eq!(parameters.value("c"), Some("+"));
        assert_eq!((parameters.value("flag"), parameters.value("d")), (Some(""), None));
        assert_eq!(*Parameters::parse("", "").unwrap().canonical(None), "");
        assert!(!format!("{parameters:?}").contains('x'));
    }

    #[test]
    fn a_parameter_that_is_there_twice_is_refused() {
        for (query, form) in [("a=1&a=1", ""), ("a=1", "a=2"), ("", "a=&a"), ("%61=1&a=2", "")] {
            assert_eq!(Parameters::parse(query, form).unwrap_err(), ParameterProblem::Repeated, "{query} {form}");
        }
    }

    #[test]
    fn what_is_broken_or_too_much_is_refused() {
        for (query, form) in [("a=%", ""), ("%ff=1", ""), ("", "a=%c3")] {
            assert_eq!(Parameters::parse(query, form).unwrap_err(), ParameterProblem::Encoding, "{query} {form}");
        }
        let many: Vec<_> = (0..=MOST).map(|number| format!("{number}=")).collect();
        assert_eq!(Parameters::parse(&many.join("&"), "").unwrap_err(), ParameterProblem::TooMany);
        assert!(Parameters::parse(&many[1..].join("&"), "").is_ok());
    }

    proptest! {
        #[test]
        fn the_canonical_form_parses_to_itself(values in prop::collection::btree_map(".{1,5}", any::<String>(), 0..9)) {
            let parameters = Parameters(values.into_iter().map(|(name, value)| (name, Zeroizing::new(value))).collect());
            let canonical = parameters.canonical(None);
            let parsed = Parameters::parse(&canonical, "").unwrap();
            prop_assert_eq!(parsed.0, parameters.0);
        }
    }
}
