//! Names and numbers of patch files.

use crate::support::scratch;
use proptest::prelude::*;
use xtask::cli::patch::Class;
use xtask::patches::git;
use xtask::patches::name::{file_name, number, number_all};

#[test]
fn a_name_is_made_as_git_makes_it() {
    for (subject, name) in [
        ("x86/mm: don't leak", "0201-x86-mm-don-t-leak.patch"),
        (
            "tools: find this Xen's Python modules beside its programs",
            "0201-tools-find-this-Xen-s-Python-modules-beside-its-prog.patch",
        ),
        (
            "tools/xg: increase LZMA_BLOCK_SIZE for uncompressing the kernel",
            "0201-tools-xg-increase-LZMA_BLOCK_SIZE-for-uncompressing-.patch",
        ),
        (".gitignore: a..b... ", "0201-.gitignore-a.b.patch"),
        ("--- ../../etc/passwd", "0201-.-.-etc-passwd.patch"),
        ("Größe", "0201-Gr-e.patch"),
        ("漢字", "0201-patch.patch"),
        ("...", "0201-patch.patch"),
        ("", "0201-patch.patch"),
    ] {
        assert_eq!(file_name(201, subject.as_bytes()), name);
        assert_eq!(number(name), Some(201));
    }
    for name in ["201-a.patch", "00201-a.patch", "+201-a.patch", "0201", "a-0201.patch"] {
        assert_eq!(number(name), None, "{name}");
    }
}

/// What git makes of a subject.
fn by_git(subject: &str) -> String {
    let folder = scratch();
    let run = |args: &[&str]| {
        let mut git = git(folder.path());
        git.args(["-c", "user.name=a", "-c", "user.email=a@example.org"]).args(args);
        let output = git.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    run(&["init", "-q"]);
    run(&["commit", "-q", "--allow-empty", "--no-verify", "-m", subject]);
    run(&["format-patch", "-1", "--root", "--always", "--start-number=201"]).trim().to_owned()
}

#[test]
fn git_itself_gives_the_same_names() {
    for subject in [
        ".gitignore: Add configure output which we always delete and regenerate",
        "a -- b__c .. d... [x] \"y\"",
        "tools/xg: increase LZMA_BLOCK_SIZE for uncompressing the kernel",
        "--- ../../etc/passwd",
        "x . y .. -",
        "Größe",
    ] {
        assert_eq!(file_name(201, subject.as_bytes()), by_git(subject), "{subject}");
    }
}

#[test]
fn numbers_stay_and_new_ones_come_between() {
    use Class::{Backport, Build, Distribution, Security};
    let cases: &[(&[u16], Class, &[u16])] = &[
        // 0 stands for a patch without a number.
        (&[], Build, &[]),
        (&[0, 0], Security, &[201, 202]),
        (&[101, 102, 0], Build, &[101, 102, 103]),
        (&[101, 102, 0], Security, &[101, 102, 201]),
        (&[101, 0, 102], Security, &[101, 102, 103]),
        (&[101, 0, 201], Backport, &[101, 102, 201]),
        (&[199, 0, 301], Build, &[199, 200, 301]),
        (&[0, 101], Security, &[100, 101]),
        (&[0, 0, 101, 201], Security, &[101, 102, 103, 201]),
        (&[101, 103, 102, 104], Build, &[101, 103, 104, 105]),
        (&[103, 101, 102], Build, &[100, 101, 102]),
        (&[899, 0, 1001], Build, &[899, 1000, 1001]),
        (&[1001, 0], Security, &[1001, 1002]),
        (&[201, 299, 0], Security, &[201, 202, 203]),
        (&[1, 2, 0], Distribution, &[1, 2, 1001]),
        (&[101, 101], Build, &[101, 102]),
    ];
    for (known, class, numbers) in cases {
        let known: Vec<Option<u16>> = known.iter().map(|&number| (number > 0).then_some(number)).collect();
        assert_eq!(number_all(&known, *class).as_deref(), Some(*numbers), "{known:?}");
    }
}

#[test]
fn a_full_band_gives_nothing() {
    let full: Vec<Option<u16>> = (200..300).map(Some).collect();
    assert_eq!(number_all(&full, Class::Security).unwrap().len(), 100);
    assert_eq!(number_all(&[full, vec![None]].concat(), Class::Security), None);
    assert_eq!(number_all(&vec![None; 100], Class::Security), Some((200..300).collect()));
    assert_eq!(number_all(&vec![None; 101], Class::Security), None);
    assert_eq!(number_all(&vec![None; 246], Class::Distribution), Some((1001..1247).collect()));
}

/// Some of the numbers of a queue, with places for new patches between them.
fn queue() -> impl Strategy<Value = Vec<Option<u16>>> {
    prop::collection::vec(prop_oneof![1 => Just(None), 3 => (100u16..2000).prop_map(Some)], 0..260)
}

fn class() -> impl Strategy<Value = Class> {
    prop::sample::select(vec![Class::Build, Class::Backport, Class::Feature, Class::Distribution])
}

/// The most that any choice of kept numbers could keep, by trying all.
fn most_kept(known: &[Option<u16>]) -> usize {
    let fits = |chosen: u32| {
        let kept: Vec<(i64, i64)> = known
            .iter()
            .zip(0..)
            .filter(|(_, at)| chosen >> at & 1 == 1)
            .filter_map(|(number, at)| Some((at, i64::from((*number)?))))
            .collect();
        let room = kept.windows(2).all(|pair| pair[1].1 - pair[0].1 >= pair[1].0 - pair[0].0);
        let before = kept.first().is_none_or(|(at, number)| number - at >= 100);
        let all = kept.len() == chosen.count_ones() as usize;
        (room && before && all).then_some(kept.len())
    };
    (0..1 << known.len()).filter_map(fits).max().unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn numbers_always_grow(known in queue(), class in class()) {
        if let Some(numbers) = number_all(&known, class) {
            prop_assert_eq!(numbers.len(), known.len());
            prop_assert!(numbers.windows(2).all(|pair| pair[0] < pair[1]), "{:?}", numbers);
            prop_assert!(numbers.iter().all(|number| (100..=9999).contains(number)));
        }
        prop_assert!(number_all(&known, Class::Distribution).is_some());
    }

    #[test]
    fn a_queue_in_order_keeps_its_numbers(known in prop::collection::btree_set(0u16..10_000, 0..260), class in class()) {
        let known: Vec<u16> = known.into_iter().collect();
        let asked: Vec<Option<u16>> = known.iter().copied().map(Some).collect();
        prop_assert_eq!(number_all(&asked, class), Some(known));
    }

    #[test]
    fn as_few_as_possible_move(known in prop::collection::vec(prop::option::of(100u16..110), 0..9)) {
        let numbers = number_all(&known, Class::Distribution).unwrap();
        let kept = known.iter().zip(&numbers).filter(|(known, number)| **known == Some(**number)).count();
        prop_assert!(kept >= most_kept(&known), "{:?} -> {:?}", known, numbers);
    }
}
