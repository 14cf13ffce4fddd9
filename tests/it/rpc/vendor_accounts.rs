//! The accounts of an instance, as Tair's SDKs list them.

use std::sync::Arc;

use serde_json::{Value, json};

use super::access_keys::ring;
use super::imports::{counts, import};
use crate::support::barrier::{BarrierStore, Calls};
use crate::support::signer::{AccessKey, send};
use crate::support::{Setup, World};

const HASH: &str = "$2b$05$abcdefghijklmnopqrstuuqR2uuDorzuqQLTtL7Oj8K/e7dgq/Feq";
/// More than one page can have.
const ACCOUNTS: usize = 2500;

/// The status of an answer, and its content.
async fn described(world: &World, key: &AccessKey, parameters: &[(&str, &str)]) -> (u16, Value) {
    let mut all = vec![("InstanceId", "r-1")];
    all.extend(parameters);
    let response = send(world.http.unwrap(), key.acs3("DescribeAccounts", "2015-01-01", &all)).await;
    (response.status().as_u16(), serde_json::from_slice(response.body()).unwrap())
}

#[tokio::test]
async fn a_page_of_many_accounts_reads_no_others() {
    let calls = Calls::default();
    let counted = Arc::clone(&calls);
    let setup = Setup::default().with("pepper.keys", &ring()).with("http.listen", "127.0.0.1:0");
    let world = setup.around(move |store| Arc::new(BarrierStore::counting(store, &counted))).start().await;
    world.root.ok("CreateInstance", json!({ "instance_id": "r-1" })).await;
    let account = |number: usize| {
        let name = json!({ "instance_id": "r-1", "account_name": format!("app_{number:04}") });
        json!({ "subject": { "instance_account": name }, "hash": HASH })
    };
    let rows: Vec<Value> = (0..ACCOUNTS).map(account).collect();
    let batches: Vec<_> = rows.chunks(500).map(<[Value]>::to_vec).collect();
    assert_eq!(counts(&import(&world.root, &batches).await)[0], ACCOUNTS as u64);
    let key = world.root.access_key("ROOT", "").await;

    for (parameters, number, size, total, expected) in [
        (&[][..], 1, 1000, ACCOUNTS, 0..1000),
        (&[("PageNumber", "3")], 3, 1000, ACCOUNTS, 2000..2500),
        (&[("PageNumber", "4"), ("PageSize", "30")], 4, 30, ACCOUNTS, 90..120),
        (&[("PageSize", "1000000")], 1, 1000, ACCOUNTS, 0..1000),
        (&[("PageNumber", "4294967295"), ("PageSize", "1000")], 4_294_967_295_u32, 1000, ACCOUNTS, 0..0),
        (&[("SearchAccountName", "app_17"), ("PageSize", "50"), ("PageNumber", "2")], 2, 50, 100, 1750..1800),
        (&[("SearchAccountName", "absent")], 1, 1000, 0, 0..0),
        (&[("AccountName", "app_0007")], 1, 1000, 1, 7..8),
        (&[("AccountName", "app_0007"), ("PageNumber", "2")], 2, 1000, 1, 0..0),
        (&[("AccountName", "app_0007"), ("SearchAccountName", "8")], 1, 1000, 0, 0..0),
    ] {
        calls.lock().unwrap().clear();
        let (status, content) = described(&world, &key, parameters).await;
        assert_eq!(status, 200, "{parameters:?}: {content}");
        let told = ["PageNumber", "PageSize", "TotalCount"].map(|name| content[name].as_u64().unwrap());
        assert_eq!(told, [number.into(), size, total as u64], "{parameters:?}");
        let accounts = content["Accounts"]["Account"].as_array().unwrap();
        let names: Vec<_> = accounts.iter().map(|account| account["AccountName"].as_str().unwrap()).collect();
        let expected: Vec<_> = expected.map(|number| format!("app_{number:04}")).collect();
        assert_eq!(names, expected, "{parameters:?}");
        let calls = calls.lock().unwrap();
        let reads = |method: &str| calls.get(method).copied().unwrap_or_default();
        assert!(reads("accounts") <= 1 && reads("subjects") == 0, "{parameters:?}: {calls:?}");
    }

    for name in ["PageNumber", "PageSize", "SearchAccountName"] {
        let (status, content) = described(&world, &key, &[(name, "-1")]).await;
        assert_eq!((status, content["Code"].as_str()), (400, Some("InvalidParameter")), "{name}: {content}");
    }
}
