//! A tenant's settings as JSON text. A missing setting or group has its default values, so that a new one needs no migration.

use serde::{Deserialize, Serialize};

use super::rows;
use crate::domain::tenant_settings::{self, TenantSettings, tenant_settings};
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

        /// Decodes stored settings. `None` if they cannot be parsed or one is out of range.
        pub(super) fn of_text(text: &str) -> Option<TenantSettings> {
            let stored: StoredSettings = serde_json::from_str(text).ok()?;
            let defaults = TenantSettings::default();
            Some(TenantSettings {
                $($group: defaults.$group.with(&tenant_settings::$change { $($field: stored.$group.$field),+ }).ok()?),+
            })
        }
    };
}

tenant_settings!(stored);

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
}
