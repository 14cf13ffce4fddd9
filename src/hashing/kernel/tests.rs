//! Tests of the kernels against known results, and against each other.

use argon2::{Algorithm, Version};
use argon2_vectors::Instructions;
use proptest::prelude::*;

use super::*;
use crate::hashing::cost::{Cost, Parameters};
use crate::ports::Entropy;

/// The memory of the kernels under test.
const MEMORY_KIB: u32 = 1024;

/// The portable kernel, and all others that this CPU can run.
fn kernels() -> Vec<Box<dyn Kernel>> {
    let mut kernels: Vec<Box<dyn Kernel>> =
        vec![Box::new(PortableKernel::new(MEMORY_KIB).unwrap()), Box::new(FastKernel::new(MEMORY_KIB).unwrap())];
    for instructions in Instructions::found().chain([Instructions::scalar()]) {
        kernels.push(Box::new(VectorKernel::new(instructions, MEMORY_KIB).unwrap()));
    }
    kernels
}

fn assert_all_equal<T: PartialEq + std::fmt::Debug>(results: &[T]) {
    assert!(results.windows(2).all(|pair| pair[0] == pair[1]), "{results:?}");
}

fn recipe(algorithm: Algorithm, version: Version, parameters: Parameters) -> Recipe {
    Recipe { algorithm, version, parameters, salt: vec![2; 16], tag_bytes: 32 }
}

#[test]
fn the_vectors_of_rfc_9106_come_out() {
    let vectors = [
        (Algorithm::Argon2d, "512b391b6f1162975371d30919734294f868e3be3984f3c1a13a4db9fabe4acb"),
        (Algorithm::Argon2i, "c814d9d1dc7f37aa13f0d77f2494bda1c8de6b016dd388d29952a4c4672b6ce8"),
        (Algorithm::Argon2id, "0d640df58d78766c08c037a34a8b53c9d01ef0452d75b65eb52520e96b01e659"),
    ];
    for mut kernel in kernels() {
        for (algorithm, expected) in vectors {
            let parameters = Parameters { memory_kib: 32, iterations: 3, parallelism: 4 };
            let recipe = recipe(algorithm, Version::V0x13, parameters);
            let input = Input { password: &[1; 32], recipe: &recipe, secret: &[3; 8], associated_data: &[4; 12] };
            let mut tag = [0; 32];
            kernel.compute(&input, &mut tag).unwrap();
            assert_eq!(tag.map(|byte| format!("{byte:02x}")).concat(), expected);
        }
    }
}

#[test]
fn more_memory_than_a_kernel_has_is_refused_and_the_next_hash_is_right() {
    let mut tags = Vec::new();
    for mut kernel in kernels() {
        let mut tag = [0; 32];
        for (memory_kib, expected) in [(MEMORY_KIB + 4, Err(CantCompute::Input)), (MEMORY_KIB, Ok(()))] {
            let parameters = Parameters { memory_kib, iterations: 1, parallelism: 1 };
            let recipe = recipe(Algorithm::Argon2id, Version::V0x13, parameters);
            let input = Input::of(b"password", &recipe);
            assert_eq!(kernel.compute(&input, &mut tag), expected);
        }
        tags.push(tag);
    }
    assert_all_equal(&tags);
}

#[test]
fn what_argon2_does_not_define_is_refused() {
    for mut kernel in kernels() {
        for (memory_kib, iterations, parallelism) in [(7, 1, 1), (64, 0, 1), (64, 1, 0), (64, 1, 9), (64, 1, u32::MAX)]
        {
            let parameters = Parameters { memory_kib, iterations, parallelism };
            let recipe = recipe(Algorithm::Argon2id, Version::V0x13, parameters);
            let input = Input::of(b"password", &recipe);
            assert_eq!(kernel.compute(&input, &mut [0; 32]), Err(CantCompute::Input), "{parameters:?}");
        }
    }
}

proptest! {
    #[test]
    fn every_kernel_is_equal_to_the_portable_one(
        algorithm in prop::sample::select(&[Algorithm::Argon2d, Algorithm::Argon2i, Algorithm::Argon2id][..]),
        version in prop::sample::select(&[Version::V0x10, Version::V0x13][..]),
        (parallelism, more_kib, iterations) in (1_u32..=8, 0_u32..=448, 1_u32..=4),
        password in prop::collection::vec(any::<u8>(), 0..200),
        other_password in prop::collection::vec(any::<u8>(), 0..200),
        salt in prop::collection::vec(any::<u8>(), 8..=48),
        secret in prop::collection::vec(any::<u8>(), 0..=64),
        associated_data in prop::collection::vec(any::<u8>(), 0..=32),
        tag_bytes in 4_usize..=64,
    ) {
        let parameters = Parameters { memory_kib: 8 * parallelism + more_kib, iterations, parallelism };
        let recipe = Recipe { algorithm, version, parameters, salt, tag_bytes };
        let input = Input { password: &password, recipe: &recipe, secret: &secret, associated_data: &associated_data };
        let other = Input { password: &other_password, ..input };
        let tags: Vec<_> = kernels().into_iter().map(|mut kernel| {
            let [mut first, mut second, mut alone, mut of_other] = [(); 4].map(|()| vec![0; tag_bytes]);
            kernel.compute_pair([&input, &other], [&mut first, &mut second])?;
            kernel.compute(&input, &mut alone)?;
            kernel.compute(&other, &mut of_other)?;
            Ok::<_, CantCompute>([first, second, alone, of_other])
        }).collect();
        let [first, second, alone, of_other] = tags[0].as_ref().unwrap();
        prop_assert_eq!([first, second], [alone, of_other]);
        assert_all_equal(&tags);
    }
}

#[test]
fn a_pair_whose_recipes_differ_or_that_is_too_large_is_refused() {
    let mut kernel = VectorKernel::new(Instructions::scalar(), MEMORY_KIB).unwrap();
    let mut compute = |kibs: [u32; 2]| {
        let recipes = kibs.map(|memory_kib| {
            recipe(Algorithm::Argon2id, Version::V0x13, Parameters { memory_kib, iterations: 1, parallelism: 1 })
        });
        let [one, other] = recipes.each_ref().map(|recipe| Input::of(b"password", recipe));
        kernel.compute_pair([&one, &other], [&mut [0; 32], &mut [0; 32]])
    };
    assert_eq!(compute([MEMORY_KIB / 2, MEMORY_KIB / 4]), Err(CantCompute::Input));
    assert_eq!(compute([MEMORY_KIB / 2 + 4; 2]), Err(CantCompute::Input));
    assert_eq!(compute([MEMORY_KIB / 2; 2]), Ok(()));
}

/// Counts up, so that inputs differ.
#[derive(Default)]
struct Counting(std::sync::atomic::AtomicU8);

impl Entropy for Counting {
    fn fill(&self, buffer: &mut [u8]) {
        buffer.fill_with(|| self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed));
    }
}

/// Damage to a result: bits to flip, or an error.
type Damage = fn(&Recipe) -> Result<u8, CantCompute>;

/// Result of the self-test for the portable kernel with its results damaged.
fn verdict(damage: Damage) -> Result<(), &'static str> {
    struct Damaged(PortableKernel, Damage);
    impl Kernel for Damaged {
        fn compute(&mut self, input: &Input<'_>, tag: &mut [u8]) -> Result<(), CantCompute> {
            self.0.compute(input, tag)?;
            tag[3] ^= (self.1)(input.recipe)?;
            Ok(())
        }
    }
    let new_kernel = |memory_kib| Ok(Box::new(Damaged(PortableKernel::new(memory_kib)?, damage)) as Box<dyn Kernel>);
    self_test::check(new_kernel, Cost::new(65_536, 6, 2).unwrap(), &Counting::default())
}

#[test]
fn the_self_test_finds_every_difference() {
    assert_eq!(verdict(|_| Ok(0)), Ok(()));
    let damages: [Damage; 8] = [
        |_| Ok(1),
        |_| Err(CantCompute::Memory),
        |_| std::panic::resume_unwind(Box::new(())),
        |recipe| Ok(u8::from(recipe.version == Version::V0x10)),
        |recipe| Ok(u8::from(recipe.algorithm == Algorithm::Argon2i)),
        |recipe| Ok(u8::from(recipe.parameters.iterations == 6)),
        |recipe| Ok(u8::from(recipe.parameters.parallelism == 3)),
        |recipe| Ok(u8::from(recipe.parameters.memory_kib > 512)),
    ];
    for (number, damage) in damages.into_iter().enumerate() {
        assert!(verdict(damage).is_err(), "{number}");
    }
    let no_memory = |_| Err(CantAllocate::out_of_memory());
    assert!(self_test::check(no_memory, Cost::DEFAULT, &Counting::default()).is_err());
}

#[test]
fn the_self_test_finds_what_is_wrong_in_pairs_only() {
    struct FirstTwice(PortableKernel);
    impl Kernel for FirstTwice {
        fn compute(&mut self, input: &Input<'_>, tag: &mut [u8]) -> Result<(), CantCompute> {
            self.0.compute(input, tag)
        }

        fn compute_pair(&mut self, [one, _]: [&Input<'_>; 2], tags: [&mut [u8]; 2]) -> Result<(), CantCompute> {
            tags.into_iter().try_for_each(|tag| self.compute(one, tag))
        }
    }
    let new_kernel = |memory_kib| Ok(Box::new(FirstTwice(PortableKernel::new(memory_kib)?)) as Box<dyn Kernel>);
    let verdict = self_test::check(new_kernel, Cost::DEFAULT, &Counting::default());
    assert_eq!(verdict, Err("the kernel differs from the portable one"));
}

#[test]
fn the_portable_kernel_is_used_where_it_is_asked_for() {
    let choice = KernelChoice::new(KernelSetting::Portable, Cost::DEFAULT, &Counting::default());
    assert_eq!(choice.name(), "portable");
    assert!(choice.to_string().ends_with("the setting hashing.kernel asks for it"), "{choice}");
}

#[test]
fn the_fastest_kernel_for_the_vectors_of_the_cpu_is_used() {
    let choice = KernelChoice::new(KernelSetting::Auto, Cost::DEFAULT, &Counting::default());
    let expected = match (Instructions::found().next(), FastKernel::instructions()) {
        (Some(_), _) => "vector",
        (None, Some(_)) => "fast",
        (None, None) => "portable",
    };
    assert_eq!(choice.name(), expected, "{choice}");
}

#[test]
fn no_block_is_left_after_a_hash() {
    let parameters = Parameters { memory_kib: MEMORY_KIB, iterations: 1, parallelism: 1 };
    let recipe = recipe(Algorithm::Argon2id, Version::V0x13, parameters);
    let input = Input::of(b"password", &recipe);
    let mut portable = PortableKernel::new(MEMORY_KIB).unwrap();
    portable.compute(&input, &mut [0; 32]).unwrap();
    assert!(portable.arena.is_wiped());
    let mut vector = VectorKernel::new(Instructions::scalar(), MEMORY_KIB).unwrap();
    vector.compute(&input, &mut [0; 32]).unwrap();
    assert!(vector.arena.is_wiped());
    let half = Parameters { memory_kib: MEMORY_KIB / 2, iterations: 1, parallelism: 1 };
    let input = Input { recipe: &Recipe { parameters: half, ..recipe.clone() }, ..input };
    vector.compute_pair([&input, &input], [&mut [0; 32], &mut [0; 32]]).unwrap();
    assert!(vector.arena.is_wiped());
}
