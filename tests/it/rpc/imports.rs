//! `ImportCredentials`, as any client may call it.

use std::time::{Duration, Instant};

use credentiald::ports::Clock;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use prost::Message;
use prost_reflect::DynamicMessage;
use serde_json::{Value, json};

use crate::support::client::{frame, method_named, path};
use crate::support::clock::MovedClock;
use crate::support::postgres::shared;
use crate::support::{Client, Reply, Setup, World};

const BCRYPT: &str = "$2b$05$abcdefghijklmnopqrstuuqR2uuDorzuqQLTtL7Oj8K/e7dgq/Feq";
const SHA_CRYPT: &str = "$5$saltstring$frHR6Ix2hKx9/57A5HTF6sr1Ywqynok5BQyevWPs1Z7";

/// Sends a stream of messages.
pub(super) async fn send(client: &Client, messages: &[Value]) -> Reply {
    let method = method_named("ImportCredentials");
    let encode = |message: &Value| {
        let message = DynamicMessage::deserialize(method.input(), message).expect("the request fits the proto");
        frame(&message.encode_to_vec())
    };
    let body: Vec<u8> = messages.iter().flat_map(encode).collect();
    let mut reply = client.send(&path(&method), body).await;
    if let Some(message) = reply.body.get(5..) {
        let message = DynamicMessage::decode(method.output(), message).expect("the reply fits the proto");
        let options =
            prost_reflect::SerializeOptions::new().use_proto_field_name(true).stringify_64_bit_integers(false);
        reply.json = message.serialize_with_options(serde_json::value::Serializer, &options).unwrap();
    }
    reply
}

pub(super) async fn import(client: &Client, batches: &[Vec<Value>]) -> Value {
    let messages: Vec<Value> = batches.iter().map(|rows| json!({ "rows": rows })).collect();
    let reply = send(client, &messages).await;
    assert_eq!(reply.reason(), "OK", "{:?}", reply.status);
    reply.json
}

pub(super) fn counts(reply: &Value) -> [u64; 4] {
    ["imported", "unchanged", "refused", "held_back"].map(|field| reply[field].as_u64().unwrap_or_default())
}

/// `row: field: reason`, of each problem.
fn problems(reply: &Value) -> Vec<String> {
    let rows = reply["refused_rows"].as_array().into_iter().flatten();
    let of_row = |row: &Value| {
        let problems = row["problems"].as_array().cloned().unwrap_or_default();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let line = |problem: &Value| {
            format!("{}: {}: {}", row["row_number"], text(&problem["field"]), text(&problem["reason"]))
        };
        problems.iter().map(line).collect::<Vec<_>>()
    };
    rows.flat_map(of_row).collect()
}

fn ram_user(name: &str, hash: &str) -> Value {
    json!({ "subject": { "ram_user": name }, "hash": hash })
}

async fn ram_users(client: &Client) -> Vec<String> {
    let listed = client.ok("ListRamUsers", json!({ "page_size": 1000 })).await;
    let users = listed["ram_users"].as_array().cloned().unwrap_or_default();
    users.iter().map(|user| user["user_name"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn everything_that_is_wrong_with_a_row_is_reported_at_once() {
    let world = World::start().await;
    let rows = vec![
        json!({ "tenant": "no spaces", "subject": { "ram_user": "a b" }, "hash": "plain", "region": "x",
                "change_time": "2999-01-01T00:00:00Z" }),
        json!({}),
        json!({ "subject": { "iam_user": "7" }, "user_name": "7up", "tags": { "": "x" }, "hash": BCRYPT,
                "account_status": "INSTANCE_ACCOUNT_STATUS_AVAILABLE" }),
        json!({ "subject": { "mail_domain": "a_b" }, "region": "a b", "hash": "$2b$31$abcdefghijklmnopqrstuuqR2uuDorzuqQLTtL7Oj8K/e7dgq/Feq" }),
        json!({ "tenant": "nobody", "subject": { "ram_user": "a" }, "hash": BCRYPT }),
        json!({ "subject": { "instance_account": { "instance_id": "r-9", "account_name": "app" } }, "hash": BCRYPT }),
        json!({ "row_number": 77, "subject": {}, "hash": BCRYPT,
                "problems": [{ "field": "subject.kind", "reason": "MALFORMED", "description": "is none" }] }),
        ram_user("good", BCRYPT),
    ];
    let reply = import(&world.operator, std::slice::from_ref(&rows)).await;
    assert_eq!(counts(&reply), [0, 0, 8, 0], "an operator has no tenant of its own");

    let rows: Vec<Value> = rows.into_iter().filter(|row| row["tenant"] != "nobody").collect();
    let reply = import(&world.root, &[rows]).await;
    assert_eq!(counts(&reply), [0, 0, 6, 1]);
    assert_eq!(
        problems(&reply),
        [
            "1: tenant: CHARACTER_NOT_ALLOWED",
            "1: region: MALFORMED",
            "1: subject.ram_user: CHARACTER_NOT_ALLOWED",
            "1: hash: MALFORMED",
            "1: change_time: MALFORMED",
            "2: subject: REQUIRED",
            "2: hash: REQUIRED",
            "3: account_status: MALFORMED",
            "3: user_name: MALFORMED",
            "3: tags: MALFORMED",
            "4: region: CHARACTER_NOT_ALLOWED",
            "4: subject.mail_domain: CHARACTER_NOT_ALLOWED",
            "4: hash: OUT_OF_RANGE",
            "5: subject.instance_account.instance_id: INSTANCE_NOT_FOUND",
            "77: subject.kind: MALFORMED",
        ]
    );
    assert_eq!(ram_users(&world.root).await, [""; 0], "what is refused holds its batch back");
    let missing = json!({ "tenant": "nobody", "subject": { "ram_user": "a" }, "hash": BCRYPT });
    assert_eq!(problems(&import(&world.operator, &[vec![missing]]).await), ["1: tenant: TENANT_NOT_FOUND"]);
}

#[tokio::test]
async fn a_batch_is_stored_as_a_whole_or_not_at_all_and_the_others_go_on() {
    let world = World::start().await;
    let batches = [
        vec![ram_user("a", BCRYPT), ram_user("b", BCRYPT)],
        vec![ram_user("c", BCRYPT), ram_user("d", "plain"), ram_user("a", BCRYPT)],
        vec![ram_user("e", BCRYPT)],
    ];
    let reply = import(&world.root, &batches).await;
    assert_eq!(counts(&reply), [3, 1, 1, 1]);
    assert_eq!(problems(&reply), ["4: hash: MALFORMED"]);
    assert_eq!(ram_users(&world.root).await, ["a", "b", "e"]);
}

#[tokio::test]
async fn a_second_run_changes_nothing_and_nothing_is_overwritten() {
    let world = World::start().await;
    world.root.ok("CreateInstance", json!({ "instance_id": "r-1" })).await;
    world.root.ok("CreateRamUser", json!({ "user_name": "bare" })).await;
    let account = json!({ "instance_account": { "instance_id": "r-1", "account_name": "app" } });
    let rows = vec![
        ram_user("a", BCRYPT),
        json!({ "subject": { "iam_user": "7" }, "tags": { "team": "mail" }, "hash": SHA_CRYPT }),
        json!({ "subject": { "mail_domain": "Example.com" }, "region": "cn-beijing", "hash": BCRYPT,
                "mail_domain_status": "MAIL_DOMAIN_STATUS_WITHOUT_CNAME", "change_time": "2025-01-01T00:00:00Z" }),
        json!({ "subject": account, "account_status": "INSTANCE_ACCOUNT_STATUS_UNAVAILABLE", "hash": BCRYPT }),
    ];
    assert_eq!(counts(&import(&world.root, std::slice::from_ref(&rows)).await), [4, 0, 0, 0]);
    let described = world.root.ok("DescribeMailDomain", json!({ "domain_name": "example.COM" })).await;
    assert_eq!(described["mail_domain"]["region"], "cn-beijing");
    assert_eq!(
        described["mail_domain"]["credential"],
        json!({ "version": "1", "change_time": "2025-01-01T00:00:00Z", "hash_algorithm": "bcrypt" })
    );
    assert_eq!(counts(&import(&world.root, &[rows]).await), [0, 4, 0, 0]);

    let others = vec![
        ram_user("a", SHA_CRYPT),
        json!({ "subject": { "iam_user": "7" }, "tags": { "team": "web" }, "hash": SHA_CRYPT }),
        json!({ "subject": { "mail_domain": "example.com" }, "hash": SHA_CRYPT }),
        ram_user("bare", BCRYPT),
        ram_user("new", BCRYPT),
        ram_user("new", SHA_CRYPT),
    ];
    let reply = import(&world.root, &[others]).await;
    assert_eq!(counts(&reply), [0, 0, 5, 1]);
    let expected = ["1: hash", "2: subject", "3: hash", "3: subject", "4: hash", "6: hash"];
    assert_eq!(problems(&reply), expected.map(|place| format!("{place}: ALREADY_EXISTS")));
    assert_eq!(counts(&import(&world.root, &[vec![ram_user("a", BCRYPT)]]).await), [0, 1, 0, 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn existing_subjects_can_be_skipped() {
    let cluster = shared().await;
    let postgres = cluster.url(&cluster.new_store().await);
    for world in [World::start().await, Setup::default().with("store.url", &postgres).start().await] {
        skip_existing_subjects(&world).await;
    }
}

/// Rows that differ from a subject that was there are skipped. Those that differ from an earlier row contradict it, in
/// whichever batch that is.
async fn skip_existing_subjects(world: &World) {
    world.root.ok("CreateRamUser", json!({ "user_name": "bare" })).await;
    import(&world.root, &[vec![ram_user("same", BCRYPT), ram_user("other", BCRYPT)]]).await;
    let batches = [
        vec![
            ram_user("same", BCRYPT),
            ram_user("other", SHA_CRYPT),
            ram_user("bare", "plain"),
            ram_user("new", BCRYPT),
        ],
        vec![ram_user("new", SHA_CRYPT), ram_user("newer", BCRYPT), ram_user("newer", SHA_CRYPT)],
        vec![ram_user("newest", BCRYPT), ram_user("bad", "plain"), ram_user("other", SHA_CRYPT)],
    ];
    for dry_run in [true, false] {
        let mut messages: Vec<Value> = batches.iter().map(|rows| json!({ "rows": rows })).collect();
        messages[0]["options"] = json!({ "skip_existing": true, "dry_run": dry_run });
        let reply = send(&world.root, &messages).await;
        assert_eq!((counts(&reply.json), &reply.json["skipped"]), ([1, 1, 3, 2], &json!(3)), "{}", reply.json);
        let expected = ["5: hash: ALREADY_EXISTS", "7: hash: ALREADY_EXISTS", "9: hash: MALFORMED"];
        assert_eq!(problems(&reply.json), expected);
        let words = &reply.json["refused_rows"][1]["problems"][0]["description"];
        assert_eq!(words, "an earlier row has the subject with another hash, or none");
    }
    assert_eq!(ram_users(&world.root).await, ["bare", "new", "other", "same"]);
    let expected = [vec![ram_user("new", BCRYPT), ram_user("other", BCRYPT)]];
    assert_eq!(counts(&import(&world.root, &expected).await), [0, 2, 0, 0], "nothing was changed");
}

/// A row of an earlier batch is one of the import, also when that batch is stored by then.
#[tokio::test]
async fn a_row_that_contradicts_a_stored_batch_of_its_import_is_refused() {
    let world = World::start().await;
    // Far more batches than are stored together.
    let mut batches: Vec<_> = (0..40).map(|number| vec![ram_user(&format!("u{number}"), BCRYPT)]).collect();
    batches.push(vec![ram_user("u0", SHA_CRYPT)]);
    let mut messages: Vec<Value> = batches.iter().map(|rows| json!({ "rows": rows })).collect();
    messages[0]["options"] = json!({ "skip_existing": true });
    let reply = send(&world.root, &messages).await;
    assert_eq!(
        (counts(&reply.json), problems(&reply.json)),
        ([40, 0, 1, 0], vec!["41: hash: ALREADY_EXISTS".to_owned()])
    );
    let again = send(&world.root, &messages).await;
    assert_eq!((counts(&again.json), &again.json["skipped"]), ([0, 40, 0, 0], &json!(1)), "now it was there before");
}

#[tokio::test]
async fn subjects_without_a_password_come_in_where_that_is_asked_for() {
    let world = World::start().await;
    let rows = vec![
        ram_user("a", "!"),
        ram_user("b", "*"),
        ram_user("c", ""),
        ram_user("d", "!$6$x$y"),
        ram_user("e", BCRYPT),
    ];
    let reply = import(&world.root, std::slice::from_ref(&rows)).await;
    assert_eq!(counts(&reply), [0, 0, 4, 1], "{reply}");
    let without = json!({ "without_password": true });
    for expected in [[5, 0, 0, 0], [0, 5, 0, 0]] {
        let reply = send(&world.root, &[json!({ "options": without, "rows": rows })]).await;
        assert_eq!(counts(&reply.json), expected, "{}", reply.json);
    }
    let others = vec![ram_user("a", BCRYPT), ram_user("e", "!")];
    let reply = send(&world.root, &[json!({ "options": without, "rows": others })]).await;
    assert_eq!(problems(&reply.json), ["1: hash: ALREADY_EXISTS", "2: hash: ALREADY_EXISTS"]);
    let service = world.service().await;
    for password in ["!", "*", "another"] {
        let verify = json!({ "subject": { "ram_user": "a" }, "password": password });
        assert_eq!(service.ok("VerifyPassword", verify).await["result"], "NOT_MATCHED");
    }
    let reset = json!({ "subject": { "ram_user": "a" }, "password": "Tr0ub4dor&3-reset" });
    world.root.ok("ResetPassword", reset).await;
    assert_eq!(world.verify(json!({ "ram_user": "a" }), "Tr0ub4dor&3-reset").await, "MATCHED_CURRENT");
}

#[tokio::test]
async fn a_change_a_few_seconds_ahead_is_one_of_now() {
    let clock = MovedClock::stopped();
    let world = Setup::default().by(&clock).start().await;
    let row = |name: &str, seconds: u64| {
        let at = clock.now().after(Duration::from_secs(seconds)).to_string();
        json!({ "subject": { "mail_domain": name }, "hash": BCRYPT, "change_time": at })
    };
    assert_eq!(counts(&import(&world.root, &[vec![row("a.com", 30), row("b.com", 0)]]).await), [2, 0, 0, 0]);
    let changed = async |name: &str| {
        let described = world.root.ok("DescribeMailDomain", json!({ "domain_name": name })).await;
        described["mail_domain"]["credential"]["change_time"].clone()
    };
    assert_eq!(changed("a.com").await, changed("b.com").await);
    assert_eq!(problems(&import(&world.root, &[vec![row("c.com", 31)]]).await), ["1: change_time: MALFORMED"]);
}

#[tokio::test]
async fn only_operators_act_outside_of_their_tenant() {
    let world = World::start().await;
    let globex = world.tenant("globex").await;
    let into = |tenant: &str| json!({ "tenant": tenant, "subject": { "ram_user": "a" }, "hash": BCRYPT });
    for options in [json!({}), json!({ "dry_run": true })] {
        let messages = [json!({ "options": options, "rows": [into("acme"), into("globex")] })];
        assert_eq!(send(&world.root, &messages).await.reason(), "ACCESS_DENIED");
        assert_eq!(send(&world.service().await, &messages).await.reason(), "ACCESS_DENIED");
    }
    assert_eq!((ram_users(&world.root).await, ram_users(&globex).await), (vec![], vec![]));
    let reply = import(&world.operator, &[vec![into("acme"), into("globex")]]).await;
    assert_eq!(counts(&reply), [2, 0, 0, 0]);
    assert_eq!(send(&world.anybody(), &[]).await.reason(), "UNAUTHENTICATED");
}

#[tokio::test]
async fn what_is_sent_is_bounded() {
    let world = World::start().await;
    let rows: Vec<Value> = (0..1001).map(|number| ram_user(&number.to_string(), BCRYPT)).collect();
    let small: Vec<Value> = (0..1001).map(|_| json!({})).collect();
    let reply = send(&world.root, &[json!({ "rows": rows })]).await;
    assert_eq!(reply.reason(), "MESSAGE_TOO_LARGE");
    let reply = send(&world.root, &[json!({ "rows": small })]).await;
    assert_eq!(reply.problems(), ["rows: TOO_LONG"]);
    let reply = send(&world.root, &[json!({}), json!({ "options": {} })]).await;
    assert_eq!(reply.problems(), ["options: MALFORMED"]);

    let refused: Vec<Vec<Value>> = (0..3).map(|_| (0..500).map(|_| json!({})).collect()).collect();
    let reply = import(&world.root, &refused).await;
    assert_eq!(counts(&reply), [0, 0, 1500, 0]);
    let refused = reply["refused_rows"].as_array().unwrap();
    assert_eq!((refused.len(), &reply["refused_rows_left_out"]), (1000, &json!(500)));
    assert_eq!(refused[999]["row_number"], 1000);
}

#[tokio::test]
async fn every_imported_batch_is_audited() {
    let world = World::start().await;
    import(&world.root, &[vec![ram_user("a", BCRYPT), ram_user("b", BCRYPT)]]).await;
    import(&world.root, &[vec![ram_user("a", BCRYPT)]]).await;
    import(&world.root, &[vec![ram_user("a", BCRYPT), ram_user("c", BCRYPT)]]).await;
    let connection = crate::store::connection_to(&crate::support::database(&world.directory));
    let mut select = connection.prepare(
        "SELECT resource, outcome, imported, unchanged FROM audit_event WHERE action = 'admin:ImportCredentials' ORDER BY number",
    ).unwrap();
    let found = select.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))).unwrap();
    let found: Vec<(String, String, i64, i64)> = found.map(Result::unwrap).collect();
    let event = |imported, unchanged| ("tenant/acme".to_owned(), "imported".to_owned(), imported, unchanged);
    assert_eq!(found, [event(2, 0), event(1, 1)], "what changes nothing records nothing");
}

/// A row as somebody's file might have it: few names, so that they meet again, and now and then something bad.
fn any_row() -> impl Strategy<Value = Value> {
    let subject = prop_oneof![
        8 => "[a-c]".prop_map(|name| json!({ "ram_user": name })),
        4 => "[a-c]".prop_map(|name| json!({ "iam_user": name })),
        4 => "[abAB]\\.com".prop_map(|name| json!({ "mail_domain": name })),
        4 => ("r-(1|1|1|2)", "[ab]").prop_map(|(instance, name)| {
            json!({ "instance_account": { "instance_id": instance, "account_name": name } })
        }),
        1 => Just(json!({ "ram_user": "a b" })),
        1 => Just(json!({})),
    ];
    let hash = prop_oneof![20 => Just(BCRYPT), 3 => Just(SHA_CRYPT), 1 => Just("plain"), 1 => Just("")];
    let tenant = prop_oneof![40 => Just(""), 1 => Just("no spaces")];
    let region = prop_oneof![30 => Just(""), 3 => Just("cn-beijing"), 1 => Just("no region")];
    (subject, hash, tenant, region, any::<Option<bool>>()).prop_map(|(subject, hash, tenant, region, tag)| {
        let is_iam_user = subject.get("iam_user").is_some();
        let tags = if is_iam_user { tag.map(|tag| json!({ "tag": tag.to_string() })) } else { None };
        let is_mail_domain = subject.get("mail_domain").is_some();
        let region = if is_mail_domain || region == "no region" { region } else { "" };
        json!({ "tenant": tenant, "subject": subject, "hash": hash, "region": region, "tags": tags.unwrap_or_default() })
    })
}

#[tokio::test]
async fn a_dry_run_answers_what_the_real_run_answers_and_stores_nothing() {
    let world = World::start().await;
    let mut runner = TestRunner::deterministic();
    let batches = prop::collection::vec(prop::collection::vec(any_row(), 0..5), 1..6);
    let mut seen = [0; 4];
    for case in 0..64 {
        let root = world.tenant(&format!("tenant-{case}")).await;
        root.ok("CreateInstance", json!({ "instance_id": "r-1" })).await;
        let batches = batches.new_tree(&mut runner).unwrap().current();
        // Some of it is there before.
        import(&root, &batches[..case % 2]).await;
        let before = ram_users(&root).await;
        let mut messages: Vec<Value> = batches.iter().map(|rows| json!({ "rows": rows })).collect();
        messages.insert(0, json!({ "options": { "dry_run": true } }));
        let dry = send(&root, &messages).await;
        assert_eq!(dry.reason(), "OK", "{:?}", dry.status);
        assert_eq!(ram_users(&root).await, before);
        let real = import(&root, &batches).await;
        assert_eq!(dry.json, real, "{batches:?}");
        seen.iter_mut().zip(counts(&real)).for_each(|(sum, count)| *sum += count);
    }
    assert!(seen.iter().all(|sum| *sum > 20), "{seen:?}");
}

#[tokio::test]
async fn an_import_may_take_longer_than_a_request_and_none_of_its_messages_may() {
    let world = Setup::default().with("server.longest_request_seconds", "1").start().await;
    let stream = world.root.open_stream(&path(&method_named("ImportCredentials"))).await;
    let message = |name: &str| {
        let message = json!({ "rows": [ram_user(name, BCRYPT)] });
        let message = DynamicMessage::deserialize(method_named("ImportCredentials").input(), message).unwrap();
        frame(&message.encode_to_vec())
    };
    let began = Instant::now();
    let mut number = 0;
    let is_early = || began.elapsed() < Duration::from_secs(2);
    while is_early() && stream.try_send(message(&format!("user{number}"))).await {
        let user = json!({ "user_name": format!("user{number}") });
        while is_early() && world.root.call("DescribeRamUser", user.clone()).await.reason() != "OK" {}
        number += 1;
    }
    // The next one never comes.
    assert_eq!(stream.reply().await.reason(), "DEADLINE_EXCEEDED");
    assert!(number > 1);
}
