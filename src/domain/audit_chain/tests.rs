use proptest::prelude::*;

use super::*;

fn fields(number: u64) -> EventFields {
    [("id", number.to_string()), ("time", "1970-01-01T00:00:00.000001Z".to_owned())]
        .map(|(name, text)| (name.to_owned(), text))
        .into()
}

type Chain = (Cut, Vec<(Checkpoint, Vec<(Position, EventFields)>)>);

/// A seal that anyone can make, of a text that shows what is covered.
fn seal(bytes: &[u8]) -> Seal {
    Seal { key: FreeName::parse("key").unwrap(), signature: bytes.to_vec() }
}

fn chain(sizes: &[u64]) -> Chain {
    let mut cut = Cut { last: Position(7), hash: ChainHash([1; 32]), seal: None };
    cut.seal = Some(seal(&cut.sealed_bytes()));
    let (mut last, mut previous, mut ranges) = (cut.last.0, cut.hash, Vec::new());
    for size in sizes {
        let events: Vec<_> = (last + 1..=last + size).map(|number| (Position(number), fields(number))).collect();
        let mut checkpoint = Checkpoint {
            first: Position(last + 1),
            last: Position(last + size),
            closed_at: Timestamp::from_micros(5),
            latest_at: Timestamp::from_micros(1),
            hash: ChainHash([0; 32]),
            seal: None,
        };
        checkpoint.hash = checkpoint.hash_of(previous, events.iter().map(|(_, fields)| fields));
        checkpoint.seal = Some(seal(&checkpoint.sealed_bytes()));
        (last, previous) = (checkpoint.last.0, checkpoint.hash);
        ranges.push((checkpoint, events));
    }
    (cut, ranges)
}

fn check(chain: &Chain) -> Result<Position, BrokenChain> {
    check_sealed_after(Some(Position(0)), chain)
}

fn check_sealed_after(after: Option<Position>, (cut, ranges): &Chain) -> Result<Position, BrokenChain> {
    let verdict = |bytes: &[u8], seal: &Seal| match seal.key.as_str() {
        "key" if seal.signature == bytes => SealVerdict::Valid,
        "key" => SealVerdict::Invalid,
        _ => SealVerdict::UnknownKey,
    };
    let mut check = ChainCheck::after(cut, after, verdict)?;
    ranges.iter().try_for_each(|(checkpoint, events)| check.range(checkpoint, events))?;
    check.end().map(|check| check.last)
}

#[test]
fn the_hash_of_a_range_is_a_known_one() {
    // Computed with Python's `hashlib`: see the layout in `Checkpoint::hash_of`.
    let (_, ranges) = chain(&[1, 2]);
    let shown = |hash: ChainHash| hash.0.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat();
    let found: Vec<_> = ranges.iter().map(|(checkpoint, _)| shown(checkpoint.hash)).collect();
    assert_eq!(
        found,
        [
            "39bc76b5b4d42f54bd51fbb5c4029b241f4aa6dd8de24621c9ee82d383d70fbb",
            "f5377512370cd03a9cc5939bf331be7e0ea3abaddd7a1aeaa05e3498499ca461",
        ]
    );
}

#[test]
fn an_untouched_chain_is_sound_up_to_its_end() {
    assert_eq!(check(&chain(&[3, 1, 2])), Ok(Position(13)));
    assert_eq!(check(&chain(&[])), Ok(Position(7)));
}

#[test]
fn everything_needs_a_seal_after_the_position_where_signing_began() {
    let mut untouched = chain(&[1, 1, 1]);
    untouched.1[0].0.seal = None;
    untouched.0.seal = None;
    let after = |position| check_sealed_after(position, &untouched);
    assert_eq!(after(None), Ok(Position(10)), "without keys");
    assert_eq!(after(Some(Position(8))), Ok(Position(10)));
    let problem = "has no signature";
    assert_eq!(after(Some(Position(7))), Err(BrokenChain::Range { first: 8, last: 8, problem }));
    assert_eq!(after(Some(Position(6))), Err(BrokenChain::Beginning(7)));
    untouched.1[2].0.seal = None;
    assert_eq!(check_sealed_after(Some(Position(10)), &untouched), Err(BrokenChain::Unsigned(9)));
}

#[test]
fn the_first_bad_range_is_named() {
    let mut altered = chain(&[1, 2, 1]);
    altered.1[1].1[1].1.insert("id".to_owned(), "0".to_owned());
    let problem = "an event or the checkpoint was altered";
    assert_eq!(check(&altered), Err(BrokenChain::Range { first: 9, last: 10, problem }));
}

proptest! {
    /// One change anywhere: an event removed, doubled, exchanged with another or altered, a range removed, doubled or
    /// exchanged, a bit of a checkpoint or of the cut flipped.
    #[test]
    fn any_change_is_found(
        sizes in prop::collection::vec(1_u64..4, 2..5),
        what in 0..12,
        range in any::<prop::sample::Index>(),
        place in any::<prop::sample::Index>(),
        bit in 0_u32..8,
    ) {
        let mut changed = chain(&sizes);
        let count = changed.1.len();
        let at = range.index(count);
        let events = changed.1[at].1.len();
        let which = place.index(events);
        let flip = |bytes: &mut [u8]| {
            let byte = place.index(bytes.len());
            bytes[byte] ^= 1 << bit;
        };
        match what {
            0 => drop(changed.1[at].1.remove(which)),
            1 => {
                let doubled = changed.1[at].1[which].clone();
                changed.1[at].1.insert(which, doubled);
            }
            2 => changed.1[at].1[which].1 = fields(0),
            3 => changed.1[at].1[which].0.0 ^= 1 << bit,
            4 => drop(changed.1[at].1[which].1.remove("time")),
            // The last range can be removed unnoticed: only an earlier export shows that it was there.
            5 => drop(changed.1.remove(range.index(count - 1))),
            6 => {
                let doubled = changed.1[at].clone();
                changed.1.insert(at, doubled);
            }
            7 => changed.1.swap(range.index(count - 1), count - 1),
            8 => flip(&mut changed.1[at].0.hash.0),
            9 => flip(&mut changed.1[at].0.seal.as_mut().unwrap().signature),
            10 => flip(&mut changed.0.hash.0),
            _ => {
                let checkpoint = &mut changed.1[at].0;
                match bit {
                    0 => checkpoint.first.0 += 1,
                    1 => checkpoint.last.0 += 1,
                    2 => checkpoint.closed_at = checkpoint.closed_at.after(std::time::Duration::from_micros(1)),
                    3 => checkpoint.latest_at = checkpoint.latest_at.after(std::time::Duration::from_micros(1)),
                    4 => checkpoint.seal.as_mut().unwrap().key = FreeName::parse("kez").unwrap(),
                    5 => changed.0.last.0 += 1,
                    6 => flip(&mut changed.0.seal.as_mut().unwrap().signature),
                    _ => changed.1[count - 1].0.seal = None,
                }
            }
        }
        prop_assert!(check(&changed).is_err());
    }
}
