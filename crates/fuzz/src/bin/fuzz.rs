//! What libFuzzer drives: the target that the environment variable `FEEDSPINE_FUZZ_TARGET` names.

#![no_main]

use std::sync::OnceLock;

use feedspine_fuzz::Target;

static TARGET: OnceLock<Target> = OnceLock::new();

libfuzzer_sys::fuzz_target!(
    init: {
        let name = std::env::var("FEEDSPINE_FUZZ_TARGET").expect("FEEDSPINE_FUZZ_TARGET names the target");
        let target = Target::named(&name).expect("FEEDSPINE_FUZZ_TARGET is the name of a target");
        TARGET.set(target).expect("libFuzzer initialises once");
    },
    |bytes: &[u8]| (TARGET.get().expect("libFuzzer initialises first").run)(bytes)
);
