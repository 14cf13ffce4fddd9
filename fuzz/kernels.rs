//! Every kernel computes what the portable one computes, and refuses what that one refuses.

use std::cell::RefCell;

use credentiald::hashing::fuzzing::{Case, Kernels};
use libfuzzer_sys::arbitrary::{self, Arbitrary, Unstructured};

/// The memory of the kernels. The engine lets no hash that asks for more reach them.
const MEMORY_KIB: u32 = 512;

#[derive(Debug, Arbitrary)]
struct Given<'a> {
    algorithm: u8,
    is_first_version: bool,
    memory_kib: u16,
    iterations: u8,
    parallelism: u8,
    tag_bytes: u8,
    salt: &'a [u8],
    secret: &'a [u8],
    associated_data: &'a [u8],
    other_password: &'a [u8],
    password: &'a [u8],
}

thread_local! {
    /// The same for all inputs, so that what one leaves behind would show in the next.
    static KERNELS: RefCell<Kernels> = RefCell::new(Kernels::new(MEMORY_KIB).unwrap());
}

pub fn run(bytes: &[u8]) {
    let Ok(given) = Given::arbitrary_take_rest(Unstructured::new(bytes)) else { return };
    let case = Case {
        algorithm: given.algorithm % 3,
        is_first_version: given.is_first_version,
        memory_kib: u32::from(given.memory_kib) % (MEMORY_KIB + 1),
        iterations: u32::from(given.iterations % 5),
        parallelism: u32::from(given.parallelism % 20),
        password: given.password,
        salt: given.salt,
        secret: given.secret,
        // More than this is refused by the portable kernel only; no stored hash has any.
        associated_data: &given.associated_data[..given.associated_data.len().min(32)],
        tag_bytes: usize::from(given.tag_bytes % 80),
    };
    let (tags, pairs) =
        KERNELS.with_borrow_mut(|kernels| (kernels.compute(&case), kernels.compute_pair(&case, given.other_password)));
    assert!(tags.iter().all(|tag| *tag == tags[0]), "{tags:?} {case:?}");
    assert!(pairs.iter().all(|pair| *pair == pairs[0]), "{pairs:?} {case:?}");
    assert!(pairs[0].as_ref().map(|[first, _]| first) == tags[0].as_ref(), "{pairs:?} {tags:?} {case:?}");
}
