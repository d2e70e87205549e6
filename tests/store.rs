//! The laws of the store: results appear whole or not at all, one maker at a time, tampering is found, `gc` leaves alone what
//! others use.

use crate::support::scratch;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};
use xtask::digest::{Hash, Key, KeyBuilder};
use xtask::fault;
use xtask::store::{Begin, Policy, Store};

fn key(name: &str) -> Key {
    KeyBuilder::new("test/1").field("name", name).finish()
}

fn make_hello(root: &Path) -> anyhow::Result<()> {
    fs_err::create_dir(root.join("bin"))?;
    Ok(fs_err::write(root.join("bin/hello"), "hello\n")?)
}

/// Names in a folder of the store.
fn names(store: &Store, folder: &str) -> Vec<String> {
    let entries = fs_err::read_dir(store.root().join(folder)).unwrap();
    let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_tree_is_made_once_and_found_again() {
    let dir = scratch();
    let store = Store::open(dir.path()).unwrap();
    assert!(store.tree(&key("a")).unwrap().is_none());
    let made = store.tree_or_make(&key("a"), "tree a", make_hello).unwrap();
    let again = store.tree_or_make(&key("a"), "tree a", |_| panic!("it is there")).unwrap();
    assert_eq!(made.path, again.path);
    assert_eq!(fs_err::read_to_string(again.path.join("bin/hello")).unwrap(), "hello\n");
    assert_eq!(store.manifest(&again).unwrap().digest(), made.manifest_digest);
    assert!(names(&store, "work").is_empty());
}

#[test]
fn a_failed_make_leaves_nothing() {
    let dir = scratch();
    let store = Store::open(dir.path()).unwrap();
    let error = store
        .tree_or_make(&key("a"), "tree a", |root| {
            make_hello(root)?;
            anyhow::bail!("no such luck")
        })
        .unwrap_err();
    assert_eq!(format!("{error:#}"), "no such luck");
    assert!(store.tree(&key("a")).unwrap().is_none());
    assert!(names(&store, "work").is_empty() && names(&store, "tree").is_empty());
}

#[test]
fn what_no_package_carries_is_refused_by_name() {
    let dir = scratch();
    let store = Store::open(dir.path()).unwrap();
    let error = store
        .tree_or_make(&key("a"), "step tools", |root| {
            drop(std::os::unix::net::UnixListener::bind(root.join("talk")).unwrap());
            Ok(())
        })
        .unwrap_err();
    let text = fault::render(&error);
    assert!(text.contains("storing step tools") && text.contains("/talk is a socket"), "{text}");
    assert!(names(&store, "tree").is_empty());
}

#[test]
fn of_many_makers_at_once_one_makes_and_all_get_it() {
    let dir = scratch();
    let made = AtomicUsize::new(0);
    let start = Barrier::new(4);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                // A store of its own, as another process would have.
                let store = Store::open(dir.path()).unwrap();
                start.wait();
                let stored = store
                    .tree_or_make(&key("a"), "tree a", |root| {
                        made.fetch_add(1, Ordering::Relaxed);
                        std::thread::sleep(std::time::Duration::from_millis(50));
                        make_hello(root)
                    })
                    .unwrap();
                assert!(stored.path.join("bin/hello").exists());
            });
        }
    });
    assert_eq!(made.load(Ordering::Relaxed), 1);
}

#[test]
fn who_gives_up_waits_no_longer() {
    let dir = scratch();
    let store = Store::open(dir.path()).unwrap();
    let Begin::Make(_making) = store.begin(&key("a"), "tree a").unwrap() else { panic!("it is not there") };
    assert!(store.begin_unless(&key("a"), "tree a", || true).unwrap().is_none());
}

/// Not a test of its own: the process that the next test kills. It makes a tree and never ends.
#[test]
fn a_maker_that_hangs() {
    let Some(root) = std::env::var_os("XENWRIGHT_TEST_HANGING_MAKER") else { return };
    let store = Store::open(Path::new(&root)).unwrap();
    let _ = store.tree_or_make(&key("a"), "tree a", |root| {
        make_hello(root)?;
        fs_err::write(root.join("ready"), "")?;
        std::thread::sleep(std::time::Duration::from_secs(60));
        anyhow::bail!("nobody killed the maker")
    });
}

#[test]
fn a_killed_maker_leaves_nothing_that_is_found_and_the_next_one_goes_on() {
    let dir = scratch();
    let store = Store::open(dir.path()).unwrap();
    #[expect(clippy::disallowed_methods, reason = "the process that is killed has to be another one")]
    let mut maker = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "store::a_maker_that_hangs"])
        .env("XENWRIGHT_TEST_HANGING_MAKER", dir.path())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let ready = dir.path().join("work").join(key("a").as_str()).join("entry/root/ready");
    for _ in 0..500 {
        if ready.exists() {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    assert!(ready.exists(), "the maker did not start within ten seconds");
    assert!(store.tree(&key("a")).unwrap().is_none());
    // While the maker lives its folder is left alone, by an open and by `gc`.
    drop(Store::open(dir.path()).unwrap());
    let (removed, busy) = store.gc(&Policy { max_bytes: Some(0), ..Policy::default() }).unwrap();
    assert!(removed.is_empty() && busy && ready.exists());

    maker.kill().unwrap();
    maker.wait().unwrap();
    assert!(store.tree(&key("a")).unwrap().is_none());
    let reopened = Store::open(dir.path()).unwrap();
    assert!(names(&reopened, "work").is_empty());
    let stored = reopened.tree_or_make(&key("a"), "tree a", make_hello).unwrap();
    assert!(!stored.path.join("ready").exists());
}

#[test]
fn a_changed_tree_is_seen_before_it_is_used() {
    let dir = scratch();
    let store = Store::open(dir.path()).unwrap();
    let stored = store.tree_or_make(&key("a"), "step tools", make_hello).unwrap();
    store.check(&stored).unwrap();
    assert!(store.verify(|_, _| ()).unwrap().is_empty());

    // Same size, and the time put back, as a careful hand would do.
    let file = stored.path.join("bin/hello");
    let before = fs_err::metadata(&file).unwrap().modified().unwrap();
    fs_err::write(&file, "jello\n").unwrap();
    fs_err::File::options().write(true).open(&file).unwrap().set_modified(before).unwrap();
    fs_err::write(stored.path.join("bin/guest"), "").unwrap();

    let text = fault::render(&store.check(&stored).unwrap_err());
    let reused = store.tree_or_make(&key("a"), "step tools", |_| panic!("it is there")).unwrap_err();
    assert_eq!(text, fault::render(&reused));
    assert!(text.contains("step tools"), "{text}");
    assert!(text.contains("bin/guest: expected nothing, found a file"), "{text}");
    assert!(text.contains(Hash::of(b"hello\n").as_str()) && text.contains(Hash::of(b"jello\n").as_str()), "{text}");
    assert!(text.contains("help: run `cargo xtask store verify --repair`"), "{text}");

    let broken = store.verify(|_, _| ()).unwrap();
    assert_eq!(broken.len(), 1);
    assert_eq!((broken[0].what.as_str(), broken[0].findings.len()), ("step tools", 2));
    store.repair(&broken).unwrap();
    assert!(store.tree(&key("a")).unwrap().is_none());
    assert!(store.verify(|_, _| ()).unwrap().is_empty());
}

#[test]
fn a_touched_but_unchanged_tree_is_sealed_anew() {
    let dir = scratch();
    let store = Store::open(dir.path()).unwrap();
    let stored = store.tree_or_make(&key("a"), "step tools", make_hello).unwrap();
    let before = store.record(&key("a")).unwrap().unwrap().seal;
    std::thread::sleep(std::time::Duration::from_millis(20));
    fs_err::write(stored.path.join("bin/hello"), "hello\n").unwrap();
    store.check(&stored).unwrap();
    let after = store.record(&key("a")).unwrap().unwrap().seal;
    assert_ne!(before, after);
    assert_eq!(after, xtask::tree::Seal::of(&stored.path).unwrap());
}

#[test]
fn a_damaged_record_or_manifest_is_named_and_can_be_repaired() {
    for file in ["record.json", "manifest.json"] {
        let dir = scratch();
        let store = Store::open(dir.path()).unwrap();
        let stored = store.tree_or_make(&key("a"), "step tools", make_hello).unwrap();
        fs_err::write(stored.path.with_file_name(file), "{").unwrap();
        let error = store.tree(&key("a")).and_then(|found| store.manifest(&found.unwrap())).unwrap_err();
        let text = fault::render(&error);
        assert!(text.contains(file) && text.contains("--repair"), "{text}");
        let broken = store.verify(|_, _| ()).unwrap();
        assert_eq!(broken.len(), 1);
        store.repair(&broken).unwrap();
        store.tree_or_make(&key("a"), "step tools", make_hello).unwrap();
    }
}

#[test]
fn a_blob_is_kept_only_with_the_right_bytes() {
    let dir = scratch();
    let store = Store::open(dir.path()).unwrap();
    let hash = Hash::of(b"right");
    let _lock = store.lock_blob(&hash).unwrap();
    let partial = store.partial(&hash);
    fs_err::write(&partial, "wrong").unwrap();
    let text = fault::render(&store.keep_blob(&partial, &hash, 5).unwrap_err());
    assert!(text.contains(hash.as_str()) && text.contains(Hash::of(b"wrong").as_str()), "{text}");
    assert!(!partial.exists() && store.blob(&hash).is_none());

    fs_err::write(&partial, "right").unwrap();
    let path = store.keep_blob(&partial, &hash, 5).unwrap();
    assert_eq!(store.blob(&hash), Some(path.clone()));
    assert_eq!(fs_err::read(&path).unwrap(), b"right");

    fs_err::remove_file(&path).unwrap();
    fs_err::write(&path, "other").unwrap();
    let broken = store.verify(|_, _| ()).unwrap();
    assert_eq!(broken.len(), 1);
    assert!(broken[0].what.contains(hash.as_str()) && broken[0].findings[0].contains("expected sha256"), "{broken:?}");
}

#[test]
fn gc_takes_rubbish_and_what_the_policy_allows_but_nothing_that_is_locked() {
    let dir = scratch();
    let store = Store::open(dir.path()).unwrap();
    store.tree_or_make(&key("old"), "tree old", make_hello).unwrap();
    std::thread::sleep(std::time::Duration::from_millis(1100));
    store.tree_or_make(&key("new"), "tree new", make_hello).unwrap();
    let (one, two) = (Hash::of(b"one"), Hash::of(b"two"));
    fs_err::write(store.partial(&one), "o").unwrap();
    fs_err::write(store.partial(&two), "t").unwrap();
    fs_err::write(store.log(&key("gone")), "said\n").unwrap();
    let lock = store.lock_blob(&two).unwrap();

    // Each tree holds six bytes: only one of them may stay.
    let (removed, busy) = store.gc(&Policy { max_bytes: Some(6), ..Policy::default() }).unwrap();
    let what: Vec<String> = removed.into_iter().map(|removed| removed.what).collect();
    assert!(!busy);
    assert_eq!(
        what,
        [format!("partial {}", one.short()), format!("log {}", key("gone").short()), "tree old".to_owned()]
    );
    assert!(store.tree(&key("new")).unwrap().is_some() && store.partial(&two).exists());

    drop(lock);
    let (removed, _) = store.gc(&Policy { unused_days: Some(1), ..Policy::default() }).unwrap();
    assert_eq!(removed.len(), 1, "only the partial: the tree was used today");
}

#[test]
fn trees_stay_while_another_process_has_the_store_open() {
    let dir = scratch();
    let store = Store::open(dir.path()).unwrap();
    store.tree_or_make(&key("a"), "tree a", make_hello).unwrap();
    let other = Store::open(dir.path()).unwrap();
    let everything = Policy { max_bytes: Some(0), ..Policy::default() };
    assert!(matches!(store.gc(&everything).unwrap(), (removed, true) if removed.is_empty()));
    drop(other);
    assert!(matches!(store.gc(&everything).unwrap(), (removed, false) if removed.len() == 1));
}

#[test]
fn work_folders_go_with_their_owner_even_when_closed_to_him() {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = scratch();
    let store = Store::open(dir.path()).unwrap();
    let work = store.work("relocate").unwrap();
    let path = work.path().to_owned();
    fs_err::create_dir(path.join("closed")).unwrap();
    fs_err::write(path.join("closed/file"), "").unwrap();
    fs_err::set_permissions(path.join("closed"), std::fs::Permissions::from_mode(0o500)).unwrap();
    drop(Store::open(dir.path()).unwrap());
    assert!(path.exists());
    drop(work);
    assert!(!path.exists() && names(&store, "lock") == ["users"]);
}

#[test]
fn a_failed_folder_is_kept_until_the_next_try() {
    let dir = scratch();
    let store = Store::open(dir.path()).unwrap();
    let Begin::Make(making) = store.begin(&key("a"), "step tools").unwrap() else { panic!("it is not there") };
    fs_err::create_dir(making.folder().join("build")).unwrap();
    make_hello(making.root()).unwrap();
    let kept = making.keep_failed().unwrap();
    assert_eq!(kept, store.failed(&key("a")));
    assert!(kept.join("build").is_dir() && kept.join("root/bin/hello").exists());
    drop(Store::open(dir.path()).unwrap());
    assert!(kept.exists() && store.tree(&key("a")).unwrap().is_none());
    let Begin::Make(_making) = store.begin(&key("a"), "step tools").unwrap() else { panic!("it is not there") };
    assert!(!kept.exists());
}

#[test]
fn a_folder_of_somebody_elses_is_not_taken_for_a_store() {
    let dir = scratch();
    fs_err::create_dir(dir.path().join("work")).unwrap();
    fs_err::write(dir.path().join("work/thesis"), "").unwrap();
    let text = fault::render(&Store::open(dir.path()).err().unwrap());
    assert!(text.contains("is not a store") && text.contains("--store DIR"), "{text}");
    assert!(dir.path().join("work/thesis").exists());

    let dir = scratch();
    drop(Store::open(dir.path()).unwrap());
    fs_err::write(dir.path().join("version"), "xenwright store 99\n").unwrap();
    let text = fault::render(&Store::open(dir.path()).err().unwrap());
    assert!(text.contains("found `xenwright store 99`"), "{text}");
}

#[test]
fn a_place_that_cannot_be_written_is_named_with_the_way_out() {
    // procfs refuses new folders even to root.
    let text = fault::render(&Store::open(Path::new("/proc/xenwright")).err().unwrap());
    assert!(text.contains("/proc/xenwright"), "{text}");

    let full = std::io::Error::from_raw_os_error(rustix::io::Errno::NOSPC.raw_os_error());
    let dir = scratch();
    let store = Store::open(dir.path()).unwrap();
    let error =
        store.tree_or_make(&key("a"), "tree a", |_| Err(anyhow::Error::from(full).context("writing x"))).unwrap_err();
    let text = fault::render(&error);
    assert!(text.contains("writing x: No space left on device"), "{text}");
    assert!(text.contains("store gc") && text.contains("--store DIR"), "{text}");
}

#[test]
fn usage_counts_trees_by_their_records() {
    let dir = scratch();
    let store = Store::open(dir.path()).unwrap();
    store.tree_or_make(&key("a"), "step tools", make_hello).unwrap();
    let usage = store.usage().unwrap();
    assert_eq!((usage.rows[0].kind, usage.rows[0].count, usage.rows[0].bytes), ("tree", 1, 6));
    assert_eq!(usage.trees, [("step tools".to_owned(), key("a"), 6)]);
}
