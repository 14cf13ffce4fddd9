//! SPIFFE ids, and the rules by which they name callers and trusted proxies.

use std::collections::{BTreeMap, HashMap};

use super::named_caller::NamedCaller;

/// The longest id and the longest name of a trust domain (SPIFFE-ID, sections 2.1 and 2.4).
const MAX_BYTES: usize = 2048;
const MAX_TRUST_DOMAIN_BYTES: usize = 255;

/// The id of a workload: `spiffe://trust-domain/path` (SPIFFE-ID, section 2).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SpiffeId(String);

impl SpiffeId {
    /// Parses an id. One without a path is a trust domain's, not a workload's.
    pub fn parse(text: &str) -> Option<Self> {
        let (domain, path) = parts(text)?;
        let is_id = text.len() <= MAX_BYTES && is_trust_domain(domain) && path.split('/').all(is_segment);
        is_id.then(|| Self(text.to_owned()))
    }

    /// Its trust domain.
    pub fn trust_domain(&self) -> &str {
        parts(&self.0).map_or("", |(domain, _)| domain)
    }
}

fn parts(text: &str) -> Option<(&str, &str)> {
    text.strip_prefix("spiffe://")?.split_once('/')
}

fn is_trust_domain(text: &str) -> bool {
    let allows = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-_".contains(&byte);
    (1..=MAX_TRUST_DOMAIN_BYTES).contains(&text.len()) && text.bytes().all(allows)
}

fn is_segment(text: &str) -> bool {
    let allows = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
    !matches!(text, "" | "." | "..") && text.bytes().all(allows)
}

/// The header in which a proxy forwards the certificate of its client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ForwardingHeader {
    /// That of Envoy: elements with keys, and the certificate in one of them.
    XForwardedClientCert,
    /// That of nginx: the certificate in PEM, escaped as in URLs.
    SslClientCert,
}

impl ForwardingHeader {
    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::XForwardedClientCert => "x-forwarded-client-cert",
            Self::SslClientCert => "ssl-client-cert",
        }
    }

    fn parse(name: &str) -> Option<Self> {
        [Self::XForwardedClientCert, Self::SslClientCert].into_iter().find(|header| header.name() == name)
    }
}

/// What an id stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CertificateRule {
    /// This caller.
    Caller(NamedCaller),
    /// A proxy that forwards the certificates of its clients in this header. It is no caller itself.
    Proxy(ForwardingHeader),
}

impl CertificateRule {
    fn parse(text: &str) -> Option<Self> {
        match text.trim().split_once(char::is_whitespace) {
            Some(("proxy", header)) => ForwardingHeader::parse(header.trim()).map(Self::Proxy),
            _ => NamedCaller::parse(text).map(Self::Caller),
        }
    }
}

/// The callers and proxies that SPIFFE ids name. Each id names one; several ids may name the same caller.
///
/// A CA that vouches for one trust domain must not vouch for another. So each trust domain has CAs of its own, and at most
/// one has those of the installation.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CallerRules {
    rules: HashMap<SpiffeId, CertificateRule>,
    /// The file with the CAs of each trust domain that has its own.
    ca_files: BTreeMap<String, String>,
}

impl CallerRules {
    /// Parses a file of rules: one in each line, an id and the name of a caller, or `proxy HEADER`; or a trust domain and
    /// `ca FILE`. Empty lines and those that begin with `#` are skipped.
    ///
    /// # Errors
    /// Every mistake, with its line.
    pub fn parse(text: &str) -> Result<Self, Vec<String>> {
        let (mut rules, mut domains, mut mistakes) = (Self::default(), Vec::new(), Vec::new());
        let lines = text.lines().map(str::trim).zip(1..).filter(|(line, _)| !line.is_empty() && !line.starts_with('#'));
        for (line, number) in lines {
            match rules.add(line) {
                Ok(domain) => domains.push((number, domain)),
                Err(mistake) => mistakes.push((number, mistake)),
            }
        }
        // Only now is it known which trust domains have CAs of their own.
        domains.retain(|(_, domain)| !rules.ca_files.contains_key(domain));
        let others = domains.iter().filter(|(_, domain)| domains.first().is_some_and(|(_, first)| first != domain));
        mistakes.extend(others.map(|(number, domain)| {
            let mistake = "has another trust domain than the lines above: give it its own CAs";
            (*number, format!("{mistake}, as in `spiffe://{domain} ca FILE`"))
        }));
        mistakes.sort();
        let mistakes: Vec<_> = mistakes.iter().map(|(number, mistake)| format!("line {number} {mistake}")).collect();
        if mistakes.is_empty() { Ok(rules) } else { Err(mistakes) }
    }

    /// Adds the rule of a line. Returns its trust domain.
    fn add(&mut self, line: &str) -> Result<String, String> {
        let (first, rule) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        if let Some(domain) = first.strip_prefix("spiffe://").filter(|domain| is_trust_domain(domain)) {
            return self.add_cas(domain.to_owned(), rule);
        }
        let id = SpiffeId::parse(first).ok_or(Self::FIRST)?;
        let rule = CertificateRule::parse(rule).ok_or_else(|| {
            let [one, other] = [ForwardingHeader::SslClientCert, ForwardingHeader::XForwardedClientCert];
            let (one, other) = (one.name(), other.name());
            format!(
                "must name a caller after the id: {}; or a proxy: `proxy {one}` or `proxy {other}`",
                NamedCaller::FORMS
            )
        })?;
        let domain = id.trust_domain().to_owned();
        match self.rules.insert(id, rule) {
            None => Ok(domain),
            Some(_) => Err("has the same id as a line above: an id names one caller or proxy".to_owned()),
        }
    }

    fn add_cas(&mut self, domain: String, rule: &str) -> Result<String, String> {
        let file = rule.trim().strip_prefix("ca").filter(|file| file.starts_with(char::is_whitespace));
        let file = file.ok_or(Self::FIRST)?.trim().to_owned();
        match self.ca_files.insert(domain.clone(), file) {
            None => Ok(domain),
            Some(_) => Err("has the same trust domain as a line above: name one file with all of its CAs".to_owned()),
        }
    }

    /// What every line must begin with, for messages.
    const FIRST: &str = "must begin with an id, `spiffe://TRUST-DOMAIN/PATH`, or give a trust domain its CAs: \
                         `spiffe://TRUST-DOMAIN ca FILE`";

    /// The trust domains that have CAs of their own, each with the name of their file.
    pub fn ca_files(&self) -> impl Iterator<Item = (&str, &str)> {
        self.ca_files.iter().map(|(domain, file)| (domain.as_str(), file.as_str()))
    }

    /// The rule for an id, if there is one.
    pub fn rule_of(&self, id: &SpiffeId) -> Option<&CertificateRule> {
        self.rules.get(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_has_a_trust_domain_and_a_path() {
        assert_eq!(SpiffeId::parse("spiffe://example.org/ns/a/sa/B_1.c-2").unwrap().trust_domain(), "example.org");
        let longest = |bytes: usize| format!("spiffe://a/{}", "x".repeat(bytes - 11));
        assert!(SpiffeId::parse(&longest(2048)).is_some());
        for bad in [
            "",
            "spiffe://example.org",
            "spiffe://example.org/",
            "spiffe://example.org/a/",
            "spiffe://example.org//a",
            "spiffe://example.org/./a",
            "spiffe://example.org/../a",
            "spiffe://example.org/*",
            "spiffe://example.org/%61",
            "spiffe://example.org/a?b",
            "spiffe://example.org/a#b",
            "spiffe://example.org/a\n",
            "spiffe://example.org/\u{e4}",
            "spiffe://Example.org/a",
            "spiffe://example.org:80/a",
            "spiffe://u@example.org/a",
            "spiffe:///a",
            "SPIFFE://example.org/a",
            "https://example.org/a",
            " spiffe://example.org/a",
            &format!("spiffe://{}/a", "x".repeat(256)),
            &longest(2049),
        ] {
            assert_eq!(SpiffeId::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn an_id_names_the_caller_of_its_rule() {
        let rules = CallerRules::parse(
            "# the relays\n\nspiffe://example.org/relay-1 service acme relay\n  spiffe://example.org/relay-2\tservice acme relay  \r\n\
             spiffe://example.org/ops operator ops\nspiffe://example.org/edge proxy  ssl-client-cert",
        );
        let rules = rules.unwrap();
        let rule = |text| rules.rule_of(&SpiffeId::parse(text).unwrap()).cloned();
        let caller = |text| NamedCaller::parse(text).map(CertificateRule::Caller);
        assert_eq!(rule("spiffe://example.org/relay-1"), caller("service acme relay"));
        assert_eq!(rule("spiffe://example.org/relay-2"), caller("service acme relay"));
        assert_eq!(rule("spiffe://example.org/ops"), caller("operator ops"));
        let proxy = CertificateRule::Proxy(ForwardingHeader::SslClientCert);
        assert_eq!(rule("spiffe://example.org/edge"), Some(proxy));
        for other in [
            "spiffe://example.org/relay",
            "spiffe://example.org/OPS",
            "spiffe://example.org/ops/a",
            "spiffe://other.org/ops",
        ] {
            assert_eq!(rule(other), None, "{other}");
        }
        assert_eq!(CallerRules::parse("# none"), Ok(CallerRules::default()));
    }

    #[test]
    fn a_second_trust_domain_has_cas_of_its_own() {
        let rules =
            "spiffe://a/b operator x\nspiffe://b/a operator x\nspiffe://b\tca  the CAs.pem \nspiffe://c ca c.pem";
        let rules = CallerRules::parse(rules).unwrap();
        assert_eq!(rules.ca_files().collect::<Vec<_>>(), [("b", "the CAs.pem"), ("c", "c.pem")]);
        assert!(rules.rule_of(&SpiffeId::parse("spiffe://b/a").unwrap()).is_some());
    }

    #[test]
    fn every_mistake_is_reported_with_its_line() {
        let mistakes = CallerRules::parse(
            "spiffe://a/b operator x\nspiffe://a/* operator x\n\nspiffe://a/c\nspiffe://a/d operator\nspiffe://b/a operator x\n\
             spiffe://a/b operator y\nspiffe://a/b operator x\noperator x\nspiffe://a/e proxy\nspiffe://a/f proxy forwarded\n\
             spiffe://a/b proxy ssl-client-cert\nspiffe://c ca c.pem\nspiffe://c ca d.pem\nspiffe://d ca\nspiffe://e\n\
             spiffe://a operator x\nspiffe://f/a operator x",
        );
        let starts = [
            "line 2 must begin with an id",
            "line 4 must name a caller",
            "line 5 must name a caller",
            "line 6 has another trust domain",
            "line 7 has the same id",
            "line 8 has the same id",
            "line 9 must begin with an id",
            "line 10 must name a caller",
            "line 11 must name a caller",
            "line 12 has the same id",
            "line 14 has the same trust domain",
            "line 15 must begin with an id",
            "line 16 must begin with an id",
            "line 17 must begin with an id",
            "line 18 has another trust domain than the lines above: give it its own CAs, as in `spiffe://f ca FILE`",
        ];
        let mistakes = mistakes.unwrap_err();
        assert_eq!(mistakes.len(), starts.len(), "{mistakes:#?}");
        for (mistake, start) in mistakes.iter().zip(starts) {
            assert!(mistake.starts_with(start), "{mistake}");
        }
    }
}
