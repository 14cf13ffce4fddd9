//! The caller, and which RPCs its kind can use at all.

use std::fmt;

use super::action::Action;
use super::names::{FreeName, IamUserId, RamUserName, TenantName};
use super::subject::SubjectId;

/// An authenticated caller.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Caller {
    /// A tenant's root.
    Root(TenantName),
    /// A RAM user. The id is that of the subject that the credentials are bound to.
    RamUser(TenantName, RamUserName, SubjectId),
    /// An IAM user. The id is that of the subject that the credentials are bound to.
    IamUser(TenantName, IamUserId, SubjectId),
    /// A relying system of a tenant.
    Service(TenantName, FreeName),
    /// An operator of the installation; belongs to no tenant.
    Operator(FreeName),
}

/// The kinds of caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CallerKind {
    /// A tenant's root.
    Root,
    /// A RAM user.
    RamUser,
    /// An IAM user.
    IamUser,
    /// A relying system.
    Service,
    /// An operator of the installation.
    Operator,
}

impl CallerKind {
    /// Every kind.
    pub const ALL: [Self; 5] = [Self::Root, Self::RamUser, Self::IamUser, Self::Service, Self::Operator];

    /// The kind as one word, the same in the store, the log and the audit.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Root => "root",
            Self::RamUser => "ram-user",
            Self::IamUser => "iam-user",
            Self::Service => "service",
            Self::Operator => "operator",
        }
    }

    /// The kind with that word, or `None` if there is no such kind.
    pub fn of(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }
}

impl Caller {
    /// The kind.
    pub const fn kind(&self) -> CallerKind {
        match self {
            Self::Root(_) => CallerKind::Root,
            Self::RamUser(..) => CallerKind::RamUser,
            Self::IamUser(..) => CallerKind::IamUser,
            Self::Service(..) => CallerKind::Service,
            Self::Operator(_) => CallerKind::Operator,
        }
    }

    /// The tenant, or `None` for an operator.
    pub const fn tenant(&self) -> Option<&TenantName> {
        match self {
            Self::Root(tenant) | Self::RamUser(tenant, ..) | Self::IamUser(tenant, ..) | Self::Service(tenant, _) => {
                Some(tenant)
            }
            Self::Operator(_) => None,
        }
    }

    /// The name within tenant and kind.
    pub fn name(&self) -> &str {
        match self {
            Self::Root(_) => "root",
            Self::RamUser(_, name, _) => name.as_str(),
            Self::IamUser(_, id, _) => id.as_str(),
            Self::Service(_, name) | Self::Operator(name) => name.as_str(),
        }
    }

    /// The subject that the caller is, if it is one.
    pub const fn subject_id(&self) -> Option<SubjectId> {
        match self {
            Self::RamUser(_, _, id) | Self::IamUser(_, _, id) => Some(*id),
            _ => None,
        }
    }
}

impl fmt::Display for Caller {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tenant = self.tenant().map_or("-", TenantName::as_str);
        write!(formatter, "{tenant}/{}/{}", self.kind().as_str(), self.name())
    }
}

/// A caller whose kind can use the action at all. Does not imply permission.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EligibleCaller {
    caller: Caller,
    action: Action,
}

impl EligibleCaller {
    /// Pairs a caller with an action, or returns `None` if that kind of caller can't use it.
    ///
    /// `ChangePassword` is for RAM users and `ChangePasswordV5` for IAM users, because the subject is the caller.
    /// Operators belong to no tenant, and can use only the actions of administrators.
    pub fn new(caller: Caller, action: Action) -> Option<Self> {
        let eligible = match (action, caller.kind()) {
            (Action::ChangePassword, kind) => kind == CallerKind::RamUser,
            (Action::ChangePasswordV5, kind) => kind == CallerKind::IamUser,
            (action, CallerKind::Operator) => action.is_administrative(),
            _ => true,
        };
        eligible.then_some(Self { caller, action })
    }

    /// The caller.
    pub const fn caller(&self) -> &Caller {
        &self.caller
    }

    /// The action that the caller can use.
    pub const fn action(&self) -> Action {
        self.action
    }
}
