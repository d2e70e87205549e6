//! Blobs from mirror folders and from a web server in all sorts of trouble.

use super::*;
use std::time::Instant;
use xtask::download;

/// Leaves what a run that was stopped would have left.
fn leave(world: &World, wanted: &Wanted, bytes: &[u8]) {
    let partial = world.ctx().store.partial(&wanted.sha256);
    fs::create_dir_all(partial.parent().unwrap()).unwrap();
    fs::write(&partial, bytes).unwrap();
}

#[test]
fn a_download_is_kept_and_not_asked_for_again() {
    let world = World::new();
    let wanted = world.wanted("a.tar", &bytes(300_000));
    let path = download::blob(&world.ctx(), &wanted).unwrap();
    assert_eq!(fs::read(&path).unwrap(), bytes(300_000));
    assert_eq!(download::blob(&world.ctx(), &wanted).unwrap(), path);
    assert_eq!(world.server.seen().len(), 1);
    assert!(!world.ctx().store.partial(&wanted.sha256).exists());
}

#[test]
fn a_broken_transfer_goes_on_where_it_stopped() {
    let world = World::new();
    let wanted = world.wanted("a.tar", &bytes(300_000));
    world.trouble("a.tar", Trouble::Truncate { bytes: 100_000, times: 2 });
    download::blob(&world.ctx(), &wanted).unwrap();
    let ranges: Vec<_> = world.server.seen().into_iter().map(|seen| (seen.range, seen.if_range)).collect();
    let tag = Some("\"300000\"".to_owned());
    assert_eq!(
        ranges,
        [(None, None), (Some("bytes=100000-".to_owned()), tag.clone()), (Some("bytes=200000-".to_owned()), tag),]
    );
}

#[test]
fn the_next_run_goes_on_where_the_last_one_stopped() {
    let world = World::new();
    let wanted = world.wanted("a.tar", &bytes(300_000));
    world.trouble("a.tar", Trouble::Slow { bytes: 10_000, pause: Duration::from_millis(1) });
    leave(&world, &wanted, &bytes(300_000)[..250_000]);
    download::blob(&world.ctx(), &wanted).unwrap();
    assert_eq!(world.server.seen()[0].range.as_deref(), Some("bytes=250000-"));
}

#[test]
fn a_server_without_ranges_sends_it_all_again() {
    let world = World::new();
    let wanted = world.wanted("a.tar", &bytes(300_000));
    world.trouble("a.tar", Trouble::NoRange);
    leave(&world, &wanted, b"something else");
    let path = download::blob(&world.ctx(), &wanted).unwrap();
    assert_eq!(fs::read(path).unwrap(), bytes(300_000));
}

#[test]
fn a_wrong_beginning_costs_one_more_transfer_and_no_more() {
    let world = World::new();
    let wanted = world.wanted("a.tar", &bytes(300_000));
    leave(&world, &wanted, b"something else");
    download::blob(&world.ctx(), &wanted).unwrap();
    let ranges: Vec<_> = world.server.seen().into_iter().map(|seen| seen.range).collect();
    assert_eq!(ranges, [Some("bytes=14-".to_owned()), None]);
}

#[test]
fn corrupt_bytes_are_named_and_thrown_away() {
    let world = World::new();
    let wanted = world.wanted("a.tar", &bytes(1000));
    world.trouble("a.tar", Trouble::Corrupt);
    let story = story(download::blob(&world.ctx(), &wanted));
    let mut corrupt = bytes(1000);
    corrupt[500] ^= 1;
    assert_says(&story, &["a.tar", wanted.sha256.as_str(), Hash::of(&corrupt).as_str(), &wanted.urls[0]]);
    assert_eq!(world.server.seen().len(), 1, "wrong content does not become right by asking again");
    assert!(world.is_gone(&wanted));
}

#[test]
fn never_more_is_written_than_is_pinned() {
    let world = World::new();
    let mut wanted = world.wanted("a.tar", &bytes(1000));
    world.trouble("a.tar", Trouble::Endless);
    assert_says(&story(download::blob(&world.ctx(), &wanted)), &["goes on after the 1000 bytes that are pinned"]);
    assert!(world.is_gone(&wanted));

    world.trouble("a.tar", Trouble::NoRange);
    wanted.size = 999;
    assert_says(&story(download::blob(&world.ctx(), &wanted)), &["expected 999 bytes, offered 1000"]);
    assert!(world.is_gone(&wanted));
}

#[test]
fn the_next_address_is_asked_where_one_fails() {
    let world = World::new();
    let mut wanted = world.wanted("a.tar", &bytes(1000));
    wanted.urls.insert(0, world.server.url("/elsewhere/a.tar"));
    download::blob(&world.ctx(), &wanted).unwrap();
    let paths: Vec<_> = world.server.seen().into_iter().map(|seen| seen.path).collect();
    assert_eq!(paths, ["/elsewhere/a.tar", "/a.tar"], "404 is not asked for twice");
}

#[test]
fn a_busy_server_is_asked_again_but_not_for_ever() {
    let world = World::new();
    let wanted = world.wanted("a.tar", &bytes(1000));
    world.trouble("a.tar", Trouble::Busy { times: 2 });
    download::blob(&world.ctx(), &wanted).unwrap();
    assert_eq!(world.server.seen().len(), 3);

    let wanted = world.wanted("b.tar", &bytes(1001));
    world.trouble("b.tar", Trouble::Busy { times: 100 });
    assert_says(&story(download::blob(&world.ctx(), &wanted)), &["500 Internal Server Error", "asked 4 times"]);
    assert_eq!(world.server.seen().len(), 3 + 4);
}

#[test]
fn every_place_is_named_when_none_has_it() {
    let world = World::new();
    let mut wanted = world.wanted("a.tar", &bytes(1000));
    wanted.urls = vec![world.server.url("/x/a.tar"), format!("{}/a.tar", crate::support::http::refusing())];
    fs::write(world.path("mirror").join("a.tar"), b"something else").unwrap();
    let story = story(download::blob(&world.mirrored(), &wanted));
    let mirror = world.path("mirror").join("a.tar");
    assert_says(
        &story,
        &[
            "a.tar: could not be had",
            &format!("{}: expected 1000 bytes, found 14", mirror.display()),
            &format!("{}: 404 Not Found", wanted.urls[0]),
            &format!("{}: Connection refused", wanted.urls[1]),
            "help: ",
            "--mirror",
        ],
    );
}

#[test]
fn a_mirror_folder_is_asked_by_name_and_by_hash_before_the_network() {
    let world = World::new();
    for named_by_hash in [false, true] {
        let content = bytes(1000 + usize::from(named_by_hash));
        let wanted = world.wanted("a.tar", &content);
        let name = if named_by_hash { wanted.sha256.to_string() } else { wanted.name.clone() };
        fs::write(world.path("mirror").join(name), &content).unwrap();
        let path = download::blob(&world.mirrored(), &wanted).unwrap();
        assert_eq!(fs::read(path).unwrap(), content);
    }
    assert!(world.server.seen().is_empty());
}

#[test]
fn wrong_content_of_the_right_size_in_a_mirror_folder_is_passed_over() {
    let world = World::new();
    let wanted = world.wanted("a.tar", &bytes(1000));
    fs::write(world.path("mirror").join("a.tar"), vec![7; 1000]).unwrap();
    let path = download::blob(&world.mirrored(), &wanted).unwrap();
    assert_eq!(fs::read(path).unwrap(), bytes(1000));

    let mut ctx = world.mirrored();
    ctx.net.offline = true;
    let mut other = world.wanted("a.tar", &bytes(1001));
    other.size = 1000;
    assert_says(
        &story(download::blob(&ctx, &other)),
        &[other.sha256.as_str(), Hash::of(&[7; 1000]).as_str(), &format!("{}: not asked (offline)", other.urls[0])],
    );
}

#[test]
fn a_changed_blob_in_the_store_is_an_error() {
    let world = World::new();
    let wanted = world.wanted("a.tar", &bytes(1000));
    let path = download::blob(&world.ctx(), &wanted).unwrap();
    fs::remove_file(&path).unwrap();
    fs::write(&path, vec![7; 1000]).unwrap();
    let story = story(download::blob(&world.ctx(), &wanted));
    assert_says(&story, &["in the store was changed", wanted.sha256.as_str(), "delete this file"]);
}

#[test]
fn who_does_not_answer_is_not_waited_for_long_nor_twice() {
    let world = World::new();
    let wanted = world.wanted("a.tar", &bytes(1000));
    world.trouble("a.tar", Trouble::Stall);
    let ctx = world.ctx();
    let start = Instant::now();
    assert_says(&story(download::blob(&ctx, &wanted)), &["no answer within 0.3 s"]);
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
    let again = world.wanted("b.tar", &bytes(1001));
    assert_says(&story(download::blob(&ctx, &again)), &["no answer within 0.3 s"]);
    assert_eq!(world.server.seen().len(), 1, "a silent host is remembered");
}

#[test]
fn nobody_else_is_asked_when_nobody_answers() {
    let world = World::new();
    let servers: Vec<World> = (0..5).map(|_| World::new()).collect();
    let mut wanted = world.wanted("a.tar", &bytes(1000));
    wanted.urls.clear();
    for other in &servers {
        other.trouble("a.tar", Trouble::Stall);
        wanted.urls.push(other.server.url("/a.tar"));
    }
    let start = Instant::now();
    let story = story(download::blob(&world.ctx(), &wanted));
    assert!(start.elapsed() < Duration::from_secs(3), "{:?}", start.elapsed());
    assert_says(&story, &["not asked: nobody has answered"]);
    assert!(servers.last().unwrap().server.seen().is_empty());
}

#[test]
fn a_stall_in_the_middle_is_resumed() {
    let world = World::new();
    let wanted = world.wanted("a.tar", &bytes(300_000));
    world.trouble("a.tar", Trouble::StallAfter { bytes: 120_000 });
    download::blob(&world.ctx(), &wanted).unwrap();
    let ranges: Vec<_> = world.server.seen().into_iter().map(|seen| seen.range).collect();
    assert_eq!(ranges, [None, Some("bytes=120000-".to_owned()), Some("bytes=240000-".to_owned())]);
}

#[test]
fn the_bounds_of_waiting_add_up_to_less_than_15_seconds() {
    let patience = Patience::default();
    assert!(patience.quiet + patience.stall.max(patience.connect) + patience.probe < Duration::from_secs(15));
}
