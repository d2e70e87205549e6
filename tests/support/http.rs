//! A web server for tests, on the loopback interface: a folder's files, with `Range`, and what can go wrong, by path.
//!
//! Also speaks git's smart protocol (`git http-backend`) for repositories below the folder, under `/git/`. It is bounded: every
//! connection serves one request, with time limits on both directions, and ends with the server.

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

const TIME_LIMIT: Duration = Duration::from_secs(10);
const HEAD_LIMIT: u64 = 64 << 10;
const BODY_LIMIT: u64 = 16 << 20;

/// What goes wrong with a path.
#[derive(Clone, Debug)]
pub enum Trouble {
    /// The connection ends after so many bytes of the body; this often, then all is well.
    Truncate { bytes: usize, times: u32 },
    /// One byte in the middle is another.
    Corrupt,
    /// More comes than the file has, without a length that would say so.
    Endless,
    /// 500 this often, then all is well.
    Busy { times: u32 },
    /// The request is taken and nothing comes back.
    Stall,
    /// Nothing more comes after so many bytes of the body.
    StallAfter { bytes: usize },
    /// The body comes in pieces of so many bytes, with a pause after each.
    Slow { bytes: usize, pause: Duration },
    /// 302, to another path of this server; the query goes along.
    Moved { to: String },
    /// `Range` is not understood.
    NoRange,
}

/// One request as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    pub method: String,
    /// With the query.
    pub path: String,
    pub range: Option<String>,
    pub if_range: Option<String>,
}

pub struct Server {
    address: SocketAddr,
    shared: Arc<Shared>,
    listener: Option<JoinHandle<()>>,
}

struct Shared {
    root: PathBuf,
    troubles: Mutex<BTreeMap<String, Trouble>>,
    seen: Mutex<Vec<Seen>>,
    end: AtomicBool,
}

impl Server {
    /// Serves the files below `root`, which may come and go.
    pub fn start(root: &Path) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").expect("the loopback interface takes a listener");
        let address = listener.local_addr().expect("a listener has an address");
        let shared = Arc::new(Shared {
            root: root.to_owned(),
            troubles: Mutex::default(),
            seen: Mutex::default(),
            end: AtomicBool::new(false),
        });
        let worker = Arc::clone(&shared);
        let listener = thread::spawn(move || {
            let mut threads = Vec::new();
            for stream in listener.incoming() {
                if worker.end.load(Ordering::Relaxed) {
                    break;
                }
                let worker = Arc::clone(&worker);
                // A client that goes away in the middle is the client's business.
                threads.push(thread::spawn(move || stream.and_then(|stream| worker.serve(stream)).unwrap_or_default()));
            }
            for thread in threads {
                let _ = thread.join();
            }
        });
        Server { address, shared, listener: Some(listener) }
    }

    /// `http://127.0.0.1:PORT`, without a trailing slash.
    pub fn base(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The address of a file, by its path below the root with a leading slash.
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base())
    }

    /// From now on `path` is in trouble.
    pub fn trouble(&self, path: &str, trouble: Trouble) {
        self.shared.troubles.lock().unwrap().insert(path.to_owned(), trouble);
    }

    /// All requests so far.
    pub fn seen(&self) -> Vec<Seen> {
        self.shared.seen.lock().unwrap().clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shared.end.store(true, Ordering::Relaxed);
        // Wakes the listener, so that it sees that this is the end.
        let _ = TcpStream::connect(self.address);
        if let Some(listener) = self.listener.take() {
            let _ = listener.join();
        }
    }
}

/// A loopback address that refuses connections.
pub fn refusing() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("the loopback interface takes a listener");
    format!("http://{}", listener.local_addr().expect("a listener has an address"))
}

struct Request {
    seen: Seen,
    headers: BTreeMap<String, String>,
    body: Vec<u8>,
}

impl Shared {
    fn serve(&self, mut stream: TcpStream) -> io::Result<()> {
        stream.set_read_timeout(Some(TIME_LIMIT))?;
        stream.set_write_timeout(Some(TIME_LIMIT))?;
        let request = read(&mut stream)?;
        self.seen.lock().unwrap().push(request.seen.clone());
        let path = request.seen.path.split('?').next().unwrap_or_default().to_owned();
        if path.starts_with("/git/") {
            return self.git(&request, &path, &mut stream);
        }
        let trouble = self.trouble_now(&path);
        match &trouble {
            Some(Trouble::Stall) => return self.stall(),
            Some(Trouble::Moved { to }) => {
                let query = request.seen.path.trim_start_matches(&path);
                return head(&mut stream, "302 Found", &[&format!("Location: {to}{query}"), "Content-Length: 0"]);
            }
            Some(Trouble::Busy { .. }) => {
                return head(&mut stream, "500 Internal Server Error", &["Content-Length: 0"]);
            }
            _ => {}
        }
        let file = self.root.join(path.trim_start_matches('/'));
        let Ok(mut bytes) = fs_err::read(file) else {
            return head(&mut stream, "404 Not Found", &["Content-Length: 0"]);
        };
        let tag = format!("\"{}\"", bytes.len());
        if let Some(Trouble::Corrupt) = trouble {
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
        }
        let total = bytes.len();
        let start = match trouble {
            Some(Trouble::NoRange) => None,
            _ => start(&request.seen, &tag),
        };
        let body = &bytes[start.unwrap_or(0).min(total)..];
        let length = match trouble {
            Some(Trouble::Endless) => "Connection: close".to_owned(),
            _ => format!("Content-Length: {}", body.len()),
        };
        match start {
            Some(start) if start >= total => {
                return head(&mut stream, "416 Range Not Satisfiable", &["Content-Length: 0"]);
            }
            Some(start) => {
                let range = format!("Content-Range: bytes {start}-{}/{total}", total - 1);
                head(&mut stream, "206 Partial Content", &[&length, &range, &format!("ETag: {tag}")])?;
            }
            None => head(&mut stream, "200 OK", &[&length, &format!("ETag: {tag}")])?,
        }
        if request.seen.method == "HEAD" {
            return Ok(());
        }
        match trouble {
            Some(Trouble::Truncate { bytes, .. }) => stream.write_all(&body[..bytes.min(body.len())]),
            Some(Trouble::StallAfter { bytes }) => {
                stream.write_all(&body[..bytes.min(body.len())])?;
                self.stall()
            }
            Some(Trouble::Slow { bytes, pause }) => body.chunks(bytes).try_for_each(|chunk| {
                thread::sleep(pause);
                stream.write_all(chunk)
            }),
            Some(Trouble::Endless) => {
                stream.write_all(body)?;
                stream.write_all(body)
            }
            _ => stream.write_all(body),
        }
    }

    /// The trouble that the path is in, counting down the one that passes.
    fn trouble_now(&self, path: &str) -> Option<Trouble> {
        let mut troubles = self.troubles.lock().unwrap();
        let now = troubles.get(path).cloned();
        match troubles.get_mut(path) {
            Some(Trouble::Truncate { times, .. } | Trouble::Busy { times }) if *times > 1 => *times -= 1,
            Some(Trouble::Truncate { .. } | Trouble::Busy { .. }) => drop(troubles.remove(path)),
            _ => {}
        }
        now
    }

    fn stall(&self) -> io::Result<()> {
        for _ in 0..TIME_LIMIT.as_millis() / 20 {
            if self.end.load(Ordering::Relaxed) {
                break;
            }
            thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    /// Hands the request to git, which is a CGI program (RFC 3875).
    #[expect(clippy::disallowed_methods, reason = "the test drives git's own server")]
    fn git(&self, request: &Request, path: &str, stream: &mut TcpStream) -> io::Result<()> {
        let query = request.seen.path.split_once('?').map_or("", |(_, query)| query);
        let header = |name: &str| request.headers.get(name).cloned().unwrap_or_default();
        let mut child = Command::new("git")
            .arg("http-backend")
            .env("GIT_PROJECT_ROOT", &self.root)
            .env("GIT_HTTP_EXPORT_ALL", "1")
            .env("GIT_CONFIG_COUNT", "1")
            .env("GIT_CONFIG_KEY_0", "safe.directory")
            .env("GIT_CONFIG_VALUE_0", "*")
            .env("PATH_INFO", path.trim_start_matches("/git"))
            .env("QUERY_STRING", query)
            .env("REQUEST_METHOD", &request.seen.method)
            .env("CONTENT_TYPE", header("content-type"))
            .env("CONTENT_LENGTH", request.body.len().to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let mut stdin = child.stdin.take().expect("stdin is a pipe");
        let body = request.body.clone();
        let writer = thread::spawn(move || stdin.write_all(&body));
        let output = child.wait_with_output()?.stdout;
        let _ = writer.join();
        let end = output.windows(4).position(|four| four == b"\r\n\r\n").map_or(output.len(), |at| at + 4);
        let (head, body) = output.split_at(end);
        let status = String::from_utf8_lossy(head);
        let status = status.lines().find_map(|line| line.strip_prefix("Status: ")).unwrap_or("200 OK");
        write!(stream, "HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {}\r\n", body.len())?;
        stream.write_all(head)?;
        stream.write_all(body)
    }
}

fn head(stream: &mut TcpStream, status: &str, headers: &[&str]) -> io::Result<()> {
    let mut text = format!("HTTP/1.1 {status}\r\n");
    for header in headers.iter().chain(&["Connection: close"]) {
        text.push_str(header);
        text.push_str("\r\n");
    }
    text.push_str("\r\n");
    stream.write_all(text.as_bytes())
}

/// Where the body starts by `Range: bytes=N-`, unless `If-Range` names another version.
fn start(seen: &Seen, tag: &str) -> Option<usize> {
    let start = seen.range.as_deref()?.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok()?;
    (seen.if_range.as_deref().unwrap_or(tag) == tag).then_some(start)
}

fn read(stream: &mut TcpStream) -> io::Result<Request> {
    let mut reader = BufReader::new(stream);
    let mut lines = Vec::new();
    let mut limited = (&mut reader).take(HEAD_LIMIT);
    loop {
        let mut line = String::new();
        if limited.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        match line.trim_end() {
            "" => break,
            line => lines.push(line.to_owned()),
        }
    }
    let mut words = lines.first().map(String::as_str).unwrap_or_default().split(' ');
    let (method, path) = (words.next().unwrap_or_default().to_owned(), words.next().unwrap_or_default().to_owned());
    let headers: BTreeMap<String, String> = lines
        .iter()
        .skip(1)
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let length: u64 = headers.get("content-length").and_then(|value| value.parse().ok()).unwrap_or(0);
    let mut body = Vec::new();
    reader.take(length.min(BODY_LIMIT)).read_to_end(&mut body)?;
    let seen = Seen { method, path, range: headers.get("range").cloned(), if_range: headers.get("if-range").cloned() };
    Ok(Request { seen, headers, body })
}
