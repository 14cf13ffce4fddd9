//! A tenant's settings as JSON text. A missing setting or group has its default values, so that a new one needs no migration.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::rows::{self, Read};
use super::{Row, Transaction, leftovers, sql};
use crate::domain::names::TenantName;
use crate::domain::tenant_settings::{self, TenantSettings, UnreadableSettings, tenant_settings};
use crate::ports::StoreError;

macro_rules! stored {
    ($(
        $(#[$doc:meta])* $group:ident: $name:ident, $change:ident {
            $($(#[$field_doc:meta])* $field:ident: $type:ty = $default:expr, $range:expr;)+
        }
    )+) => {
        #[derive(Default, Serialize, Deserialize)]
        #[serde(default, deny_unknown_fields)]
        struct StoredSettings { $($group: $name),+ }

        $(
            #[derive(Default, Serialize, Deserialize)]
            #[serde(deny_unknown_fields)]
            struct $name { $($field: Option<$type>),+ }
        )+

        /// Encodes the settings for storage.
        pub(super) fn to_text(settings: &TenantSettings) -> Result<String, StoreError> {
            rows::to_json(&StoredSettings {
                $($group: $name { $($field: Some(settings.$group.$field())),+ }),+
            })
        }

        /// Whether there is a setting that this version does not know.
        fn has_unknown(text: &str) -> bool {
            let groups: Map<String, Value> = serde_json::from_str(text).unwrap_or_default();
            groups.iter().any(|(group, settings)| {
                let known: &[&str] = match group.as_str() {
                    $(stringify!($group) => &[$(stringify!($field)),+],)+
                    _ => return true,
                };
                settings.as_object().is_some_and(|settings| settings.keys().any(|name| !known.contains(&name.as_str())))
            })
        }

        /// Decodes stored settings. `None` if they cannot be parsed or one is out of range.
        fn of_text(text: &str) -> Option<TenantSettings> {
            let stored: StoredSettings = serde_json::from_str(text).ok()?;
            let defaults = TenantSettings::default();
            Some(TenantSettings {
                $($group: defaults.$group.with(&tenant_settings::$change { $($field: stored.$group.$field),+ }).ok()?),+
            })
        }
    };
}

tenant_settings!(stored);

/// Reads a tenant's settings. A setting that is not known may be a rule, so the tenant gets no answer rather than one
/// without that rule.
pub(super) fn read(row: &Row) -> Read<TenantSettings> {
    Ok(parse(row.text("settings")?)?)
}

pub(super) fn parse(text: &str) -> Result<TenantSettings, UnreadableSettings> {
    let unreadable = || if has_unknown(text) { UnreadableSettings::LaterVersion } else { UnreadableSettings::Damaged };
    of_text(text).ok_or_else(unreadable)
}

/// Replaces the settings of a tenant, and notes the earlier hashes that the new ones do not need.
pub(super) async fn replace(
    transaction: &mut dyn Transaction,
    tenant: &TenantName,
    old: &TenantSettings,
    new: &TenantSettings,
) -> Result<(), StoreError> {
    let update = sql("UPDATE tenant SET settings = $2 WHERE name = $1");
    transaction.execute(update.bind(tenant).bind(to_text(new)?)).await?;
    for ((kind, kept), (_, kept_before)) in new.earlier_hashes().into_iter().zip(old.earlier_hashes()) {
        if kept < kept_before {
            leftovers::of_settings(transaction, tenant, kind).await?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_out_of_range_or_unknown_is_not_understood() {
        let text = to_text(&TenantSettings::default()).unwrap();
        assert_eq!(of_text(&text), Some(TenantSettings::default()));
        let short = text.replace(r#""minimum_password_length":8"#, r#""minimum_password_length":7"#);
        let unknown = text.replace("hard_expiry", "herd_expiry");
        let nothing = r#"{"ram":{}}"#;
        assert_ne!(short, text);
        assert_eq!([of_text(&short), of_text(&unknown), of_text("7")], [None, None, None]);
        assert_eq!(of_text(nothing), Some(TenantSettings::default()));
    }

    #[test]
    fn a_setting_of_a_later_version_is_no_damage_and_is_not_passed_over() {
        let text = to_text(&TenantSettings::default()).unwrap();
        let read_of = |text: &str| {
            let columns = std::iter::once("settings").collect();
            read(&Row::new(columns, vec![Some(text.to_owned().into())]))
        };
        for added in [r#"{"ram":{"new_rule":true,"#, r#"{"new_group":{},"ram":{"#] {
            let Err(StoreError::Unavailable(cause)) = read_of(&text.replacen(r#"{"ram":{"#, added, 1)) else {
                panic!("{added}");
            };
            assert!(cause.to_string().ends_with("upgrade this process"), "{cause}");
        }
        assert!(matches!(read_of("7"), Err(StoreError::Damaged(_))));
    }
}
