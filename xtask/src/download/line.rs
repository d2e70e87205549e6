//! The line to the outside: one HTTP client, built when it is first needed, and what is known about who answers.
//!
//! Bounds are those of waiting, not of working: a transfer may take as long as bytes keep coming, but a host that does not
//! answer is not waited for twice, and when nobody answers nobody else is asked.

use reqwest::blocking::{Client, RequestBuilder, Response};
use std::collections::{BTreeMap, BTreeSet};
use std::error::Error as _;
use std::fmt;
use std::mem::ManuallyDrop;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

/// When something counts as not answering. With these defaults a run in which nobody answers ends within 14 s.
#[derive(Clone, Debug)]
pub struct Patience {
    /// Name lookup, connection and TLS handshake.
    pub connect: Duration,
    /// No byte came.
    pub stall: Duration,
    /// No byte came from anyone: after this long nobody is asked any more.
    pub quiet: Duration,
    /// One question about what can be reached, from beginning to end.
    pub probe: Duration,
    /// Before the first repetition; doubled for each further one.
    pub pause: Duration,
}

impl Default for Patience {
    fn default() -> Patience {
        Patience {
            connect: Duration::from_secs(3),
            stall: Duration::from_secs(5),
            quiet: Duration::from_secs(6),
            probe: Duration::from_secs(3),
            pause: Duration::from_millis(300),
        }
    }
}

/// Why a question got no answer, in words, and whether asking again can help.
#[derive(Clone, Debug)]
pub struct Silence {
    pub reason: String,
    pub transient: bool,
}

/// Shared by all threads of a run.
#[derive(Default)]
pub struct Line {
    patience: Patience,
    client: OnceLock<Result<ManuallyDrop<Client>, String>>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// When the oldest question was asked since which no byte has come.
    quiet_since: Option<Instant>,
    /// Hosts that have answered.
    heard: BTreeSet<String>,
    /// Hosts that did not, and how that showed.
    dead: BTreeMap<String, String>,
}

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Line").field("patience", &self.patience).finish_non_exhaustive()
    }
}

impl Line {
    pub fn new(patience: Patience) -> Line {
        Line { patience, ..Line::default() }
    }

    pub fn patience(&self) -> &Patience {
        &self.patience
    }

    /// The client, for a request that [`Line::send`] will send.
    pub fn client(&self) -> Result<&Client, Silence> {
        let built = self.client.get_or_init(|| {
            build(&self.patience).map(ManuallyDrop::new).map_err(|error| format!("no HTTP client: {}", deepest(&error)))
        });
        // Never dropped: its end would wait for a name lookup that the operating system may not give back for long.
        built.as_ref().map(|client| &**client).map_err(|reason| Silence { reason: reason.clone(), transient: false })
    }

    /// Sends a request and waits for the head of its answer, whatever its status.
    pub fn send(&self, request: RequestBuilder) -> Result<Response, Silence> {
        let (client, request) = request.build_split();
        let request = request.map_err(|error| Silence { reason: deepest(&error), transient: false })?;
        let host = host(request.url());
        self.may_ask(&host)?;
        client.execute(request).map_err(|error| {
            let patience = &self.patience;
            // Whoever has answered before may be busy for a moment; of a stranger who is silent for long, nothing is expected.
            let (reason, transient) = if error.is_timeout() && error.is_connect() {
                (format!("no connection within {} s", patience.connect.as_secs_f32()), self.knows(&host))
            } else if error.is_timeout() {
                (format!("no answer within {} s", patience.stall.as_secs_f32()), self.knows(&host))
            } else {
                let reason = deepest(&error);
                let distrusted = reason.contains("certificate");
                let hint = if reason.contains("UnknownIssuer") {
                    " (does this machine have root certificates, such as Debian's ca-certificates?)"
                } else {
                    ""
                };
                (format!("{reason}{hint}"), !distrusted)
            };
            Silence { reason, transient }
        })
    }

    /// A byte came from the host of `url`.
    pub fn heard(&self, url: &reqwest::Url) {
        let mut state = self.state();
        state.quiet_since = None;
        if !state.heard.contains(&host(url)) {
            state.heard.insert(host(url));
        }
    }

    /// The host of `url` has been asked often enough.
    pub fn give_up(&self, url: &str, reason: &str) {
        if let Ok(url) = reqwest::Url::parse(url) {
            let mut state = self.state();
            if !state.heard.contains(&host(&url)) {
                state.dead.insert(host(&url), reason.to_owned());
            }
        }
    }

    fn knows(&self, host: &str) -> bool {
        self.state().heard.contains(host)
    }

    fn may_ask(&self, host: &str) -> Result<(), Silence> {
        let mut state = self.state();
        if let Some(reason) = state.dead.get(host) {
            return Err(Silence { reason: reason.clone(), transient: false });
        }
        let quiet = state.quiet_since.get_or_insert_with(Instant::now).elapsed();
        if quiet >= self.patience.quiet {
            let reason = format!("not asked: nobody has answered for {} s", quiet.as_secs());
            return Err(Silence { reason, transient: false });
        }
        Ok(())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn build(patience: &Patience) -> reqwest::Result<Client> {
    // Fails when another thread, or another line, has installed it before: then it is there.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let builder = || {
        Client::builder()
            .user_agent(concat!("xenwright/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(patience.connect)
            .timeout(patience.stall)
    };
    // A machine without root certificates can still ask a plain HTTP mirror: what comes is checked by its hash.
    builder().build().or_else(|_| builder().tls_certs_only([]).build())
}

fn host(url: &reqwest::Url) -> String {
    format!("{}:{}", url.host_str().unwrap_or_default(), url.port_or_known_default().unwrap_or_default())
}

/// The cause below all causes: `Connection refused (os error 111)`.
fn deepest(error: &reqwest::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = error.to_string();
        cause = error.source();
    }
    text
}
