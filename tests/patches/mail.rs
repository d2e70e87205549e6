//! Heads of patches, read and written.

use crate::support::root;
use proptest::prelude::*;
use xtask::catalog;
use xtask::patches::mail::Mail;

/// Lines that something is about, and any others.
fn line() -> impl Strategy<Value = Vec<u8>> {
    let known = prop::sample::select(vec![
        &b""[..],
        b"  ",
        b"---",
        b"--- ",
        b"--- a/x.c",
        b"+++ b/x.c",
        b" ---",
        b"diff --git a/x b/x",
        b"Index: x",
        b"From 0000000000000000000000000000000000000000 Mon Sep 17 00:00:00 2001",
        b"From here on: 12",
        b"From: A. Uthor <a@example.org>",
        b"From: \"Uthor, A.\" <a@example.org>",
        b"From: a@example.org (A. Uthor)",
        b"From: =?utf-8?q?J=C3=BCrgen?=",
        b"From: J\xfcrgen <j@example.org>",
        b" <j@example.org>",
        b"Date: Tue, 8 Oct 2024 23:32:23 +0200",
        b"Date: 2024-10-08",
        b"Subject: [PATCH v2 3/7] x86: y",
        b"subject: Re: [RFC PATCH] =?utf-8?b?W1BBVENIXSB4?=",
        b"Subject:",
        b"Subject: =?utf-8?q?=3D=3Futf-8=3Fq=3Fa=3F=3D?=",
        b"\tfolded =?iso-8859-1?q?=FC?=",
        b"Content-Type: text/plain; charset=ISO-8859-1",
        b"Content-Transfer-Encoding: 8bit",
        b"Message-Id: <1@example.org>",
        b"Origin: upstream",
        b"Forwarded: no",
        b"[PATCH] x",
        b">From me",
        b"Because \xe9.",
        b"A reason.\r",
    ]);
    prop_oneof![
        8 => known.prop_map(<[u8]>::to_vec),
        1 => prop::collection::vec(any::<u8>(), 0..12),
        1 => "[ -~]{0,20}".prop_map(String::into_bytes),
    ]
}

fn text() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(line(), 0..14).prop_map(|lines| lines.join(&b'\n'))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn what_is_written_is_read(text in text()) {
        // A date or an encoding that cannot be read is an error.
        if let Ok(mail) = Mail::read(&text) {
            let written = mail.write();
            prop_assert_eq!(&Mail::read(&written).unwrap(), &mail, "{}", written.escape_ascii());
            prop_assert_eq!(&Mail::read(&written).unwrap().write(), &written);
        }
    }

    #[test]
    fn a_message_is_the_mail_without_its_head(text in text()) {
        let mut mail = Mail::default();
        mail.set_message(&text);
        let mut again = Mail::default();
        again.set_message(&mail.message());
        prop_assert_eq!(&again, &mail);
        prop_assert_eq!(&Mail::read(&mail.write()).unwrap(), &mail);
    }
}

#[test]
fn the_heads_of_this_project_are_canonical() {
    let mut patches = 0;
    for recipe in catalog::all(&root()).unwrap() {
        let folder = root().join("patches").join(recipe.stem());
        for source in fs_err::read_dir(folder).into_iter().flatten() {
            for file in fs_err::read_dir(source.unwrap().path()).unwrap() {
                let text = fs_err::read(file.unwrap().path()).unwrap();
                let start = text.windows(11).position(|part| part == b"diff --git ").unwrap();
                let written = Mail::read(&text[..start]).unwrap().write();
                assert_eq!(written.escape_ascii().to_string(), text[..start].escape_ascii().to_string());
                patches += 1;
            }
        }
    }
    assert!(patches >= 12);
}
