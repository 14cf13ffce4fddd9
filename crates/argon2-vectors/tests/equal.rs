//! The hashes are those of the `argon2` crate, and of RFC 9106.
#![expect(clippy::unwrap_used, reason = "a test stops where it can't go on")]

use argon2::{Algorithm, Argon2, AssociatedData, Block, Params, ParamsBuilder, Version};
use argon2_vectors::{Input, Instructions, Unsupported, hash, wipe};
use proptest::prelude::*;

const ALGORITHMS: [Algorithm; 3] = [Algorithm::Argon2d, Algorithm::Argon2i, Algorithm::Argon2id];

/// Miri takes a second for what takes a millisecond otherwise.
const CASES: u32 = if cfg!(miri) { 8 } else { 256 };
const MOST_KIB: u32 = if cfg!(miri) { 24 } else { 1024 };

fn instructions() -> impl Iterator<Item = Instructions> {
    Instructions::avx512().into_iter().chain([Instructions::scalar()])
}

fn params(memory_kib: u32, iterations: u32, lanes: u32, input: &Input<'_>) -> Params {
    let data = AssociatedData::new(input.associated_data).unwrap();
    ParamsBuilder::new().m_cost(memory_kib).t_cost(iterations).p_cost(lanes).data(data).build().unwrap()
}

/// The tag, from memory that is not empty.
fn tag(
    instructions: Instructions,
    (algorithm, version): (Algorithm, Version),
    params: &Params,
    input: &Input<'_>,
    tag_bytes: usize,
) -> Result<Vec<u8>, Unsupported> {
    let mut used = Block::new();
    used.as_mut().fill(7);
    let mut memory = vec![used; params.block_count()];
    let mut tag = vec![0; tag_bytes];
    hash(instructions, algorithm, version, params, input, &mut memory, &mut tag)?;
    Ok(tag)
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
    let tags = [
        "512b391b6f1162975371d30919734294f868e3be3984f3c1a13a4db9fabe4acb",
        "c814d9d1dc7f37aa13f0d77f2494bda1c8de6b016dd388d29952a4c4672b6ce8",
        "0d640df58d78766c08c037a34a8b53c9d01ef0452d75b65eb52520e96b01e659",
    ];
    let input = Input { password: &[1; 32], salt: &[2; 16], secret: &[3; 8], associated_data: &[4; 12] };
    for instructions in instructions() {
        for (algorithm, expected) in ALGORITHMS.into_iter().zip(tags) {
            let params = params(32, 3, 4, &input);
            let tag = tag(instructions, (algorithm, Version::V0x13), &params, &input, 32).unwrap();
            let hex: Vec<_> = tag.iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(hex.concat(), expected);
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
        salt in prop::collection::vec(any::<u8>(), 8..=48),
        secret in prop::collection::vec(any::<u8>(), 0..=64),
        associated_data in prop::collection::vec(any::<u8>(), 0..=32),
        tag_bytes in 4_usize..=200,
    ) {
        let input =
            Input { password: &password, salt: &salt, secret: &secret, associated_data: &associated_data };
        let params = params(8 * lanes + more_kib, iterations, lanes, &input);
        let expected = expected((algorithm, version), &params, &input, tag_bytes);
        for instructions in instructions() {
            let tag = tag(instructions, (algorithm, version), &params, &input, tag_bytes);
            prop_assert_eq!(tag.as_ref(), Ok(&expected), "{}", instructions.name());
        }
    }
}

#[test]
#[cfg_attr(miri, ignore = "takes minutes")]
fn hashes_of_usual_costs_are_those_of_the_argon2_crate() {
    let input = Input { password: b"password", salt: &[1; 16], secret: &[], associated_data: &[] };
    let costs =
        [(47_104, 1, 1), (19_456, 2, 1), (12_288, 3, 1), (9_216, 4, 1), (7_168, 5, 1), (65_536, 3, 4), (4_096, 3, 1)];
    let kind = (Algorithm::Argon2id, Version::V0x13);
    for (memory_kib, iterations, lanes) in costs {
        let params = params(memory_kib, iterations, lanes, &input);
        let expected = expected(kind, &params, &input, 32);
        for instructions in instructions() {
            assert_eq!(tag(instructions, kind, &params, &input, 32).as_ref(), Ok(&expected), "{params:?}");
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
        assert_eq!(tag(instructions, kind, &params, &short, 32), Err(Unsupported));
        assert_eq!(tag(instructions, kind, &params, &input, 3), Err(Unsupported));
        let mut memory = vec![Block::new(); 31];
        let refused = hash(instructions, kind.0, kind.1, &params, &input, &mut memory, &mut [0; 32]);
        assert_eq!(refused, Err(Unsupported));
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
