//! What is read from the header of a proxy is exactly one element with one text of certificates, and reads the same again.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use credentiald::domain::caller_rules::ForwardingHeader;
use credentiald::listener::fuzzing::forwarded;

use crate::texts;

pub fn run(bytes: &[u8]) {
    let Ok(value) = std::str::from_utf8(bytes) else { return };
    let plain = |chain: &[Vec<u8>]| {
        let pem = |der: &Vec<u8>| {
            format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", STANDARD.encode(der))
        };
        // A plus sign and a per cent sign are the only characters that decoding could change.
        chain.iter().map(pem).collect::<String>().replace('\n', "%0A")
    };
    if let Some(chain) = forwarded(ForwardingHeader::SslClientCert, value) {
        assert!(!chain.is_empty());
        assert_eq!(forwarded(ForwardingHeader::SslClientCert, &plain(&chain)), Some(chain));
    }
    let header = ForwardingHeader::XForwardedClientCert;
    if let Some(chain) = forwarded(header, value) {
        assert_eq!(forwarded(header, &format!("Hash=00;Chain=\"{}\"", plain(&chain))), Some(chain));
        for another in [format!("{value},{value}"), format!("Hash=00,{value}"), format!("{value};Cert=\"x\"")] {
            assert_eq!(forwarded(header, &another), None, "{another:?}");
        }
    }
}

pub fn seeds() -> Vec<Vec<u8>> {
    let pem = "-----BEGIN%20CERTIFICATE-----%0AMAA=%0A-----END%20CERTIFICATE-----%0A";
    let mut seeds = texts(&[pem, "By=spiffe://a/b;Hash=00;Subject=\"CN=\\\"a\\\",O=x\";URI=spiffe://a/c"]);
    for value in [format!("Cert=\"{pem}\""), format!("Hash=00;Chain=\"{pem}{pem}\";URI=spiffe://a/c"), pem.repeat(2)] {
        seeds.push(value.into_bytes());
    }
    seeds
}
