//! The program around [`init`]: its entry, and what Rust wants of a program without its standard library.

#![no_std]
#![no_main]

extern crate alloc;

use alloc::format;
use core::ffi::c_int;
use core::panic::PanicInfo;

/// What the C library's start calls.
#[unsafe(no_mangle)]
extern "C" fn main() -> c_int {
    init::start::run();
    1
}

#[panic_handler]
fn panic(info: &PanicInfo) -> ! {
    init::start::panicked(format!("{info}"));
    loop {
        core::hint::spin_loop();
    }
}
