//! See `src/redis_push.rs`.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| fanfare_fuzz::run("redis_push", data));
