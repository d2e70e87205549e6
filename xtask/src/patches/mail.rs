//! What stands above a patch's diff: author, date, subject, the reason, trailers; read from mails and DEP-3 headers, written as
//! one form.
//!
//! All text is bytes: old patches have names in Latin-1.

use anyhow::Result;

/// The header of a patch. Texts have no newline at their end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mail {
    /// `Name <address>`, decoded where it was encoded (RFC 2047).
    pub author: Vec<u8>,
    pub date: Option<Date>,
    /// On one line, without `[PATCH n/m]`.
    pub subject: Vec<u8>,
    /// The reason and the trailers.
    pub body: Vec<u8>,
    /// What stands between `---` and the diff: a diffstat, remarks.
    pub notes: Vec<u8>,
}

/// A commit's time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Date {
    /// Since 1970, UTC.
    pub seconds: i64,
    /// East of UTC.
    pub offset_minutes: i32,
}

impl Mail {
    /// Reads what stands before the first line of the diff (`text[..diff.start]`). Without any header it is an empty `Mail` whose
    /// `body` is all the text.
    pub fn read(_head: &[u8]) -> Result<Mail> {
        todo!()
    }

    /// The canonical head: `From 0…0 Mon Sep 17 00:00:00 2001`, `From:`, `Date:`, `Subject:`, body, `---`, notes, an empty line.
    /// `read(write(mail)) == mail`.
    pub fn write(&self) -> Vec<u8> {
        todo!()
    }

    /// The value of a trailer of the last paragraph, by its key, whatever its case: `Origin`, `Forwarded`, `Advisory`.
    pub fn trailer(&self, _key: &str) -> Option<String> {
        todo!()
    }

    /// Subject and body as a commit's message: `subject\n\nbody\n`.
    pub fn message(&self) -> Vec<u8> {
        todo!()
    }

    /// The other way round.
    pub fn set_message(&mut self, _message: &[u8]) {
        todo!()
    }
}
