//! The hashes are those of the `argon2` crate, and of RFC 9106.
#![expect(clippy::unwrap_used, reason = "a test stops where it can't go on")]

use argon2::{Algorithm, Argon2, AssociatedData, Block, Params, ParamsBuilder, Version};
use argon2_vectors::{Hash, Input, Instructions, Unsupported, hash, wipe};
use proptest::prelude::*;

const ALGORITHMS: [Algorithm; 3] = [Algorithm::Argon2d, Algorithm::Argon2i, Algorithm::Argon2id];

/// Miri takes a second for what takes a millisecond otherwise.
const CASES: u32 = if cfg!(miri) { 4 } else { 256 };
const MOST_KIB: u32 = if cfg!(miri) { 16 } else { 1024 };

fn instructions() -> impl Iterator<Item = Instructions> {
    Instructions::found().chain([Instructions::scalar()])
}

fn params(memory_kib: u32, iterations: u32, lanes: u32, input: &Input<'_>) -> Params {
    let data = AssociatedData::new(input.associated_data).unwrap();
    ParamsBuilder::new().m_cost(memory_kib).t_cost(iterations).p_cost(lanes).data(data).build().unwrap()
}

/// The tags of hashes that are computed together, from memory that is not empty.
fn tags<const N: usize>(
    instructions: Instructions,
    (algorithm, version): (Algorithm, Version),
    params: &Params,
    inputs: [(&Input<'_>, usize); N],
) -> Result<[Vec<u8>; N], Unsupported> {
    let mut used = Block::new();
    used.as_mut().fill(7);
    let mut parts = inputs.map(|(input, tag_bytes)| (*input, vec![used; params.block_count()], vec![0; tag_bytes]));
    let mut hashes = parts.each_mut().map(|(input, memory, tag)| Hash { input: *input, memory, tag });
    hash(instructions, algorithm, version, params, &mut hashes)?;
    Ok(parts.map(|(_, _, tag)| tag))
}

/// The tag of the `argon2` crate.
fn expected(
    (algorithm, version): (Algorithm, Version),
    params: &Params,
    input: &Input<'_>,
    tag_bytes: usize,
) -> Vec<u8> {
    let argon2 = Argon2::new_with_secret(input.secret, algorithm, version, params.clone()).unwrap();
    let mut tag = vec![0; tag_bytes];
    argon2.hash_password_into(input.password, input.salt, &mut tag).unwrap();
    tag
}

#[test]
fn the_vectors_of_rfc_9106_come_out() {
    let tags_of_rfc = [
        "512b391b6f1162975371d30919734294f868e3be3984f3c1a13a4db9fabe4acb",
        "c814d9d1dc7f37aa13f0d77f2494bda1c8de6b016dd388d29952a4c4672b6ce8",
        "0d640df58d78766c08c037a34a8b53c9d01ef0452d75b65eb52520e96b01e659",
    ];
    let input = Input { password: &[1; 32], salt: &[2; 16], secret: &[3; 8], associated_data: &[4; 12] };
    let params = params(32, 3, 4, &input);
    for instructions in instructions() {
        for (algorithm, expected) in ALGORITHMS.into_iter().zip(tags_of_rfc) {
            let kind = (algorithm, Version::V0x13);
            let [alone] = tags(instructions, kind, &params, [(&input, 32)]).unwrap();
            let pair = tags(instructions, kind, &params, [(&input, 32); 2]).unwrap();
            for tag in pair.into_iter().chain([alone]) {
                let hex: Vec<_> = tag.iter().map(|byte| format!("{byte:02x}")).collect();
                assert_eq!(hex.concat(), expected);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: CASES, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn hashes_are_those_of_the_argon2_crate(
        algorithm in prop::sample::select(&ALGORITHMS[..]),
        version in prop::sample::select(&[Version::V0x10, Version::V0x13][..]),
        (lanes, more_kib, iterations) in (1_u32..=5, 0..=MOST_KIB, 1_u32..=4),
        password in prop::collection::vec(any::<u8>(), 0..200),
        other_password in prop::collection::vec(any::<u8>(), 0..200),
        salt in prop::collection::vec(any::<u8>(), 8..=48),
        other_salt in prop::collection::vec(any::<u8>(), 8..=48),
        secret in prop::collection::vec(any::<u8>(), 0..=64),
        associated_data in prop::collection::vec(any::<u8>(), 0..=32),
        tag_bytes in (4_usize..=200, 4_usize..=200),
    ) {
        let kind = (algorithm, version);
        let input =
            Input { password: &password, salt: &salt, secret: &secret, associated_data: &associated_data };
        let other = Input { password: &other_password, salt: &other_salt, ..input };
        let params = params(8 * lanes + more_kib, iterations, lanes, &input);
        let (input, other) = ((&input, tag_bytes.0), (&other, tag_bytes.1));
        let both = [input, other].map(|(input, tag_bytes)| expected(kind, &params, input, tag_bytes));
        for instructions in instructions() {
            let alone = tags(instructions, kind, &params, [input]);
            prop_assert_eq!(alone.as_ref().map(|[tag]| tag), Ok(&both[0]), "{}", instructions.name());
            let pair = tags(instructions, kind, &params, [input, other]);
            prop_assert_eq!(pair.as_ref(), Ok(&both), "{}", instructions.name());
        }
    }
}

#[test]
#[cfg_attr(miri, ignore = "takes minutes")]
fn hashes_of_usual_costs_are_those_of_the_argon2_crate() {
    let input = Input { password: b"password", salt: &[1; 16], secret: &[], associated_data: &[] };
    let other = Input { password: b"other", ..input };
    let costs =
        [(47_104, 1, 1), (19_456, 2, 1), (12_288, 3, 1), (9_216, 4, 1), (7_168, 5, 1), (65_536, 3, 4), (4_096, 3, 1)];
    let kind = (Algorithm::Argon2id, Version::V0x13);
    for (memory_kib, iterations, lanes) in costs {
        let params = params(memory_kib, iterations, lanes, &input);
        let both = [&input, &other].map(|input| expected(kind, &params, input, 32));
        for instructions in instructions() {
            let alone = tags(instructions, kind, &params, [(&input, 32)]);
            assert_eq!(alone.as_ref().map(|[tag]| tag), Ok(&both[0]), "{params:?}");
            let pair = tags(instructions, kind, &params, [(&input, 32), (&other, 32)]);
            assert_eq!(pair.as_ref(), Ok(&both), "{params:?}");
        }
    }
}

#[test]
fn what_argon2_does_not_define_is_refused() {
    let kind = (Algorithm::Argon2id, Version::V0x13);
    let input = Input { password: b"password", salt: &[1; 8], secret: &[], associated_data: &[] };
    let params = params(32, 1, 1, &input);
    let short = Input { salt: &[1; 7], ..input };
    for instructions in instructions() {
        for pair in [[(&short, 32), (&input, 32)], [(&input, 32), (&short, 32)], [(&input, 32), (&input, 3)]] {
            assert_eq!(tags(instructions, kind, &params, pair), Err(Unsupported));
        }
        assert_eq!(tags(instructions, kind, &params, [(&short, 32)]), Err(Unsupported));
        let (mut enough, mut too_little) = (vec![Block::new(); 32], vec![Block::new(); 31]);
        let mut hashes = [
            Hash { input, memory: &mut enough, tag: &mut [0; 32] },
            Hash { input, memory: &mut too_little, tag: &mut [0; 32] },
        ];
        assert_eq!(hash(instructions, kind.0, kind.1, &params, &mut hashes), Err(Unsupported));
    }
}

#[test]
#[cfg_attr(miri, ignore = "Miri has no stores that pass by the caches")]
fn what_is_wiped_is_zero_and_the_rest_stays() {
    let mut used = Block::new();
    used.as_mut().fill(7);
    let mut memory = [used; 4];
    wipe(&mut memory[1..3]);
    let words = memory.map(|block| block.as_ref().to_vec());
    assert_eq!(words, [vec![7; 128], vec![0; 128], vec![0; 128], vec![7; 128]]);
}
