//! Laws that hold for every policy.

use std::sync::Arc;

use credentiald::domain::candidate_policy::{Comparisons, Refusals};
use credentiald::domain::names::{AccountName, DomainName, IamUserId, IamUserName, InstanceId, RamUserName, Region};
use credentiald::domain::password::NewPassword;
use credentiald::domain::subject::{
    IamUser, InstanceAccount, InstanceAccountStatus, InstanceStatus, MailDomain, MailDomainStatus, RamUser, Subject,
    SubjectAttributes, SubjectId, SubjectName, Tags,
};
use credentiald::domain::tenant_settings::{IamPasswordPolicyChange, RamPasswordPolicyChange, TenantSettings};
use credentiald::domain::time::Timestamp;
use credentiald::policy::{Baseline, Finding, Policy, RefusedList, Rule, Violation};
use proptest::prelude::*;
use proptest::sample::subsequence;
use uuid::Uuid;

proptest! {
    #[test]
    fn what_is_generated_is_accepted(case in any_case(), seed in any::<u64>()) {
        let policy = case.policy();
        let generated = policy.generate(&mut random_bytes(seed)).expect("no settings leave too little to choose from");
        let text = generated.password().expose();
        prop_assert_eq!(policy.violations(&new_password(text)), []);
        prop_assert!(text.chars().all(|c| c.is_ascii_alphanumeric() || "_=".contains(c)), "to be quoted: {}", text);
    }

    #[test]
    fn adding_a_rule_never_accepts_more(case in any_case(), password in any_password(), factor in 1..50_usize) {
        let password = new_password(&password);
        let before = case.policy().violations(&password);
        let policy = case.policy().and(LengthIsMultipleOf(factor));
        let after = policy.violations(&password);
        prop_assert!(after.starts_with(&before));
        let is_broken = !password.password().expose().chars().count().is_multiple_of(factor);
        prop_assert_eq!(after.len() - before.len(), usize::from(is_broken));
        prop_assert_eq!(policy.accept(password).is_ok(), after.is_empty());
    }

    #[test]
    fn a_baseline_never_accepts_more(case in any_case(), password in any_password()) {
        let password = new_password(&password);
        let without = Policy::of_subject(&case.subject, &case.settings, &Baseline::default());
        prop_assert!(case.policy().violations(&password).starts_with(&without.violations(&password)));
    }

    /// Above all, a candidate that equals the policy in force never differs.
    #[test]
    fn a_candidate_differs_where_the_verdicts_do(
        case in any_case(), other in any_settings(), is_equal in any::<bool>(), password in any_password(),
    ) {
        let password = new_password(&password);
        let in_force = case.policy().broken_rules(&password);
        let settings = if is_equal { case.settings } else { other };
        let candidate = Case { settings, ..case }.policy().broken_rules(&password);
        let mut counts = Comparisons::default();
        counts.count(&in_force, &candidate);
        let differs = |only: bool, rules: &[&str]| Refusals {
            requests: u64::from(only),
            rules: rules.iter().filter(|_| only).map(|rule| ((*rule).to_owned(), 1)).collect(),
        };
        let only_candidate = !is_equal && in_force.is_empty() && !candidate.is_empty();
        let only_in_force = !is_equal && !in_force.is_empty() && candidate.is_empty();
        prop_assert_eq!(counts.compared, 1);
        prop_assert_eq!(counts.would_be_refused, differs(only_candidate, &candidate));
        prop_assert_eq!(counts.would_be_accepted, differs(only_in_force, &in_force));
    }

    #[test]
    fn every_broken_rule_is_reported_at_once_in_any_order(
        case in any_case(), password in any_password(), order in any::<u64>(),
    ) {
        let policy = case.policy();
        let mut rules: Vec<&dyn Rule> = policy.rules().collect();
        let mut random = random_bytes(order);
        rules.sort_by_cached_key(|_| {
            let mut key = [0; 8];
            random(&mut key);
            key
        });
        let password = new_password(&password);
        let verdict_of = |rule: &&dyn Rule| {
            rule.check(password.password().expose()).map(|finding| Violation { rule: rule.id(), finding })
        };
        let mut shuffled: Vec<Violation> = rules.iter().filter_map(verdict_of).collect();
        let mut violations = policy.violations(&password);
        shuffled.sort_by_key(|violation| violation.rule);
        violations.sort_by_key(|violation| violation.rule);
        prop_assert_eq!(violations, shuffled);
    }

    /// Of characters that no sentence needs, none turns up in one.
    #[test]
    fn no_violation_holds_a_character_of_the_password(case in any_case(), password in "[а-яА-Я€🤔~`|;<>?éÄ]{1,140}") {
        for violation in case.policy().violations(&new_password(&password)) {
            let text = format!("{violation} {violation:?}");
            prop_assert!(!text.contains(|c| password.contains(c)), "{}", text);
        }
    }

    /// The same counts of the same types are reported in the same words for any characters.
    #[test]
    fn a_violation_tells_nothing_but_counts(
        case in any_case(), password in "[ -~éЖ🤔]{1,140}|[A-Da-d1-3]{4,24}|[aA1]{1,40}", shift in 1..10_u8,
    ) {
        let policy = case.policy();
        let messages = |password: &str| -> Vec<String> {
            // Whether a password has to do with a name or a list can't stay the same.
            let tells_counts = |violation: &Violation| !violation.rule.contains("_NAME") && !violation.rule.contains("BLOCKED");
            policy.violations(&new_password(password)).iter().filter(|v| tells_counts(v)).map(ToString::to_string).collect()
        };
        let shifted: String = password.chars().map(|character| shifted(character, shift)).collect();
        prop_assert_eq!(messages(&password), messages(&shifted));
    }

    #[test]
    fn ids_are_documented_words_and_each_is_there_once(case in any_case()) {
        let policy = case.policy();
        let mut ids: Vec<&str> = policy.rules().map(Rule::id).collect();
        for id in &ids {
            prop_assert!(id.len() >= 3 && id.starts_with(|c: char| c.is_ascii_uppercase()) && !id.ends_with('_'), "{}", id);
            prop_assert!(id.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_'), "{}", id);
        }
        let count = ids.len();
        for id in &ids {
            let row = format!("| `{id}` |");
            prop_assert!(include_str!("../../docs/policies.md").contains(&row), "{} is not documented", id);
        }
        ids.sort_unstable();
        ids.dedup();
        prop_assert_eq!(ids.len(), count);
    }
}

#[test]
fn the_samples_of_the_pages_are_accepted() {
    let samples = [
        (mail_domain("example.com"), "DM1mail1234"),
        (ram_user("alice"), "newpassword"),
        (iam_user("07609e7eb200250a3f7dc003cb7a4e2d", "alice"), "Password2"),
    ];
    for (subject, sample) in samples {
        let policy = Policy::of_subject(&subject, &TenantSettings::default(), &Baseline::default());
        assert!(policy.accept(new_password(sample)).is_ok(), "{sample}");
    }
}

#[test]
fn a_refused_password_is_refused_in_either_form() {
    let refused = RefusedList::from_lines("Cafe\u{301}-1234");
    let baseline = Baseline { refused: Some(Arc::new(refused)), refuse_subject_names: false };
    let policy = Policy::of_subject(&ram_user("alice"), &TenantSettings::default(), &baseline);
    for form in ["Cafe\u{301}-1234", "Caf\u{e9}-1234"] {
        assert_eq!(broken(&policy, form), ["PASSWORD_BLOCKED"]);
    }
    assert!(broken(&policy, "caf\u{e9}-1234").is_empty());
}

#[test]
fn composed_and_decomposed_forms_get_one_verdict() {
    let policy = Policy::of_subject(&ram_user("alice"), &TenantSettings::default(), &Baseline::default());
    // Eight code points as they are typed, seven once they are composed.
    assert_eq!(broken(&policy, "cafe\u{301}123"), ["MIN_LENGTH"]);
    assert_eq!(broken(&policy, "caf\u{e9}123"), ["MIN_LENGTH"]);
}

#[test]
fn the_baseline_refuses_parts_of_the_names() {
    let baseline = Baseline { refused: None, refuse_subject_names: true };
    let subjects = [
        (mail_domain("mail.Example.com"), "AB12example.."),
        (ram_user("alice.w"), "AB12ALICE.."),
        (iam_user("07609e7e", "Jane Dough"), "AB12dough.."),
        (iam_user("07609e7e", "Jane Dough"), "AB07609E7Exx"),
        (instance_account("r-bp1zxszhcgatnx", "app_main"), "AB12maIN++"),
        (instance_account("r-bp1zxszhcgatnx", "app_main"), "ABbp1zxszhcgatnx"),
    ];
    for (subject, password) in subjects {
        let policy = Policy::of_subject(&subject, &TenantSettings::default(), &baseline);
        assert!(broken(&policy, password).contains(&"NOT_CONTAIN_SUBJECT_NAME"), "{password}");
        assert!(!broken(&policy, "AB12harmless").contains(&"NOT_CONTAIN_SUBJECT_NAME"));
    }
}

#[test]
fn nothing_is_generated_where_nothing_is_accepted() {
    let policy = Policy::of_subject(&ram_user("alice"), &TenantSettings::default(), &Baseline::default());
    assert!(policy.and(LengthIsMultipleOf(1000)).generate(&mut random_bytes(1)).is_none());
}

#[test]
fn a_generator_that_is_stuck_ends() {
    let policy = Policy::of_subject(&mail_domain("example.com"), &TenantSettings::default(), &Baseline::default());
    assert!(policy.generate(&mut |buffer| buffer.fill(0xff)).is_none());
}

/// A rule that no policy has.
struct LengthIsMultipleOf(usize);

impl Rule for LengthIsMultipleOf {
    fn id(&self) -> &'static str {
        "LENGTH_IS_MULTIPLE"
    }

    fn check(&self, password: &str) -> Option<Finding> {
        (!password.chars().count().is_multiple_of(self.0)).then_some(Finding::Forbidden("the length is not right"))
    }
}

fn new_password(text: &str) -> NewPassword {
    NewPassword::parse(text.to_owned()).unwrap()
}

fn broken(policy: &Policy, password: &str) -> Vec<&'static str> {
    policy.violations(&new_password(password)).iter().map(|violation| violation.rule).collect()
}

/// Another character of the same type; what is no ASCII letter or digit stays.
fn shifted(character: char, by: u8) -> char {
    let rotate = |first: u8, count: u8| char::from(first + (character as u8 - first + by) % count);
    match character {
        'a'..='z' => rotate(b'a', 26),
        'A'..='Z' => rotate(b'A', 26),
        '0'..='9' => rotate(b'0', 10),
        _ => character,
    }
}

/// The generator `SplitMix64`: good enough to draw from, and the same for the same seed.
fn random_bytes(mut state: u64) -> impl FnMut(&mut [u8]) {
    move |buffer| {
        for byte in buffer {
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut word = state;
            word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            *byte = (word ^ (word >> 31)).to_le_bytes()[0];
        }
    }
}

/// From nearly acceptable to absurd.
fn any_password() -> impl Strategy<Value = String> {
    prop_oneof![
        "[A-Za-z0-9]{6,24}",
        "[ -~]{1,40}",
        "[aA1]{1,40}",
        "[A-D]{0,2}[a-d]{0,2}[1-3]{0,4}(alice|example|Jane Doe){1,2}[!~ é]{0,2}",
        "\\PC{1,140}",
    ]
    .prop_filter("a character that no new password may hold", |text| NewPassword::parse(text.clone()).is_ok())
}

/// A policy, as what it is made of.
#[derive(Debug, Clone)]
struct Case {
    subject: Subject,
    settings: TenantSettings,
    refused: Vec<&'static str>,
    refuse_subject_names: bool,
}

impl Case {
    fn policy(&self) -> Policy {
        let refused = RefusedList::from_lines(&self.refused.join("\n"));
        let baseline = Baseline {
            refused: if refused.is_empty() { None } else { Some(Arc::new(refused)) },
            refuse_subject_names: self.refuse_subject_names,
        };
        Policy::of_subject(&self.subject, &self.settings, &baseline)
    }
}

fn any_case() -> impl Strategy<Value = Case> {
    let refused = subsequence(vec!["DM1mail1234", "Password2", "alicealice", "aaaaaaaaaa"], 0..=4);
    (any_subject(), any_settings(), refused, any::<bool>()).prop_map(
        |(subject, settings, refused, refuse_subject_names)| Case { subject, settings, refused, refuse_subject_names },
    )
}

fn any_subject() -> impl Strategy<Value = Subject> {
    prop_oneof![
        "[A-Za-z0-9]([A-Za-z0-9-]{0,10}[A-Za-z0-9])?(\\.[A-Za-z0-9]([A-Za-z0-9-]{0,10}[A-Za-z0-9])?){0,2}|example\\.com"
            .prop_map(|name| mail_domain(&name)),
        "[A-Za-z0-9._][A-Za-z0-9._-]{0,63}|alice".prop_map(|name| ram_user(&name)),
        ("[A-Za-z0-9._-]{1,64}", "[A-Za-zé_. -][A-Za-z0-9é_. -]{0,63}|Jane Doe")
            .prop_map(|(id, name)| iam_user(&id, &name)),
        ("[A-Za-z0-9._-]{1,64}", "[a-z][a-z0-9_]{0,99}|alice")
            .prop_map(|(instance, name)| instance_account(&instance, &name)),
    ]
}

fn any_settings() -> impl Strategy<Value = TenantSettings> {
    let ram = (8..=32_u32, any::<[bool; 5]>(), 0..=8_u32, 0..=24_u32).prop_map(|(length, flags, different, reuse)| {
        RamPasswordPolicyChange {
            minimum_password_length: Some(length),
            require_lowercase_characters: Some(flags[0]),
            require_uppercase_characters: Some(flags[1]),
            require_numbers: Some(flags[2]),
            require_symbols: Some(flags[3]),
            password_not_contain_user_name: Some(flags[4]),
            minimum_password_different_character: Some(different),
            password_reuse_prevention: Some(reuse),
            ..Default::default()
        }
    });
    let iam = (8..=32_u32, 2..=4_u32, 0..=32_u32, any::<bool>()).prop_map(|(length, types, consecutive, not_name)| {
        IamPasswordPolicyChange {
            minimum_password_length: Some(length),
            password_char_combination: Some(types),
            maximum_consecutive_identical_chars: Some(consecutive),
            password_not_username_or_invert: Some(not_name),
            ..Default::default()
        }
    });
    (ram, iam).prop_map(|(ram, iam)| {
        let defaults = TenantSettings::default();
        TenantSettings { ram: defaults.ram.with(&ram).unwrap(), iam: defaults.iam.with(&iam).unwrap(), ..defaults }
    })
}

fn subject(name: SubjectName, attributes: SubjectAttributes) -> Subject {
    Subject { id: SubjectId(Uuid::nil()), name, attributes, created_at: Timestamp::from_micros(0) }
}

fn region() -> Region {
    Region::parse("cn-hangzhou").unwrap()
}

fn mail_domain(name: &str) -> Subject {
    let attributes = SubjectAttributes::MailDomain(MailDomain { region: region(), status: MailDomainStatus::Verified });
    subject(SubjectName::MailDomain(DomainName::parse(name).unwrap()), attributes)
}

fn ram_user(name: &str) -> Subject {
    subject(SubjectName::RamUser(RamUserName::parse(name).unwrap()), SubjectAttributes::RamUser(RamUser))
}

fn iam_user(id: &str, name: &str) -> Subject {
    let attributes =
        SubjectAttributes::IamUser(IamUser { user_name: IamUserName::parse(name).unwrap(), tags: Tags::new() });
    subject(SubjectName::IamUser(IamUserId::parse(id).unwrap()), attributes)
}

fn instance_account(instance: &str, name: &str) -> Subject {
    let attributes = SubjectAttributes::InstanceAccount(InstanceAccount {
        region: region(),
        instance_status: InstanceStatus::Normal,
        status: InstanceAccountStatus::Available,
    });
    let name = SubjectName::account(InstanceId::parse(instance).unwrap(), AccountName::parse(name).unwrap());
    subject(name, attributes)
}
