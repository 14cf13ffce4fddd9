//! The messages of each kind of subject: the fields of its requests, and the content of its responses.

use super::wire;
use crate::domain::delivery_progress::Deliver;
use crate::domain::names::{DomainName, IamUserId, IamUserName, InstanceId, RamUserName, Region};
use crate::domain::subject::{GivenAttributes, InstanceAccountStatus, MailDomainStatus, SubjectKind, SubjectName};
use crate::domain::tags::parse_tags;
use crate::edge::Fields;
use crate::grpc::convert::passwords::exposed;
use crate::grpc::convert::statuses::Numbered;
use crate::ports::store::SubjectStatus;
use crate::service::ServiceError;
use crate::service::requests::{CreatedSubject, DescribedSubject, SubjectToCreate};

/// A request about a tenant's subjects.
pub(super) trait OfTenant {
    /// The tenant that it names. Empty means the caller's own.
    fn tenant(&self) -> &str;
}

/// A request that creates a subject.
pub(super) trait CreatesSubject: OfTenant {
    fn subject_to_create(self, fields: &mut Fields) -> Option<SubjectToCreate>;
}

/// A request about an existing subject.
pub(super) trait NamesSubject: OfTenant {
    /// Its name. Also accepts a name that a new subject could no longer have, so that such a subject can be deleted.
    fn name(&self, fields: &mut Fields) -> Option<SubjectName>;
}

/// A request that sets a subject's status.
pub(super) trait SetsStatus: NamesSubject {
    fn status(&self, fields: &mut Fields) -> Option<SubjectStatus>;
}

/// A request for a page of a list.
pub(super) trait ListsSubjects: OfTenant {
    const KIND: SubjectKind;
    type Subject: TryFrom<DescribedSubject, Error = ServiceError>;
    type Response: From<(Vec<Self::Subject>, String)>;
    /// The size and the token of the page.
    fn page(&self) -> (u32, &str);
    /// The instance that the subjects belong to, if their kind belongs to one.
    fn instance(&self, fields: &mut Fields) -> Option<InstanceId>;
}

macro_rules! of_tenant {
    ($($message:ident),+ $(,)?) => {
        $(
            impl OfTenant for wire::$message {
                fn tenant(&self) -> &str {
                    &self.tenant
                }
            }
        )+
    };
}

of_tenant!(
    CreateMailDomainRequest,
    CreateRamUserRequest,
    CreateIamUserRequest,
    CreateInstanceAccountRequest,
    DescribeMailDomainRequest,
    DescribeRamUserRequest,
    DescribeIamUserRequest,
    DescribeInstanceAccountRequest,
    DeleteMailDomainRequest,
    DeleteRamUserRequest,
    DeleteIamUserRequest,
    DeleteInstanceAccountRequest,
    ListMailDomainsRequest,
    ListRamUsersRequest,
    ListIamUsersRequest,
    ListInstanceAccountsRequest,
    SetMailDomainStatusRequest,
    SetInstanceAccountStatusRequest,
);

impl CreatesSubject for wire::CreateMailDomainRequest {
    fn subject_to_create(self, fields: &mut Fields) -> Option<SubjectToCreate> {
        let name = fields.take("domain_name", DomainName::parse(&self.domain_name));
        let region = fields.take_unless_empty("region", &self.region, Region::parse);
        let mail_domain_status = fields.take("status", MailDomainStatus::specified(self.status)).flatten();
        let first_password = fields.first_password(self.first_password);
        let attributes = GivenAttributes { region, mail_domain_status, ..GivenAttributes::default() };
        Some(SubjectToCreate {
            name: SubjectName::MailDomain(name?),
            attributes,
            first_password,
            is_temporary: false,
            deliver: Deliver::default(),
        })
    }
}

impl CreatesSubject for wire::CreateRamUserRequest {
    fn subject_to_create(self, fields: &mut Fields) -> Option<SubjectToCreate> {
        let name = fields.take("user_name", RamUserName::parse(&self.user_name));
        let is_temporary = self.password_reset_required;
        let first_password = fields.first_password_of_user(self.first_password, is_temporary);
        let attributes = GivenAttributes::default();
        Some(SubjectToCreate {
            name: SubjectName::RamUser(name?),
            attributes,
            first_password,
            is_temporary,
            deliver: Deliver::default(),
        })
    }
}

impl CreatesSubject for wire::CreateIamUserRequest {
    fn subject_to_create(self, fields: &mut Fields) -> Option<SubjectToCreate> {
        let id = fields.take("user_id", IamUserId::parse(&self.user_id));
        let user_name = fields.take("user_name", IamUserName::given(&self.user_name, &self.user_id)).flatten();
        let tags = fields.take("tags", parse_tags(self.tags)).unwrap_or_default();
        let is_temporary = self.password_reset_required;
        let first_password = fields.first_password_of_user(self.first_password, is_temporary);
        let attributes = GivenAttributes { user_name, tags, ..GivenAttributes::default() };
        Some(SubjectToCreate {
            name: SubjectName::IamUser(id?),
            attributes,
            first_password,
            is_temporary,
            deliver: Deliver::default(),
        })
    }
}

impl CreatesSubject for wire::CreateInstanceAccountRequest {
    fn subject_to_create(self, fields: &mut Fields) -> Option<SubjectToCreate> {
        let name = fields.account(&self.instance_id, &self.account_name);
        let account_status = InstanceAccountStatus::specified(self.account_status);
        let account_status = fields.take("account_status", account_status).flatten();
        let first_password = fields.first_password(self.first_password);
        let deliver = fields.deliver(self.deliver);
        let attributes = GivenAttributes { account_status, ..GivenAttributes::default() };
        Some(SubjectToCreate { name: name?, attributes, first_password, is_temporary: false, deliver: deliver? })
    }
}

/// The messages that name a subject in the same fields.
macro_rules! named {
    ($($message:ident),+: |$this:ident, $fields:ident| $name:expr) => {
        $(
            impl NamesSubject for wire::$message {
                fn name(&self, $fields: &mut Fields) -> Option<SubjectName> {
                    let $this = self;
                    $name
                }
            }
        )+
    };
}

named!(DescribeMailDomainRequest, DeleteMailDomainRequest, SetMailDomainStatusRequest: |this, fields| {
    fields.take("domain_name", DomainName::parse_stored(&this.domain_name)).map(SubjectName::MailDomain)
});
named!(DescribeRamUserRequest, DeleteRamUserRequest: |this, fields| {
    fields.take("user_name", RamUserName::parse_stored(&this.user_name)).map(SubjectName::RamUser)
});
named!(DescribeIamUserRequest, DeleteIamUserRequest: |this, fields| {
    fields.take("user_id", IamUserId::parse(&this.user_id)).map(SubjectName::IamUser)
});
named!(
    DescribeInstanceAccountRequest, DeleteInstanceAccountRequest, SetInstanceAccountStatusRequest:
    |this, fields| fields.account(&this.instance_id, &this.account_name)
);

impl SetsStatus for wire::SetMailDomainStatusRequest {
    fn status(&self, fields: &mut Fields) -> Option<SubjectStatus> {
        fields.take("status", MailDomainStatus::required(self.status)).map(SubjectStatus::MailDomain)
    }
}

impl SetsStatus for wire::SetInstanceAccountStatusRequest {
    fn status(&self, fields: &mut Fields) -> Option<SubjectStatus> {
        let status = InstanceAccountStatus::required(self.account_status);
        fields.take("account_status", status).map(SubjectStatus::InstanceAccount)
    }
}

/// A kind's list request, and the responses that hold its subjects.
macro_rules! answers {
    (
        $kind:ident: $list:ident -> $Listed:ident { $many:ident }, $Created:ident $(with $further:ident)?, $($Described:ident),+ { $one:ident },
        instance: |$this:ident, $fields:ident| $instance:expr
    ) => {
        impl ListsSubjects for wire::$list {
            const KIND: SubjectKind = SubjectKind::$kind;
            type Subject = wire::$kind;
            type Response = wire::$Listed;

            fn page(&self) -> (u32, &str) {
                (self.page_size, &self.page_token)
            }

            fn instance(&self, $fields: &mut Fields) -> Option<InstanceId> {
                let $this = self;
                $instance
            }
        }

        impl From<(Vec<wire::$kind>, String)> for wire::$Listed {
            fn from(($many, next_page_token): (Vec<wire::$kind>, String)) -> Self {
                Self { $many, next_page_token }
            }
        }

        impl TryFrom<CreatedSubject> for wire::$Created {
            type Error = ServiceError;

            fn try_from(created: CreatedSubject) -> Result<Self, ServiceError> {
                let generated_password = exposed(created.generated.as_deref());
                Ok(Self { $one: Some(created.entry.try_into()?), generated_password $(, $further: created.$further.map(Into::into))? })
            }
        }

        $(
            impl TryFrom<DescribedSubject> for wire::$Described {
                type Error = ServiceError;

                fn try_from(entry: DescribedSubject) -> Result<Self, ServiceError> {
                    Ok(Self { $one: Some(entry.try_into()?) })
                }
            }
        )+
    };
}

answers!(
    MailDomain: ListMailDomainsRequest -> ListMailDomainsResponse { mail_domains },
    CreateMailDomainResponse, DescribeMailDomainResponse, SetMailDomainStatusResponse { mail_domain },
    instance: |_this, _fields| None
);
answers!(
    RamUser: ListRamUsersRequest -> ListRamUsersResponse { ram_users },
    CreateRamUserResponse, DescribeRamUserResponse { ram_user },
    instance: |_this, _fields| None
);
answers!(
    IamUser: ListIamUsersRequest -> ListIamUsersResponse { iam_users },
    CreateIamUserResponse, DescribeIamUserResponse { iam_user },
    instance: |_this, _fields| None
);
answers!(
    InstanceAccount: ListInstanceAccountsRequest -> ListInstanceAccountsResponse { instance_accounts },
    CreateInstanceAccountResponse with delivery, DescribeInstanceAccountResponse, SetInstanceAccountStatusResponse { instance_account },
    instance: |this, fields| fields.take("instance_id", InstanceId::parse(&this.instance_id))
);
