//! A store that holds much of everything, made past the store.

use credentiald::domain::audit_chain::{ChainHash, Checkpoint};
use credentiald::domain::change_event::Position;

use super::values::{at, tenant, tenant_id};

/// The statements that fill a store which holds the tenants `acme` and `globex` and nothing else: `acme` gets so many users
/// with everything that belongs to one, and `globex`, which has no users, as much of what a deletion leaves. They are in the
/// words of both databases, but for the type of bytes. The audit log of `acme` has a range for each event.
pub fn rows(count: u32, bytes: &str) -> Vec<String> {
    // As in a store that was in use, rows do not lie in the order of their ids: `x` is each number's own, in another order.
    let numbers = format!(
        "WITH RECURSIVE c (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < {count}),
             s (n, x) AS (SELECT n, CAST(n AS BIGINT) * 1103515245 % 2147483647 FROM c)"
    );
    let add = |into: &str, select: &str| format!("INSERT INTO {into} {numbers} SELECT {select}");
    // That number with zeros before it, of that many digits together with a prefix.
    let padded = |prefix: &str, digits: usize| {
        let zeros = "0".repeat(digits - prefix.len());
        format!("'{prefix}' || substr('{zeros}' || x, length(CAST(x AS TEXT)) + 1)")
    };
    let id = |kind: &str| padded(&format!("00000000-0000-4000-8{kind}-"), 36);
    let digest = |of: &str| format!("CAST({} AS {bytes})", padded(of, 32));
    let user = id("001");
    let hash = "'$argon2id$v=19$m=47104,t=1,p=1$c2FsdHNhbHRzYWx0$hash' || n";
    let mut statements = vec![
        add(
            "tenant (id, name, settings, created_at)",
            &format!("{}, 'tenant-' || n, t.settings, 1 FROM s, tenant t WHERE t.name = 'acme'", id("002")),
        ),
        add(
            "instance (tenant, id, region, status, created_at)",
            "'acme', 'r-0-' || n, 'cn-shanghai', 'normal', 1 FROM s",
        ),
        add(
            "subject (id, tenant, kind, name, written, created_at)",
            &format!("{user}, 'acme', 'ram-user', 'user-' || n, 'user-' || n, 1 FROM s"),
        ),
        add(
            "credential (subject_id, version, hash, changed_at, changed_by, change_id,
                 overlap_started_at, overlap_length, overlap_history)",
            &format!("{user}, 5, {hash}, 1, 'subject', {user}, 1, 1, 1 FROM s"),
        ),
        add(
            "earlier_hash (subject_id, version, hash, change_id, changed_at)",
            &format!(
                "{user}, v.number, {hash}, {user}, 1
                 FROM s, (SELECT 1 AS number UNION ALL SELECT 2 UNION ALL SELECT 3 UNION ALL SELECT 4) v"
            ),
        ),
        add(
            "password_use (subject_id, version, caller_kind, caller_name, used_at)",
            &format!("{user}, 5, 'operator', 'boss', 1 FROM s"),
        ),
        add(
            "client_token (subject_id, token_key, version, started_at, length)",
            &format!("{user}, {}, 1, 9, 9 FROM s", digest("client")),
        ),
        add(
            "access_token (id, digest, tenant, kind, name, subject_id, created_at, expires_at, tenant_id)",
            &format!(
                "{}, {}, 'acme', 'ram-user', 'user-' || n, {user}, 1, 2, t.id FROM s, tenant t WHERE t.name = 'acme'",
                id("003"),
                digest("user")
            ),
        ),
        add(
            "access_token (id, digest, tenant, kind, name, created_at, expires_at, tenant_id)",
            &format!(
                "{}, {}, 'globex', 'service', 'relay', 1, 2, t.id FROM s, tenant t WHERE t.name = 'globex'",
                id("004"),
                digest("relay")
            ),
        ),
        add("spent_nonce (nonce_key, expires_at)", &format!("{}, 9 FROM s", digest("nonce"))),
        add(
            "pair_failures (subject_key, caller_key, count, last_at)",
            &format!("{0}, {0}, 1, 9 FROM s", digest("failure")),
        ),
        add("subject_failures (subject_key, count, last_at)", &format!("{}, 1, 9 FROM s", digest("failure"))),
        add(
            "change_event (subject_id, number, id, at, tenant_id, tenant, kind, written, what, version, position)",
            &format!(
                "{user}, 1, {user}, 1, t.id, 'acme', 'ram-user', 'user-' || n, 'created', 1, n
                 FROM s, tenant t WHERE t.name = 'acme'"
            ),
        ),
        add(
            "change_event (subject_id, number, id, at, tenant_id, tenant, kind, written, what, version, position)",
            &format!(
                "{0}, 1, {0}, 1, t.id, 'globex', 'ram-user', 'gone', 'created', 1, n + {count}
                 FROM s, tenant t WHERE t.name = 'globex'",
                id("005")
            ),
        ),
        format!("UPDATE change_position SET last = 2 * {count}"),
        add(
            "audit_event (id, at, request_id, caller_kind, caller_name, action, resource, outcome, position, subject_id,
                 tenant_id)",
            &format!(
                "{0}, 1, {0}, 'operator', 'boss', 'admin:CreateTenant', 'installation', 'done', n, t.id, t.id
                 FROM s, tenant t WHERE t.name = 'acme'",
                id("006")
            ),
        ),
    ];
    statements.extend(deliveries(&user, &id("005"), add));
    statements.extend(chain(count, if bytes == "BLOB" { "x'" } else { "'\\x" }));
    statements
}

/// An instance with an endpoint for each user, and a delivery to it that is not due.
fn deliveries(user: &str, endpoint: &str, add: impl Fn(&str, &str) -> String) -> [String; 2] {
    [
        add(
            "endpoint (id, tenant, instance, nodes, plaintext, user_name, saves_acl, secret, pepper_key, set_at)",
            &format!("{endpoint}, 'acme', 'r-0-' || n, '[]', 1, 'admin', 0, 'sealed' || n, 'c', 1 FROM s"),
        ),
        add(
            "delivery (subject_id, tenant, instance, account, version, phase, secret, pepper_key, set_at, pending_since, due_at)",
            &format!("{user}, 'acme', 'r-0-' || n, 'app', 5, 'adding', 'sealed' || n, 'c', x, x, 60000000 FROM s"),
        ),
    ]
}

/// The chain over the audit events. A literal of bytes begins as given.
fn chain(count: u32, bytes: &str) -> Vec<String> {
    let literal = |hash: ChainHash| {
        let digits = hash.0.iter().fold(String::new(), |digits, byte| digits + &format!("{byte:02x}"));
        format!("{bytes}{digits}'")
    };
    let acme = tenant_id(&tenant("acme")).to_string();
    let mut before = ChainHash([0; 32]);
    let mut statements = vec![format!("UPDATE audit_cut SET hash = {}", literal(before))];
    let rows: Vec<_> = (1..=u64::from(count))
        .map(|n| {
            let id = format!("00000000-0000-4000-8006-{:012}", n * 1_103_515_245 % 2_147_483_647);
            let fields = [
                ("id", id.as_str()),
                ("at", "1"),
                ("request_id", &id),
                ("caller_kind", "operator"),
                ("caller_name", "boss"),
                ("action", "admin:CreateTenant"),
                ("resource", "installation"),
                ("outcome", "done"),
                ("repeats", "0"),
                ("subject_id", &acme),
                ("tenant_id", &acme),
            ];
            let fields = fields.map(|(name, text)| (name.to_owned(), text.to_owned())).into();
            let time = at(n.cast_signed());
            let (first, last) = (Position(n), Position(n));
            let range = Checkpoint { first, last, closed_at: time, latest_at: time, hash: before, seal: None };
            before = range.hash_of(before, [&fields]);
            format!("({n}, {n}, {n}, {n}, {})", literal(before))
        })
        .collect();
    let insert = |rows: &[String]| {
        format!("INSERT INTO audit_checkpoint (first, last, closed_at, latest_at, hash) VALUES {}", rows.join(", "))
    };
    statements.extend(rows.chunks(1000).map(insert));
    statements
}
