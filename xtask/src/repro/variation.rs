//! The circumstances of the two builds: what is different, and what cannot be made different here, with the reason.
//!
//! Says what is to be varied; the folders are made and the builds are run by `cmd::repro`.

use super::causes::Clue;
use serde::Serialize;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// One build's surroundings.
#[derive(Clone, Debug)]
pub struct World {
    pub checkout: PathBuf,
    pub store: PathBuf,
    pub out: PathBuf,
    pub home: PathBuf,
    pub umask: u32,
    pub jobs: usize,
    pub ccache: bool,
    /// Value of each variable of [`ENVIRONMENT`].
    pub environment: Vec<&'static str>,
    /// Another host name and user, where the machine allows it: the command that the build is started through.
    pub guise: Option<Vec<OsString>>,
}

/// A circumstance that was different.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Varied {
    pub what: &'static str,
    pub first: String,
    pub second: String,
}

/// A circumstance that was the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fixed {
    pub what: &'static str,
    pub reason: String,
}

/// What it stands for, its name, and its two values. Xen's own makefiles take the last five.
const ENVIRONMENT: [(&str, &str, &str, &str); 14] = [
    ("time zone", "TZ", "UTC", "Pacific/Kiritimati"),
    ("locale", "LC_ALL", "C.UTF-8", "tr_TR.UTF-8"),
    ("language", "LANG", "C.UTF-8", "tr_TR.UTF-8"),
    ("terminal", "TERM", "dumb", "xterm-256color"),
    ("colours", "NO_COLOR", "1", ""),
    ("user's name", "USER", "first-builder", "second-builder"),
    ("login name", "LOGNAME", "first-builder", "second-builder"),
    ("environment noise", "CFLAGS", "-DFIRST", "-O0 -DSECOND"),
    ("environment noise", "SOURCE_DATE_EPOCH", "1", "1000000000"),
    ("environment noise", "XEN_BUILD_DATE", "first-date", "second-date"),
    ("environment noise", "XEN_BUILD_TIME", "first-time", "second-time"),
    ("environment noise", "XEN_WHOAMI", "first-who", "second-who"),
    ("environment noise", "XEN_DOMAIN", "first-domain", "second-domain"),
    ("environment noise", "XEN_BUILD_HOST", "first-host", "second-host"),
];

/// Host and user of the second build.
pub const HOST: &str = "second-host-name";
pub const UID: &str = "4321";

impl World {
    /// The user's checkout, everything else below `folder`.
    pub fn first(folder: &Path, checkout: &Path, jobs: usize) -> World {
        World {
            checkout: checkout.to_owned(),
            store: folder.join("first-store"),
            out: folder.join("first").join("dist"),
            home: folder.join("first-home"),
            umask: 0o022,
            jobs,
            ccache: true,
            environment: ENVIRONMENT.iter().map(|(_, _, first, _)| *first).collect(),
            guise: None,
        }
    }

    /// Everything below `folder`, at paths of other lengths. One job more: fewer would take as much longer.
    pub fn second(folder: &Path, jobs: usize, guise: Option<Vec<OsString>>) -> World {
        let elsewhere = folder.join("another-place-with-a-longer-path");
        World {
            checkout: elsewhere.join("second-checkout"),
            store: elsewhere.join("second-store"),
            out: folder.join("second").join("dist"),
            home: elsewhere.join("second-home"),
            umask: 0o077,
            jobs: jobs + 1,
            ccache: false,
            environment: ENVIRONMENT.iter().map(|(_, _, _, second)| *second).collect(),
            guise,
        }
    }

    pub fn variables(&self) -> impl Iterator<Item = (&'static str, &'static str)> + '_ {
        ENVIRONMENT.iter().zip(&self.environment).map(|((_, name, ..), value)| (*name, *value))
    }
}

/// Where two worlds differ. `host` and `uid` are those of this machine.
pub fn varied(first: &World, second: &World, host: &str, uid: u32) -> Vec<Varied> {
    let path = |path: &Path| path.display().to_string();
    let cache = |world: &World| if world.ccache { "on" } else { "off" }.to_owned();
    let mut all = vec![
        ("path of the checkout", path(&first.checkout), path(&second.checkout)),
        ("path of the store", path(&first.store), path(&second.store)),
        ("path of the artifacts", path(&first.out), path(&second.out)),
        ("home", path(&first.home), path(&second.home)),
        ("umask", format!("{:03o}", first.umask), format!("{:03o}", second.umask)),
        ("jobs", first.jobs.to_string(), second.jobs.to_string()),
        ("compile cache", cache(first), cache(second)),
    ];
    if second.guise.is_some() {
        all.push(("host name", host.to_owned(), HOST.to_owned()));
        all.push(("user id", uid.to_string(), UID.to_owned()));
    }
    for ((what, name, ..), (one, other)) in ENVIRONMENT.iter().zip(first.environment.iter().zip(&second.environment)) {
        all.push((what, format!("{name}={one}"), format!("{name}={other}")));
    }
    all.into_iter().map(|(what, first, second)| Varied { what, first, second }).collect()
}

/// What is the same in both worlds; `no_guise` says why the second has no host name and user of its own.
pub fn fixed(no_guise: Option<&str>) -> Vec<Fixed> {
    let mut fixed = vec![
        Fixed { what: "wall clock", reason: "both builds ask the machine's clock, minutes apart".to_owned() },
        Fixed { what: "processor affinity", reason: "fewer processors would make the second build slower".to_owned() },
        Fixed { what: "directory order", reason: "it is the file system's, and both builds are on one".to_owned() },
        Fixed {
            what: "kernel and processor",
            reason: "there is one machine; --against compares with another's".to_owned(),
        },
    ];
    if let Some(reason) = no_guise {
        let reason = format!("no namespace for it: {reason}");
        fixed.extend(["host name", "user id"].map(|what| Fixed { what, reason: reason.clone() }));
    }
    fixed
}

/// Texts that give away which circumstance reached an artifact. Short ones are in every file.
pub fn clues(varied: &[Varied]) -> Vec<Clue> {
    const SHORTEST: usize = 8;
    let value = |text: &str| text.split_once('=').map_or(text, |(_, value)| value).to_owned();
    let clue = |varied: &Varied| Clue { what: varied.what, first: value(&varied.first), second: value(&varied.second) };
    varied.iter().map(clue).filter(|clue| clue.first.len().min(clue.second.len()) >= SHORTEST).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_circumstance_is_called_varied_that_is_not() {
        let folder = Path::new("/f");
        let first = World::first(folder, Path::new("/c"), 2);
        for guise in [None, Some(vec!["bwrap".into()])] {
            let guised = guise.is_some();
            let varied = varied(&first, &World::second(folder, 2, guise), "host", 0);
            assert!(varied.iter().all(|circumstance| circumstance.first != circumstance.second), "{varied:?}");
            let fixed = fixed((!guised).then_some("it is forbidden"));
            for what in ["host name", "user id"] {
                assert_eq!(varied.iter().any(|circumstance| circumstance.what == what), guised);
                assert_eq!(fixed.iter().any(|circumstance| circumstance.what == what), !guised);
            }
        }
    }

    #[test]
    fn a_clue_is_long_enough_to_mean_something() {
        let one = |first: &str, second: &str| Varied { what: "w", first: first.into(), second: second.into() };
        let clues = clues(&[one("2", "3"), one("XEN_WHOAMI=first-who", "XEN_WHOAMI=second-who")]);
        assert_eq!(clues.len(), 1);
        assert_eq!((clues[0].first.as_str(), clues[0].second.as_str()), ("first-who", "second-who"));
    }
}
