//! Says of a machine's record whether it did what its case asks, and if not why, in one sentence.
