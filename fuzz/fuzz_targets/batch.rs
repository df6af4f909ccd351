//! `logweir_fuzz::batch`, for libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| logweir_fuzz::batch(bytes));
