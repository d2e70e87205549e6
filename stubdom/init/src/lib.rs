//! The first process of a Linux stubdomain.

#![cfg_attr(not(test), no_std)]
#![deny(unsafe_code)]

extern crate alloc;

pub mod bell;
pub mod console;
pub mod message;
pub mod proxy;
pub mod save;
pub mod store;
#[allow(unsafe_code)]
pub mod sys;
