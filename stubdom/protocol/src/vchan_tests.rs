//! Both ends of a channel over one page: a loopback without a hypervisor, and a peer that writes what it likes.

extern crate std;

use super::*;
use crate::chance::Chance;
use alloc::vec::Vec;
use std::thread;

fn page() -> Page {
    let page = [const { AtomicU32::new(0xdead_beef) }; 1024];
    format(&page);
    page
}

fn bytes(page: &Page) -> Vec<u8> {
    page.iter().flat_map(|word| word.load(Ordering::Relaxed).to_le_bytes()).collect()
}

/// Every offset by hand from libxenvchan.h: left {cons, prod}, right {cons, prod}, two orders, cli_live, srv_live, cli_notify,
/// srv_notify.
#[test]
fn the_layout_is_the_headers() {
    let page = page();
    assert_eq!(bytes(&page)[..24], [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 10, 0, 11, 0, 2, 1, 1, 0]);
    let mut server = Endpoint::server(&page);
    assert_eq!(server.peer(), Peer::Awaited);
    let mut client = Endpoint::client(&page).unwrap();
    assert_eq!(bytes(&page)[20..24], [1, 1, 1, 1]);
    // The client writes to the left ring, at 1024, and the server had asked to be told.
    assert_eq!(client.write(b"ask"), Ok(Moved { bytes: 3, ring: true }));
    assert_eq!((&bytes(&page)[4..8], &bytes(&page)[1024..1028]), (&[3, 0, 0, 0][..], &b"ask\0"[..]));
    assert_eq!(bytes(&page)[22], 0);
    // The server answers on the right ring, at 2048.
    assert_eq!(server.write(b"tell"), Ok(Moved { bytes: 4, ring: true }));
    assert_eq!((&bytes(&page)[12..16], &bytes(&page)[2048..2052]), (&[4, 0, 0, 0][..], &b"tell"[..]));
    let mut buffer = [0; 8];
    assert_eq!(server.read(&mut buffer), Ok(Moved { bytes: 3, ring: false }));
    assert_eq!((bytes(&page)[0], &buffer[..3]), (3, &b"ask"[..]));
    // Nothing more there: the server asks to be told, in cli_notify.
    assert_eq!((server.ready(), bytes(&page)[22]), (Ok(0), 1));
    server.close();
    assert_eq!((bytes(&page)[21], client.peer()), (0, Peer::Gone));
}

#[test]
fn streams_arrive_as_they_were_sent() {
    for seed in 0..100 {
        let mut chance = Chance::new(seed);
        let page = page();
        let mut server = Endpoint::server(&page);
        let mut client = Endpoint::client(&page).unwrap();
        let (mut up, mut down): (Vec<u8>, Vec<u8>) = Default::default();
        let (mut upped, mut downed): (Vec<u8>, Vec<u8>) = Default::default();
        for _ in 0..200 {
            let length = chance.below(3000);
            let data = chance.bytes(length);
            let mut buffer = alloc::vec![0; chance.below(3000)];
            match chance.below(4) {
                0 => up.extend(&data[..client.write(&data).unwrap().bytes]),
                1 => down.extend(&data[..server.write(&data).unwrap().bytes]),
                2 => {
                    let moved = server.read(&mut buffer).unwrap();
                    upped.extend(&buffer[..moved.bytes]);
                }
                _ => {
                    let moved = client.read(&mut buffer).unwrap();
                    downed.extend(&buffer[..moved.bytes]);
                }
            }
        }
        assert_eq!((&upped[..], &downed[..]), (&up[..upped.len()], &down[..downed.len()]), "seed {seed}");
        assert!(up.len() - upped.len() <= 1024 && down.len() - downed.len() <= 2048, "seed {seed}");
    }
}

/// Two threads, each of which sleeps until the other rings: a notification that is lost hangs, and the bell then says so.
#[test]
fn no_notification_is_lost() {
    let page: &'static Page = std::boxed::Box::leak(std::boxed::Box::new(page()));
    let (to_server, server_bell) = std::sync::mpsc::channel();
    let (to_client, client_bell) = std::sync::mpsc::channel();
    let sent: Vec<u8> = Chance::new(1).bytes(200_000);
    let expected = sent.clone();
    let patience = std::time::Duration::from_secs(20);
    let mut client = Endpoint::client(page).unwrap();
    let reader = thread::spawn(move || {
        let mut server = Endpoint::server(page);
        let (mut got, mut buffer): (Vec<u8>, _) = (Vec::new(), [0; 700]);
        while got.len() < expected.len() {
            let moved = server.read(&mut buffer).unwrap();
            got.extend(&buffer[..moved.bytes]);
            if moved.ring {
                to_client.send(()).unwrap();
            }
            if moved.bytes == 0 {
                server_bell.recv_timeout(patience).expect("the server was told of what is written");
            }
        }
        assert_eq!(got, expected);
    });
    let mut rest = &sent[..];
    while !rest.is_empty() {
        let moved = client.write(rest).unwrap();
        rest = &rest[moved.bytes..];
        if moved.ring {
            to_server.send(()).unwrap();
        }
        if moved.bytes == 0 {
            client_bell.recv_timeout(patience).expect("the client was told of what is read");
        }
    }
    reader.join().unwrap();
}

#[test]
fn a_quick_successor_is_another_client() {
    let page = page();
    let mut server = Endpoint::server(&page);
    let _first = Endpoint::client(&page).unwrap();
    assert_eq!(server.peer(), Peer::New);
    server.accept();
    assert_eq!(server.peer(), Peer::Known);
    server.write(b"{\"event\": \"STOP\"}\r\n").unwrap();
    // The first goes and a second comes before anybody looks.
    let mut second = Endpoint::client(&page).unwrap();
    assert_eq!(server.peer(), Peer::New);
    second.write(b"left over").unwrap();
    assert_eq!(server.discard().bytes, 9);
    server.renew();
    server.accept();
    server.write(b"{}").unwrap();
    let mut buffer = [0; 64];
    let moved = second.read(&mut buffer).unwrap();
    assert_eq!(core::str::from_utf8(&buffer[..moved.bytes]).unwrap().trim_start(), "{}");
    assert_eq!((server.peer(), server.ready()), (Peer::Known, Ok(0)));
}

#[test]
fn what_the_peer_scribbles_stays_in_the_page() {
    for seed in 0..2000 {
        let mut chance = Chance::new(seed);
        let page = page();
        let mut server = Endpoint::server(&page);
        for _ in 0..50 {
            let word = *chance.pick(&[0, 1, 2, 3, 4, 5, 6, 300, 700]);
            let value = *chance.pick(&[0, 1, 1024, 1025, 2049, u32::MAX, 0x8000_0000]);
            page[word].store(value.wrapping_add(chance.below(2) as u32), Ordering::Relaxed);
            let mut buffer = [0; 4000];
            match chance.below(5) {
                0 => {
                    assert!(server.read(&mut buffer).is_ok_and(|moved| moved.bytes <= 1024) || server.ready().is_err())
                }
                1 => assert!(server.write(&buffer).is_ok_and(|moved| moved.bytes <= 2048) || server.space(1).is_err()),
                2 => assert!(server.discard().bytes <= 1024),
                3 => server.renew(),
                _ => server.accept(),
            }
        }
    }
    let page = page();
    page[1].store(1025, Ordering::Relaxed);
    let odd = Endpoint::server(&page).ready().unwrap_err();
    assert_eq!(std::format!("{odd}"), "an index that means 1025 bytes in a ring of 1024");
}
