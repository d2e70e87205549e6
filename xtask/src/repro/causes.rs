//! Rules that name the cause of a difference from the bytes around it. Pure: bytes in, words out.
//!
//! Both sides are the same up to the first difference, so a text that holds it begins at one place on both sides.

use std::ops::Range;

/// A text that was one thing for the first side and another for the second: a path, a name.
#[derive(Clone, Debug)]
pub struct Clue {
    pub what: &'static str,
    pub first: String,
    pub second: String,
}

/// How far around a difference a varied text is looked for.
const AROUND: usize = 256;

/// `d` is a digit, `_` a digit or a blank, `M` the English name of a month in three letters, `W` that of a day; the longest
/// stand first.
const DATES: [&[u8]; 14] = [
    b"W, _d M dddd dd:dd:dd",
    b"W M _d dd:dd:dd dddd",
    b"W M _d dd:dd:dd",
    b"dddd-dd-ddTdd:dd:dd",
    b"dddd-dd-dd dd:dd:dd",
    b"_d M dddd dd:dd:dd",
    b"M _d dd:dd:dd dddd",
    b"M _d dd:dd:dd",
    b"_d M dddd",
    b"M _d dddd",
    b"dddd-dd-dd",
    b"dddd/dd/dd",
    b"dd/dd/dddd",
    b"dd:dd:dd",
];

const MONTHS: [&[u8]; 12] =
    [b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec"];

const DAYS: [&[u8]; 7] = [b"Mon", b"Tue", b"Wed", b"Thu", b"Fri", b"Sat", b"Sun"];

/// Years whose Unix times are taken for times: 2000 to 2099.
const TIMES: Range<u64> = 946_684_800..4_102_444_800;

/// The same for bytes, 2000 to 2039: the wider the range, the more noise passes.
const TIMES_IN_BYTES: Range<u64> = 946_684_800..2_208_988_800;

/// What the rules know about two sides whose first difference is at `at`, the surest first.
pub fn name(first: &[u8], second: &[u8], at: usize, clues: &[Clue]) -> Vec<String> {
    let mut causes: Vec<String> = clues.iter().filter_map(|clue| varied(first, second, at, clue)).collect();
    causes.extend(date(first, second, at));
    causes.extend(unix_time_in_digits(first, second, at));
    if causes.is_empty() {
        causes.extend(digest(first, second, at));
    }
    causes
}

/// A time of four bytes, which only binary data holds. Two random words pass in fewer than one of a hundred cases.
pub fn unix_time_in_bytes(first: &[u8], second: &[u8], at: usize) -> Option<String> {
    const YEAR: u64 = 366 * 86400;
    let from = at - at % 4;
    let word = |bytes: &[u8]| Some(bytes.get(from..from + 4)?.try_into().expect("four bytes"));
    let (first, second) = (word(first)?, word(second)?);
    [u32::from_le_bytes, u32::from_be_bytes].into_iter().find_map(|read| {
        let (first, second) = (u64::from(read(first)), u64::from(read(second)));
        let times =
            TIMES_IN_BYTES.contains(&first) && TIMES_IN_BYTES.contains(&second) && first.abs_diff(second) < YEAR;
        times.then(|| format!("probably a date: Unix times {first} and {second}"))
    })
}

fn varied(first: &[u8], second: &[u8], at: usize, clue: &Clue) -> Option<String> {
    let within = |bytes: &[u8], text: &str| {
        let window = &bytes[at.saturating_sub(AROUND).min(bytes.len())..bytes.len().min(at + AROUND)];
        !text.is_empty() && memchr::memmem::find(window, text.as_bytes()).is_some()
    };
    let both = within(first, &clue.first) && within(second, &clue.second);
    both.then(|| format!("{}: {} and {}", clue.what, clue.first, clue.second))
}

fn date(first: &[u8], second: &[u8], at: usize) -> Option<String> {
    let seconds = seconds(first, at);
    DATES.iter().find_map(|form| {
        let size: usize = form.iter().map(|c| width(*c)).sum();
        let holds = |at: usize| {
            let mut starts = at.saturating_sub(size - 1)..=at;
            starts.find(|from| fits(form, first, *from) && fits(form, second, *from))
        };
        let from = holds(at).or_else(|| holds(seconds?).filter(|from| Some(from + size - 1) == seconds))?;
        let text = |bytes: &[u8]| {
            let end = from + size;
            let fraction = bytes[end..].iter().skip(1).take_while(|b| b.is_ascii_digit()).count();
            let end = if bytes.get(end) == Some(&b'.') && fraction > 0 { end + 1 + fraction } else { end };
            String::from_utf8_lossy(&bytes[from..end]).trim().to_owned()
        };
        Some(format!("date: {} and {}", text(first), text(second)))
    })
}

/// The last digit before the fraction that holds `at`.
fn seconds(bytes: &[u8], at: usize) -> Option<usize> {
    let point = bytes.get(..at)?.iter().rposition(|b| !b.is_ascii_digit())?;
    (bytes[point] == b'.').then(|| point.checked_sub(1))?
}

fn fits(form: &[u8], bytes: &[u8], from: usize) -> bool {
    let mut rest = bytes.get(from..).unwrap_or_default();
    for c in form {
        let Some((head, tail)) = rest.split_at_checked(width(*c)) else { return false };
        let good = match c {
            b'd' => head[0].is_ascii_digit(),
            b'_' => head[0].is_ascii_digit() || head[0] == b' ',
            b'M' => MONTHS.contains(&head),
            b'W' => DAYS.contains(&head),
            c => head[0] == *c,
        };
        if !good {
            return false;
        }
        rest = tail;
    }
    true
}

/// Bytes that a letter of a form stands for.
fn width(letter: u8) -> usize {
    if matches!(letter, b'M' | b'W') { 3 } else { 1 }
}

fn unix_time_in_digits(first: &[u8], second: &[u8], at: usize) -> Option<String> {
    // Seconds, milliseconds, microseconds, nanoseconds.
    let time = |bytes| {
        let digits = run(bytes, at, |b| b.is_ascii_digit()).filter(|text| matches!(text.len(), 10 | 13 | 16 | 19))?;
        TIMES.contains(&digits[..10].parse().ok()?).then_some(digits)
    };
    Some(format!("date: Unix times {} and {}", time(first)?, time(second)?))
}

/// A digest differs because what it is of differs: it says where not to look.
fn digest(first: &[u8], second: &[u8], at: usize) -> Option<String> {
    let hex = |bytes| run(bytes, at, |b| matches!(b, b'0'..=b'9' | b'a'..=b'f')).map_or(0, |text| text.len());
    let size = hex(first);
    (matches!(size, 32 | 40 | 64) && size == hex(second))
        .then(|| "a digest: follows from another difference".to_owned())
}

/// The longest run of such bytes that holds `at`.
fn run(bytes: &[u8], at: usize, of: impl Fn(u8) -> bool) -> Option<&str> {
    let (before, after) = bytes.split_at_checked(at)?;
    let start = before.iter().rposition(|b| !of(*b)).map_or(0, |place| place + 1);
    let end = after.iter().position(|b| !of(*b)).map_or(bytes.len(), |size| at + size);
    std::str::from_utf8(&bytes[start..end]).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(first: &str, second: &str) -> Vec<String> {
        let at = first.bytes().zip(second.bytes()).position(|(a, b)| a != b).unwrap();
        let clue = Clue { what: "path of the store", first: "/one/store".into(), second: "/two/store".into() };
        name(first.as_bytes(), second.as_bytes(), at, &[clue])
    }

    #[test]
    fn dates_are_known_in_every_form() {
        let dates = [
            ("built 2026-11-20T10:00:00Z", "built 2026-11-20T10:00:07Z", "2026-11-20T10:00:00 and 2026-11-20T10:00:07"),
            ("on 2026-11-20.", "on 2027-01-02.", "2026-11-20 and 2027-01-02"),
            (
                "Fri Nov 20 10:00:00 2026",
                "Fri Nov 21 10:00:00 2026",
                "Fri Nov 20 10:00:00 2026 and Fri Nov 21 10:00:00 2026",
            ),
            (
                "Fri, 20 Nov 2026 10:00:00 +0000",
                "Fri, 20 Nov 2026 10:01:00 +0000",
                "Fri, 20 Nov 2026 10:00:00 and Fri, 20 Nov 2026 10:01:00",
            ),
            ("Fri Nov 14 06:28:40 UTC", "Thu Nov 13 16:58:40 XEN", "Fri Nov 14 06:28:40 and Thu Nov 13 16:58:40"),
            ("(11/14/2025)", "(11/13/2025)", "11/14/2025 and 11/13/2025"),
            ("10:00:00.123 UTC", "10:00:00.125 UTC", "10:00:00.123 and 10:00:00.125"),
            ("at 09:59:59", "at 10:00:00", "09:59:59 and 10:00:00"),
            ("t=1700000000;", "t=1700000009;", "Unix times 1700000000 and 1700000009"),
        ];
        for (first, second, expected) in dates {
            assert_eq!(named(first, second), [format!("date: {expected}")], "{first}");
        }
    }

    #[test]
    fn what_is_no_date_is_not_called_one() {
        for (first, second) in
            [("4.17.5", "4.17.6"), ("12345", "12346"), ("9999999999", "9999999998"), ("1:2:3", "1:2:4")]
        {
            assert_eq!(named(first, second), [""; 0], "{first}");
        }
    }

    #[test]
    fn varied_texts_and_digests_are_known() {
        assert_eq!(named("in /one/store/x", "in /two/store/x"), ["path of the store: /one/store and /two/store"]);
        let (first, second) = ("a".repeat(64), "b".repeat(64));
        assert_eq!(named(&first, &second), ["a digest: follows from another difference"]);
        assert_eq!(named(&first[1..], &second[1..]), [""; 0]);
    }

    #[test]
    fn times_in_bytes_lie_near_each_other() {
        let side = |time: u32| [&[0; 8][..], &time.to_le_bytes()].concat();
        let (first, second) = (side(1_700_000_000), side(1_700_000_009));
        let cause = unix_time_in_bytes(&first, &second, 8).unwrap();
        assert!(cause.contains("1700000000 and 1700000009"), "{cause}");
        assert_eq!(unix_time_in_bytes(&first, &side(7), 8), None);
        assert_eq!(unix_time_in_bytes(&first, &side(1_900_000_000), 8), None);
    }
}
