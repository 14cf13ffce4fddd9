//! What a caller can request: one action for each RPC.

/// Declares the actions, each with the name that permissions use and its RPC.
macro_rules! actions {
    ($($variant:ident = $name:literal $service:literal $rpc:literal,)+) => {
        /// An action: an RPC as permissions name it.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Action {
            $(
                #[doc = concat!("`", $service, "/", $rpc, "`")]
                $variant,
            )+
        }

        impl Action {
            /// Every action.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The name that permissions use.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),+ }
            }

            /// The full name of the service that the RPC belongs to.
            pub const fn service(self) -> &'static str {
                match self { $(Self::$variant => $service),+ }
            }

            /// The name of the RPC within its service.
            pub const fn rpc(self) -> &'static str {
                match self { $(Self::$variant => $rpc),+ }
            }
        }
    };
}

/// The service that changes passwords.
pub const CREDENTIAL_SERVICE: &str = "credential.v1.CredentialService";
/// The service for relying systems.
pub const VERIFICATION_SERVICE: &str = "credential.v1.VerificationService";
/// The service for administrators.
pub const ADMIN_SERVICE: &str = "credential.admin.v1.AdminService";

actions! {
    ModifyPwByDomain = "dm:ModifyPWByDomain" "credential.v1.CredentialService" "ModifyPWByDomain",
    ChangePassword = "ram:ChangePassword" "credential.v1.CredentialService" "ChangePassword",
    ChangePasswordV5 = "iam:users:changePasswordV5" "credential.v1.CredentialService" "ChangePasswordV5",
    ModifyAccountPassword = "kvstore:ModifyAccountPassword" "credential.v1.CredentialService" "ModifyAccountPassword",
    VerifyPassword = "verification:VerifyPassword" "credential.v1.VerificationService" "VerifyPassword",
    CheckPassword = "verification:CheckPassword" "credential.v1.VerificationService" "CheckPassword",
    GeneratePassword = "verification:GeneratePassword" "credential.v1.VerificationService" "GeneratePassword",
    WatchChanges = "verification:WatchChanges" "credential.v1.VerificationService" "WatchChanges",
    CreateTenant = "admin:CreateTenant" "credential.admin.v1.AdminService" "CreateTenant",
    DescribeTenant = "admin:DescribeTenant" "credential.admin.v1.AdminService" "DescribeTenant",
    ListTenants = "admin:ListTenants" "credential.admin.v1.AdminService" "ListTenants",
    DeleteTenant = "admin:DeleteTenant" "credential.admin.v1.AdminService" "DeleteTenant",
    CreateMailDomain = "admin:CreateMailDomain" "credential.admin.v1.AdminService" "CreateMailDomain",
    DescribeMailDomain = "admin:DescribeMailDomain" "credential.admin.v1.AdminService" "DescribeMailDomain",
    ListMailDomains = "admin:ListMailDomains" "credential.admin.v1.AdminService" "ListMailDomains",
    DeleteMailDomain = "admin:DeleteMailDomain" "credential.admin.v1.AdminService" "DeleteMailDomain",
    SetMailDomainStatus = "admin:SetMailDomainStatus" "credential.admin.v1.AdminService" "SetMailDomainStatus",
    CreateRamUser = "admin:CreateRamUser" "credential.admin.v1.AdminService" "CreateRamUser",
    DescribeRamUser = "admin:DescribeRamUser" "credential.admin.v1.AdminService" "DescribeRamUser",
    ListRamUsers = "admin:ListRamUsers" "credential.admin.v1.AdminService" "ListRamUsers",
    DeleteRamUser = "admin:DeleteRamUser" "credential.admin.v1.AdminService" "DeleteRamUser",
    CreateIamUser = "admin:CreateIamUser" "credential.admin.v1.AdminService" "CreateIamUser",
    DescribeIamUser = "admin:DescribeIamUser" "credential.admin.v1.AdminService" "DescribeIamUser",
    ListIamUsers = "admin:ListIamUsers" "credential.admin.v1.AdminService" "ListIamUsers",
    DeleteIamUser = "admin:DeleteIamUser" "credential.admin.v1.AdminService" "DeleteIamUser",
    CreateInstance = "admin:CreateInstance" "credential.admin.v1.AdminService" "CreateInstance",
    DescribeInstance = "admin:DescribeInstance" "credential.admin.v1.AdminService" "DescribeInstance",
    ListInstances = "admin:ListInstances" "credential.admin.v1.AdminService" "ListInstances",
    DeleteInstance = "admin:DeleteInstance" "credential.admin.v1.AdminService" "DeleteInstance",
    SetInstanceStatus = "admin:SetInstanceStatus" "credential.admin.v1.AdminService" "SetInstanceStatus",
    SetInstanceEndpoint = "admin:SetInstanceEndpoint" "credential.admin.v1.AdminService" "SetInstanceEndpoint",
    DescribeInstanceEndpoint = "admin:DescribeInstanceEndpoint" "credential.admin.v1.AdminService" "DescribeInstanceEndpoint",
    DeleteInstanceEndpoint = "admin:DeleteInstanceEndpoint" "credential.admin.v1.AdminService" "DeleteInstanceEndpoint",
    DescribeDelivery = "admin:DescribeDelivery" "credential.admin.v1.AdminService" "DescribeDelivery",
    CreateInstanceAccount = "admin:CreateInstanceAccount" "credential.admin.v1.AdminService" "CreateInstanceAccount",
    DescribeInstanceAccount = "admin:DescribeInstanceAccount" "credential.admin.v1.AdminService" "DescribeInstanceAccount",
    ListInstanceAccounts = "admin:ListInstanceAccounts" "credential.admin.v1.AdminService" "ListInstanceAccounts",
    DeleteInstanceAccount = "admin:DeleteInstanceAccount" "credential.admin.v1.AdminService" "DeleteInstanceAccount",
    SetInstanceAccountStatus = "admin:SetInstanceAccountStatus" "credential.admin.v1.AdminService" "SetInstanceAccountStatus",
    DescribeAccounts = "admin:DescribeAccounts" "credential.admin.v1.AdminService" "DescribeAccounts",
    ResetPassword = "admin:ResetPassword" "credential.admin.v1.AdminService" "ResetPassword",
    ResetAccountPassword = "admin:ResetAccountPassword" "credential.admin.v1.AdminService" "ResetAccountPassword",
    SetPasswordOverlap = "admin:SetPasswordOverlap" "credential.admin.v1.AdminService" "SetPasswordOverlap",
    DescribePasswordOverlap = "admin:DescribePasswordOverlap" "credential.admin.v1.AdminService" "DescribePasswordOverlap",
    EndPasswordOverlap = "admin:EndPasswordOverlap" "credential.admin.v1.AdminService" "EndPasswordOverlap",
    ListAttempts = "admin:ListAttempts" "credential.admin.v1.AdminService" "ListAttempts",
    ClearAttempts = "admin:ClearAttempts" "credential.admin.v1.AdminService" "ClearAttempts",
    GetPasswordPolicy = "admin:GetPasswordPolicy" "credential.admin.v1.AdminService" "GetPasswordPolicy",
    SetPasswordPolicy = "admin:SetPasswordPolicy" "credential.admin.v1.AdminService" "SetPasswordPolicy",
    ShowPasswordPolicyV5 = "admin:ShowPasswordPolicyV5" "credential.admin.v1.AdminService" "ShowPasswordPolicyV5",
    UpdatePasswordPolicyV5 = "admin:UpdatePasswordPolicyV5" "credential.admin.v1.AdminService" "UpdatePasswordPolicyV5",
    ShowLoginPolicyV5 = "admin:ShowLoginPolicyV5" "credential.admin.v1.AdminService" "ShowLoginPolicyV5",
    UpdateLoginPolicyV5 = "admin:UpdateLoginPolicyV5" "credential.admin.v1.AdminService" "UpdateLoginPolicyV5",
    SetCandidatePasswordPolicy = "admin:SetCandidatePasswordPolicy" "credential.admin.v1.AdminService" "SetCandidatePasswordPolicy",
    UpdateCandidatePasswordPolicyV5 = "admin:UpdateCandidatePasswordPolicyV5" "credential.admin.v1.AdminService" "UpdateCandidatePasswordPolicyV5",
    DescribeCandidatePasswordPolicy = "admin:DescribeCandidatePasswordPolicy" "credential.admin.v1.AdminService" "DescribeCandidatePasswordPolicy",
    AdoptCandidatePasswordPolicy = "admin:AdoptCandidatePasswordPolicy" "credential.admin.v1.AdminService" "AdoptCandidatePasswordPolicy",
    DropCandidatePasswordPolicy = "admin:DropCandidatePasswordPolicy" "credential.admin.v1.AdminService" "DropCandidatePasswordPolicy",
    GetSecurityPreference = "admin:GetSecurityPreference" "credential.admin.v1.AdminService" "GetSecurityPreference",
    SetSecurityPreference = "admin:SetSecurityPreference" "credential.admin.v1.AdminService" "SetSecurityPreference",
    DescribeHashPosture = "admin:DescribeHashPosture" "credential.admin.v1.AdminService" "DescribeHashPosture",
    ImportCredentials = "admin:ImportCredentials" "credential.admin.v1.AdminService" "ImportCredentials",
    DecodeAuthorizationMessage = "admin:DecodeAuthorizationMessage" "credential.admin.v1.AdminService" "DecodeAuthorizationMessage",
    ListAuditEvents = "admin:ListAuditEvents" "credential.admin.v1.AdminService" "ListAuditEvents",
    IssueAccessToken = "admin:IssueAccessToken" "credential.admin.v1.AdminService" "IssueAccessToken",
    ListAccessTokens = "admin:ListAccessTokens" "credential.admin.v1.AdminService" "ListAccessTokens",
    SetAccessTokenStatus = "admin:SetAccessTokenStatus" "credential.admin.v1.AdminService" "SetAccessTokenStatus",
    RevokeAccessToken = "admin:RevokeAccessToken" "credential.admin.v1.AdminService" "RevokeAccessToken",
}

impl Action {
    /// The action of an RPC, or `None` if none of our services has it.
    pub fn of_rpc(service: &str, rpc: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|action| action.service() == service && action.rpc() == rpc)
    }

    /// The action with that name, or `None` if there is none.
    pub fn of(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|action| action.name() == name)
    }

    /// The actions that this one includes: it does what they do, so a caller needs the permission for each of them as well.
    pub const fn includes(self) -> &'static [Self] {
        match self {
            Self::AdoptCandidatePasswordPolicy => &[Self::SetPasswordPolicy, Self::UpdatePasswordPolicyV5],
            _ => &[],
        }
    }

    /// Whether the subject is the caller.
    pub const fn is_by_the_subject(self) -> bool {
        matches!(self, Self::ChangePassword | Self::ChangePasswordV5)
    }

    /// Whether the response continues for as long as the caller listens.
    pub const fn is_open_ended(self) -> bool {
        matches!(self, Self::WatchChanges | Self::ListAuditEvents)
    }

    /// Whether the caller sends an unbounded number of messages: the duration of such a call is unbounded too.
    pub const fn is_sent_as_stream(self) -> bool {
        matches!(self, Self::ImportCredentials)
    }

    /// Whether the action only reads: it changes nothing and makes no attempt.
    pub const fn only_reads(self) -> bool {
        matches!(
            self,
            Self::CheckPassword
                | Self::GeneratePassword
                | Self::DescribeTenant
                | Self::ListTenants
                | Self::DescribeMailDomain
                | Self::ListMailDomains
                | Self::DescribeRamUser
                | Self::ListRamUsers
                | Self::DescribeIamUser
                | Self::ListIamUsers
                | Self::DescribeInstance
                | Self::ListInstances
                | Self::DescribeInstanceEndpoint
                | Self::DescribeDelivery
                | Self::DescribeInstanceAccount
                | Self::ListInstanceAccounts
                | Self::DescribeAccounts
                | Self::DescribePasswordOverlap
                | Self::ListAttempts
                | Self::GetPasswordPolicy
                | Self::ShowPasswordPolicyV5
                | Self::ShowLoginPolicyV5
                | Self::DescribeCandidatePasswordPolicy
                | Self::GetSecurityPreference
                | Self::DescribeHashPosture
                | Self::ListAccessTokens
                | Self::ListAuditEvents
                | Self::DecodeAuthorizationMessage
        )
    }

    /// Whether this is an action of `AdminService`.
    pub fn is_administrative(self) -> bool {
        self.service() == ADMIN_SERVICE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_action_that_only_reads_is_named_so() {
        for action in Action::ALL {
            let verbs = ["Describe", "List", "Get", "Show", "Check", "Generate", "Decode"];
            let is_named_so = verbs.iter().any(|verb| action.rpc().starts_with(verb));
            assert_eq!(action.only_reads(), is_named_so, "{action:?}");
        }
    }
}
