//! Hashes as other systems write them: imported into a service that is another process, verified, upgraded, and
//! verified again.

use std::fs;

use serde_json::{Value, json};

use super::installation::{Installation, outcome};
use super::serving::Serving;
use crate::support::Client;

const PASSWORD: &str = "Correct-Horse_7";

/// A producer with its version, and a hash that it made of [`PASSWORD`].
type Known = (&'static str, &'static str);

const ORDINARY: &[Known] = &[
    (
        "npm argon2 0.45.1",
        "$argon2id$v=19$m=65536,p=4,t=3$ujtUwVG3dYFoYqWyu1jzrw$RxPi0YUqM+oVk3BRcoFQtf4aZQ3SnrA3+amZn3N+c0M",
    ),
    (
        "argon2-cffi 25.1.0",
        "$argon2id$v=19$m=65536,t=3,p=4$w/c4JchMZ1l4CiJhR6yFww$cxES0zG5TSqJuZcVJodps/ar9t4dUkl1dWbL4Qve6Go",
    ),
    (
        "Dovecot 2.3.19.1",
        "{ARGON2ID}$argon2id$v=19$m=65536,t=3,p=1$mAFp6gZ4aYP/OHytl/bAtA$HFil1dQRnjwap1OTj0f9tpvmOmnAxDpssGzM2Q0yA+s",
    ),
    (
        "Dovecot 2.3.19.1",
        "{ARGON2I}$argon2i$v=19$m=32768,t=4,p=1$ilDKJzt1XAOtbrVOzkrNBw$DGP+6jUzCQDeAzgdjyPyHFxsi9HsFqIk7d93itGb5HY",
    ),
    (
        "slappasswd 2.5.13",
        "{ARGON2}$argon2i$v=19$m=4096,t=3,p=1$GPUqN4Xng7Vo/ONFcd3L5w$rWoBCBkjrKYLJljhGroF+PVchD7VH3OrVNwjYsU+Tf8",
    ),
    (
        "Django 6.1.3",
        "argon2$argon2id$v=19$m=102400,t=2,p=8$M05NYlg5ZmNIUzQ5RUVUWTFCOTdJeA$sMWNUfrbrGXWzBJwxeR/bQKBXE9XwTsuZ84trZJ2cI4",
    ),
    (
        "AdonisJS hash 10.1.1",
        "$argon2id$v=19$m=256,t=2,p=2$00JhbPjdCt82dUQ3RrFXXQ$wFvf5pltSFjGSOBkyETOVWIh8a9cZgF7FUV18Kyw7dQ",
    ),
    ("Dovecot 2.3.19.1", "{CRYPT}$2y$05$OVTEfaAVbbkHEAqwod.gPe8NTo8bLjMgruglyHLlB/FQk0eVx/3k2"),
    ("Dovecot 2.3.19.1", "{BLF-CRYPT}$2y$05$8J4lx6Tg.MExmBysHKd4juU.innuY/XeS88lN.6w/kJus4eth/FZW"),
    ("htpasswd 2.4.71", "$2y$05$5pjUOdoZSQAybfLcowjxXeSZIAsV4Q7GlpzGHJL93GJxgpoLcqtcO"),
    ("htpasswd 2.4", "u:$2y$05$QLrV6lRvwpLMvcioKj9W4u55SbTbwccL8RT3rl687Rd.y86CLYNxu"),
    ("pgcrypto 15.20", "$2a$08$nIl1bOYTPU6ecYsi6Y0i1.vz1.2P6.is1cnQjzgTPBjs3vrhcpQc."),
    ("mkpasswd 5.5.17", "$2b$05$Pl1UBtEtHlHqmpi9Y7GuRe/bttS3l9poT2QaUnnNL3sYmvc45HTjS"),
    ("Django 5.2.19", "bcrypt$$2b$05$ZsVoso.H3Moyy1AYZo2BvOV9sUvVclCG2TN3GHUk2pYfL4VtIDHXy"),
    ("AdonisJS hash 10.1.1", "$bcrypt$v=98$r=5$nP6+D5bXKVGLwbcmH4kckw$740jOTS4HG15pFVNYiGQtgYl8/QUm80"),
    (
        "sha-crypt (Rust) 0.6.0",
        "$6$rounds=5000$SlRM.3IMIDgzuSJOlpxmy1$wUjrj9VjH0lDPEYzskxPioun1BTABg.wVouGoY4DBkZmfg6vPf8YGJxs1n8g4VFRhxZnWXXxiO4b3qvWtMxVy.",
    ),
    (
        "libxcrypt 4.4.33",
        "$6$sa-lt_x$QFpgb5IhLo3vFPoy2bFnZWnzWLkSGHcKejgeV5CLtVYcHPFFQq42kJSH6a7o4GPjGXjlz/EZiMTtQx3z6PUqZ1",
    ),
    ("libxcrypt 4.4.33", "$6$$JimUzNYqQCdTnAuU0uRkYgtu5qJXhurUU8nrkkXqd9Ia//AggMTgoKvAdUy3fgqHeNOMi1VnUzrzKiJ7H63wj."),
    ("mkpasswd 5.5.17", "$5$3.Re4CugMPcuUtss$JpjOB3pnA1yCzjDQoSm95nXDc3ODKy1Qd.jt/.PLzQ8"),
    (
        "Dovecot 2.3.19.1",
        "{SHA512-CRYPT}$6$wJyNnXCLht4tReow$vc4RH/4bdct/X.qaR3pIZpMWueLGfh8gYeiQl7tiqELl6sAQSZFAirM6YAY2nLg4EVmbEDkDnO4tT2Pm.MRh11",
    ),
    ("Django 6.1.3", "pbkdf2_sha256$1500000$2MiOY8CKLEz0FdnJrCDmW0$hmgLsW5Y/NKcBC1walnMI5W0YFk0hnEz3B+YitVNbMs="),
    ("passlib 1.7.4", "$pbkdf2-sha256$1000$1RqDMIYwppTyfm9N6T3HGA$m2Eli7pzVUIzaDQEGcFSOkw9N6/TJfHJap6jeJ3Zn7k"),
    ("passlib 1.7.4", "{PBKDF2-SHA256}1000$XMu59z7nnHPO.b.3VirlfA$Xh67NEJ66Kd3oW0azHAJvHe82pIUw1VO0qajoZ6/aDY"),
    (
        "passlib 1.7.4",
        "{PBKDF2-SHA512}1000$NyYEoFQqZex9731vbS3FmA$4csOsbikuVuPBgDlvUiOYukVih1kvflnL0YZ2tpI1GzxBUnG8JG1wPnNJE44mMeGuZF0JKACvaPiV60OdT89ww",
    ),
    (
        "passlib 1.7.4",
        "grub.pbkdf2.sha512.1000.52AA35A6540AA114E23C278410E21C23E47C0F41686DED3D67ECDDBBF71E83506A8DF17E4F89B1D67A2F25A434C6D8DBBB57EA5D4BC9F91FC318A334660CC1D8.FD90E092E7EB272D59F90A3EB24F618481C8E075E0EAD2EC2D0F40F0858EED6B12E6B8741F8D356471C85E84A88A92656DCA88E2769A394B7A37D0E31D78A4B9",
    ),
    (
        "Werkzeug 3.1.9",
        "pbkdf2:sha256:1000$6AfUzkrofM5rDWmb$35437d71723cf4c6e8e1595169b8ae5c4b9cabfff11e274f1585b10d453dec90",
    ),
    (
        "Werkzeug 3.1.9",
        "pbkdf2:sha512:1000$MjzC8ttum33Z3aLE$6c8b507155142121357d4d85750b232a033a705d045ebed04a0d6920b5e192fc7ccd1de3fc9295d1d3bbb3425b964ff0af68320dfbbb0364e743543115b7959c",
    ),
    ("Crypt::PBKDF2 0.261630", "{X-PBKDF2}HMACSHA2+256:AAknwA:4uOSZg==:swSeOpI5hoUli/7ueIYtXwkq5Acj8LC//PMO2MdONBY="),
    (
        "mosquitto_passwd 2.0.11",
        "$7$101$hSPUzWRV1CsRtAAv$fazow8AYgBtAUwHGbkQONn2npUR6u7rv4lv4it7/0dJrLq/rCU3rv102SmHOehQNwukwzAWLIJHkUh7YkCfs9A==",
    ),
    ("passlib 1.7.4", "$scrypt$ln=16,r=8,p=1$YixlrNU6h1DKuXfuHcMYAw$Wl74xN8DEa1WupdobBdXP7pvx1K5lBFnmf0vPXj2808"),
    ("mkpasswd 5.5.17", "$7$CU..../....DtsDLq5j0/rHiS5G068no0$oEEfAB48484IYmezqqtaIOH6To4OXN/YahQAdaqnhC2"),
    ("mkpasswd 5.5.17", "$7$BU..../....qyGiJ3yhMMGDoMHfi0.S21$jeoRjF.uCqWCBnY1T8uvYdCI3Iogeu3idkzlEau8KG8"),
    (
        "Django 5.2.19",
        "scrypt$1024$y7yvV7H85NRYiqdCgF6aD1$8$5$9UqwKBjleQXTq4eM0y+xej997GGk33S9EI5buJjvhO2nOHyFN6UdEORltd6mHnz/F5sVfdtyKmCDu6jtycDl1g==",
    ),
    (
        "Werkzeug 3.1.9",
        "scrypt:1024:8:1$e8dsPm7zQnsaNGbg$64305bb9b4b7c1760a4557d2ad8741a72bf7e20b1be6f8681557dd3b1ef85346ad307f9f72c560fe8fb129471b51fc04f972022160cb82bc7e96c51167978c9f",
    ),
    (
        "AdonisJS hash 10.1.1",
        "$scrypt$n=1024,r=8,p=1$N+2tNzU/np7Y188qC5rHyw$d5EyBzACtyraMQ89Su3lx3qTlGTsKCI0+61S8KuLo00NYYERsxWcuz3yynLKgVIjtpqC+gpqXF/5WpNogBk+xQ",
    ),
    (
        "better-auth 1.7.25",
        "aacd1fcd19f18053e0ef6bd8004dd1a5:d87604b36c44c80b4dcf0e72755abceb1e8d147921f9ee1f4990d469d92992a3fa19173d6a34e248059fe7fba2fde13cb2c245fd770609613909eff064a1930c",
    ),
];

/// Wrong in one way each.
const WRONG: [&str; 3] = ["Correct-Horse_8", "Correct-Horse_7x", "Correct-Horse_7\0"];

struct Imported {
    installation: Installation,
    serving: Serving,
    operator: String,
    relay: Client,
}

impl Imported {
    /// A service with one RAM user for each of the hashes: `u0`, `u1`, …
    async fn start(settings: &[&str], known: &[Known]) -> Self {
        let installation = Installation::new();
        let operator = installation.bootstrap();
        let serving = installation.serve(&[&["--hashing-workers", "1"], settings].concat()).await;
        let address = serving.address.to_string();
        let run = |arguments: &[&str]| outcome(installation.calling(&address, &operator, arguments));
        run(&["admin", "create-tenant", "--tenant", "acme"]).printed();
        let row = |(number, (_, hash)): (usize, &Known)| {
            json!({ "tenant": "acme", "kind": "ram-user", "name": format!("u{number}"), "hash": hash }).to_string()
        };
        let rows: Vec<String> = known.iter().enumerate().map(row).collect();
        fs::write(installation.path("users.jsonl"), rows.join("\n")).unwrap();
        let imported = run(&["import", "users.jsonl"]);
        let count = known.len();
        let counts = format!("imported {count}, unchanged 0, refused 0, held back with them 0\n");
        assert_eq!(imported.stdout, counts, "{}", imported.stderr);
        // The same again is the same, whatever its form is.
        let again = format!("imported 0, unchanged {count}, refused 0, held back with them 0\n");
        assert_eq!(run(&["import", "users.jsonl"]).printed(), again);
        let client = Client::new(serving.address).with_token(&operator);
        let relay = json!({ "tenant": "acme", "caller_kind": "CALLER_KIND_SERVICE", "caller_name": "relay" });
        let relay = Client::new(serving.address).with_token(&super::tenant::token(&client, relay).await);
        Self { installation, serving, operator, relay }
    }

    async fn verify(&self, number: usize, password: &str) -> Value {
        let subject = json!({ "ram_user": format!("u{number}") });
        let verify = json!({ "subject": subject, "password": password });
        self.relay.ok("VerifyPassword", verify).await["result"].clone()
    }

    /// How many hashes there are of each algorithm, and how many are below target.
    async fn posture(&self) -> Value {
        let client = Client::new(self.serving.address).with_token(&self.operator);
        client.ok("DescribeHashPosture", json!({ "tenant": "acme" })).await
    }

    /// Starts the service again. Before it stops, it makes the upgrades.
    async fn restart(&mut self, settings: &[&str]) {
        self.serving.signal("TERM");
        assert!(self.serving.ended().await.success());
        self.serving = self.installation.serve(&[&["--hashing-workers", "1"], settings].concat()).await;
        self.relay = self.relay.at(self.serving.address);
    }
}

/// Imports, verifies and upgrades all of them.
async fn come_in_and_are_replaced(settings: &[&str], known: &[Known]) {
    let mut imported = Imported::start(settings, known).await;
    for (number, known) in known.iter().enumerate() {
        for wrong in WRONG {
            assert_eq!(imported.verify(number, wrong).await, "NOT_MATCHED", "{wrong:?}: {known:?}");
        }
        assert_eq!(imported.verify(number, PASSWORD).await, "MATCHED_CURRENT", "{known:?}");
    }
    imported.restart(settings).await;
    let posture = imported.posture().await;
    assert_eq!(posture.get("below_target"), None, "{posture}");
    for (number, known) in known.iter().enumerate() {
        assert_eq!(imported.verify(number, PASSWORD).await, "MATCHED_CURRENT", "{known:?}");
        assert_eq!(imported.verify(number, WRONG[1]).await, "NOT_MATCHED", "{known:?}");
    }
}

#[tokio::test]
async fn what_other_systems_write_comes_in_as_it_is() {
    come_in_and_are_replaced(&["--hashing-ceiling-kib", "102400"], ORDINARY).await;
}
