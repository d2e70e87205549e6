//! The circumstances of the two builds: what is different, and what cannot be made different here, with the reason.
//!
//! Says what is to be varied; the folders are made and the builds are run by `cmd::repro`.

use super::causes::Clue;
use crate::sandbox::disguise::{self, Disguise};
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
    /// The processors that it may run on, by number.
    pub processors: Vec<usize>,
    /// What the steps see instead of the usual world, and what they are given to see it.
    pub disguise: Disguise,
    pub library: Option<PathBuf>,
    /// The builder itself is given the library too.
    pub builder: bool,
}

/// What the second world may differ in here, or why it may not.
#[derive(Clone, Debug)]
pub struct Possible {
    /// The command that gives another host name and user.
    pub guise: Result<Vec<OsString>, String>,
    /// The processors of this machine that may be used, by number.
    pub processors: Vec<usize>,
    /// What makes another clock and another order of directories, for the steps.
    pub library: Result<PathBuf, String>,
    /// The same for the builder.
    pub builder: Result<(), String>,
    /// The sandbox's own layout is varied.
    pub inside: bool,
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
    pub fn first(folder: &Path, checkout: &Path, jobs: usize, possible: &Possible) -> World {
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
            processors: possible.processors.clone(),
            disguise: Disguise::default(),
            library: None,
            builder: false,
        }
    }

    /// Everything below `folder`, at paths of other lengths. One job more: fewer would take as much longer.
    pub fn second(folder: &Path, jobs: usize, possible: &Possible) -> World {
        let library = possible.library.clone().ok();
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
            guise: possible.guise.clone().ok(),
            // All but one: the fewer there are, the longer it takes.
            processors: match &possible.processors[..] {
                [_, others @ ..] if !others.is_empty() => others.to_vec(),
                all => all.to_vec(),
            },
            disguise: Disguise { preload: library.is_some(), layout: possible.inside },
            builder: library.is_some() && possible.builder.is_ok(),
            library,
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
    if first.processors != second.processors {
        all.push(("processor affinity", numbers(&first.processors), numbers(&second.processors)));
    }
    let ahead = format!("{} days ahead", disguise::AHEAD / 86400);
    let (kernel, backwards) = ("as the file system gives it".to_owned(), "backwards".to_owned());
    if second.disguise.preload {
        all.push(("wall clock of the steps", "the machine's".to_owned(), ahead.clone()));
        all.push(("order of directories in the steps", kernel.clone(), backwards.clone()));
    }
    if second.builder {
        all.push(("wall clock of the builder", "the machine's".to_owned(), ahead));
        all.push(("order of directories in the builder", kernel, backwards));
    }
    if second.disguise.layout {
        all.extend(disguise::LAYOUT.map(|(what, usual, other)| (what, usual.to_owned(), other.to_owned())));
    }
    for ((what, name, ..), (one, other)) in ENVIRONMENT.iter().zip(first.environment.iter().zip(&second.environment)) {
        all.push((what, format!("{name}={one}"), format!("{name}={other}")));
    }
    all.into_iter().map(|(what, first, second)| Varied { what, first, second }).collect()
}

fn numbers(processors: &[usize]) -> String {
    let numbers: Vec<String> = processors.iter().map(usize::to_string).collect();
    numbers.join(" ")
}

/// What is the same in both worlds, and why.
pub fn fixed(possible: &Possible) -> Vec<Fixed> {
    let mut fixed = Vec::new();
    let mut same = |what, reason: &str| fixed.push(Fixed { what, reason: reason.to_owned() });
    if let Err(reason) = &possible.guise {
        let reason = format!("no namespace for it: {reason}");
        same("host name", &reason);
        same("user id", &reason);
    }
    if possible.processors.len() < 2 {
        same("processor affinity", "there is one processor");
    }
    if let Err(reason) = &possible.library {
        same("wall clock of the steps", reason);
        same("order of directories in the steps", reason);
    }
    if let Some(reason) = possible.library.as_ref().err().or(possible.builder.as_ref().err()) {
        same("wall clock of the builder", reason);
        same("order of directories in the builder", reason);
    }
    if !possible.inside {
        same("path, user, host name, locale… inside", "the sandbox shows every step the same; --inside varies them");
    }
    same("kernel and processor", "there is one machine; --against compares with another's");
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
    fn a_circumstance_is_varied_or_there_is_a_reason() {
        let folder = Path::new("/f");
        let all = [
            "host name",
            "user id",
            "processor affinity",
            "wall clock of the steps",
            "order of directories in the steps",
            "wall clock of the builder",
            "order of directories in the builder",
        ];
        let no = || "it is forbidden".to_owned();
        for can in [true, false] {
            let possible = Possible {
                guise: can.then(|| vec!["bwrap".into()]).ok_or_else(no),
                processors: if can { vec![0, 1] } else { vec![0] },
                library: can.then(|| "/f/disguise.so".into()).ok_or_else(no),
                builder: Ok(()),
                inside: can,
            };
            let (first, second) =
                (World::first(folder, Path::new("/c"), 2, &possible), World::second(folder, 2, &possible));
            let varied = varied(&first, &second, "host", 0);
            assert!(varied.iter().all(|circumstance| circumstance.first != circumstance.second), "{varied:?}");
            let fixed = fixed(&possible);
            for what in all {
                assert_eq!(varied.iter().any(|circumstance| circumstance.what == what), can, "{what}");
                assert_eq!(fixed.iter().any(|circumstance| circumstance.what == what), !can, "{what}");
            }
            assert_eq!(varied.iter().any(|circumstance| circumstance.what == "build path inside"), can);
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
