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
    ("PHP 8.2.36", "$5$a:b$ys8zEIkRd8Of/1U7UQnkNXNjhlJtInNsi2IfrdPLvl9"),
    ("PHP 8.2.36", "$5$a;b$Dlh8dhLj79MzAju5L8G5HlJKdBhsjQ8SvnJw1tfbqcC"),
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

/// Those that are imported only where `import.allow` names their algorithms.
const GUARDED: &[Known] = &[
    ("mkpasswd 5.5.17", "$y$j9T$TOfyU8dcUmdqFRZ2/WLTk.$PweSyrVC5iBDLkN/KiyxPX6G4hpzmamlKJQ7EFa3ar/"),
    ("mkpasswd 5.5.17", "$y$j75$Cc2xNzoepfsvUI5n46fir/$kaRVRsp/EX5CkwKM7dDsdAQRYMJ7yUA7U/CFWMBJgK2"),
    ("mkpasswd 5.5.17", "$y$jAT$eVdeY3MyE80DBmCkWCwe0/$OJx7zBwGo5m7pqxotEIieAoifuPh4ZQ7KvHPYhaX967"),
    ("PHP 8.2.36", "$1$a;b$aLgqFtQp.hFc2qoAZzQTL."),
    ("mkpasswd 5.5.17", "$1$p.D7hVNY$wIyKYn1A/lrjsB7hW.wZh0"),
    ("passlib 1.7.4", "$1$gOveY1BV$27iVSQMqI2QcZ3Ewd8yLX."),
    ("Dovecot 2.3.19.1", "{MD5-CRYPT}$1$wcLrRCzP$YkMkJwiHyEv7CrkZpAIaJ/"),
    ("passlib 1.7.4", "$apr1$YkLD7Wd0$cWa3CJxIjx9y3dOIy8YFr/"),
    ("htpasswd 2.4", "u:$apr1$T3Nh517x$ZWHew3llLcYyiowTaXP8N/"),
    ("Dovecot 2.3.19.1", "{SSHA}C5rlq6mRMSKCXHpaLqgxCONRhzxfh9RT"),
    ("Dovecot 2.3.19.1", "{SSHA256}6ed2Ioe1YooU2/Vqr+dyn5KoNk5Fq07TLfbI/H4wkfKdLJNg"),
    (
        "Dovecot 2.3.19.1",
        "{SSHA512}lrVJ6nflvKfvv9YhRyswezpbM7GnigXeeSnhKXF7218XVms+Nl6Fg82L9I1kYRt/8Dy3FHlURPtmfQLGxU+3Ohr7n4E=",
    ),
    ("Dovecot 2.3.19.1", "{SSHA256.HEX}94280259dd14eff471851210f711660cde0ebded4a797f954b934b2e98a60f4106d898e3"),
    ("passlib 1.7.4", "{SSHA}z1q7NG1lUeoVDRko7M1c6wWw7qIVwtg7"),
    ("passlib 1.7.4", "{SSHA256}kK5k+lKuoZbkQnaX5W0mxJR86yMSOzKnO2uUDvlFQwXgXEsppfQ+hw=="),
    (
        "passlib 1.7.4",
        "{SSHA512}Lan/c3+hHWKZlf/lNRbfPZL243o7IpkDvJyuIt1VVVyDC0+Q35FFPmvOdWq3Lrem5BG12BHZp76LIJJU2N6EOV+rtVYKAaA0",
    ),
    ("passlib 1.7.4", "$pbkdf2$1000$NkZozVkrpfTe2xuj1Nrbmw$B6J1.78mam64j28e4tfA6eia7cw"),
    ("passlib 1.7.4", "{PBKDF2}1000$9x6DkPIewxijtBZiTOldyw$XtsgBUAXNRp9l/sYrMb5wj3WM34"),
    ("Dovecot 2.3.19.1", "{PBKDF2}$1$0UdZYFbvtUiy4zyk$5000$d044b23b4b5ef1939d1df32a211a0bcd3b8b2c2c"),
    ("Django 5.2.19", "pbkdf2_sha1$1000$7HeAabiCDdDOfufD2TQ0Nz$6r5/wGNQ7S2zM3/6rGZYb2SkJAM="),
    ("Werkzeug 3.1.9", "pbkdf2:sha1:1000$1WHdYCk7RyolCktV$a0e45429e2838746622602a54c16905d5c6433cf"),
    ("passlib 1.7.4", "$P$68h.o39RWsc4zlQ5UR1.2RIwgUjFIA1"),
    ("Django 5.2.19", "bcrypt_sha256$$2a$05$cQjWH7SnPXUzQExPUY9L3OK2rSZS128BJhnUVrFjKEjgpgASKFkh2"),
    ("Django 5.2.19", "bcrypt_sha256$$2y$05$BqEm8cU8v0gBuA1.Boa.fehnJ5Hrh/zz2EVRR3/jWKvufhk5elUYe"),
    ("Django 5.2.19", "bcrypt_sha256$$2b$05$0vhqgdewx.81EiANJSuXlOCu86k41ja.0x1RpVsb9A3d5lkadH8sG"),
    ("passlib 1.7.4", "$bcrypt-sha256$v=2,t=2b,r=5$jawM6Tmv4tYgFRnYnDOyNe$aJK45i0uZPjoCShLCM7e3HdFEF4s39q"),
    ("passlib 1.7.4", "$bcrypt-sha256$2b,5$eZlSMd3EVpp/uvRjYN8oau$dM49c08c7CoFXmENm7ipyIboRq1pvq."),
    ("libpass 1.9.4", "$bcrypt-sha256$v=2,t=2b,r=12$oJG9rZsVF2dcfnpWZ1uR5e$OXVEFVNa51tWVNqWm52S5rOQXUaBpKC"),
    (
        "Dovecot 2.3.19.1",
        "{SCRAM-SHA-256}4096,I9yDXREGrU2kkF46dRSedQ==,StZZsZLxcRne6ACfrsPiHqOvhvAdoCDOJT/HjxOyrtI=,5g0xZt6xTREPT9dj4iSeFgvo/MO6jm4zKqX1/iqU5eQ=",
    ),
    (
        "PostgreSQL 15",
        "SCRAM-SHA-256$4096:yRafl7Swxmwx15Ht/CVcWQ==$HoHICLq+MuuY+VqNFGCcl00cC7hEL/9sVaIg+1x8rlY=:LF6ZNxtZk3broJZVndGChIVnl1swGjqQBFXkk+7wa5I=",
    ),
    ("WordPress 6.1.9", "$P$BCvJ09weTXs0PDQTKGEWt3lydaSpa/1"),
];

/// The same of other passwords: by `WordPress` 6.8, from the tests of Kratos, of 389-ds and of Spring, from Spring's
/// documentation, from a database of Jira and from passlib's documentation, and from the list of examples of hashcat.
const OF_OTHERS: &[(Known, &str)] = &[
    (("WordPress 6.8", "$wp$2y$10$Q1xinFjrZeLWJBvxviIL6u834Fu.evIEFHAUVisQ5O.w9Dm0sMdES"), "admin"),
    (
        (
            "Kratos",
            "$scrypt$ln=16384,r=8,p=1$2npRo7P03Mt8keSoMbyD/tKFWyUzjiQf2svUaNDSrhA=$MiCzNcIplSMqSBrm4HckjYqYhaVPPjTARTzwB1cVNYE=",
        ),
        "test",
    ),
    (
        ("389-ds", "{PBKDF2-SHA256}36000$eElFb3p1WlZBb1lt$uW1b35DUKyhvQAf1mBqMvoBDcqSD06juzyO/nmyV0+w="),
        "eicieY7ahchaoCh0eeTa",
    ),
    (("389-ds", "{PBKDF2-SHA256}10000$henZGfPWw79Cs8ORDeVNrQ$1dTJy73v6n3bnTmTZFghxHXHLsAzKaAy8SksDfZBPIw"), "password"),
    (("389-ds", "{PBKDF2-SHA1}10000$IlfapjA351LuDSwYC0IQ8Q$saHqQTuYnjJN/tmAndT.8mJt.6w"), "password"),
    (
        (
            "389-ds 1.3",
            "{PBKDF2_SHA256}AAAgADkxMjM2NTIzMzgzMjQ3MjI4MDAwNTk5OTAyOTk4NDI2MjkyMzAzNjg0NjQwOTMxNjI3OTMzNjg0MDI0OTY5NTe5ULagRTYpLaUoeqJMg8x9W/DXu+9VTFaVhaYvebYrY+sOqn1ZMRnws22C1uAkiE2tFM8qN+xw5xe7OmCPZ203NuruK4oB33QlsKIEz4ppm0TR94JB9PJx7lIQwFHD3FUNUNryj4jk6UYyJ4+V1Z9Ug/Iy/ylQBJgfs5ihzgxHYZrfp1wUCXFzlZG9mxmziPm8VFnAhaX4+FBAZvLAx33jpbKOwEg7TmwP2VJ8BNFLQRqwYdlqIjQlAhncXH+dqIF9VdM4MonAA0hx76bMvFTP7LF5VO1IqVmcuYz7YG9v4KKRjnvoUUqOj6okUBQTay3EzsdFVnUW1FemYOccJd5q",
        ),
        "hashcat",
    ),
    (
        (
            "Spring",
            "{scrypt}$e0801$8bWJaSu2IKSn9Z9kM+TPXfOc/9bdYSrN1oD9qfVThWEwdRTnO7re7Ei+fUZRJ68k9lTyuTeUp4of4g24hHnazw==$OAOec05+bXxvuu/1qZ6NUR+xQYvYv7BeL1QxwRpY5Pc=",
        ),
        "password",
    ),
    (
        ("Spring", "{pbkdf2}5d923b44a6d129f3ddf3e3c8d29412723dcbde72445e8ef6bf3b508fbf17fa4ed4d6b99ca763d8dc"),
        "password",
    ),
    (
        (
            "Spring 5.8",
            "{pbkdf2@SpringSecurity_v5_8}fefe5120467e5d4ccff442dbb2fa86d276262d97435c0c54e5eebced51ffd144fcb05eb53fea2677216c4f3250010006",
        ),
        "password",
    ),
    (("Jira", "{PKCS5S2}Tdl0jlvcysmT9PiRWkZZ1Hr4uHO2OJHvkd3siXt/8OnL7GczWsyzB1tMwkJlI2eX"), "admin"),
    (("passlib", "{PKCS5S2}DQIXJU038u4P7FdsuFTY/+35bm41kfjZa57UrdxHp2Mu3qF2uy+ooD+jF5t1tb8J"), "password"),
    (("Spring", "{bcrypt}$2a$10$dXJ3SW6G7P50lGmMkkmwe.20cQQubK3.HZWzG3YB1tlRy.fqvM/BG"), "password"),
    (("Drupal 7", "$S$C33783772bRXEx1aCsvY.dqgaaSu76XmVlKrW9Qu8IQlvxHlmzLf"), "hashcat"),
    (
        (
            "MySQL 8",
            "0x24412430303524F9CC98CE08892924F50A213B6BC571A2C11778C5625479393559393965414D45316477456B484F41316E64484742577A2E3162785353526B7554584647562F",
        ),
        "hashcat",
    ),
    (("phpass", "$P$984478476IagS59wHZvyQMArzfx58u."), "hashcat"),
    (("phpBB 3", "$H$984478476IagS59wHZvyQMArzfx58u."), "hashcat"),
];

/// Every algorithm that needs a name.
const ALLOW_ALL: [&str; 2] = [
    "--import-allow",
    "md5-crypt,apr1,ssha,ssha256,ssha512,pbkdf2-sha1,phpass,drupal7,wordpress-bcrypt,bcrypt-sha256,yescrypt,scram-sha-256,caching-sha2,firebase-scrypt,flask-security",
];

/// Wrong in one way each.
const WRONG: [&str; 3] = ["Correct-Horse_8", "Correct-Horse_7x", "Correct-Horse_7\0"];

struct Imported {
    installation: Installation,
    serving: Serving,
    operator: String,
    relay: Client,
}

/// What an import says that changes nothing.
fn all_unchanged(count: usize) -> String {
    format!("imported 0, unchanged {count}, skipped 0, refused 0, held back with them 0\n")
}

impl Imported {
    /// A service with one RAM user for each of the hashes: `u0`, `u1`, …
    async fn start(settings: &[&str], known: &[Known]) -> Self {
        Self::start_with(settings, known, &["import", "users.jsonl"]).await
    }

    async fn start_with(settings: &[&str], known: &[Known], import: &[&str]) -> Self {
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
        let imported = run(import);
        let count = known.len();
        let counts = format!("imported {count}, unchanged 0, skipped 0, refused 0, held back with them 0\n");
        assert_eq!(imported.stdout, counts, "{}", imported.stderr);
        // The same again is the same, whatever its form is.
        assert_eq!(run(import).printed(), all_unchanged(count));
        let client = Client::new(serving.address).with_token(&operator);
        let relay = json!({ "tenant": "acme", "caller_kind": "CALLER_KIND_SERVICE", "caller_name": "relay" });
        let relay = Client::new(serving.address).with_token(&super::tenant::token(&client, relay).await);
        Self { installation, serving, operator, relay }
    }

    fn import_again(&self) -> String {
        let address = self.serving.address.to_string();
        outcome(self.installation.calling(&address, &self.operator, &["import", "users.jsonl"])).printed()
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
    // What was replaced is still known for what was imported.
    assert_eq!(imported.import_again(), all_unchanged(known.len()));
    for (number, known) in known.iter().enumerate() {
        assert_eq!(imported.verify(number, PASSWORD).await, "MATCHED_CURRENT", "{known:?}");
        assert_eq!(imported.verify(number, WRONG[1]).await, "NOT_MATCHED", "{known:?}");
    }
}

#[tokio::test]
async fn what_is_weak_comes_in_where_it_is_allowed() {
    come_in_and_are_replaced(&ALLOW_ALL, GUARDED).await;
}

#[tokio::test]
async fn what_was_made_of_other_passwords_verifies() {
    let known: Vec<Known> = OF_OTHERS.iter().map(|(known, _)| *known).collect();
    let imported = Imported::start(&ALLOW_ALL, &known).await;
    let posture = imported.posture().await.to_string();
    for algorithm in ["wordpress-bcrypt", "scrypt", "drupal7", "caching-sha2", "phpass"] {
        assert!(posture.contains(&format!("\"{algorithm}\"")), "{posture}");
    }
    for (number, (known, password)) in OF_OTHERS.iter().enumerate() {
        for wrong in [format!("{password}x"), format!("{password}\0"), password[1..].to_owned()] {
            assert_eq!(imported.verify(number, &wrong).await, "NOT_MATCHED", "{wrong:?}: {known:?}");
        }
        assert_eq!(imported.verify(number, password).await, "MATCHED_CURRENT", "{known:?}");
    }
}

#[tokio::test]
async fn what_is_weak_or_dear_is_refused_with_the_setting_that_lets_it_in() {
    let installation = Installation::new();
    let operator = installation.bootstrap();
    let serving = installation.serve(&["--hashing-workers", "1", "--import-allow", "apr1"]).await;
    let address = serving.address.to_string();
    let run = |arguments: &[&str]| outcome(installation.calling(&address, &operator, arguments));
    run(&["admin", "create-tenant", "--tenant", "acme"]).printed();
    let row = |hash: &str| json!({ "tenant": "acme", "kind": "ram-user", "name": "u", "hash": hash }).to_string();
    let hash = |known: &[Known], start: &str| known.iter().find(|(_, hash)| hash.starts_with(start)).unwrap().1;
    let rows = [hash(GUARDED, "$y$"), hash(GUARDED, "{SSHA}"), hash(ORDINARY, "$argon2id$")].map(row);
    fs::write(installation.path("users.jsonl"), rows.join("\n")).unwrap();
    let refused = run(&["import", "users.jsonl"]);
    let expected = "\
row 1: hash: this is yescrypt, which is imported only where it is allowed: add `yescrypt` to `import.allow` (ALGORITHM_NOT_ALLOWED)
row 2: hash: this is ssha, which is imported only where it is allowed: add `ssha` to `import.allow` (ALGORITHM_NOT_ALLOWED)
row 3: hash: takes 65536 KiB, at most 47104 are verified: set `hashing.ceiling_kib` to 65536 or more (OUT_OF_RANGE)
2 refused: hash: ALGORITHM_NOT_ALLOWED
1 refused: hash: OUT_OF_RANGE
with `hashing.ceiling_kib` at 65536, no row is refused for its memory
imported 0, unchanged 0, skipped 0, refused 3, held back with them 0
";
    assert_eq!((refused.status, refused.stdout.as_str()), (Some(1), expected));
}

/// The first hash is Bun's bcrypt of a long password, the second its argon2, which changes no password.
#[tokio::test]
async fn what_the_other_system_does_with_passwords_is_said_for_an_import() {
    const LONG: &str = "0123456789012345678901234567890123456789012345678901234567890123456789ABC";
    let bcrypt = ("Bun 1.4.5", "$2b$05$djdEfzwxBSPF31EeU3XYO.3LjLDMFArgS7KRzrq2ollFewwcN/HFu");
    let argon2 = *ORDINARY.iter().find(|(_, hash)| hash.starts_with("$argon2id$v=19$m=256,")).unwrap();
    let import = ["import", "users.jsonl", "--pre-hash", "bun"];
    let mut imported = Imported::start_with(&[], &[bcrypt, argon2], &import).await;
    for (number, password) in [LONG, PASSWORD].into_iter().enumerate() {
        assert_eq!(imported.verify(number, &format!("{password}x")).await, "NOT_MATCHED");
        assert_eq!(imported.verify(number, password).await, "MATCHED_CURRENT");
    }
    imported.restart(&[]).await;
    assert_eq!(imported.posture().await.get("below_target"), None);
    assert_eq!(imported.verify(0, LONG).await, "MATCHED_CURRENT");
}

/// Each form in the document's table of systems is one that a system wrote, above.
#[test]
fn every_row_of_the_document_has_a_hash_that_its_producer_made() {
    let document = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/importing.md")).unwrap();
    let table = document.lines().skip_while(|line| !line.starts_with("| System ")).skip(2);
    let mut forms = 0;
    for row in table.take_while(|line| line.starts_with('|')) {
        let [_, _, written, allow, _] = row.split('|').collect::<Vec<_>>().try_into().unwrap();
        let known = if allow.trim().is_empty() { ORDINARY } else { GUARDED };
        for form in written.split('`').skip(1).step_by(2) {
            let is_known = known.iter().any(|(_, hash)| hash.starts_with(form));
            let is_of_others = OF_OTHERS.iter().any(|((_, hash), _)| hash.starts_with(form));
            assert!(is_known || is_of_others, "no hash begins with {form}");
            forms += 1;
        }
    }
    assert!(forms > 40, "{forms}");
}

#[tokio::test]
async fn what_other_systems_write_comes_in_as_it_is() {
    come_in_and_are_replaced(&["--hashing-ceiling-kib", "102400"], ORDINARY).await;
}
