//! Any text is a hash with a normal form, which is read as the same again and costs no more than is allowed, or has a
//! problem that fits into one line.

use credentiald::hashing::fuzzing::read_hash;

use crate::texts;

/// Ten seconds.
const MOST_WORK: u64 = 10_000_000;

pub fn run(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    match read_hash(text) {
        Ok(read) => {
            assert!(read.work <= MOST_WORK, "{text:?} costs {}", read.work);
            assert_eq!(read_hash(&read.normal_form).as_ref(), Ok(&read), "{text:?}");
        }
        Err(problem) => {
            let words = problem.to_string();
            assert!(words.len() < 200 && !words.contains('\n'), "{words}");
        }
    }
}

pub fn seeds() -> Vec<Vec<u8>> {
    texts(&[
        "$argon2id$v=19$m=19456,t=2,p=1$AAECAwQFBgcICQoLDA0ODw$AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8",
        "$argon2i$m=64,t=3,p=2$c29tZXNhbHQ$AAECAwQFBgcICQoLDA0ODw",
        "$argon2id$v=19$m=1024,p=2,t=2$5jBysitVdP5YEE/JFFFZ4Q$QiKsYY7NlcFZTRJ69BGC4RMu9fnQrZ4belIafxkHUf8",
        "u:$2y$05$QLrV6lRvwpLMvcioKj9W4u55SbTbwccL8RT3rl687Rd.y86CLYNxu",
        "{CRYPT}$6$rounds=1000$./AZaz09$WzksBS0C9hrdigb96kN90CIN0MSJgtFeOT7NP/vrCN4.Hg7uxQ7tGPde8lvdpEsquQG/H.L1RPlgtJQD5kaW70",
        "$pbkdf2-sha256$i=1000,l=32$MDEyMzQ1Njc4OWFiY2RlZg$f9l1Zhm2aQC8YoY43s3vfD+ErgWUFU4ni8wj7jFR9Qw",
        "pbkdf2_sha256$1000$coDc6yK5TVUxBAPldhP3UW$cSu6bAW7FOLVjhYwFhOcqSuR0fLspblCF5OWthUqHL8=",
        "pbkdf2:sha1:1000$1WHdYCk7RyolCktV$a0e45429e2838746622602a54c16905d5c6433cf",
        "{X-PBKDF2}HMACSHA2+256:AAknwA:4uOSZg==:swSeOpI5hoUli/7ueIYtXwkq5Acj8LC//PMO2MdONBY=",
        "$7$101$hSPUzWRV1CsRtAAv$fazow8AYgBtAUwHGbkQONn2npUR6u7rv4lv4it7/0dJrLq/rCU3rv102SmHOehQNwukwzAWLIJHkUh7YkCfs9A==",
        "$7$BU..../....qyGiJ3yhMMGDoMHfi0.S21$jeoRjF.uCqWCBnY1T8uvYdCI3Iogeu3idkzlEau8KG8",
        "$scrypt$ln=1024,r=8,p=1$EkIo5XzvPec8B+C8F4JQSg$pYr0xviG4mSodPxbtfUqUBpyrgqY/nBItxdm4GuwFes",
        "$y$j75$Cc2xNzoepfsvUI5n46fir/$kaRVRsp/EX5CkwKM7dDsdAQRYMJ7yUA7U/CFWMBJgK2",
        "$apr1$YkLD7Wd0$cWa3CJxIjx9y3dOIy8YFr/",
        "{SSHA256.HEX}94280259dd14eff471851210f711660cde0ebded4a797f954b934b2e98a60f4106d898e3",
        "{PBKDF2}$1$0UdZYFbvtUiy4zyk$5000$d044b23b4b5ef1939d1df32a211a0bcd3b8b2c2c",
        "$P$68h.o39RWsc4zlQ5UR1.2RIwgUjFIA1",
        "$bcrypt-sha256$v=2,t=2b,r=5$jawM6Tmv4tYgFRnYnDOyNe$aJK45i0uZPjoCShLCM7e3HdFEF4s39q",
        "{SCRAM-SHA-256}4096,I9yDXREGrU2kkF46dRSedQ==,StZZsZLxcRne6ACfrsPiHqOvhvAdoCDOJT/HjxOyrtI=,5g0xZt6xTREPT9dj4iSeFgvo/MO6jm4zKqX1/iqU5eQ=",
        "$argon2d$v=16$m=8,t=1,p=1$c29tZXNhbHQ$AAECAw",
        "{PBKDF2-SHA256}36000$eElFb3p1WlZBb1lt$uW1b35DUKyhvQAf1mBqMvoBDcqSD06juzyO/nmyV0+w=",
        "{pbkdf2}5d923b44a6d129f3ddf3e3c8d29412723dcbde72445e8ef6bf3b508fbf17fa4ed4d6b99ca763d8dc",
        "{pbkdf2@SpringSecurity_v5_8}fefe5120467e5d4ccff442dbb2fa86d276262d97435c0c54e5eebced51ffd144fcb05eb53fea2677216c4f3250010006",
        "{PKCS5S2}Tdl0jlvcysmT9PiRWkZZ1Hr4uHO2OJHvkd3siXt/8OnL7GczWsyzB1tMwkJlI2eX",
        "$e0401$8bWJaSu2IKSn9Z9kM+TPXQ==$OAOec05+bXxvuu/1qZ6NUR+xQYvYv7BeL1QxwRpY5Pc=",
        "{firebase}42xEC+ixf3L2lw==$lSrfV15cpx95/sZS2W9c9Kp6i/LVgQNDNC/qzrCnh1SAyZvqmZqAjTdn3aoItz+VHjoZilo78198JAdRuid5lQ==",
        "$fbscrypt$v=1,n=14,r=8,p=1,ss=Bw==,sk=jxspr8Ki0RYycVU8zykbdLGjFQ3McFUH0uiiTvC8pVMXAn210wjLNmdZJzxUECKbm0QsEmYUSDzZvpjeJ9WmXA==$42xEC+ixf3L2lw==$lSrfV15cpx95/sZS2W9c9Kp6i/LVgQNDNC/qzrCnh1SAyZvqmZqAjTdn3aoItz+VHjoZilo78198JAdRuid5lQ==",
        "$firescrypt$ln=14,r=8,p=1$42xEC+ixf3L2lw==$lSrfV15cpx95/sZS2W9c9Kp6i/LVgQNDNC/qzrCnh1SAyZvqmZqAjTdn3aoItz+VHjoZilo78198JAdRuid5lQ==$Bw==$jxspr8Ki0RYycVU8zykbdLGjFQ3McFUH0uiiTvC8pVMXAn210wjLNmdZJzxUECKbm0QsEmYUSDzZvpjeJ9WmXA==",
        "$firebasescrypt$ln=14,r=8$42xEC+ixf3L2lw==$lSrfV15cpx95/sZS2W9c9Kp6i/LVgQNDNC/qzrCnh1SAyZvqmZqAjTdn3aoItz+VHjoZilo78198JAdRuid5lQ==$Bw==$jxspr8Ki0RYycVU8zykbdLGjFQ3McFUH0uiiTvC8pVMXAn210wjLNmdZJzxUECKbm0QsEmYUSDzZvpjeJ9WmXA==",
        "$firebase-scrypt$k=app,ln=14,r=8$42xEC+ixf3L2lwc$lSrfV15cpx95/sZS2W9c9Kp6i/LVgQNDNC/qzrCnh1SAyZvqmZqAjTdn3aoItz+VHjoZilo78198JAdRuid5lQ",
        "{flask-security}$2b$05$q8nOniwAMcOF0q.4hCVH3uB4myW.jPdUCuuQEqaCaM8d7pEbCXCUG",
        "$flask-security$k=shop$argon2id$v=19$m=1024,t=2,p=2$5jBysitVdP5YEE/JFFFZ4Q$QiKsYY7NlcFZTRJ69BGC4RMu9fnQrZ4belIafxkHUf8",
        "{symfony}$2y$05$WlNzPs.BQtA/cuDmrAGxquu.Df0R/21jAW23QotUdqUDsLt2uRZhK",
        "alice:$5$saltstring$frHR6Ix2hKx9/57A5HTF6sr1Ywqynok5BQyevWPs1Z7:19000:0:99999:7:::",
    ])
}
