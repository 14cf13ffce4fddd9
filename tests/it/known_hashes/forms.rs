//! Passwords that Unicode can write in several ways, hashed by systems in a form of their own.

use credentiald::domain::password_form::TriedForms;
use credentiald::hashing::ImportKeys;

use super::*;

/// In ligatures, numerals and letters that compatibility forms replace.
const WIDE: &str = "\u{fb01}le-\u{2167}-\u{ff57}\u{ff49}\u{ff44}\u{ff45}";

/// The form that its producer hashed, the producer, and a hash of the password. All of it in Latin-1 is of bytes that the
/// producer got in that encoding.
const OF_FORMS: [(&str, &str, &str, &str); 9] = [
    ("latin-1", "PHP 8.2.36", PASSWORD, "$2y$05$7ALsNL8WEK4nbUMbTFCRJujGkYeM600lvwF.yJQexsiC.A8XhkZcu"),
    (
        "latin-1",
        "PHP 8.2.36",
        PASSWORD,
        "$6$rounds=1000$phpsalt$.Oe.D/pd9t.cS5a33kZR.Jvm33cZr58X6Tc90xT6uBq5LR6PEOsejHTK5JrzA3YmzlYwIk7/vxXCLweWGxSae.",
    ),
    (
        "latin-1",
        "PHP 8.2.36",
        "\u{ef}bcrypt",
        "$argon2id$v=19$m=1024,t=4,p=1$ZEVmb1R0ejB3Yjl4cnVLOA$6kO2E6UM8OgMSAUHGWsgBlqKv7mvBg80HDuCc/e5d2M",
    ),
    ("latin-1", "htpasswd 2.4.67", PASSWORD, "$2y$05$qqZKqWJEjGJkZIljSwTfDuY92aG76l64L9Y.R8WTecAH.nUg41MQK"),
    ("latin-1", "mkpasswd 5.5.17", PASSWORD, "$5$bNiH0xr5RI2pMyOm$VoMV6L3I7DEhUqujf/LDXOpdDqnWYns4awOa2BPdqgD"),
    (
        "latin-1",
        "OpenSSL 3.0.19",
        PASSWORD,
        "$6$latin1salt$VgRXOpMrPReyZoSqbjx7HzSO6.6CmgmzzOfLf1c.MT2EnSxQRfbNmhtsYUqPz8i8258KSzugsWaTBLG/BbkKB/",
    ),
    (
        "latin-1",
        "passlib of libpass 1.9.4",
        PASSWORD,
        "$pbkdf2-sha256$1000$GMMYI0RoLaXUeq.1llJKSQ$p3OpuC44BgF2LQSol8cZ90iLacYMPchXeRVeytlTun8",
    ),
    (
        "nfd",
        "OpenSSL 3.0.19, of what macOS would pass",
        PASSWORD,
        "$6$nfdsalt$0BO4GrE1zCjbkXRnVJXUsIMdFY7fqF4L3rvBjUp62Ya55XDGrY918kgJAfXbLgwFsVMMHow.4mE97LlngbxNG1",
    ),
    ("nfkc", "Synapse 1.163.2", WIDE, "$2b$05$vho5C3vw3/.3bnF3GnHkR.DupOOSx4DjidOb19gpDOSfHBx8cfdi."),
];

/// By Flask-Security 5.9.2 (with libpass 1.9.4, bcrypt 5.0.0 and argon2-cffi 25.1.0), which hashes NFKD.
const OF_FLASK_SECURITY: [(&str, &str); 15] = [
    (
        "Correct-Horse_7",
        "$argon2id$v=19$m=65536,t=3,p=4$PGds7T3nfK/Ves+Z8x7jXA$Cg3erlwoZF9R15p3Gm5k1Npy1JNndjerrfm6Ra6JuS8",
    ),
    (PASSWORD, "$argon2id$v=19$m=65536,t=3,p=4$Tqm1FuJc631PCaE0xhgDoA$9gvEn+NgobmD8O9doYttmRTpNwFPwapQ09POL/OCi8k"),
    (WIDE, "$argon2id$v=19$m=65536,t=3,p=4$21srRaiV0prT2ntv7d279w$++SlvlfWTs2b1WMDVvvOH09U1WamKLMvSJB8s/ls12U"),
    ("Correct-Horse_7", "$2b$05$q8nOniwAMcOF0q.4hCVH3uB4myW.jPdUCuuQEqaCaM8d7pEbCXCUG"),
    (PASSWORD, "$2b$05$BWvy/pK1RG.OdIwhLyHvzu0uKRQ0bwQMIC5094tk5/godkO8VkUAC"),
    (WIDE, "$2b$05$4867XDVeBDGxfJU23TKBYe8OBl.9Ls7XgNNnhoesVxH3u5cid9Kpe"),
    (
        "Correct-Horse_7",
        "$pbkdf2-sha512$1000$NyYk5Lw3BkBIKYWw1vpfKw$1e9Lckoy9LaVIcNNqg2WQZ/t/5mmM9V9DlABtJASJR.iRzkgO.JwfaTiAGnEX09zxLRzFJ58iDdBqxtPQ0.KJw",
    ),
    (
        PASSWORD,
        "$pbkdf2-sha512$1000$HWNsrTXGmFNqDUGIkRLiXA$DNP136GiWu7ILKR0C9VkhVm5ENHX6emLSM3DpATRZhDIbimY0H50BoogQCnvpKJPd5KsNpLUjBrGT0ruwLCPew",
    ),
    (
        WIDE,
        "$pbkdf2-sha512$1000$be1dy9kbgxBibE0JYay1Fg$E6zuHBL2tIN5WgJFHSJauzaBRw9ENDhydh9orFadulv6fER.vSQkzVbA.9JaXgzDIkdg95CP3pn8MlEar.D/zQ",
    ),
    (
        "Correct-Horse_7",
        "$6$rounds=1000$wakRr1ExjhTaHx8b$6wuoIXsb1Jvr9TTDoEe/nZJWBTnG7.XiCq3jXfWlKGrLzcuXvYBAoDaP9mSJudeNlD0IhOvE8pS1x62aOCV.x/",
    ),
    (
        PASSWORD,
        "$6$rounds=1000$19YvURSkQOD6zZeS$x2MRfeu2NZ3zmAeuMLfn0zXzDubLeM.ihRV73JW2kLR/7q76QdYcABvHCW4wQwltTAX7lWeuOv96vxhSSg01/0",
    ),
    (
        WIDE,
        "$6$rounds=1000$TioIZZWY.VO41Zh.$JsObfO5m3oIr9QYVTA6k4X5oFhQjcZ/W.hk5EpGOxzw636Row0UTlFUBkUyh5UTLIzJbtT0ZxAq9UsiDZpfxX.",
    ),
    ("Correct-Horse_7", "$pbkdf2-sha256$1000$RAjBOGcMwbh3DqH0fm/tXQ$0SENEpplCgEIYJQsrCah9CevjTOHr/09BcAXheF9Vcs"),
    (PASSWORD, "$pbkdf2-sha256$1000$idG6l/J.b63VGqMUYgxh7A$qPX1fQiWrgDo.ZKmaR2gSsgvMMDBPmJc8IcNwOPybBQ"),
    (WIDE, "$pbkdf2-sha256$1000$8B5DqLV2zjmntNbaO.c8hw$xVTCvdszN2x6EeU5H6tejhjurS1EnUfVRBAfpAW9qeY"),
];

/// The key of the application that made [`OF_FLASK_SECURITY`], and one that did not.
const KEYS: &str = "\
shop flask-security SECURITY_PASSWORD_SALT=146585145368132386173505678016728509634
other flask-security SECURITY_PASSWORD_SALT=1
";

fn engine_with_forms(forms: &str, keys: &str) -> HashEngine {
    let settings = EngineSettings {
        ceiling: Ceiling::new(Cost::DEFAULT, NonZeroU32::new(65_536)).unwrap(),
        workers: NonZeroUsize::new(1),
        forms: TriedForms::parse(forms).unwrap(),
        import_keys: Arc::new(ImportKeys::parse(keys).unwrap()),
        ..EngineSettings::of(Cost::DEFAULT)
    };
    HashEngine::start(settings, Arc::new(SystemClock), &SystemEntropy).unwrap()
}

/// Other passwords.
fn wrong(text: &str) -> [String; 4] {
    let rest: String = text.chars().skip(1).collect();
    [format!("{text}x"), format!("{text}\0"), format!("Y{rest}"), rest]
}

async fn is_upgraded(engine: &HashEngine, text: &str, hash: &str) -> bool {
    let form = matched(engine, text, hash).await.unwrap();
    engine.is_upgradable(&password(text), form, &PasswordHash::new(hash.to_owned()))
}

#[tokio::test]
async fn a_form_is_tried_where_it_is_named() {
    let (usual, all) = (engine_with_forms("", ""), engine_with_forms("nfd, nfkc, nfkd, latin-1", ""));
    for (form, producer, text, hash) in OF_FORMS {
        assert!(!verified(&usual, text, hash).await, "{producer}: {hash}");
        assert!(verified(&engine_with_forms(form, ""), text, hash).await, "{producer}: {hash}");
        assert!(verified(&all, text, hash).await, "{producer}: {hash}");
        for wrong in wrong(text) {
            assert!(!verified(&all, &wrong, hash).await, "{producer}: {wrong:?}");
        }
        assert!(is_upgraded(&all, text, hash).await, "{producer}");
    }
}

#[test]
fn each_form_with_other_bytes_counts_as_a_further_hash() {
    let (usual, all) = (engine_with_forms("", ""), engine_with_forms("nfd, nfkc, nfkd, latin-1", ""));
    let hash = PasswordHash::new(FOREIGN[0].to_owned());
    let counts = |text: &str| [&usual, &all].map(|engine| engine.cost_of(&password(text), &hash));
    assert_eq!(counts("Correct-Horse_7"), [1, 1]);
    // NFC is NFKC, NFD is NFKD.
    assert_eq!(counts("\u{e9}"), [1, 3]);
    assert_eq!(counts("e\u{301}"), [2, 3]);
    assert_eq!(counts("\u{fb01}\u{e9}"), [1, 4]);
    assert_eq!(counts("\u{2020}"), [1, 1]);
    // A hash that this engine makes is of NFC.
    let own = usual.decoy();
    assert_eq!([&usual, &all].map(|engine| engine.cost_of(&password("\u{fb01}e\u{301}"), &own)), [1, 1]);
}

#[tokio::test]
async fn what_flask_security_made_verifies_under_its_key() {
    let engine = engine_with_forms("", KEYS);
    for (text, hash) in OF_FLASK_SECURITY {
        let marked = format!("{{flask-security}}{hash}");
        assert!(verified(&engine, text, &marked).await, "{text}: {hash}");
        for wrong in wrong(text) {
            assert!(!verified(&engine, &wrong, &marked).await, "{wrong:?}: {hash}");
        }
        // Nothing in the hash itself shows it.
        assert!(!verified(&engine, text, hash).await, "{hash}");
        assert!(is_upgraded(&engine, text, &marked).await);
        let normal_form = engine.imported(&PasswordHash::new(marked.clone()));
        assert!(normal_form.is_err(), "it is not allowed");
    }
    let (text, hash) = OF_FLASK_SECURITY[3];
    let other = format!("$flask-security$k=other{hash}");
    assert!(!verified(&engine, text, &other).await);
}
