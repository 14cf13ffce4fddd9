//! The pepper key ring, from the settings.

use std::sync::Arc;

use zeroize::Zeroizing;

use super::reload::{FileSet, Reloader};
use super::{BadSettings, OperatorFile};
use crate::config::Pepper;
use crate::hashing::KeyRing;
use crate::ports::Entropy;
use crate::ports::meter::FileKind;

const KEYS: &str = "pepper.keys";
const KEYS_FILE: &str = "pepper.keys_file";

/// The ring that the settings name. If they name none, it is empty, and hashes are stored unencrypted.
///
/// # Errors
/// The ring can't be read or is exposed, it has mistakes (all are returned), or it is missing but required.
pub fn key_ring(pepper: &Pepper, entropy: &Arc<dyn Entropy>) -> Result<KeyRing, BadSettings> {
    let ring = RingFile { pepper: pepper.clone(), entropy: Arc::clone(entropy) };
    ring.parse(&ring.read()?)
}

/// The same ring, for a service: its file may be replaced.
///
/// # Errors
/// Those of [`key_ring`].
pub(super) fn key_rings(pepper: &Pepper, entropy: &Arc<dyn Entropy>) -> Result<Reloader<RingFile>, BadSettings> {
    Reloader::start(RingFile { pepper: pepper.clone(), entropy: Arc::clone(entropy) })
}

/// The text that a ring is parsed from: a file, or the setting itself.
pub(super) struct RingFile {
    pepper: Pepper,
    entropy: Arc<dyn Entropy>,
}

impl RingFile {
    fn setting(&self) -> &'static str {
        if self.pepper.keys_file.is_some() { KEYS_FILE } else { KEYS }
    }

    fn parse(&self, text: &str) -> Result<KeyRing, BadSettings> {
        let (setting, pepper) = (self.setting(), &self.pepper);
        let ring = KeyRing::parse(text, Arc::clone(&self.entropy));
        let ring = ring.map_err(|mistakes| BadSettings::all(setting, mistakes))?;
        let is_meant = pepper.keys_file.is_some() || !pepper.keys.is_empty();
        match ring.current() {
            None if is_meant => Err(BadSettings::one(setting, "holds no key")),
            None if pepper.required => {
                Err(BadSettings::one("pepper.required", format!("needs keys: set {KEYS_FILE} or {KEYS}")))
            }
            _ => Ok(ring.requiring_wrapped(pepper.required)),
        }
    }
}

impl FileSet for RingFile {
    type Content = Zeroizing<String>;
    type InForce = Arc<KeyRing>;

    const NAME: &'static str = "pepper keys";
    const KIND: FileKind = FileKind::Pepper;

    fn read(&self) -> Result<Zeroizing<String>, BadSettings> {
        match &self.pepper.keys_file {
            Some(path) => OperatorFile::read_secret(path).map_err(|error| BadSettings::one(KEYS_FILE, error)),
            None => Ok(Zeroizing::new(self.pepper.keys.expose().to_owned())),
        }
    }

    /// Only a start finds out which keys the store still needs. So a ring that replaces another one keeps all of its keys.
    fn check(&self, text: &Zeroizing<String>, before: Option<&Zeroizing<String>>) -> Result<Arc<KeyRing>, BadSettings> {
        let ring = self.parse(text)?;
        let before = before.map(|before| self.parse(before)).transpose()?;
        let lacks = before.iter().flat_map(|before| ring.lacks(before));
        let lacks: Vec<_> = lacks
            .map(|key| {
                format!("lacks the key {key}, which is in force: a key is removed or replaced by a restart, which looks whether it is needed")
            })
            .collect();
        if lacks.is_empty() { Ok(Arc::new(ring)) } else { Err(BadSettings::all(self.setting(), lacks)) }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::ambient::SystemEntropy;
    use crate::config::Secret;
    use crate::server::SettingProblem;

    const KEY: &str = "a:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

    fn problems(pepper: &Pepper) -> Vec<String> {
        let ring = key_ring(pepper, &(Arc::new(SystemEntropy) as Arc<dyn Entropy>));
        let message = |problem: &SettingProblem| format!("{}: {}", problem.setting, problem.message);
        ring.err().map(|bad| bad.0.iter().map(message).collect()).unwrap_or_default()
    }

    fn keys(text: &str, required: bool) -> Pepper {
        Pepper { keys: Secret::new(text), keys_file: None, required }
    }

    #[test]
    fn a_ring_that_is_meant_has_a_key() {
        assert_eq!(problems(&keys("", false)), [""; 0]);
        assert_eq!(problems(&keys(KEY, true)), [""; 0]);
        assert_eq!(problems(&keys("# later\n", false)), ["pepper.keys: holds no key"]);
        assert_eq!(problems(&keys("", true)), ["pepper.required: needs keys: set pepper.keys_file or pepper.keys"]);
        let mistakes = problems(&keys("a\nb\n", false));
        assert_eq!(mistakes.len(), 2, "{mistakes:?}");
        assert!(mistakes[1].starts_with("pepper.keys: line 2: "), "{mistakes:?}");
    }

    #[test]
    fn a_file_that_everybody_can_read_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("ring");
        let pepper = Pepper { keys_file: Some(path.clone()), ..keys("", false) };
        assert!(problems(&pepper)[0].contains("can't be read"));
        fs::write(&path, KEY).unwrap();
        for (mode, is_fine) in [(0o600, true), (0o440, true), (0o604, false), (0o642, false)] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let problems = problems(&pepper);
            assert_eq!(problems.is_empty(), is_fine, "{mode:o}: {problems:?}");
            assert!(is_fine || problems[0].contains("chmod o= "), "{problems:?}");
        }
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        fs::write(&path, format!("\u{feff}{KEY}\r\n")).unwrap();
        assert_eq!(problems(&pepper), [""; 0], "as Windows editors save it");
        fs::write(&path, "").unwrap();
        assert_eq!(problems(&pepper), ["pepper.keys_file: holds no key"]);
    }

    #[tokio::test]
    async fn a_ring_that_replaces_another_keeps_its_keys_and_may_have_another_first_one() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("ring");
        let write = |lines: &[&str]| fs::write(&path, lines.join("\n")).unwrap();
        let second = "b://////////////////////////////////////////8=";
        write(&[KEY]);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        let pepper = Pepper { keys_file: Some(path.clone()), ..keys("", true) };
        let mut rings = key_rings(&pepper, &(Arc::new(SystemEntropy) as Arc<dyn Entropy>)).unwrap();
        let in_force = rings.in_force();
        let current = || in_force.borrow().current().unwrap().to_string();
        assert!(!rings.reload().await.unwrap());
        write(&[KEY, second]);
        assert!(rings.reload().await.unwrap() && current() == "a");
        write(&[second, KEY]);
        assert!(rings.reload().await.unwrap() && current() == "b");
        let other_under_the_same_id = second.replacen('b', "a", 1);
        for (lines, problem) in [
            (&[second][..], "lacks the key a,"),
            (&[second, other_under_the_same_id.as_str()], "lacks the key a,"),
            (&[second, "a:lost"], "lacks the key a,"),
            (&[second, KEY, "c"], "line 3"),
            (&[], "holds no key"),
        ] {
            write(lines);
            let refused = rings.reload().await.unwrap_err().to_string();
            assert!(refused.contains(problem) && current() == "b", "{refused}");
        }
    }
}
