//! The keys of other systems, from the settings.

use zeroize::Zeroizing;

use super::{BadSettings, OperatorFile};
use crate::config::Import;
use crate::hashing::ImportKeys;

const KEYS: &str = "import.keys";
const KEYS_FILE: &str = "import.keys_file";

/// The keys that the settings name, or none.
///
/// # Errors
/// The file can't be read or is exposed, it holds no key, or it has mistakes (all are returned).
pub fn import_keys(import: &Import) -> Result<ImportKeys, BadSettings> {
    let (setting, text) = match &import.keys_file {
        Some(path) => (KEYS_FILE, OperatorFile::read_secret(path).map_err(|error| BadSettings::one(KEYS_FILE, error))?),
        None => (KEYS, Zeroizing::new(import.keys.expose().to_owned())),
    };
    let keys = ImportKeys::parse(&text).map_err(|mistakes| BadSettings::all(setting, mistakes))?;
    let is_meant = import.keys_file.is_some() || !import.keys.is_empty();
    if is_meant && keys.is_empty() { Err(BadSettings::one(setting, "holds no key")) } else { Ok(keys) }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;
    use std::path::PathBuf;

    use super::*;
    use crate::config::Secret;
    use crate::domain::opt_in_algorithm::AllowedAlgorithms;
    use crate::domain::password_form::TriedForms;

    const KEY: &str = "app firebase base64_signer_key=jxspr8Ki0RYycVU8zykbdLGjFQ3McFUH0uiiTvC8pVMXAn210wjLNmdZJzxUECKbm0QsEmYUSDzZvpjeJ9WmXA== base64_salt_separator=Bw== rounds=8 mem_cost=14";

    fn problem(keys: &str, keys_file: Option<PathBuf>) -> Option<String> {
        let import = Import {
            allow: AllowedAlgorithms::default(),
            forms: TriedForms::default(),
            keys: Secret::new(keys),
            keys_file,
        };
        import_keys(&import).err().map(|bad| bad.to_string())
    }

    #[test]
    fn the_keys_come_from_the_setting_or_a_file_that_not_all_users_can_read() {
        assert_eq!(problem("", None), None);
        assert_eq!(problem(KEY, None), None);
        assert_eq!(problem("# later", None).unwrap(), "import.keys: holds no key");
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("keys");
        assert!(problem("", Some(path.clone())).unwrap().contains("can't be read"));
        fs::write(&path, format!("{KEY}\nother\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(problem("", Some(path.clone())).unwrap().contains("is accessible to all users"));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        assert!(problem("", Some(path.clone())).unwrap().starts_with("import.keys_file: line 2: "));
        fs::write(&path, KEY).unwrap();
        assert_eq!(problem("", Some(path)), None);
    }
}
