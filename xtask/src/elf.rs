//! The few facts about an ELF file that relocation and audit rest on. Bytes in, plain value out.
