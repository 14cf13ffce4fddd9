//! Which policies are read, and which are refused.

use std::collections::BTreeSet;

use super::*;
use crate::domain::action::Action;

/// The file `x.cedar` with that text, beside the built-in policies.
fn with(text: &str) -> PolicyTexts {
    PolicyTexts { built_in: true, files: vec![PolicyFile { name: "x.cedar".to_owned(), text: text.to_owned() }] }
}

/// Every mistake in the policies.
fn mistakes(texts: &PolicyTexts) -> Vec<String> {
    match Policies::read(texts).unwrap_err() {
        AuthzError::Policies(problems) => problems.iter().map(ToString::to_string).collect(),
        error @ AuthzError::Schema(_) => panic!("{error}"),
    }
}

#[test]
fn the_schema_has_exactly_the_actions_that_there_are() {
    let schema = schema().unwrap();
    let groups: BTreeSet<_> = schema.action_groups().map(|uid| uid.id().unescaped().to_owned()).collect();
    let actions: BTreeSet<_> = schema.actions().map(|uid| uid.id().unescaped().to_owned()).collect();
    let expected = Action::ALL.iter().map(|action| action.name().to_owned());
    assert_eq!(actions, expected.chain(groups).collect());
}

#[test]
fn the_built_in_policies_pass_without_a_warning() {
    let built_in = Policies::read(&PolicyTexts { built_in: true, files: vec![] }).unwrap();
    let validation = Validator::new(schema().unwrap()).validate(&built_in.set, ValidationMode::Strict);
    assert!(validation.validation_passed_without_warnings());
}

#[test]
fn a_forbid_that_reads_an_attribute_which_may_be_absent_is_refused() {
    let forbid =
        |when: &str| with(&format!("@id(\"x\") forbid (principal, action, resource is MailDomain) when {{ {when} }};"));
    let unguarded = mistakes(&forbid("resource.status == \"verified\""));
    assert!(unguarded.len() == 1 && unguarded[0].starts_with("x.cedar:1: for policy `x.cedar/x`"), "{unguarded:?}");
    assert!(Policies::read(&forbid("resource has status && resource.status == \"verified\"")).is_ok());
}

#[test]
fn a_forbid_that_reads_a_tag_which_may_be_absent_is_refused() {
    let unguarded =
        "@id(\"x\") forbid (principal, action, resource is IamUser) when { resource.getTag(\"env\") == \"prod\" };";
    assert_eq!(mistakes(&with(unguarded)).len(), 1);
}

#[test]
fn every_mistake_is_named_with_its_file_and_line() {
    let file = |name: &str, text: &str| PolicyFile { name: name.to_owned(), text: text.to_owned() };
    let permit = "@id(\"x\") permit (principal is Root, action, resource);";
    let deep = format!("@id(\"x\")\npermit (principal, action, resource)\nwhen {{ {}true", "(".repeat(100_000));
    let files = vec![
        file("broken.cedar", "\npermit (principal"),
        file("deep.cedar", &deep),
        file("duplicate.cedar", &format!("{permit}\n{permit}")),
        file("empty.cedar", "// being written\n"),
        file("id.cedar", "@id(\"a b\") permit (principal is Root, action, resource);"),
        file("link.cedar", "@id(\"x\") permit (principal == ?principal, action, resource);"),
        file("nameless.cedar", "\n\npermit (principal is Root, action, resource);"),
        file("typo.cedar", "@id(\"x\")\npermit (principal, action == Action::\"ram:ChangePasword\", resource);"),
        file("zero.cedar", "@id(\"x\") permit (principal, action, resource)\nwhen { resource.nme == \"x\" };"),
    ];
    let found = mistakes(&PolicyTexts { built_in: true, files });
    let expected = [
        "broken.cedar:2: unexpected end of input",
        "deep.cedar:3: nests more than 32 brackets and conditions",
        "duplicate.cedar:1: its @id \"x\" is that of another policy in the file",
        "empty.cedar:1: holds no policy",
        "id.cedar:1: its @id contains a character that is not allowed",
        "link.cedar:1: is a template",
        "nameless.cedar:3: has no @id(\"…\")",
        "typo.cedar:2: for policy `typo.cedar/x`, unrecognized action `Action::\"ram:ChangePasword\"` (did you mean \
         `Action::\"ram:ChangePassword\"`?)",
        "zero.cedar:2: for policy `zero.cedar/x`, attribute `nme`",
    ];
    for start in expected {
        assert!(found.iter().any(|mistake| mistake.starts_with(start)), "{start} in {found:#?}");
    }
    let files: BTreeSet<_> = found.iter().map(|mistake| mistake.split(':').next().unwrap()).collect();
    assert_eq!(files.len(), expected.len(), "{found:#?}");
}

#[test]
fn ids_of_an_operators_policies_never_collide_with_others() {
    let text = "@id(\"operator-administers\") permit (principal is Root, action, resource);";
    let mut texts = with(text);
    texts.files.push(PolicyFile { name: "y.cedar".to_owned(), text: text.to_owned() });
    let Policies { set, .. } = Policies::read(&texts).unwrap();
    let ids: BTreeSet<_> = set.policies().map(|policy| policy.id().to_string()).collect();
    for id in ["operator-administers", "x.cedar/operator-administers", "y.cedar/operator-administers"] {
        assert!(ids.contains(id), "{id} in {ids:?}");
    }
}

#[test]
fn ten_thousand_policies_are_refused_and_counted() {
    let policy = |n| format!("@id(\"p{n}\") permit (principal is Root, action, resource);\n");
    let texts = with(&(0..10_000).map(policy).collect::<String>());
    assert_eq!(mistakes(&texts), ["there are 10000 policies, and at most 1000 are allowed"]);
}

#[test]
fn a_policy_at_the_deepest_nesting_is_read() {
    // One bracket is that of `when`.
    for (open, close) in [("(", ")"), ("!(", ")"), ("if true then ", " else false")] {
        let nested = format!("{}true{}", open.repeat(31), close.repeat(31));
        let texts = with(&format!("@id(\"x\") permit (principal is Root, action, resource) when {{ {nested} }};"));
        assert!(Policies::read(&texts).is_ok(), "{open}");
    }
}

/// Cedar's validator reports nothing of what is too deep for its stack.
#[test]
fn the_longest_chain_is_validated() {
    let scope = "principal is RamUser, action == Action::\"ram:ChangePassword\", resource";
    let chain =
        |members| with(&format!("@id(\"x\") permit ({scope}) when {{ principal{} == 1 }};", ".a".repeat(members)));
    let found = mistakes(&chain(250));
    assert!(found.len() == 1 && found[0].contains("attribute `a`"), "{found:?}");
    let found = mistakes(&chain(251));
    assert_eq!(found, ["x.cedar:1: is in a policy of more than 250 operators and members"]);
}

/// The policy and the file of groups with that text.
fn grouped(policy: &str, groups: &str) -> PolicyTexts {
    let mut texts = with(policy);
    texts.files.push(PolicyFile { name: "groups.toml".to_owned(), text: groups.to_owned() });
    texts
}

#[test]
fn a_bad_file_of_groups_is_refused_with_every_mistake() {
    let policy = "@id(\"x\") forbid (principal in Group::\"admins\", action, resource);";
    assert_eq!(mistakes(&with(policy)), ["x.cedar:1: names Group::\"admins\", which groups.toml does not have"]);
    let several = "@id(\"y\")\nforbid (principal in Group::\"admins\",\n  action, resource)\nwhen { principal in Group::\"b\"\n\
                   || principal in Group::\"a\" || principal in Group::\"b\" };\n";
    let found = mistakes(&with(&format!("{policy}\n{several}")));
    let wanted = [(1, "admins"), (3, "admins"), (5, "b"), (6, "a")];
    let wanted = wanted
        .map(|(line, group)| format!("x.cedar:{line}: names Group::\"{group}\", which groups.toml does not have"));
    assert_eq!(found, wanted);
    assert!(Policies::read(&grouped(policy, "admins = [\"acme/ram-user/jane\"]\nempty = []")).is_ok());
    let found = mistakes(&grouped(policy, "admin = [\"acme/ram-user/jane\",\n \"jane\"]\n\"a\\u0007\" = []"));
    let wanted = [
        "groups.toml:2: \"jane\" in the group \"admin\" must be",
        "groups.toml:3: the name of the group",
        "names Group",
    ];
    assert!(found.len() == 3 && wanted.iter().all(|words| found.iter().any(|line| line.contains(words))), "{found:?}");
    for bad in ["admins = [", "x = 1\nadmins = \"jane\"", "admins = []\nadmins = []"] {
        assert!(mistakes(&grouped(policy, bad))[0].starts_with("groups.toml:"), "{bad}");
    }
}
