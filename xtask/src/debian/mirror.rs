//! Questions to Debian mirrors about files whose hash is not known yet: signed indices, and whether a file is there.

use crate::context::Context;
use crate::download::Silence;
use crate::interrupt;
use anyhow::Result;
use reqwest::blocking::Response;
use std::io::Read as _;

/// Repetitions after a passing failure.
const RETRIES: u32 = 2;

/// What a mirror answered, or why it did not.
pub enum Answer<T> {
    Found(T),
    /// The mirror has no such file.
    Absent(String),
    /// Nobody, or nothing that can be understood, answered.
    Silent(String),
}

/// The file at `url`, at most `limit` bytes.
pub fn get(ctx: &Context, url: &str, limit: u64) -> Result<Answer<Vec<u8>>> {
    ask(ctx, url, reqwest::Method::GET, |response| {
        let mut bytes = Vec::new();
        response.take(limit + 1).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
        if bytes.len() as u64 > limit {
            return Err(format!("sent more than {limit} bytes"));
        }
        Ok(bytes)
    })
}

/// Whether the file at `url` is there, with `size` bytes if the mirror says how many.
pub fn has(ctx: &Context, url: &str, size: u64) -> Result<Answer<()>> {
    let answer = ask(ctx, url, reqwest::Method::HEAD, |response| {
        let length = response.headers().get(reqwest::header::CONTENT_LENGTH);
        Ok(length.and_then(|length| length.to_str().ok()?.parse::<u64>().ok()))
    })?;
    Ok(match answer {
        Answer::Found(Some(length)) if length != size => Answer::Absent(format!("has {length} bytes, not {size}")),
        Answer::Found(_) => Answer::Found(()),
        Answer::Absent(reason) => Answer::Absent(reason),
        Answer::Silent(reason) => Answer::Silent(reason),
    })
}

fn ask<T>(
    ctx: &Context,
    url: &str,
    method: reqwest::Method,
    read: impl Fn(Response) -> Result<T, String>,
) -> Result<Answer<T>> {
    let line = &ctx.net.line;
    let mut pause = line.patience().pause;
    let mut attempt = 0;
    loop {
        interrupt::check()?;
        attempt += 1;
        let client = match line.client() {
            Ok(client) => client,
            Err(Silence { reason, .. }) => return Ok(Answer::Silent(reason)),
        };
        let (reason, transient) = match line.send(client.request(method.clone(), url)) {
            Err(Silence { reason, transient }) => (reason, transient),
            Ok(response) => {
                line.heard(response.url());
                let status = response.status();
                if status.is_success() {
                    match read(response) {
                        Ok(found) => return Ok(Answer::Found(found)),
                        Err(reason) => (reason, true),
                    }
                } else if status.is_server_error() || status == 429 || status == 408 {
                    (status.to_string(), true)
                } else {
                    return Ok(Answer::Absent(status.to_string()));
                }
            }
        };
        if !transient || attempt > RETRIES {
            line.give_up(url, &reason);
            return Ok(Answer::Silent(reason));
        }
        std::thread::sleep(pause);
        pause *= 2;
    }
}
