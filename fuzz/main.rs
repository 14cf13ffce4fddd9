//! Fuzz targets. Each asserts a property for all inputs; that nothing panics is one. `fuzz/run` builds and runs them.
#![no_main]
#![allow(
    clippy::allow_attributes,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    missing_docs,
    unreachable_pub,
    unsafe_code,
    reason = "a target stops where a property does not hold, and its engine calls it from C++"
)]

mod authorization;
mod certificate;
mod denial;
mod exports;
mod forwarded;
mod issuers;
mod jwt;
mod kernels;
mod operations;
mod parameters;
mod phc;
mod policies;
mod requests;
mod signatures;

use std::sync::OnceLock;
use std::{env, fs};

use libfuzzer_sys::fuzz_target;

/// A function that asserts properties of an input, and the inputs to begin with.
struct Target {
    name: &'static str,
    run: fn(&[u8]),
    seeds: fn() -> Vec<Vec<u8>>,
}

const TARGETS: [Target; 16] = [
    Target { name: "authorization", run: authorization::run, seeds: authorization::seeds },
    Target { name: "certificate", run: certificate::run, seeds: certificate::seeds },
    Target { name: "denial", run: denial::run, seeds: denial::seeds },
    Target { name: "exports", run: exports::run, seeds: exports::seeds },
    Target { name: "forwarded", run: forwarded::run, seeds: forwarded::seeds },
    Target { name: "issuers", run: issuers::run, seeds: issuers::seeds },
    Target { name: "jwt", run: jwt::run, seeds: jwt::seeds },
    Target { name: "kernels", run: kernels::run, seeds: Vec::new },
    Target { name: "operations", run: operations::run, seeds: operations::seeds },
    Target { name: "parameters", run: parameters::run, seeds: parameters::seeds },
    Target { name: "phc", run: phc::run, seeds: phc::seeds },
    Target { name: "policies", run: policies::run, seeds: policies::seeds },
    Target { name: "requests", run: requests::run, seeds: requests::seeds },
    Target { name: "signature-acs3", run: signatures::run_acs3, seeds: signatures::acs3_seeds },
    Target { name: "signature-sdk-hmac", run: signatures::run_sdk_hmac, seeds: signatures::sdk_hmac_seeds },
    Target { name: "signature-v1", run: signatures::run_v1, seeds: signatures::v1_seeds },
];

static CHOSEN: OnceLock<&'static Target> = OnceLock::new();

/// Chooses the target that `FUZZ_TARGET` names, and writes its seeds into the folder `FUZZ_SEEDS`.
fn choose() {
    let name = env::var("FUZZ_TARGET").expect("FUZZ_TARGET names a target");
    let target = TARGETS.iter().find(|target| target.name == name).expect("FUZZ_TARGET names a target");
    let folder = env::var("FUZZ_SEEDS").expect("FUZZ_SEEDS names a folder");
    for (number, seed) in (target.seeds)().into_iter().enumerate() {
        fs::write(format!("{folder}/seed-{number}"), seed).expect("FUZZ_SEEDS is a folder");
    }
    let _ = CHOSEN.set(target);
}

fuzz_target!(init: choose(), |bytes: &[u8]| (CHOSEN.get().expect("a target is chosen").run)(bytes));

/// Texts as seeds.
fn texts(texts: &[&str]) -> Vec<Vec<u8>> {
    texts.iter().map(|text| text.as_bytes().to_vec()).collect()
}
