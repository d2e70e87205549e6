//! The first process of a Linux stubdomain.

#![cfg_attr(not(test), no_std)]
#![cfg_attr(not(test), deny(unsafe_code))]

extern crate alloc;

pub mod bell;
pub mod console;
pub mod message;
pub mod monitor;
pub mod network;
pub mod proxy;
pub mod save;
pub mod start;
pub mod store;
pub mod supervise;
#[allow(unsafe_code)]
pub mod sys;
pub mod uevent;
