//! One blob over HTTP: an interrupted transfer goes on where it stopped, also in the next run and from another address.

use super::{Bad, Silence, Wanted};
use crate::context::Context;
use crate::digest::{Hash, Hasher};
use crate::interrupt;
use crate::report::Task;
use anyhow::{Context as _, Result};
use fs_err as fs;
use reqwest::blocking::Response;
use reqwest::header::{CONTENT_RANGE, ETAG, HeaderMap, IF_RANGE, LAST_MODIFIED, RANGE};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::time::Duration;

/// Repetitions in a row that brought no byte.
const RETRIES: u32 = 3;
/// Repetitions in all for one address.
const ATTEMPTS: u32 = 20;

pub struct Transfer<'a> {
    ctx: &'a Context,
    wanted: &'a Wanted,
    partial: &'a Path,
    /// The task of this transfer alone.
    own: Option<Task>,
    /// The task that this transfer is part of.
    whole: Option<&'a Task>,
    /// How far the report has been told that it went.
    shown: u64,
}

/// How one request ended.
enum End {
    Whole,
    /// Asking again can help. `Some` bytes came.
    Broken {
        reason: String,
        progress: bool,
    },
    Refused(Bad),
}

impl<'a> Transfer<'a> {
    pub fn new(ctx: &'a Context, wanted: &'a Wanted, whole: Option<&'a Task>, partial: &'a Path) -> Transfer<'a> {
        let own = whole.is_none().then(|| ctx.report.begin("download", &wanted.name, Some(wanted.size)));
        Transfer { ctx, wanted, partial, own, whole, shown: 0 }
    }

    pub fn done(self) {
        if let Some(task) = self.own {
            task.done(&indicatif::BinaryBytes(self.wanted.size).to_string());
        }
    }

    /// Completes the partial file from one address. The outer error is one of this machine, the inner one of the address.
    pub fn from(&mut self, url: &str) -> Result<Result<(), Bad>> {
        let mut validator = None;
        let mut fruitless = 0;
        for attempt in 1..=ATTEMPTS {
            interrupt::check()?;
            let reason = match self.request(url, &mut validator)? {
                End::Whole => return Ok(Ok(())),
                End::Refused(bad) => return Ok(Err(bad)),
                End::Broken { reason, progress } => {
                    fruitless = if progress { 1 } else { fruitless + 1 };
                    reason
                }
            };
            if fruitless > RETRIES || attempt == ATTEMPTS {
                self.ctx.net.line.give_up(url, &reason);
                return Ok(Err(Bad { reason: format!("{reason} (asked {attempt} times)"), wrong: false }));
            }
            pause(self.ctx.net.line.patience().pause * 2_u32.pow(fruitless - 1))?;
        }
        unreachable!("the last attempt returns")
    }

    fn request(&mut self, url: &str, validator: &mut Option<String>) -> Result<End> {
        let have = match fs::symlink_metadata(self.partial) {
            Ok(meta) => meta.len(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
            Err(error) => return Err(error.into()),
        };
        if have > 0 && have >= self.wanted.size {
            let hasher = self.prefix(&mut fs::File::open(self.partial)?, have)?;
            return self.judge(hasher, true);
        }
        let response = match self.ask(url, have, validator.as_deref()) {
            Ok(response) => response,
            Err(Silence { reason, transient: true }) => return Ok(End::Broken { reason, progress: false }),
            Err(Silence { reason, transient: false }) => {
                self.ctx.net.line.give_up(url, &reason);
                return Ok(End::Refused(Bad { reason, wrong: false }));
            }
        };
        match self.accept(&response, have)? {
            Ok(start) => {
                *validator = strong_validator(response.headers());
                self.stream(response, start)
            }
            Err(end) => {
                self.ctx.net.line.heard(response.url());
                Ok(end)
            }
        }
    }

    /// Where in the file the body of this answer starts, if it is the wanted one.
    fn accept(&self, response: &Response, have: u64) -> Result<Result<u64, End>> {
        let status = response.status();
        let start = match status.as_u16() {
            200 => 0,
            206 if continues(response.headers(), have, self.wanted.size) => have,
            206 | 416 => {
                fs::remove_file(self.partial)?;
                let reason = format!("{status} does not fit the range that was asked for");
                return Ok(Err(End::Broken { reason, progress: false }));
            }
            408 | 429 | 500.. => return Ok(Err(End::Broken { reason: status.to_string(), progress: false })),
            _ => return Ok(Err(End::Refused(Bad { reason: status.to_string(), wrong: false }))),
        };
        match response.content_length().map(|rest| start + rest) {
            Some(offered) if offered != self.wanted.size => {
                let reason = format!("expected {} bytes, offered {offered}", self.wanted.size);
                Ok(Err(End::Refused(Bad { reason, wrong: true })))
            }
            _ => Ok(Ok(start)),
        }
    }

    fn ask(&self, url: &str, have: u64, validator: Option<&str>) -> Result<Response, Silence> {
        let line = &self.ctx.net.line;
        let mut request = line.client()?.get(url);
        if have > 0 {
            request = request.header(RANGE, format!("bytes={have}-"));
            if let Some(validator) = validator {
                request = request.header(IF_RANGE, validator);
            }
        }
        line.send(request)
    }

    /// Appends the body to the file, never beyond the pinned size, and judges the whole.
    fn stream(&mut self, mut response: Response, have: u64) -> Result<End> {
        let mut options = fs::OpenOptions::new();
        let mut file = options.read(true).write(true).create(true).truncate(have == 0).open(self.partial)?;
        let mut hasher = self.prefix(&mut file, have)?;
        let mut at = have;
        let mut buffer = vec![0; 128 * 1024];
        loop {
            interrupt::check()?;
            let count = match response.read(&mut buffer) {
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => {
                    let reason = self.broken(&error, at);
                    return Ok(End::Broken { reason, progress: at > have });
                }
            };
            if count == 0 {
                break;
            }
            self.ctx.net.line.heard(response.url());
            if at + count as u64 > self.wanted.size {
                drop(file);
                fs::remove_file(self.partial)?;
                let reason = format!("goes on after the {} bytes that are pinned", self.wanted.size);
                return Ok(End::Refused(Bad { reason, wrong: true }));
            }
            file.write_all(&buffer[..count]).with_context(|| format!("downloading {}", self.wanted.name))?;
            hasher.write_all(&buffer[..count])?;
            at += count as u64;
            self.show(at);
        }
        if at < self.wanted.size {
            let reason = format!("ended after {at} of {} bytes", self.wanted.size);
            return Ok(End::Broken { reason, progress: at > have });
        }
        self.judge(hasher, have > 0)
    }

    /// Hashes what an earlier request left, and stands at its end.
    fn prefix(&mut self, file: &mut fs::File, have: u64) -> Result<Hasher<io::Sink>> {
        let mut hasher = Hasher::new(io::sink());
        file.seek(SeekFrom::Start(0))?;
        io::copy(&mut Read::take(&mut *file, have), &mut hasher)?;
        file.seek(SeekFrom::Start(have))?;
        self.show(have);
        Ok(hasher)
    }

    /// The wrong bytes of a resumed transfer may be those of an earlier address: it is asked once more for all of them.
    fn judge(&mut self, hasher: Hasher<io::Sink>, resumed: bool) -> Result<End> {
        let (_, found, _): (_, Hash, _) = hasher.finish();
        if found == self.wanted.sha256 {
            return Ok(End::Whole);
        }
        fs::remove_file(self.partial)?;
        let reason = format!("expected sha256 {}, found {found}", self.wanted.sha256);
        Ok(if resumed { End::Broken { reason, progress: false } } else { End::Refused(Bad { reason, wrong: true }) })
    }

    fn show(&mut self, at: u64) {
        for task in self.own.iter().chain(self.whole) {
            task.advance(at.saturating_sub(self.shown));
        }
        self.shown = self.shown.max(at);
    }

    fn broken(&self, error: &io::Error, at: u64) -> String {
        let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<reqwest::Error>());
        let size = self.wanted.size;
        if inner.is_some_and(reqwest::Error::is_timeout) {
            let stall = self.ctx.net.line.patience().stall.as_secs_f32();
            format!("stalled for {stall} s after {at} of {size} bytes")
        } else {
            format!("broke off after {at} of {size} bytes")
        }
    }
}

/// True if a 206 answer holds just what is missing.
fn continues(headers: &HeaderMap, have: u64, size: u64) -> bool {
    let range = headers.get(CONTENT_RANGE).and_then(|value| value.to_str().ok());
    range.is_some_and(|range| {
        range.starts_with(&format!("bytes {have}-")) && (range.ends_with(&format!("/{size}")) || range.ends_with("/*"))
    })
}

/// RFC 9110, 13.1.5: a weak entity tag may not stand in `If-Range`.
fn strong_validator(headers: &HeaderMap) -> Option<String> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    text(ETAG).filter(|tag| !tag.starts_with("W/")).or_else(|| text(LAST_MODIFIED))
}

/// Waits, but not for someone who wants to stop.
fn pause(time: Duration) -> Result<()> {
    const SLICE: Duration = Duration::from_millis(50);
    let mut left = time;
    while !left.is_zero() {
        interrupt::check()?;
        let slice = left.min(SLICE);
        std::thread::sleep(slice);
        left -= slice;
    }
    Ok(())
}
