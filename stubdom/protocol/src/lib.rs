//! What a stubdomain speaks with xenstored, libxl and QEMU, as functions over bytes and over a shared page.
//!
//! Takes bytes, gives bytes and values. It opens nothing, waits for nothing, asks no clock and holds no more memory than its
//! constants say, whatever the other side sends. It needs `alloc` and no operating system, so that both flavours of stubdomain,
//! the Linux one and the unikernel, speak with the same code.

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod argv;
pub mod gate;
pub mod json;
pub mod qmp;
pub mod vchan;
pub mod xenstore;

#[doc(hidden)]
pub mod chance;
