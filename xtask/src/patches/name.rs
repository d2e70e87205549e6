//! The names of patch files, `NNNN-<subject>.patch`: the number says the class and the order, the rest is the subject.

use crate::cli::patch::Class;
use std::ops::RangeInclusive;

impl Class {
    /// The numbers of the class.
    pub fn band(self) -> RangeInclusive<u16> {
        match self {
            Class::Build => 100..=199,
            Class::Security => 200..=299,
            Class::Stubdom => 300..=399,
            Class::Backport => 400..=499,
            Class::Feature => 500..=899,
            Class::Distribution => 1000..=9999,
        }
    }

    /// The class of a number; None between the bands.
    pub fn of(number: u16) -> Option<Class> {
        use Class::{Backport, Build, Distribution, Feature, Security, Stubdom};
        [Build, Security, Stubdom, Backport, Feature, Distribution].into_iter().find(|c| c.band().contains(&number))
    }
}

/// `0201-x86-mm-….patch`: at most 63 bytes, as `git format-patch` makes them out of a subject.
pub fn file_name(_number: u16, _subject: &[u8]) -> String {
    todo!()
}

/// The number of a file name.
pub fn number(_file: &str) -> Option<u16> {
    todo!()
}

/// Numbers for patches in their order: those that have a number keep it as long as the order allows, the others get one between
/// their neighbours, and as few as possible move where there is no room. `class` is for those that stand at the end without a
/// number. None when the band is full.
pub fn number_all(_known: &[Option<u16>], _class: Class) -> Option<Vec<u16>> {
    todo!()
}
