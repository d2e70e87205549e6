//! The emulator's command line.
