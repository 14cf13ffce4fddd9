//! A tenant's settings as JSON text. A missing setting has its default value, so that a new setting needs no migration.

use serde::{Deserialize, Serialize};

use super::rows;
use crate::domain::settings::{
    IamPasswordPolicyChange, RamPasswordPolicyChange, SecurityPreferenceChange, TenantSettings,
};
use crate::ports::StoreError;

/// Encodes the settings for storage.
pub(super) fn to_text(settings: &TenantSettings) -> Result<String, StoreError> {
    rows::to_json(&StoredSettings {
        ram: settings.ram.as_change().into(),
        iam: settings.iam.as_change().into(),
        preference: settings.preference.as_change().into(),
    })
}

/// Decodes stored settings. `None` if they cannot be parsed or one is out of range.
pub(super) fn of_text(text: &str) -> Option<TenantSettings> {
    let stored: StoredSettings = serde_json::from_str(text).ok()?;
    let defaults = TenantSettings::default();
    Some(TenantSettings {
        ram: defaults.ram.with(&stored.ram.into()).ok()?,
        iam: defaults.iam.with(&stored.iam.into()).ok()?,
        preference: defaults.preference.with(&stored.preference.into()).ok()?,
    })
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredSettings {
    ram: Ram,
    iam: Iam,
    preference: Preference,
}

/// Declares the stored form of a group of settings.
macro_rules! stored {
    ($name:ident = $change:ident { $($field:ident: $type:ty,)+ }) => {
        #[derive(Serialize, Deserialize)]
        #[serde(deny_unknown_fields)]
        struct $name { $($field: Option<$type>),+ }

        impl From<$change> for $name {
            fn from(change: $change) -> Self {
                Self { $($field: change.$field),+ }
            }
        }

        impl From<$name> for $change {
            fn from(stored: $name) -> Self {
                Self { $($field: stored.$field),+ }
            }
        }
    };
}

stored! {
    Ram = RamPasswordPolicyChange {
        minimum_password_length: u32,
        require_lowercase_characters: bool,
        require_uppercase_characters: bool,
        require_numbers: bool,
        require_symbols: bool,
        hard_expiry: bool,
        max_password_age: u32,
        password_reuse_prevention: u32,
        max_login_attemps: u32,
        minimum_password_different_character: u32,
        password_not_contain_user_name: bool,
    }
}

stored! {
    Iam = IamPasswordPolicyChange {
        maximum_consecutive_identical_chars: u32,
        minimum_password_age: u32,
        minimum_password_length: u32,
        password_reuse_prevention: u32,
        password_not_username_or_invert: bool,
        password_validity_period: u32,
        password_char_combination: u32,
        allow_user_to_change_password: bool,
    }
}

stored! {
    Preference = SecurityPreferenceChange {
        allow_user_to_change_password: bool,
    }
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
        let nothing = r#"{"ram":{},"iam":{},"preference":{}}"#;
        assert_ne!(short, text);
        assert_eq!([of_text(&short), of_text(&unknown), of_text("[]")], [None, None, None]);
        assert_eq!(of_text(nothing), Some(TenantSettings::default()));
    }
}
