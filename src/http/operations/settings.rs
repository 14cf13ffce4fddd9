//! The password policies and the security preference of the caller's tenant.

use serde_json::{Map, Value, json};

use super::Outcome;
use crate::domain::field::FieldProblem;
use crate::domain::tenant_settings::{
    IamLoginPolicy, IamLoginPolicyChange, IamPasswordPolicy, IamPasswordPolicyChange, RamPasswordPolicy,
    RamPasswordPolicyChange, SecurityPreference, SecurityPreferenceChange, SettingGroup, TenantSettings,
    tenant_settings,
};
use crate::http::message::{Message, camel_case};
use crate::service::{Call, Service, ServiceError};

/// What `SetSecurityPreference` of the vendor sets and the service does not have. To ignore it would pretend that it is in
/// force.
const NOT_HERE: [&str; 6] = [
    "allow_user_to_manage_access_keys",
    "allow_user_to_manage_m_f_a_devices",
    "allow_user_to_manage_public_keys",
    "enable_save_m_f_a_ticket",
    "login_network_masks",
    "login_session_duration",
];

/// A group of settings as the fields of a message.
trait AsFields: SettingGroup {
    fn change_in(message: &mut Message) -> Self::Change;
    fn fields(&self) -> Vec<(&'static str, Value)>;
}

macro_rules! fields {
    ($(
        $(#[$doc:meta])* $group:ident: $name:ident, $change:ident {
            $($(#[$field_doc:meta])* $field:ident: $type:ty = $default:expr, $range:expr;)+
        }
    )+) => {
        $(
            impl AsFields for $name {
                fn change_in(message: &mut Message) -> $change {
                    $change { $($field: message.scalar(stringify!($field))),+ }
                }

                fn fields(&self) -> Vec<(&'static str, Value)> {
                    vec![$((stringify!($field), self.$field().into())),+]
                }
            }
        )+
    };
}

tenant_settings!(fields);

pub(super) async fn get_password_policy(service: &Service, call: Call, _: Message) -> Outcome {
    Ok(password_policy(service.settings(call, None).await?))
}

pub(super) async fn set_password_policy(service: &Service, call: Call, message: Message) -> Outcome {
    Ok(password_policy(change(service, call, message).await?))
}

pub(super) async fn get_security_preference(service: &Service, call: Call, _: Message) -> Outcome {
    Ok(security_preference(service.settings(call, None).await?))
}

pub(super) async fn set_security_preference(service: &Service, call: Call, mut message: Message) -> Outcome {
    for field in NOT_HERE {
        if message.has(field) {
            let problem = FieldProblem::Malformed { expected: "is a setting that this service does not have" };
            message.fields().take::<()>(field, Err(problem));
        }
    }
    Ok(security_preference(change(service, call, message).await?))
}

pub(super) async fn show_password_policy_v5(service: &Service, call: Call, _: Message) -> Outcome {
    Ok(password_policy_v5(service.settings(call, None).await?))
}

pub(super) async fn update_password_policy_v5(service: &Service, call: Call, message: Message) -> Outcome {
    Ok(password_policy_v5(change(service, call, message).await?))
}

async fn change<G: AsFields>(service: &Service, call: Call, mut message: Message) -> Result<G, ServiceError> {
    let change = G::change_in(&mut message);
    message.fields().take_all(G::changed(&TenantSettings::default(), &change));
    message.all(|| Some(()))?;
    service.change_settings(call, None, change).await
}

fn password_policy(policy: RamPasswordPolicy) -> Value {
    json!({ "PasswordPolicy": parameters(&policy) })
}

fn security_preference(preference: SecurityPreference) -> Value {
    json!({ "SecurityPreference": { "LoginProfilePreference": parameters(&preference) } })
}

fn password_policy_v5(policy: IamPasswordPolicy) -> Value {
    let mut fields: Map<_, _> = policy.fields().into_iter().map(|(field, value)| (field.to_owned(), value)).collect();
    fields.insert("maximum_password_length".to_owned(), IamPasswordPolicy::MAXIMUM_PASSWORD_LENGTH.into());
    fields.insert("password_requirements".to_owned(), policy.requirements().into());
    json!({ "password_policy": fields })
}

fn parameters(settings: &impl AsFields) -> Map<String, Value> {
    settings.fields().into_iter().map(|(field, value)| (camel_case(field), value)).collect()
}
