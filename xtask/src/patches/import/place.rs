//! The numbers that imported patches get in a queue.

use crate::cli::patch::Class;
use crate::fault::Fault;
use crate::patches::name;
use anyhow::Result;

/// A number for each imported patch, in their order. `taken` are the numbers of the queue, ascending; `wanted` are those that the
/// patches have in their names already, which they keep where nothing speaks against it. The others come after all of their class.
pub fn numbers(taken: &[u16], wanted: &[Option<u16>], class: Class) -> Result<Vec<u16>> {
    let kept = keepable(taken, wanted);
    // Those at the beginning that keep their numbers stand where they stand; what follows is numbered after them.
    let fixed = kept.iter().position(Option::is_none).unwrap_or(kept.len());
    let mut numbers: Vec<u16> = kept[..fixed].iter().flatten().copied().collect();
    if fixed == kept.len() {
        return Ok(numbers);
    }
    if numbers.last().is_some_and(|last| last > class.band().end()) {
        // They would have to come after what their class comes before: none can keep its number.
        return self::numbers(taken, &vec![None; wanted.len()], class);
    }
    let mut before: Vec<u16> = taken.iter().chain(&numbers).copied().filter(|n| class.band().contains(n)).collect();
    before.sort_unstable();
    let last = before.last().copied().unwrap_or(0);
    let fits = |number: &u16| class.band().contains(number) && *number > last;
    let rest = kept[fixed..].iter().map(|number| number.filter(fits));
    let known: Vec<Option<u16>> = before.iter().copied().map(Some).chain(rest).collect();
    let full = || {
        let (start, end) = (class.band().start().to_owned(), class.band().end().to_owned());
        Fault::usage(format!("the numbers {start:04} to {end:04} have no room for {} more", kept.len() - fixed))
            .cure("choose another class with --class, or renumber the queue's files")
    };
    let all = name::number_all(&known, class).ok_or_else(full)?;
    if all[..before.len()] != before {
        return Err(full().into());
    }
    numbers.extend_from_slice(&all[before.len()..]);
    Ok(numbers)
}

/// The wanted numbers that are in a class's band, free, and ascending.
fn keepable(taken: &[u16], wanted: &[Option<u16>]) -> Vec<Option<u16>> {
    let mut last = 0;
    let keep = |number: &Option<u16>| {
        let number = number.filter(|n| *n > last && !taken.contains(n) && Class::of(*n).is_some())?;
        last = number;
        Some(number)
    };
    wanted.iter().map(keep).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_kept_where_they_are_free_and_in_order() {
        let numbers = |taken: &[u16], wanted: &[u16], class| {
            let wanted: Vec<Option<u16>> = wanted.iter().map(|n| Some(*n).filter(|n| *n > 0)).collect();
            numbers(taken, &wanted, class).unwrap()
        };
        assert_eq!(numbers(&[101, 104], &[102, 103, 1005], Class::Distribution), [102, 103, 1005]);
        let new = numbers(&[201, 1001], &[0, 0], Class::Security);
        assert!(new[0] > 201 && new[1] > new[0] && new[1] < 300, "{new:?}");
        let new = numbers(&[1001, 1002], &[1, 2, 3], Class::Distribution);
        assert!(new[0] > 1002 && new.is_sorted(), "{new:?}");
        let new = numbers(&[], &[101, 1001, 0, 1010], Class::Distribution);
        assert!(new[..2] == [101, 1001] && new[2] > 1001 && new[2] < 1010 && new[3] == 1010, "{new:?}");
        let new = numbers(&[], &[1001, 0], Class::Security);
        assert!(new.iter().all(|n| (200..300).contains(n)) && new.is_sorted(), "{new:?}");
        let error = super::numbers(&[299], &[None], Class::Security).unwrap_err().to_string();
        assert_eq!(error, "the numbers 0200 to 0299 have no room for 1 more");
    }
}
