//! The certificate of a proxy's client, as a header has it.

use percent_encoding::percent_decode_str;
use rustls::pki_types::CertificateDer;

use super::set::certificates;
use crate::domain::caller_rules::ForwardingHeader;

/// The certificate in a value of that header, then its intermediate ones; `None` if the value can't be read.
pub(super) fn chain_in(header: ForwardingHeader, value: &str) -> Option<Vec<CertificateDer<'static>>> {
    let escaped = match header {
        ForwardingHeader::SslClientCert => value,
        ForwardingHeader::XForwardedClientCert => in_element(value)?,
    };
    certificates(&percent_decode_str(escaped).decode_utf8().ok()?).ok()
}

/// The certificate, alone or with its chain, in the only element of a value: `Hash=…;Cert="…"`. Each proxy
/// adds an element. Of several, only the last is the trusted proxy's; a client could have written the others.
fn in_element(value: &str) -> Option<&str> {
    let [element] = parts(value, ',')?[..] else { return None };
    let pairs: Option<Vec<_>> = parts(element, ';')?.into_iter().map(|pair| pair.split_once('=')).collect();
    let pairs = pairs?.into_iter();
    let mut found = pairs.filter(|(key, _)| ["cert", "chain"].iter().any(|name| key.trim().eq_ignore_ascii_case(name)));
    let (Some((_, value)), None) = (found.next(), found.next()) else { return None };
    value.trim().strip_prefix('"')?.strip_suffix('"')
}

/// The parts of a text between separators, or `None` if a quote has no end. Separators within quotes are text, and so is
/// an escaped quote.
fn parts(text: &str, separator: char) -> Option<Vec<&str>> {
    let (mut is_quoted, mut is_escaped) = (false, false);
    let parts = text.split(|character| {
        let is_literal = std::mem::take(&mut is_escaped);
        match character {
            '\\' if is_quoted => is_escaped = !is_literal,
            '"' if !is_literal => is_quoted = !is_quoted,
            _ => {}
        }
        character == separator && !is_quoted
    });
    let parts = parts.collect();
    (!is_quoted).then_some(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_only_certificate_of_the_only_element_is_taken() {
        for (value, found) in [
            (r#"Hash=ab;Cert="-----BEGIN%20"#, None),
            (r#"Hash=ab;Cert="x%20y""#, Some("x%20y")),
            (r#"By=spiffe://a/b;Hash=ab;Subject="CN=\"a\",O=x;Cert=y";Chain="z";URI=spiffe://a/c"#, Some("z")),
            (r#"cert="x""#, Some("x")),
            (r#"Subject="a\\";Cert="x""#, Some("x")),
            (r#"Subject="a\";Cert="x""#, None),
            ("Cert=x", None),
            ("", None),
            ("Hash=ab;URI=spiffe://a/c", None),
            (r#"Cert="x";Cert="x""#, None),
            (r#"Cert="x";Chain="x""#, None),
            (r#"Cert="x",Cert="y""#, None),
            (r#"Cert="x","#, None),
            (r#"Cert="x";"#, None),
            (r#"Hash=ab,Cert="x""#, None),
        ] {
            assert_eq!(in_element(value), found, "{value}");
        }
    }

    #[test]
    fn what_is_no_certificate_is_none() {
        for value in
            ["", "x", "%", "%ff", "-----BEGIN%20CERTIFICATE-----", "-----BEGIN%20X-----%0AAA==%0A-----END%20X-----"]
        {
            assert_eq!(chain_in(ForwardingHeader::SslClientCert, value), None, "{value}");
        }
    }
}
