//! Mistakes in settings that are each valid and do not fit together.

use std::net::SocketAddr;

use super::parse;
use super::values::{Mistake, Values};

/// Mistakes in the combination of settings that are each valid.
pub(super) fn of(values: &Values) -> Vec<Mistake> {
    let mut mistakes = Vec::new();
    let listen = values.read("server.listen", parse::address);
    let http_listen = values.read("http.listen", parse::optional_address);
    let allow_plaintext = values.read("server.allow_plaintext", parse::flag);
    let certificate = values.read("tls.certificate_file", parse::optional_path);
    if let (Ok(false), Ok(None)) = (allow_plaintext, certificate) {
        for (key, listen) in [("server.listen", listen.ok()), ("http.listen", http_listen.ok().flatten())] {
            if let Some(listen) = listen.filter(|listen| !listen.ip().is_loopback()) {
                let message = format!(
                    "{listen} is not a loopback address, and passwords would cross the network in plaintext; \
                     set tls.certificate_file, or server.allow_plaintext = true where something else encrypts the connection"
                );
                mistakes.push(values.mistake(key, message));
            }
        }
    }
    mistakes.extend(shared_ports(values));
    for (file, needed) in [
        ("tls.client_ca_file", "tls.certificate_file"),
        ("tls.client_crl_file", "tls.client_ca_file"),
        ("tls.client_callers_file", "tls.client_ca_file"),
        ("tls.certificate_file", "tls.key_file"),
        ("tls.key_file", "tls.certificate_file"),
    ] {
        if let (Ok(Some(_)), Ok(None)) =
            (values.read(file, parse::optional_path), values.read(needed, parse::optional_path))
        {
            mistakes.push(values.mistake(file, format!("needs {needed}")));
        }
    }
    let directory = values.read("policies.directory", parse::optional_path);
    if let (Ok(None), Ok(false)) = (directory, values.read("policies.built_in", parse::flag)) {
        mistakes.push(values.mistake("policies.built_in", "permits nothing without policies.directory"));
    }
    for (lower, higher, may_be_equal) in [
        ("attempts.backoff_seconds", "attempts.longest_backoff_seconds", true),
        ("postgres.statement_timeout_seconds", "postgres.patience_seconds", false),
        // A watcher that reads nothing must learn why its watch has ended.
        ("watch.patience_seconds", "server.stall_seconds", false),
    ] {
        let read = |key| values.read(key, parse::whole::<u64, 1, { u64::MAX }>);
        if let (Ok(least), Ok(found)) = (read(lower), read(higher))
            && (found < least || (found == least && !may_be_equal))
        {
            let bound = if may_be_equal { "at least" } else { "more than" };
            mistakes.push(values.mistake(higher, format!("must be {bound} {lower}, which is {least}; found {found}")));
        }
    }
    for (keys, file) in [("pepper.keys", "pepper.keys_file"), ("import.keys", "import.keys_file")] {
        if let (Ok(found), Ok(Some(_))) = (values.read(keys, parse::secret), values.read(file, parse::optional_path))
            && !found.is_empty()
        {
            mistakes.push(values.mistake(keys, format!("is set beside {file}; the ring is in one place")));
        }
    }
    mistakes
}

/// Addresses that can't be listened on because the service listens on them already.
fn shared_ports(values: &Values) -> Vec<Mistake> {
    let (mut mistakes, mut taken) = (Vec::new(), Vec::<(&str, SocketAddr)>::new());
    for key in ["server.listen", "http.listen", "metrics.listen"] {
        let Ok(Some(listen)) = values.read(key, parse::optional_address) else { continue };
        if let Some((by, other)) = taken.iter().find(|(_, other)| exclude_each_other(listen, *other)) {
            mistakes
                .push(values.mistake(key, format!("{listen} is taken by {by}, which is {other}; use another port")));
        }
        taken.push((key, listen));
    }
    mistakes
}

fn exclude_each_other(one: SocketAddr, other: SocketAddr) -> bool {
    // Every address of IPv6 includes those of IPv4 (`ipv6(7)`).
    let includes = |one: SocketAddr, other: SocketAddr| one.ip().is_unspecified() && (one.is_ipv6() || other.is_ipv4());
    let overlap = one.ip() == other.ip() || includes(one, other) || includes(other, one);
    one.port() == other.port() && one.port() != 0 && overlap
}

#[cfg(test)]
mod tests {
    use crate::config::tests::load;

    #[test]
    fn the_longest_back_off_is_at_least_the_first() {
        load("[attempts]\nbackoff_seconds = 9\nlongest_backoff_seconds = 9\n", &[], &[]).unwrap();
        let mistakes = load("[attempts]\nbackoff_seconds = 9\nlongest_backoff_seconds = 8\n", &[], &[]).unwrap_err();
        let bound = "must be at least attempts.backoff_seconds, which is 9; found 8";
        assert_eq!(mistakes, [format!("c.toml:3: attempts.longest_backoff_seconds: {bound}")]);
    }

    #[test]
    fn a_statement_ends_before_the_patience_does() {
        let load = |text: &str| load(&format!("[postgres]\n{text}"), &[], &[]);
        load("statement_timeout_seconds = 7\npatience_seconds = 8\n").unwrap();
        let mistakes = load("statement_timeout_seconds = 8\npatience_seconds = 8\n").unwrap_err();
        let bound = "must be more than postgres.statement_timeout_seconds, which is 8; found 8";
        assert_eq!(mistakes, [format!("c.toml:3: postgres.patience_seconds: {bound}")]);
    }

    #[test]
    fn a_watch_that_is_not_read_ends_before_its_stream_is_reset() {
        load("[server]\nstall_seconds = 31\n", &[], &[]).unwrap();
        let mistakes = load("[server]\nstall_seconds = 30\n", &[], &[]).unwrap_err();
        assert!(mistakes[0].starts_with("c.toml:2: server.stall_seconds: "), "{mistakes:?}");
    }

    #[test]
    fn a_certificate_and_its_key_belong_together() {
        for (one, other) in [("certificate_file", "key_file"), ("key_file", "certificate_file")] {
            let mistakes = load(&format!("[tls]\n{one} = \"a.pem\"\n"), &[], &[]).unwrap_err();
            assert_eq!(mistakes, [format!("c.toml:2: tls.{one}: needs tls.{other}")]);
        }
    }

    #[test]
    fn the_ring_of_keys_is_in_one_place() {
        let keys = [("CREDENTIALD_PEPPER_KEYS", "a:hunter2")];
        let mistakes = load("[pepper]\nkeys_file = \"ring\"\n", &keys, &[]).unwrap_err();
        assert_eq!(mistakes, ["CREDENTIALD_PEPPER_KEYS: is set beside pepper.keys_file; the ring is in one place"]);
    }

    #[test]
    fn plaintext_leaves_the_machine_only_by_name() {
        let open = [("CREDENTIALD_SERVER_LISTEN", "0.0.0.0:50051")];
        let mistakes = load("", &open, &[]).unwrap_err();
        assert!(mistakes[0].starts_with("CREDENTIALD_SERVER_LISTEN: 0.0.0.0:50051 is not a loopback"), "{mistakes:?}");
        assert!(mistakes[0].contains("server.allow_plaintext"), "{mistakes:?}");
        assert!(load("[server]\nallow_plaintext = true\n", &open, &[]).is_ok());
        let open = [("CREDENTIALD_HTTP_LISTEN", "0.0.0.0:8080")];
        let mistakes = load("", &open, &[]).unwrap_err();
        assert!(mistakes[0].starts_with("CREDENTIALD_HTTP_LISTEN: 0.0.0.0:8080 is not a loopback"), "{mistakes:?}");
        assert!(load("[server]\nallow_plaintext = true\n", &open, &[]).is_ok());
    }

    #[test]
    fn each_address_has_a_port_of_its_own() {
        let load = |grpc: &str, http: &str, metrics: &str| {
            let file = format!(
                "[server]\nallow_plaintext = true\nlisten = \"{grpc}\"\n[http]\nlisten = \"{http}\"\n[metrics]\nlisten = \"{metrics}\"\n"
            );
            load(&file, &[], &[]).err().unwrap_or_default()
        };
        for [grpc, http, metrics] in [
            ["127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:3"],
            ["127.0.0.1:1", "127.0.0.2:1", "[::1]:1"],
            ["127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0"],
            ["0.0.0.0:1", "[::1]:1", ""],
        ] {
            assert_eq!(load(grpc, http, metrics), [""; 0], "{grpc} {http} {metrics}");
        }
        assert_eq!(
            load("127.0.0.1:1", "", "127.0.0.1:1"),
            ["c.toml:7: metrics.listen: 127.0.0.1:1 is taken by server.listen, which is 127.0.0.1:1; use another port"]
        );
        for [grpc, http, metrics] in [
            ["127.0.0.1:1", "0.0.0.0:1", "127.0.0.1:2"],
            ["[::]:1", "127.0.0.1:2", "127.0.0.1:1"],
            ["127.0.0.1:1", "[::1]:2", "[::]:2"],
        ] {
            let mistakes = load(grpc, http, metrics);
            assert!(matches!(&mistakes[..], [one] if one.contains(" is taken by ")), "{mistakes:?}");
        }
    }
}
