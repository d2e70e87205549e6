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

/// `0201-x86-mm-….patch`: at most 63 bytes, exactly as `git format-patch` makes them out of a subject: letters, digits, `.` and `_`
/// of ASCII stay, what lies between them becomes a dash. A subject without any of them gives `0201-patch.patch`.
pub fn file_name(number: u16, subject: &[u8]) -> String {
    let mut name = format!("{number:04}-");
    let start = name.len();
    for &byte in subject {
        let last = name.as_bytes()[name.len() - 1];
        match byte {
            b'.' if last == b'.' => (),
            b'.' | b'_' => name.push(char::from(byte)),
            byte if byte.is_ascii_alphanumeric() => name.push(char::from(byte)),
            _ if last == b'-' => (),
            _ => name.push('-'),
        }
    }
    name.truncate(start.max(name.trim_end_matches(['.', '-']).len()));
    if name.len() == start {
        name.push_str("patch");
    }
    name.truncate(LENGTH - SUFFIX.len());
    name + SUFFIX
}

const LENGTH: usize = 63;
const SUFFIX: &str = ".patch";

/// The number of a file name.
pub fn number(file: &str) -> Option<u16> {
    let (digits, _) = file.split_once('-')?;
    let is_number = digits.len() == 4 && digits.bytes().all(|b| b.is_ascii_digit());
    is_number.then(|| digits.parse().ok()).flatten()
}

/// The last number that has four digits.
const LAST: u16 = 9999;

/// Numbers for patches in their order: those that have a number keep it as long as the order allows, the others get one between
/// their neighbours, and as few as possible move where there is no room.
///
/// A new patch stays in the class of the one before it where there is room, the first one in that of the one after it. `class` is
/// for those that stand at the end without a number, unless the patches before them are of a later class. A class that begins does
/// so with the second number of its band (0201), and a patch that must move stays in its class where it can. None when the band is
/// full.
pub fn number_all(known: &[Option<u16>], class: Class) -> Option<Vec<u16>> {
    let (mut low, mut high) = (*Class::Build.band().start(), LAST);
    if let Some(&first) = known.iter().flatten().min() {
        low = low.min(first);
    }
    let at_end = known.iter().rev().take_while(|number| number.is_none()).count();
    let in_class = at_end > 0 && known.iter().flatten().all(|number| number <= class.band().end());
    if in_class {
        high = *class.band().end();
    }
    let first_new = known.len() - at_end;
    let kept = kept(known, low, high);

    let mut numbers: Vec<u16> = Vec::with_capacity(known.len());
    for (at, &number) in known.iter().enumerate() {
        let before = numbers.last().copied();
        if kept.contains(&at) {
            numbers.extend(number);
            continue;
        }
        let least = before.map_or(low, |before| before.saturating_add(1));
        let next = kept.iter().copied().find(|&next| next > at);
        let most = match next {
            Some(next) => i64::from(known[next].unwrap_or(LAST)) - (next - at) as i64,
            None => i64::from(high) - (known.len() - 1 - at) as i64,
        };
        let most = u16::try_from(most).ok().filter(|&most| most >= least)?;
        let wanted = match number {
            Some(number) => Class::of(number),
            None if at >= first_new && in_class => Some(class),
            None => before.or_else(|| known[at..].iter().flatten().next().copied()).map_or(Some(class), Class::of),
        };
        let found = wanted.and_then(|class| inside(class, before, least, most));
        if found.is_none() && next.is_none() && in_class && wanted == Some(class) {
            return None;
        }
        numbers.push(found.or_else(|| (least..=most).find(|&number| Class::of(number).is_some())).unwrap_or(least));
    }
    Some(numbers)
}

/// The number of the class that a patch after `before` gets, from `least` to `most`.
fn inside(class: Class, before: Option<u16>, least: u16, most: u16) -> Option<u16> {
    let band = class.band();
    let begins = before.is_none_or(|before| before < *band.start());
    let second = least.max(band.start() + 1);
    if begins && second <= most {
        return band.contains(&second).then_some(second);
    }
    let first = least.max(*band.start());
    (first <= most && band.contains(&first)).then_some(first)
}

/// The most patches that can keep their number: those whose numbers grow at least as fast as their places, so that what lies
/// between them finds room.
fn kept(known: &[Option<u16>], low: u16, high: u16) -> Vec<usize> {
    // A number minus its place; what is kept must not fall.
    let slack: Vec<Option<i64>> = known.iter().zip(0..).map(|(number, at)| Some(i64::from((*number)?) - at)).collect();
    let (least, most) = (i64::from(low), i64::from(high) + 1 - known.len() as i64);
    // The length of the longest row that starts at a patch.
    let mut longest = vec![0; known.len()];
    for at in (0..known.len()).rev() {
        let Some(here) = slack[at].filter(|here| (least..=most).contains(here)) else { continue };
        let after = (at + 1..known.len()).filter(|&next| slack[next].is_some_and(|next| next >= here));
        longest[at] = 1 + after.map(|next| longest[next]).max().unwrap_or(0);
    }
    let mut row: Vec<usize> = Vec::new();
    let mut wanted = longest.iter().copied().max().unwrap_or(0);
    for at in 0..known.len() {
        let fits = row.last().is_none_or(|&last| slack[at] >= slack[last]);
        if wanted > 0 && longest[at] == wanted && fits {
            row.push(at);
            wanted -= 1;
        }
    }
    row
}
