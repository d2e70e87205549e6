//! Where a pinned content may be found, the nearest place first, and the record of what went wrong at each place.
//!
//! An origin only says where to look; whether the right thing was found there is decided by the pin, elsewhere.

use crate::context::Net;
use crate::debian;
use crate::digest::GitId;
use crate::download::Wanted;
use crate::fault::Fault;
use crate::recipe::{Origin, Source};
use crate::report::Report;

/// One place to look, with all that is needed to look there.
#[derive(Clone, Debug)]
pub enum Place {
    /// A file of known digest: in the store, in a mirror folder, or at one of its addresses.
    Tarball(Wanted),
    Git {
        url: String,
        commit: GitId,
    },
}

/// The places of a source: what Debian mirrors carry first, since one is usually near, then the others as the recipe has them.
///
/// An origin that cannot serve this pin is recorded as a failure instead.
pub fn places(source: &Source, net: &Net, failures: &mut Failures) -> Vec<Place> {
    let (debian, other): (Vec<&Origin>, Vec<&Origin>) =
        source.origins.iter().partition(|origin| matches!(origin, Origin::Debian(_)));
    debian
        .into_iter()
        .chain(other)
        .filter_map(|origin| match place(source, origin, net) {
            Ok(place) => Some(place),
            Err((origin, reason)) => {
                failures.wrong(&origin, reason);
                None
            }
        })
        .collect()
}

fn place(source: &Source, origin: &Origin, net: &Net) -> Result<Place, (String, String)> {
    let (at, sha256, size, urls) = match origin {
        Origin::Git(origin) => {
            return match &source.commit {
                Some(commit) => Ok(Place::Git { url: origin.git.clone(), commit: commit.clone() }),
                None => Err((origin.git.clone(), "a git origin needs a pinned `commit`".to_owned())),
            };
        }
        Origin::Debian(origin) => {
            let urls = debian::urls(net, origin.snapshot.as_deref(), &origin.debian);
            (&origin.debian, &origin.sha256, origin.size, urls)
        }
        Origin::Url(origin) => (&origin.url, &origin.sha256, origin.size, vec![origin.url.clone()]),
    };
    if source.sha256.is_none() && source.tree.is_none() {
        return Err((at.clone(), "only a pinned `tree` lets a tarball stand in for a commit".to_owned()));
    }
    let name = at.rsplit('/').next().unwrap_or(at).to_owned();
    Ok(Place::Tarball(Wanted { name, sha256: sha256.clone(), size, urls }))
}

/// What was looked for and why each place did not have it.
#[derive(Debug)]
pub struct Failures {
    object: String,
    places: Vec<Failure>,
}

#[derive(Debug)]
struct Failure {
    place: String,
    reason: String,
    wrong: bool,
}

impl Failures {
    /// `object` names what was looked for.
    pub fn new(object: impl Into<String>) -> Failures {
        Failures { object: object.into(), places: Vec::new() }
    }

    /// The place does not have it, or does not answer.
    pub fn absent(&mut self, place: &str, reason: impl Into<String>) {
        self.places.push(Failure { place: place.to_owned(), reason: reason.into(), wrong: false });
    }

    /// The place has something else under its name: worth a word even when another place has the right thing.
    pub fn wrong(&mut self, place: &str, reason: impl Into<String>) {
        self.places.push(Failure { place: place.to_owned(), reason: reason.into(), wrong: true });
    }

    /// Reports the places that had something else, once the right thing has been found elsewhere.
    pub fn warn(&self, report: &Report) {
        for Failure { place, reason, .. } in self.places.iter().filter(|failure| failure.wrong) {
            report.warn(&format!("{}: {place}: {reason}", self.object));
        }
    }

    /// One line for each place.
    pub fn lines(&self) -> Vec<String> {
        self.places.iter().map(|failure| format!("{}: {}", failure.place, failure.reason)).collect()
    }

    /// The failure as the user meets it.
    pub fn into_fault(self) -> Fault {
        let mut what = format!("{}: could not be had", self.object);
        for line in self.lines() {
            what.push_str("\n    ");
            what.push_str(&line);
        }
        Fault::source(what)
            .cure("connect to a network where one of these answers, or name a folder that has it with --mirror DIR")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Hash;
    use crate::recipe::{DebianOrigin, GitOrigin, UrlOrigin};

    fn source(tree: Option<GitId>) -> Source {
        let id = GitId::try_from("1".repeat(40)).unwrap();
        let sha256 = Hash::of(b"");
        let origins = vec![
            Origin::Git(GitOrigin { git: "https://git.example/xen.git".to_owned() }),
            Origin::Url(UrlOrigin { url: "https://example/xen.tar.gz".to_owned(), sha256: sha256.clone(), size: 1 }),
            Origin::Debian(DebianOrigin {
                debian: "pool/x/xen.orig.tar.xz".to_owned(),
                sha256,
                size: 2,
                snapshot: Some("20261120T021254Z".to_owned()),
            }),
        ];
        Source {
            commit: Some(id),
            tree,
            sha256: None,
            folder: None,
            release: "r".to_owned(),
            epoch: None,
            license: None,
            signed_by: None,
            debian: None,
            queue: None,
            bundle: Vec::new(),
            origins,
        }
    }

    fn places_of(source: &Source) -> (Vec<String>, Vec<String>) {
        let debian = vec!["http://near/debian".to_owned(), "http://far/debian".to_owned()];
        let mut failures = Failures::new("xen");
        let places = places(
            source,
            &Net { debian, snapshot: Some("http://archive".to_owned()), ..Net::default() },
            &mut failures,
        )
        .into_iter()
        .map(|place| match place {
            Place::Tarball(wanted) => format!("{} {}", wanted.name, wanted.urls.join(" ")),
            Place::Git { url, .. } => url,
        })
        .collect();
        (places, failures.lines())
    }

    #[test]
    fn debian_mirrors_come_before_the_rest_in_recipe_order() {
        let (places, failures) = places_of(&source(Some(GitId::try_from("2".repeat(40)).unwrap())));
        assert_eq!(
            places,
            [
                "xen.orig.tar.xz http://near/debian/pool/x/xen.orig.tar.xz http://far/debian/pool/x/xen.orig.tar.xz \
                 http://archive/20261120T021254Z/pool/x/xen.orig.tar.xz",
                "https://git.example/xen.git",
                "xen.tar.gz https://example/xen.tar.gz",
            ]
        );
        assert!(failures.is_empty(), "{failures:?}");
    }

    #[test]
    fn an_origin_that_cannot_serve_the_pin_is_named() {
        let (places, failures) = places_of(&source(None));
        assert_eq!(places, ["https://git.example/xen.git"]);
        assert_eq!(failures.len(), 2);
        assert!(failures[0].contains("pool/x/xen.orig.tar.xz: only a pinned `tree`"), "{failures:?}");
    }
}
