//! SPIFFE ids, and the rules by which they name callers and trusted proxies.

use std::collections::HashMap;

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

    fn trust_domain(&self) -> &str {
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
/// All ids are of one trust domain, because a CA that vouches for one trust domain must not vouch for another, and every
/// id is vouched for by the same CAs.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CallerRules(HashMap<SpiffeId, CertificateRule>);

impl CallerRules {
    /// Parses a file of rules: one in each line, an id and the name of a caller, or `proxy HEADER`. Empty lines and those that begin with
    /// `#` are skipped.
    ///
    /// # Errors
    /// Every mistake, with its line.
    pub fn parse(text: &str) -> Result<Self, Vec<String>> {
        let (mut rules, mut mistakes) = (Self::default(), Vec::new());
        let lines = text.lines().map(str::trim).zip(1..).filter(|(line, _)| !line.is_empty() && !line.starts_with('#'));
        for (line, number) in lines {
            if let Err(mistake) = rules.add(line) {
                mistakes.push(format!("line {number} {mistake}"));
            }
        }
        if mistakes.is_empty() { Ok(rules) } else { Err(mistakes) }
    }

    fn add(&mut self, line: &str) -> Result<(), String> {
        let (id, rule) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        let id = SpiffeId::parse(id).ok_or("must begin with an id: spiffe://TRUST-DOMAIN/PATH")?;
        let rule = CertificateRule::parse(rule).ok_or_else(|| {
            let [one, other] = [ForwardingHeader::SslClientCert, ForwardingHeader::XForwardedClientCert];
            let (one, other) = (one.name(), other.name());
            format!(
                "must name a caller after the id: {}; or a proxy: `proxy {one}` or `proxy {other}`",
                NamedCaller::FORMS
            )
        })?;
        if self.0.keys().next().is_some_and(|other| other.trust_domain() != id.trust_domain()) {
            return Err("has another trust domain than the lines above: all rules must have the same".to_owned());
        }
        match self.0.insert(id, rule) {
            None => Ok(()),
            Some(_) => Err("has the same id as a line above: an id names one caller or proxy".to_owned()),
        }
    }

    /// The rule for an id, if there is one.
    pub fn rule_of(&self, id: &SpiffeId) -> Option<&CertificateRule> {
        self.0.get(id)
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
    fn every_mistake_is_reported_with_its_line() {
        let mistakes = CallerRules::parse(
            "spiffe://a/b operator x\nspiffe://a/* operator x\n\nspiffe://a/c\nspiffe://a/d operator\nspiffe://b/a operator x\n\
             spiffe://a/b operator y\nspiffe://a/b operator x\noperator x\nspiffe://a/e proxy\nspiffe://a/f proxy forwarded\n\
             spiffe://a/b proxy ssl-client-cert",
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
        ];
        let mistakes = mistakes.unwrap_err();
        assert_eq!(mistakes.len(), starts.len(), "{mistakes:#?}");
        for (mistake, start) in mistakes.iter().zip(starts) {
            assert!(mistake.starts_with(start), "{mistake}");
        }
    }
}
