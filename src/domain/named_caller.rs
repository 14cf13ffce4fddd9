//! Callers by their names, as rules and requests give them.

use uuid::Uuid;

use super::caller::{Caller, CallerKind};
use super::field::FieldProblem;
use super::names::{FreeName, IamUserId, RamUserName, TenantName};
use super::subject::{SubjectId, SubjectName};

/// A caller by name, whether it exists or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NamedCaller {
    /// An operator, which belongs to no tenant.
    Operator(FreeName),
    /// A member of a tenant.
    Member(TenantName, Member),
}

/// A caller that belongs to a tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Member {
    /// Its root.
    Root,
    /// A RAM user.
    RamUser(RamUserName),
    /// An IAM user.
    IamUser(IamUserId),
    /// A relying system.
    Service(FreeName),
}

impl NamedCaller {
    /// The forms that [`NamedCaller::parse`] accepts, for messages.
    pub const FORMS: &'static str = "`operator NAME`, `root TENANT`, `service TENANT NAME`, `ram-user TENANT NAME` or \
                                     `iam-user TENANT ID`";

    /// Parses one of [`NamedCaller::FORMS`], or returns `None` if the text has none of these forms.
    pub fn parse(text: &str) -> Option<Self> {
        let words: Vec<_> = text.split_whitespace().collect();
        let (kind, tenant, name) = match *words {
            ["operator", name] => return FreeName::parse(name).ok().map(Self::Operator),
            ["root", tenant] => ("root", tenant, ""),
            [kind, tenant, name] => (kind, tenant, name),
            _ => return None,
        };
        let member = Member::parse(CallerKind::of(kind)?, name).ok()?;
        Some(Self::Member(TenantName::parse(tenant).ok()?, member))
    }

    /// Parses the form in which a caller is shown, as in `acme/ram-user/jane`, `acme/root/root` or `-/operator/jane`. So a
    /// RAM user's name may be one that only earlier versions accepted.
    pub fn parse_shown(text: &str) -> Option<Self> {
        let [tenant, kind, name] = *text.split('/').collect::<Vec<_>>() else { return None };
        let member = match (tenant, CallerKind::of(kind)?, name) {
            ("-", CallerKind::Operator, name) => return FreeName::parse(name).ok().map(Self::Operator),
            (_, CallerKind::Root, "root") => Member::Root,
            (_, CallerKind::Root, _) => return None,
            (_, CallerKind::RamUser, name) => Member::RamUser(RamUserName::parse_stored(name).ok()?),
            (_, kind, name) => Member::parse(kind, name).ok()?,
        };
        Some(Self::Member(TenantName::parse(tenant).ok()?, member))
    }

    /// The tenant; `None` for an operator.
    pub const fn tenant(&self) -> Option<&TenantName> {
        match self {
            Self::Operator(_) => None,
            Self::Member(tenant, _) => Some(tenant),
        }
    }

    /// The name within tenant and kind.
    pub fn name(&self) -> &str {
        match self {
            Self::Operator(name) | Self::Member(_, Member::Service(name)) => name.as_str(),
            Self::Member(_, Member::Root) => "root",
            Self::Member(_, Member::RamUser(name)) => name.as_str(),
            Self::Member(_, Member::IamUser(id)) => id.as_str(),
        }
    }

    /// The kind.
    pub const fn kind(&self) -> CallerKind {
        match self {
            Self::Operator(_) => CallerKind::Operator,
            Self::Member(_, Member::Root) => CallerKind::Root,
            Self::Member(_, Member::RamUser(_)) => CallerKind::RamUser,
            Self::Member(_, Member::IamUser(_)) => CallerKind::IamUser,
            Self::Member(_, Member::Service(_)) => CallerKind::Service,
        }
    }

    /// The caller of that name; `None` if it is a subject and `subject` is not its id.
    pub fn of(self, subject: Option<SubjectId>) -> Option<Caller> {
        match self {
            Self::Operator(name) => Some(Caller::Operator(name)),
            Self::Member(tenant, member) => member.of(tenant, subject),
        }
    }

    /// The caller of that name, for policies: they see no id of a subject.
    pub fn for_policies(self) -> Option<Caller> {
        self.of(Some(SubjectId(Uuid::nil())))
    }

    /// Whether this is the name of that caller.
    pub fn is_name_of(&self, caller: &Caller) -> bool {
        (self.kind(), self.tenant(), self.name()) == (caller.kind(), caller.tenant(), caller.name())
    }
}

impl Member {
    /// Parses the name of a tenant's member of that kind. A root has none.
    ///
    /// # Errors
    /// What is wrong with the name or the kind.
    pub fn parse(kind: CallerKind, name: &str) -> Result<Self, FieldProblem> {
        match kind {
            CallerKind::RamUser => RamUserName::parse(name).map(Self::RamUser),
            CallerKind::IamUser => IamUserId::parse(name).map(Self::IamUser),
            CallerKind::Service => FreeName::parse(name).map(Self::Service),
            CallerKind::Root if name.is_empty() => Ok(Self::Root),
            CallerKind::Root => Err(FieldProblem::Malformed { expected: "must be empty for root" }),
            CallerKind::Operator => Err(FieldProblem::Malformed { expected: "must not be of a tenant" }),
        }
    }

    /// The subject that the member is, if it is one.
    pub fn subject(&self) -> Option<SubjectName> {
        match self {
            Self::RamUser(name) => Some(SubjectName::RamUser(name.clone())),
            Self::IamUser(id) => Some(SubjectName::IamUser(id.clone())),
            Self::Root | Self::Service(_) => None,
        }
    }

    /// The caller, or `None` if it is a subject and `subject` is not its id.
    pub fn of(self, tenant: TenantName, subject: Option<SubjectId>) -> Option<Caller> {
        Some(match self {
            Self::Root => Caller::Root(tenant),
            Self::Service(name) => Caller::Service(tenant, name),
            Self::RamUser(name) => Caller::RamUser(tenant, name, subject?),
            Self::IamUser(id) => Caller::IamUser(tenant, id, subject?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caller_is_named_by_its_kind_its_tenant_and_its_name() {
        let id = SubjectId(uuid::Uuid::from_u128(7));
        let caller_of = |text| NamedCaller::parse(text)?.of(Some(id));
        let texts = ["operator ops", "root acme", "service acme relay", " ram-user  acme\talice", "iam-user acme 07a1"];
        let callers =
            ["-/operator/ops", "acme/root/root", "acme/service/relay", "acme/ram-user/alice", "acme/iam-user/07a1"];
        for (text, expected) in texts.into_iter().zip(callers) {
            let caller = caller_of(text).unwrap();
            assert_eq!(caller.to_string(), expected);
            let shown = NamedCaller::parse_shown(expected).unwrap();
            assert_eq!((shown.tenant(), shown.name()), (caller.tenant(), caller.name()));
            assert_eq!(Some(shown), NamedCaller::parse(text));
            for other in texts {
                assert_eq!(NamedCaller::parse(other).unwrap().is_name_of(&caller), other == text, "{other} {text}");
            }
        }
    }

    #[test]
    fn a_user_that_an_earlier_version_named_is_read_as_it_is_shown() {
        let shown = NamedCaller::parse_shown("acme/ram-user/-a").unwrap();
        assert_eq!((shown.kind(), shown.name()), (CallerKind::RamUser, "-a"));
    }

    #[test]
    fn a_name_of_another_form_is_refused() {
        for text in [
            "",
            "operator",
            "operator a b",
            "root",
            "root acme root",
            "service acme",
            "service acme a b",
            "Root acme",
            "ram-user acme -a",
            "iam-user acme /",
            "instance-account acme a",
            "root a/b",
            "operator a,b",
        ] {
            assert_eq!(NamedCaller::parse(text), None, "{text}");
        }
        for text in ["", "acme", "acme/root", "acme/root/", "acme/operator/x", "-/operator/a b", "acme/service/a/b"] {
            assert_eq!(NamedCaller::parse_shown(text), None, "{text}");
        }
    }
}
