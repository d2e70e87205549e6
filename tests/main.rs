//! One test binary; its modules stand in pipeline order. What a module checks is mostly data beside it, in the folder of the
//! same name.

mod support;

mod catalog;
mod recipe;

mod archive;
mod sources;

mod bump;
mod patches;
mod plan;

mod toolchain;

mod builder;
mod sandbox;
mod store;
mod toolkit;
mod tree;

mod arch;
mod audit;
mod boot;
mod bundle;
mod check;
mod dispatch;
mod elf;
mod package;
mod papers;
mod published;
mod relocate;
mod repro;

mod ci;
mod cli;
mod pipeline;
mod tidy;

mod slow;
