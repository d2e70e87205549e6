//! Heads of patches, read and written: `mail/*.head` beside what is read from it.

use crate::support::{cases, expect, root, scratch};
use proptest::prelude::*;
use xtask::patches::git;
use xtask::patches::mail::Mail;
use xtask::{catalog, fault};

/// The fields with the bytes that are not UTF-8 as numbers.
fn shown(read: anyhow::Result<Mail>) -> String {
    let mail = match read {
        Ok(mail) => mail,
        Err(error) => return fault::render(&error) + "\n",
    };
    let plain = |text: &[u8]| {
        let chunk = |chunk: std::str::Utf8Chunk<'_>| format!("{}{}", chunk.valid(), chunk.invalid().escape_ascii());
        text.utf8_chunks().map(chunk).collect::<String>()
    };
    let (name, address) = mail.author_parts();
    let mut out = format!("author: {}\nname: {}\naddress: {}\n", plain(&mail.author), plain(name), plain(address));
    let date = mail.date.map(|date| format!("{date} = {}", date.seconds));
    out += &format!("date: {}\nsubject: {}\n", date.unwrap_or_default(), plain(&mail.subject));
    for (name, text) in [("body", &mail.body), ("notes", &mail.notes)] {
        out += &format!("{name}:\n");
        plain(text).lines().for_each(|line| out += &format!("| {line}\n"));
    }
    for key in ["Origin", "Forwarded", "Advisory", "Link", "Last-Update"] {
        if let Some(value) = mail.trailer(key) {
            out += &format!("{key} = {value}\n");
        }
    }
    out
}

#[test]
fn heads_are_read_as_written_down() {
    for case in cases("patches/mail", "head") {
        let read = Mail::read(&fs_err::read(&case).unwrap());
        expect::golden(&case.with_extension("txt"), &shown(read));
    }
}

const DIFF: &[u8] = b"diff --git a/x b/x\n--- a/x\n+++ b/x\n@@ -1 +1 @@\n-a\n+b\n";

/// What `git am` would take from a patch: author, subject, reason and the rest.
fn by_git(patch: &[u8]) -> (Vec<u8>, Vec<u8>, Vec<u8>, Vec<u8>) {
    let folder = scratch();
    let at = |name: &str| folder.path().join(name);
    fs_err::write(at("patch"), patch).unwrap();
    let mut git = git(folder.path());
    git.args(["mailinfo", "-n", "-b", "body", "rest"]).stdin(fs_err::File::open(at("patch")).unwrap().into_file());
    let output = git.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let field = |name: &str| {
        let mut lines = output.stdout.split(|&b| b == b'\n');
        lines.find_map(|line| line.strip_prefix(name.as_bytes())).unwrap_or_default().to_vec()
    };
    let author = [&field("Author: "), b" <".as_slice(), &field("Email: "), b">"].concat();
    (author, field("Subject: "), fs_err::read(at("body")).unwrap(), fs_err::read(at("rest")).unwrap())
}

/// Whether git takes from the canonical form what was put into it.
fn survives_git(mail: &Mail) {
    let patch = [mail.write(), DIFF.to_vec()].concat();
    let (author, subject, body, rest) = by_git(&patch);
    let shown = patch.escape_ascii();
    // What stays encoded here git decodes; of two addresses it takes the first.
    let is_encoded = |text: &[u8]| text.windows(2).any(|two| two == b"=?");
    let (name, address) = mail.author_parts();
    if address.contains(&b'@')
        && mail.author.ends_with(b">")
        && mail.author.iter().filter(|&&b| b == b'@').count() == 1
        && !is_encoded(name)
    {
        assert_eq!(author, [name, b" <", address, b">"].concat(), "{shown}");
    }
    if !is_encoded(&mail.subject) {
        assert_eq!(subject, mail.subject, "{shown}");
    }
    assert_eq!(body.trim_ascii_end(), mail.body.trim_ascii_end(), "{shown}");
    assert!(rest.ends_with(DIFF), "{shown}");
}

#[test]
fn git_takes_the_canonical_form_as_it_was_meant() {
    let mut mails = 0;
    for case in cases("patches/mail", "head") {
        if let Ok(mail) = Mail::read(&fs_err::read(&case).unwrap()) {
            survives_git(&mail);
            mails += 1;
        }
    }
    assert!(mails > 10);
}

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
    #![proptest_config(ProptestConfig::with_cases(1000))]

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

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn git_takes_what_is_generated(text in text()) {
        if let Ok(mail) = Mail::read(&text) {
            survives_git(&mail);
        }
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
