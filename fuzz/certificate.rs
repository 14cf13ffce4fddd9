//! A certificate has an id if, and only if, exactly one of its alternative names is a URI, and that is an id.

use credentiald::domain::caller_rules::SpiffeId;
use credentiald::listener::fuzzing::spiffe_id;

use crate::texts;

/// Each line is an alternative name: its kind, and its text. What follows `!` is the whole extension, in DER.
pub fn run(bytes: &[u8]) {
    if let Some(extension) = bytes.strip_prefix(b"!") {
        let found = spiffe_id(&certificate(extension)).flatten();
        assert!(found.is_none() || extension.windows(9).any(|part| part == b"spiffe://"), "{found:?}");
        return;
    }
    let names: Vec<_> = bytes.split(|byte| *byte == b'\n').filter_map(<[u8]>::split_first).collect();
    let encoded: Vec<u8> = names.iter().flat_map(|(kind, text)| value(context_tag(**kind), text)).collect();
    let found = spiffe_id(&certificate(&value(SEQUENCE, &encoded))).flatten();
    let uris: Vec<_> = names.iter().filter(|(kind, _)| context_tag(**kind) == URI).map(|(_, text)| *text).collect();
    let expected = match uris.as_slice() {
        [uri] => std::str::from_utf8(uri).ok().and_then(SpiffeId::parse),
        _ => None,
    };
    let are_plain = names.iter().all(|(kind, text)| b"udm".contains(kind) && text.is_ascii());
    if are_plain {
        assert_eq!(found, expected, "{names:?}");
    } else {
        // What can't be read may be a URI.
        assert!(found.is_none() || found == expected, "{names:?}: {found:?}");
    }
}

pub fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = texts(&[
        "uspiffe://example.org/relay",
        "dexample.org\nuspiffe://example.org/ns/a/sa/b",
        "uspiffe://example.org/a\nuspiffe://example.org/b",
        "uspiffe://example.org/a\nuhttps://example.org/",
        "mops@example.org\niabcd\nuspiffe://example.org/a",
        "uspiffe://example.org/../a",
    ]);
    seeds.push(b"!\x30\x1c\x86\x1aspiffe://example.org/relay".to_vec());
    seeds
}

const SEQUENCE: u8 = 0x30;
const URI: u8 = 0x86;

/// The tags of names (RFC 5280, section 4.2.1.6).
const fn context_tag(kind: u8) -> u8 {
    match kind {
        b'u' => URI,
        b'd' => 0x82,
        b'm' => 0x81,
        b'i' => 0x87,
        b'r' => 0x88,
        b'n' => 0xA4,
        b'o' => 0xA0,
        other => 0x80 | (other & 0x0F),
    }
}

/// A value in DER.
fn value(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len()).unwrap_or(u16::MAX);
    let [high, low] = length.to_be_bytes();
    let header = match length {
        0..=127 => vec![tag, low],
        128..=255 => vec![tag, 0x81, low],
        _ => vec![tag, 0x82, high, low],
    };
    [header, content.to_vec()].concat()
}

/// A certificate with those alternative names and a signature of zeros.
fn certificate(alternative_names: &[u8]) -> Vec<u8> {
    let sequence = |parts: &[Vec<u8>]| value(SEQUENCE, &parts.concat());
    let id = |bytes: &[u8]| value(0x06, bytes);
    let (name, signature) = (sequence(&[]), sequence(&[id(&[0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x04, 0x03, 0x02])]));
    let validity = sequence(&[value(0x17, b"250101000000Z"), value(0x17, b"350101000000Z")]);
    let algorithm = sequence(&[
        id(&[0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x02, 0x01]),
        id(&[0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x03, 0x01, 0x07]),
    ]);
    let key = sequence(&[algorithm, value(0x03, &[0, 4])]);
    let extension = sequence(&[id(&[0x55, 0x1D, 0x11]), value(0x04, alternative_names)]);
    let extensions = value(0xA3, &sequence(&[extension]));
    let (version, serial) = (value(0xA0, &value(0x02, &[2])), value(0x02, &[1]));
    let signed = sequence(&[version, serial, signature.clone(), name.clone(), validity, name, key, extensions]);
    sequence(&[signed, signature, value(0x03, &[0, 0])])
}
