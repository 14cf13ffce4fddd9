use std::sync::LazyLock;

use proptest::prelude::*;

use super::super::line::EventLine;
use super::*;
use crate::domain::audit_chain::{Checkpoint, EventFields};
use crate::domain::time::Timestamp;
use crate::ports::AuditSealer;
use crate::signing::SigningKey;

/// The key of the first test of RFC 8032, section 7.1.
const KEY: &str = "-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g
-----END PRIVATE KEY-----
";

static SIGNING: LazyLock<SigningKey> = LazyLock::new(|| SigningKey::from_pem(KEY).unwrap());

/// An export of ranges of these sizes, after a cut at position 4.
fn exported(sizes: &[u64]) -> String {
    let mut cut = Cut { last: Position(4), hash: ChainHash([9; 32]), seal: None };
    cut.seal = SIGNING.seal(&cut.sealed_bytes());
    let mut lines = vec![Line::Cut((&cut).into())];
    let (mut last, mut hash) = (cut.last.0, cut.hash);
    for size in sizes {
        let positions = last + 1..=last + size;
        let fields = |position: u64| EventFields::from([("id".to_owned(), format!("event {position}"))]);
        let events: Vec<_> = positions.clone().map(fields).collect();
        let mut checkpoint = Checkpoint {
            first: Position(last + 1),
            last: Position(last + size),
            closed_at: Timestamp::from_micros(8),
            latest_at: Timestamp::from_micros(7),
            hash: ChainHash([0; 32]),
            seal: None,
        };
        checkpoint.hash = checkpoint.hash_of(hash, &events);
        checkpoint.seal = SIGNING.seal(&checkpoint.sealed_bytes());
        (last, hash) = (checkpoint.last.0, checkpoint.hash);
        lines.extend(positions.zip(events).map(|(position, fields)| Line::Event(EventLine { position, fields })));
        lines.push(Line::Checkpoint((&checkpoint).into()));
    }
    lines.iter().map(|line| line.text().unwrap() + "\n").collect()
}

fn check(text: &[u8]) -> Result<Report, Failure> {
    compare(text, &SIGNING.public(), None)
}

fn compare(text: &[u8], keys: &PublicKeys, earlier: Option<End>) -> Result<Report, Failure> {
    check_lines(text, &Seals { keys, unsigned: Position(0) }, earlier)
}

#[test]
fn an_export_is_sound_as_it_was_written() {
    let report = check(exported(&[1, 2]).as_bytes()).unwrap();
    assert_eq!((report.events, report.ranges, report.last, report.sealed), (3, 2, Position(7), Position(7)));
    let unchecked = compare(exported(&[2]).as_bytes(), &PublicKeys::default(), None).unwrap();
    assert_eq!(unchecked.sealed, Position(0));
}

#[test]
fn the_first_bad_range_is_named() {
    let altered = exported(&[1, 2, 1]).replace("event 7", "event x");
    let failure = check(altered.as_bytes()).unwrap_err().to_string();
    assert_eq!(failure, "error: the range of positions 6 to 7: an event or the checkpoint was altered");
}

#[test]
fn a_log_that_lost_its_end_does_not_contain_an_earlier_export() {
    let (keys, whole, cut_off) = (SIGNING.public(), exported(&[1, 2]), exported(&[1]));
    let end = |text: &str| check(text.as_bytes()).map(|report| (report.last, report.hash)).ok();
    assert!(compare(whole.as_bytes(), &keys, end(&cut_off)).is_ok());
    assert!(compare(whole.as_bytes(), &keys, end(&whole)).is_ok());
    let failure = compare(cut_off.as_bytes(), &keys, end(&whole)).unwrap_err().to_string();
    assert!(failure.contains("position 7"), "{failure}");
    let other = exported(&[3]);
    assert!(compare(other.as_bytes(), &keys, end(&whole)).is_err());
    // The cut is signed: what was before it was removed because of its age.
    let before_cut = Some((Position(3), ChainHash([3; 32])));
    let report = compare(whole.as_bytes(), &keys, before_cut).unwrap();
    assert_eq!(report.uncompared, Some(Position(3)));
    assert!(summary(&report, &keys).unwrap().ends_with("it was not compared"));
    let failure = summary(&report, &PublicKeys::default()).unwrap_err().to_string();
    assert!(failure.contains("position 3") && failure.contains("without a public key"), "{failure}");
}

proptest! {
    #[test]
    fn any_flipped_bit_is_found(sizes in prop::collection::vec(1_u64..3, 1..4), place in any::<prop::sample::Index>()) {
        let mut bytes = exported(&sizes).into_bytes();
        let bit = place.index(bytes.len() * 8);
        bytes[bit / 8] ^= 1 << (bit % 8);
        prop_assert!(check(&bytes).is_err());
    }

    #[test]
    fn any_line_that_is_removed_doubled_or_moved_is_found(
        sizes in prop::collection::vec(1_u64..3, 2..4),
        what in 0..3,
        one in any::<prop::sample::Index>(),
        other in any::<prop::sample::Index>(),
    ) {
        let text = exported(&sizes);
        let mut lines: Vec<_> = text.lines().collect();
        let (one, other) = (one.index(lines.len()), other.index(lines.len()));
        prop_assume!(one != other);
        match what {
            0 => drop(lines.remove(one)),
            1 => lines.insert(other, lines[one]),
            _ => lines.swap(one, other),
        }
        let changed = lines.join("\n") + "\n";
        prop_assert!(check(changed.as_bytes()).is_err());
    }
}
