//! See `src/fields.rs`.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| fanfare_fuzz::run("fields", data));
