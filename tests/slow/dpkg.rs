//! Packages of our writer under the real dpkg of `toolchains/guest.lock`, as `tests/dpkg/*.txt` tell.

use super::machine::Machine;
use super::{SERIES, asked, built, packed};
use crate::support::cases;

#[test]
fn dpkg_says_what_the_stories_tell() {
    if !asked() {
        return;
    }
    let [old, new] = SERIES;
    let again = packed(old, 2);
    let folders = [(built(old), "4.17-1"), (again, "4.17-2"), (built(new), "4.20")];
    let folders = folders.map(|(folder, name)| (folder, name.to_owned()));
    for story in cases("dpkg", "txt") {
        let name = story.file_stem().unwrap().to_str().unwrap().to_owned();
        Machine::new(&name, &folders).tell(&story);
    }
}
