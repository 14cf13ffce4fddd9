//! Hashes that other projects publish with their passwords, each with its source.

use credentiald::domain::opt_in_algorithm::{AllowedAlgorithms, OptInAlgorithm};
use credentiald::hashing::ImportKeys;
use serde_json::Value;

use super::*;

/// `source`, `password` and `hash` on each line.
const PUBLISHED: &str = include_str!("published.jsonl");

/// The projects of Firebase that they are of.
const KEYS: &str = "
app firebase base64_signer_key=jxspr8Ki0RYycVU8zykbdLGjFQ3McFUH0uiiTvC8pVMXAn210wjLNmdZJzxUECKbm0QsEmYUSDzZvpjeJ9WmXA== base64_salt_separator=Bw== rounds=8 mem_cost=14
kratos firebase base64_signer_key=YE0dO4bwD4JnJafh6lZZfkp1MtKzuKAXQcDCJNJNyeCHairWHKENOkbh3dzwaCdizzOspwr/FITUVlnOAwPKyw== base64_salt_separator=Bw== rounds=8 mem_cost=14
";

/// As the table writes them, the sources.
const SOURCES: [&str; 4] = ["passlib", "Kratos", "passwap", "libxcrypt"];

#[tokio::test]
async fn what_others_publish_is_imported_and_verifies() {
    let settings = EngineSettings {
        ceiling: Ceiling::new(Cost::DEFAULT, NonZeroU32::new(102_400)).unwrap(),
        workers: NonZeroUsize::new(1),
        allowed: AllowedAlgorithms::parse(&OptInAlgorithm::ALL.map(OptInAlgorithm::as_str).join(",")).unwrap(),
        import_keys: Arc::new(ImportKeys::parse(KEYS).unwrap()),
        ..EngineSettings::of(Cost::DEFAULT)
    };
    let engine = HashEngine::start(settings, Arc::new(SystemClock), &SystemEntropy).unwrap();
    let mut wrong = Vec::new();
    for line in PUBLISHED.lines() {
        let row: Value = serde_json::from_str(line).unwrap();
        let [source, text, hash] = ["source", "password", "hash"].map(|name| row[name].as_str().unwrap().to_owned());
        let normal_form = match engine.imported(&PasswordHash::new(hash)) {
            Ok(imported) => imported.expose().to_owned(),
            Err(problem) => {
                wrong.push(format!("{line}: {problem}"));
                continue;
            }
        };
        if !verified(&engine, &text, &normal_form).await {
            wrong.push(format!("{line}: does not verify"));
        }
        let other = format!("Y{}", text.chars().skip(1).collect::<String>());
        if verified(&engine, &other, &normal_form).await {
            wrong.push(format!("{line}: verifies with {other}"));
        }
        assert!(SOURCES.iter().any(|known| source.contains(known)), "{source}");
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
