//! Patches and their queues; the cases stand beside the modules in `tests/patches/`.

mod apply;
mod engine;
mod export;
mod fixture;
mod import;
mod lint;
mod mail;
mod name;
mod rebase;
mod refresh;
pub mod render;
mod status;
