//! See `src/publish.rs`.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| fanfare_fuzz::run("publish", data));
