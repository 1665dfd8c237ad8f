//! See `src/redis_reply.rs`.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| fanfare_fuzz::run("redis_reply", data));
