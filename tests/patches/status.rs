//! `patch status`, as a user runs it: the queue of `status/queue` upon `status/source`, and what was answered in `status/*.txt`.

use super::fixture::{Fixture, case, files};
use crate::support::expect;

#[test]
fn each_patch_says_whether_it_applies() {
    let fixture = Fixture::new(&case("status/source"), &case("status/queue"));
    let line = "xtask patch status tiny";
    expect::golden(&case("status/said.txt"), &fixture.run(line).text(line));

    let answer = fixture.run("xtask patch status tiny --json");
    let events = answer.events();
    let result = events.iter().find(|event| event["event"] == "result").unwrap();
    let patches = result["result"]["queues"][0]["patches"].as_array().unwrap();
    let outcomes: Vec<&str> = patches.iter().map(|patch| patch["applies"]["outcome"].as_str().unwrap()).collect();
    assert_eq!(outcomes, ["exactly", "offset", "no", "no", "offset"]);
    assert_eq!(patches[1]["applies"]["offsets"][0]["lines"], 2);
    assert_eq!(patches[1]["advisory"], "XSA-999");
    assert_eq!(patches[4]["without"].as_array().unwrap().len(), 2);
    assert_eq!(fixture.queue(), files(&case("status/queue")), "whoever only asks changes nothing");
}

#[test]
fn an_empty_queue_says_so() {
    let fixture = Fixture::new(&case("status/source"), &case("status/nothing"));
    let line = "xtask patch status tiny";
    expect::golden(&case("status/empty.txt"), &fixture.run(line).text(line));
}

#[test]
fn a_source_that_cannot_be_had_leaves_the_table() {
    let fixture = Fixture::new(&case("status/source"), &case("status/queue"));
    fs_err::remove_file(fixture.checkout().join("../mirror/src-1.0.0.tar")).unwrap();
    let answer = fixture.run("xtask patch status tiny");
    assert_eq!(answer.code, 3, "{}", answer.stderr);
    let mirror = fs_err::canonicalize(fixture.checkout().join("../mirror")).unwrap();
    let line = "xtask patch status tiny";
    let text = answer.text(line).replace(mirror.to_str().unwrap(), "[MIRROR]");
    // The tarball has a hash that differs with the order of its entries.
    let words = text.split_inclusive(['\n', ' ']).map(|word| match word.trim_end() {
        hash if hash.len() == 64 => word.replace(hash, "[HASH]"),
        _ => word.to_owned(),
    });
    expect::golden(&case("status/absent.txt"), &words.collect::<String>());
}
