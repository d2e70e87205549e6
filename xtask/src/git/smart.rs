//! Git's smart HTTP protocol for libgit2, carried by the same client as every other download.
//!
//! libgit2 is built without TLS of its own. It speaks the protocol (gitprotocol-http(5)); this module sends its requests.

use crate::download::{Line, Silence};
use git2::transport::{Service, SmartSubtransport, Transport};
use reqwest::blocking::Response;
use reqwest::header::{ACCEPT, CONTENT_TYPE};
use std::cell::{Cell, RefCell};
use std::io::{self, Read, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

thread_local! {
    /// libgit2 makes transports by the scheme of an address, on the thread that fetches; this is where it finds the line.
    static LINE: RefCell<Option<(Arc<Line>, Option<Duration>)>> = const { RefCell::new(None) };
    static SILENT: Cell<bool> = const { Cell::new(false) };
}

/// Makes libgit2 use this transport. Called once in a process.
pub fn register() {
    for scheme in ["http", "https"] {
        // SAFETY: the caller is the only one to register transports, and does so once.
        let registered = unsafe {
            git2::transport::register(scheme, |remote| {
                let line = LINE.with_borrow(Clone::clone);
                let (line, limit) = line.ok_or_else(|| git2::Error::from_str("no line to the outside"))?;
                Transport::smart(remote, true, Smart { line, limit, base: Arc::default() })
            })
        };
        registered.expect("libgit2 takes a transport for each scheme");
    }
}

/// Runs what makes libgit2 send requests, with the line that they go over. `limit` bounds each of them from beginning to end.
pub fn with_line<T>(line: &Arc<Line>, limit: Option<Duration>, run: impl FnOnce() -> T) -> T {
    LINE.set(Some((Arc::clone(line), limit)));
    SILENT.set(false);
    let result = run();
    LINE.set(None);
    result
}

/// True if a request of this thread's fetch got no answer at all.
pub fn silent() -> bool {
    SILENT.get()
}

struct Smart {
    line: Arc<Line>,
    limit: Option<Duration>,
    /// Where the server sent the first request, if elsewhere: the others follow it.
    base: Arc<Mutex<Option<String>>>,
}

impl SmartSubtransport for Smart {
    fn action(
        &self,
        url: &str,
        service: Service,
    ) -> Result<Box<dyn git2::transport::SmartSubtransportStream>, git2::Error> {
        let (suffix, post) = match service {
            Service::UploadPackLs => ("/info/refs?service=git-upload-pack", false),
            Service::UploadPack => ("/git-upload-pack", true),
            Service::ReceivePackLs | Service::ReceivePack => {
                return Err(git2::Error::from_str("nothing is ever pushed"));
            }
        };
        let known = self.base.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let base = known.unwrap_or_else(|| url.trim_end_matches('/').to_owned());
        let exchange = Exchange {
            line: Arc::clone(&self.line),
            limit: self.limit,
            base: Arc::clone(&self.base),
            url: format!("{base}{suffix}"),
            suffix,
            question: post.then(Vec::new),
            answer: None,
        };
        Ok(Box::new(exchange))
    }

    fn close(&self) -> Result<(), git2::Error> {
        Ok(())
    }
}

/// One request, sent when its answer is first read.
struct Exchange {
    line: Arc<Line>,
    limit: Option<Duration>,
    base: Arc<Mutex<Option<String>>>,
    url: String,
    suffix: &'static str,
    question: Option<Vec<u8>>,
    answer: Option<Response>,
}

impl Exchange {
    fn send(&mut self) -> Result<Response, Silence> {
        let client = self.line.client()?;
        let request = match self.question.take() {
            None => client.get(&self.url),
            Some(body) => client
                .post(&self.url)
                .header(CONTENT_TYPE, "application/x-git-upload-pack-request")
                .header(ACCEPT, "application/x-git-upload-pack-result")
                .body(body),
        };
        let request = match self.limit {
            Some(limit) => request.timeout(limit),
            None => request,
        };
        let response = self.line.send(request)?;
        if !response.status().is_success() {
            self.line.heard(response.url());
            return Err(Silence { reason: response.status().to_string(), transient: false });
        }
        if let Some(base) = response.url().as_str().strip_suffix(self.suffix) {
            *self.base.lock().unwrap_or_else(PoisonError::into_inner) = Some(base.to_owned());
        }
        Ok(response)
    }
}

impl Read for Exchange {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.answer.is_none() {
            let response = self.send().map_err(|silence| {
                SILENT.set(true);
                self.line.give_up(&self.url, &silence.reason);
                io::Error::other(silence.reason)
            })?;
            self.answer = Some(response);
        }
        let Some(answer) = &mut self.answer else { return Ok(0) };
        let count = answer.read(buffer)?;
        if count > 0 {
            self.line.heard(answer.url());
        }
        Ok(count)
    }
}

impl Write for Exchange {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        match &mut self.question {
            Some(body) => body.extend_from_slice(buffer),
            None => return Err(io::Error::other("the server was asked already")),
        }
        Ok(buffer.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
