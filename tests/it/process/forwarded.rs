//! Client certificates that a trusted proxy forwards.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::json;

use super::certificates::{OLD, RULES, Ruled};
use super::tenant::{token, verification};
use crate::support::Client;
use crate::support::certificates::{ClientTls, Leaf};

const NGINX: &str = "ssl-client-cert";
const ENVOY: &str = "x-forwarded-client-cert";

pub(super) fn escaped(leaf: &Leaf) -> String {
    utf8_percent_encode(&leaf.certificate, NON_ALPHANUMERIC).to_string()
}

fn element(leaf: &Leaf) -> String {
    format!("By=spiffe://example.org/mesh;Hash=00;Cert=\"{}\"", escaped(leaf))
}

fn id(name: &str) -> String {
    format!("spiffe://example.org/{name}")
}

impl Ruled {
    /// A proxy in the manner of nginx that forwards the certificate of a client with that name.
    fn through(&self, proxy: &Client, name: &str) -> Client {
        proxy.with_header(NGINX, &escaped(&self.leaf(&[&id(name)], 101)))
    }
}

#[tokio::test]
async fn a_trusted_proxy_names_its_clients_by_their_certificates() {
    let ruled = Ruled::start(&[]).await;
    let ops = ruled.acme().await;
    let (edge, mesh) = (ruled.caller("edge"), ruled.caller("mesh"));
    let asked = || verification("alice", OLD);
    // The calls of several clients on one connection, each as its own caller.
    ruled.through(&edge, "root").ok("ListRamUsers", json!({})).await;
    ruled.through(&edge, "relay").ok("VerifyPassword", asked()).await;
    ruled.through(&edge, "alice").err("ListRamUsers", json!({}), "ACCESS_DENIED").await;
    let root = ruled.leaf(&[&id("root")], 101);
    mesh.with_header(ENVOY, &element(&root)).ok("ListRamUsers", json!({})).await;
    // Alone, a proxy is no caller. A client without a certificate has its token.
    let relay = json!({ "tenant": "acme", "caller_kind": "CALLER_KIND_SERVICE", "caller_name": "relay" });
    let relay = token(&ops, relay).await;
    for proxy in [&edge, &mesh] {
        proxy.err("ListRamUsers", json!({}), "UNAUTHENTICATED").await;
        proxy.with_token(&relay).ok("VerifyPassword", asked()).await;
    }
    // A token and the certificate are of the same caller.
    ruled.through(&edge, "relay").with_token(&relay).ok("VerifyPassword", asked()).await;
    ruled.through(&edge, "other").with_token(&relay).ok("VerifyPassword", asked()).await;
    ruled.through(&edge, "root").with_token(&relay).err("VerifyPassword", asked(), "UNAUTHENTICATED").await;
    // The other header of each has no effect.
    edge.with_header(ENVOY, &element(&root)).err("ListRamUsers", json!({}), "UNAUTHENTICATED").await;
    mesh.with_header(NGINX, &escaped(&root)).err("ListRamUsers", json!({}), "UNAUTHENTICATED").await;
    ruled.serving.stop().await;
}

#[tokio::test]
async fn the_header_of_a_trusted_proxy_is_refused_unless_it_is_one_good_certificate() {
    let ruled = Ruled::start(&[]).await;
    let ops = ruled.acme().await;
    let root = json!({ "tenant": "acme", "caller_kind": "CALLER_KIND_ROOT" });
    let root_token = token(&ops, root).await;
    let (edge, mesh) = (ruled.caller("edge"), ruled.caller("mesh"));
    let root = ruled.leaf(&[&id("root")], 101);
    let (value, of_mesh) = (escaped(&root), element(&root));
    let mut refused = vec![
        ("twice", edge.with_header(NGINX, &value).with_header(NGINX, &value)),
        ("empty", edge.with_header(NGINX, "")),
        ("an id", edge.with_header(NGINX, "spiffe://example.org/root")),
        ("cut short", edge.with_header(NGINX, &value[..value.len() / 2])),
        ("a broken escape", edge.with_header(NGINX, &value.replacen("%0A", "%0", 1))),
        ("a key", edge.with_header(NGINX, &utf8_percent_encode(&root.key, NON_ALPHANUMERIC).to_string())),
        ("twice", mesh.with_header(ENVOY, &of_mesh).with_header(ENVOY, &of_mesh)),
        ("of two proxies", mesh.with_header(ENVOY, &format!("{of_mesh},{of_mesh}"))),
        ("two certificates", mesh.with_header(ENVOY, &format!("{of_mesh};Cert=\"{value}\""))),
        ("an id alone", mesh.with_header(ENVOY, "Hash=00;URI=spiffe://example.org/root")),
        ("without quotes", mesh.with_header(ENVOY, &format!("Cert={value}"))),
    ];
    for (what, leaf) in ruled.closed.bad() {
        refused.push((what, edge.with_header(NGINX, &escaped(&leaf))));
        refused.push((what, mesh.with_header(ENVOY, &element(&leaf))));
    }
    for (what, client) in refused {
        // A good token does not make up for it.
        for client in [client.with_token(&root_token), client] {
            assert_eq!(client.call("ListRamUsers", json!({})).await.reason(), "UNAUTHENTICATED", "{what}");
        }
    }
    // Good certificates that name no caller, that of a proxy among them.
    for name in ["other", "edge", "mesh"] {
        ruled.through(&edge, name).err("ListRamUsers", json!({}), "UNAUTHENTICATED").await;
        ruled.through(&edge, name).with_token(&root_token).ok("ListRamUsers", json!({})).await;
    }
    let log = ruled.serving.stop().await;
    let lines: Vec<_> = log.lines().filter(|line| line.contains("a proxy forwards was refused")).collect();
    let of = |words: &str| lines.iter().filter(|line| line.contains(words)).count();
    let counts = (of("exactly one certificate"), of("of another CA, has expired, is revoked"), lines.len());
    assert_eq!(counts, (1, 1, 2), "a line a minute for each check: {log}");
}

#[tokio::test]
async fn only_a_trusted_proxy_can_forward_a_certificate() {
    let ruled = Ruled::start(&["--tls-client-certificates", "optional"]).await;
    ruled.acme().await;
    let root = ruled.leaf(&[&id("root")], 101);
    let with_both = |client: Client| client.with_header(NGINX, &escaped(&root)).with_header(ENVOY, &element(&root));
    with_both(ruled.caller("relay")).err("ListRamUsers", json!({}), "ACCESS_DENIED").await;
    with_both(ruled.caller("relay")).ok("VerifyPassword", verification("alice", OLD)).await;
    for uris in [&["spiffe://example.org/other"][..], &[], &["spiffe://example.org/edge", "https://example.org/edge"]] {
        with_both(ruled.with(uris)).err("ListRamUsers", json!({}), "UNAUTHENTICATED").await;
    }
    let tls = ClientTls::trusting(&ruled.closed.site.authority.pem());
    let without = Client::new(ruled.serving.address).over(&tls);
    with_both(without).err("ListRamUsers", json!({}), "UNAUTHENTICATED").await;
    ruled.serving.stop().await;
}

#[tokio::test]
async fn a_call_through_a_proxy_ends_with_the_certificate_or_with_the_trust_in_the_proxy() {
    let ruled = Ruled::start(&[]).await;
    ruled.acme().await;
    let proxy = |serial| ruled.closed.caller(&ruled.serving, &ruled.leaf(&[&id("edge")], serial));
    let (edge, revoked_edge) = (proxy(20), proxy(21));
    let relay = |proxy: &Client, serial| proxy.with_header(NGINX, &escaped(&ruled.leaf(&[&id("relay")], serial)));
    let asked = || verification("alice", OLD);

    // The client's certificate is revoked, and that of one of the proxies.
    let (good, revoked, through_revoked) = (relay(&edge, 30), relay(&edge, 31), relay(&revoked_edge, 30));
    let mut watch = good.watch(json!({})).await;
    let ending = [revoked.watch(json!({})).await, through_revoked.watch(json!({})).await];
    ruled.closed.revoke(&[7, 21, 31]);
    ruled.reload(RULES, 1).await;
    for watch in ending {
        assert_eq!(watch.end().await.reason(), "UNAUTHENTICATED");
    }
    for client in [&revoked, &through_revoked] {
        client.err("VerifyPassword", asked(), "UNAUTHENTICATED").await;
    }
    watch.next().await.expect("it continues");
    good.ok("VerifyPassword", asked()).await;
    // The client's rule names another caller, and then the proxy has none.
    ruled.reload(&RULES.replace("acme relay", "acme second"), 2).await;
    assert_eq!(watch.end().await.reason(), "UNAUTHENTICATED");
    good.ok("VerifyPassword", asked()).await;
    let watch = good.watch(json!({})).await;
    ruled.reload(&RULES.replace("/edge proxy", "/edge2 proxy"), 3).await;
    assert_eq!(watch.end().await.reason(), "UNAUTHENTICATED");
    good.err("VerifyPassword", asked(), "UNAUTHENTICATED").await;
    let log = ruled.serving.stop().await;
    assert!(log.contains("the proxy is no longer trusted"), "{log}");
}
