//! Builds Xen from pinned sources into relocated, audited, reproducible artifacts.
//!
//! ```text
//! recipe ─► pins ─► sources ─► patches ─► plan ─► builder ─► relocate ─► package ─► verify
//!  .toml    .lock    trees     patched     DAG     staged    relocated   deb rpm    audit
//!                                        rootfs + sandbox       elf         tar
//! ```
//!
//! The modules stand in pipeline order. A stage is one function from one plain value to the next; a value that only a
//! stage can make has private fields, so that skipping a stage does not compile.

pub mod catalog;
pub mod filter;
pub mod provide;
pub mod recipe;

pub mod archive;
pub mod download;
pub mod git;
pub mod origin;
pub mod sources;

pub mod bump;
pub mod patches;

pub mod debian;
pub mod rootfs;
pub mod toolchain;

pub mod builder;
pub mod job;
pub mod plan;
pub mod sandbox;
pub mod store;
pub mod toolkit;
pub mod tree;

pub mod audit;
pub mod boot;
pub mod check;
pub mod elf;
pub mod inspection;
pub mod package;
pub mod papers;
pub mod published;
pub mod relocate;
pub mod repro;
pub mod shipment;

pub mod cli;
pub mod cmd;

pub mod context;
pub mod digest;
pub mod fault;
pub mod interrupt;
pub mod markup;
pub mod openpgp;
pub mod parallel;
pub mod report;
pub mod table;
pub mod usage;
pub mod yardstick;
