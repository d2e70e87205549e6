//! The tag of a new version: its name, the repository that has it, and whether the pinned key signed it.
//!
//! A tag is believed when its object says the name that was asked for, names a commit, and carries an OpenPGP signature over all
//! of that by the pinned primary key or a signing subkey of it. The key must have been in force when the signature was made, since
//! old releases are signed by keys that have expired since; a revoked key is never believed. Hashes weaker than SHA-256 are
//! refused, SHA-1 too: who signs today has better ones. There is no way around the check.

use crate::context::Context;
use crate::digest::GitId;
use crate::fault::Fault;
use crate::git::tag::{self, Asked, Found};
use crate::openpgp::{self, Verdict};
use crate::origin::Failures;
use crate::recipe::{Origin, Recipe, Source, nearest};
use anyhow::{Context as _, Result};
use fs_err as fs;
use git2::{ObjectType, Oid};
use pgp::composed::{Deserializable as _, DetachedSignature, SignedPublicKey};
use semver::{BuildMetadata, Version};
use std::collections::BTreeSet;
use std::path::PathBuf;

/// A version of a source and what its tag is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Release {
    pub version: Version,
    pub tag: String,
}

/// A tag that has been believed.
#[derive(Clone, Debug)]
pub struct Tagged {
    /// The key's fingerprint.
    pub signer: String,
    /// When it was signed, in seconds since 1970.
    pub signed: u64,
    pub commit: GitId,
    pub tree: GitId,
    /// The commit's date, in seconds since 1970.
    pub epoch: u64,
}

/// The form of a recipe's tags: what stands before and after the version.
struct Form<'r> {
    before: &'r str,
    after: &'r str,
}

impl Form<'_> {
    /// `RELEASE-4.17.5-72-g01140da4e8` of 4.17.5+72 has the form of `RELEASE-4.17.5`: the rest counts commits.
    fn of<'r>(recipe: &Recipe, source: &'r Source) -> Result<Form<'r>> {
        let plain = Version { build: BuildMetadata::EMPTY, ..recipe.version.clone() }.to_string();
        let tag = undescribed(&source.release);
        let (before, after) = tag.split_once(&plain).ok_or_else(|| {
            Fault::usage(format!(
                "recipe {}: `{}` of source {} does not hold the version {plain}, so the form of its tags is not known",
                recipe.stem(),
                source.release,
                recipe.name
            ))
            .cure("name the release by its tag, such as `RELEASE-4.17.4`")
        })?;
        Ok(Form { before, after })
    }

    fn tag(&self, version: &Version) -> String {
        format!("{}{version}{}", self.before, self.after)
    }

    fn version(&self, tag: &str) -> Option<Version> {
        Version::parse(tag.strip_prefix(self.before)?.strip_suffix(self.after)?).ok()
    }
}

/// The name without what `git describe` appends.
pub fn undescribed(name: &str) -> &str {
    let described = || {
        let (rest, id) = name.rsplit_once("-g")?;
        let (tag, count) = rest.rsplit_once('-')?;
        let hexadecimal = id.len() >= 4 && id.bytes().all(|b| b.is_ascii_hexdigit());
        (hexadecimal && count.bytes().all(|b| b.is_ascii_digit())).then_some(tag)
    };
    described().unwrap_or(name)
}

/// The release that a user asks for.
pub fn release(recipe: &Recipe, source: &Source, wanted: &str) -> Result<Release> {
    let version = Version::parse(wanted).map_err(|error| {
        let number = wanted.trim_start_matches(|c: char| !c.is_ascii_digit());
        let cure = match Version::parse(number) {
            Ok(version) => format!("say `{version}`"),
            Err(_) => "a version has three numbers, such as 4.17.6".to_owned(),
        };
        Fault::usage(format!("`{wanted}` is not a version: {error}")).cure(cure)
    })?;
    if !version.build.is_empty() {
        let what = format!("`{wanted}` counts commits after a release: no tag names it, so no signature covers it");
        return Err(Fault::usage(what).cure(format!("bump to a release, or copy recipe {}", recipe.stem())).into());
    }
    if version <= recipe.version {
        return Err(Fault::usage(format!("{version} is not newer than recipe {}", recipe.stem()))
            .cure("name a newer version, or bump an older recipe")
            .into());
    }
    let tag = Form::of(recipe, source)?.tag(&version);
    Ok(Release { version, tag })
}

/// The certificate of the key that signs the source's tags, from `recipes/keys/<source>.asc`.
pub fn certificate(ctx: &Context, recipe: &Recipe, source: &Source) -> Result<Vec<SignedPublicKey>> {
    let (stem, name) = (recipe.stem(), &recipe.name);
    let Some(signer) = &source.signed_by else {
        return Err(Fault::usage(format!("recipe {stem}: source {name} does not say who signs its tags"))
            .cure(format!("pin the key's fingerprint: `signed-by = \"…\"` in [source.{name}]"))
            .into());
    };
    let file = PathBuf::from(format!("recipes/keys/{name}.asc"));
    let cure = format!("put the armored public key {signer} there, from a place that you trust");
    let Ok(text) = fs::read_to_string(ctx.root.join(&file)) else {
        return Err(Fault::usage(format!("{}: not there, and without it no tag can be checked", file.display()))
            .cure(cure)
            .into());
    };
    let found = openpgp::certificates(&text, std::slice::from_ref(signer));
    found.map_err(|error| Fault::usage(format!("{}: {error:#}", file.display())).cure(cure).into())
}

/// Looks for the tag, in the mirror folders and then at the source's git origins.
pub fn find(ctx: &Context, recipe: &Recipe, source: &Source, release: &Release) -> Result<Found> {
    let what = format!("tag {} of source {}", release.tag, recipe.name);
    let mut asked = Asked { failures: Failures::new(what.clone()), tags: BTreeSet::new() };
    if let Some(found) = tag::local(&ctx.net, &release.tag, |_, _| true, &mut asked)? {
        return Ok(found);
    }
    // What the review compares with, by the name that a server gives out where there is one.
    let old = match undescribed(&source.release) == source.release {
        true => source.release.as_str(),
        false => source.commit.as_ref().map_or("", GitId::as_str),
    };
    for origin in &source.origins {
        if let Origin::Git(origin) = origin
            && let Some(found) = tag::fetch(ctx, &origin.git, &release.tag, old, &mut asked)?
        {
            return Ok(found);
        }
    }
    if asked.failures.lines().is_empty() {
        return Err(Fault::source(format!("{what}: there is no git repository to ask"))
            .cure("name a folder that holds a clone with --mirror DIR, or give the source a git origin")
            .into());
    }
    let fault = asked.failures.into_fault();
    Err(match near(&Form::of(recipe, source)?, release, &asked.tags) {
        Some(near) => fault.cure(near),
        None => fault,
    }
    .into())
}

/// The tags around one that is not there.
fn near(form: &Form<'_>, release: &Release, tags: &BTreeSet<String>) -> Option<String> {
    let mut known: Vec<Version> = tags.iter().filter_map(|tag| form.version(tag)).collect();
    known.sort();
    let at = known.partition_point(|version| *version < release.version);
    let around = &known[at.saturating_sub(3)..known.len().min(at + 2)];
    let names: Vec<String> = around.iter().map(|version| form.tag(version)).collect();
    if names.is_empty() {
        return Some(format!("did you mean {}?", nearest(&release.tag, tags.iter().map(String::as_str))?));
    }
    Some(format!("the nearest tags there are {}; a clone may have to be fetched anew", names.join(", ")))
}

/// Believes the tag, or says why not.
pub fn verify(found: &Found, release: &Release, keys: &[SignedPublicKey], now: u64) -> Result<Tagged> {
    let place = format!("tag {} of {}", release.tag, found.place);
    let refuse = |why: String, cure: &str| Fault::failed(format!("{place}: {why}")).cure(cure);
    let id = found.named(&release.tag).with_context(|| place.clone())?;
    let objects = found.repository.odb()?;
    let object = objects.read(id).with_context(|| place.clone())?;
    if object.kind() != ObjectType::Tag {
        let why = format!("it is a lightweight tag: it names {} {id} and nobody has signed it", object.kind());
        return Err(refuse(why, ELSEWHERE).into());
    }
    let Some((payload, signature)) = split(object.data()) else {
        return Err(refuse("it carries no OpenPGP signature".to_owned(), ELSEWHERE).into());
    };
    let (signer, signed) = signer(payload, signature, keys, now).map_err(|why| refuse(why, UNBELIEVED))?;
    let commit = signed_commit(payload, &release.tag).map_err(|why| refuse(why, UNBELIEVED))?;
    let commit = found.repository.find_commit(commit).with_context(|| format!("{place}: reading its commit"))?;
    let epoch = commit.time().seconds();
    let epoch = epoch.try_into().map_err(|_| refuse(format!("its commit is dated {epoch}, before 1970"), ELSEWHERE))?;
    Ok(Tagged { signer, signed, commit: git_id(commit.id()), tree: git_id(commit.tree_id()), epoch })
}

const ELSEWHERE: &str = "ask another repository with --mirror DIR; what is not signed is not pinned";

const UNBELIEVED: &str = "do not use what this tag names before you know why; upstream's own repository may have another. If upstream signs \
    with a new key, change `signed-by` in the recipe and the key in recipes/keys/, after checking them";

/// What is signed, and the signature over it: the last block at the end, as git takes it.
fn split(tag: &[u8]) -> Option<(&[u8], &str)> {
    const BEGIN: &[u8] = b"\n-----BEGIN PGP SIGNATURE-----";
    let at = memchr::memmem::rfind(tag, BEGIN)? + 1;
    Some((&tag[..at], std::str::from_utf8(&tag[at..]).ok()?))
}

/// Who signed, and when.
fn signer(payload: &[u8], armored: &str, keys: &[SignedPublicKey], now: u64) -> Result<(String, u64), String> {
    let (signature, _) =
        DetachedSignature::from_string(armored).map_err(|error| format!("its signature cannot be read: {error}"))?;
    let signature = signature.signature;
    let signed = u64::from(signature.created().ok_or("its signature has no date")?.as_secs());
    match openpgp::judge(&signature, payload, keys, now, signed) {
        Verdict::Good(signer) => Ok((signer, signed)),
        Verdict::Useless(reason) => Err(format!("its signature cannot be believed: {reason}")),
        Verdict::Bad(reason) => Err(reason),
    }
}

/// The commit that a tag's signed text names; a tag under another name, or of another tag, is none.
fn signed_commit(payload: &[u8], name: &str) -> Result<Oid, String> {
    let text = String::from_utf8_lossy(payload);
    let header = |key: &str| text.lines().take_while(|line| !line.is_empty()).find_map(|line| line.strip_prefix(key));
    match header("tag ") {
        Some(said) if said == name => {}
        said => return Err(format!("what is signed is the tag {}", said.unwrap_or("without a name"))),
    }
    match header("type ") {
        Some("commit") => {}
        kind => return Err(format!("it names a {}, not a commit", kind.unwrap_or("thing without a type"))),
    }
    let id = header("object ").ok_or("it names no object")?;
    Oid::from_str(id).map_err(|_| format!("it names `{id}`, which is no object"))
}

pub fn git_id(id: Oid) -> GitId {
    GitId::try_from(id.to_string()).expect("git writes its ids as 40 hexadecimal digits")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_described_commit_has_the_tag_before_it() {
        for (name, tag) in [
            ("RELEASE-4.17.5-72-g01140da4e8", "RELEASE-4.17.5"),
            ("RELEASE-4.17.4", "RELEASE-4.17.4"),
            ("v1.0-rc1", "v1.0-rc1"),
            ("v1-2-good", "v1-2-good"),
        ] {
            assert_eq!(undescribed(name), tag);
        }
    }

    #[test]
    fn the_signature_is_the_last_block() {
        let tag = b"object x\n\n-----BEGIN PGP SIGNATURE-----\nquoted\n-----BEGIN PGP SIGNATURE-----\nreal\n";
        let (payload, signature) = split(tag).unwrap();
        assert!(payload.ends_with(b"quoted\n"));
        assert_eq!(signature, "-----BEGIN PGP SIGNATURE-----\nreal\n");
        assert_eq!(split(b"object x\n\nnone\n"), None);
    }

    #[test]
    fn only_the_tag_that_was_asked_for_is_taken() {
        let tag = |kind: &str, name: &str| format!("object {}\ntype {kind}\ntag {name}\n\ntag b\n", "1".repeat(40));
        assert!(signed_commit(tag("commit", "a").as_bytes(), "a").is_ok());
        assert_eq!(signed_commit(tag("commit", "a").as_bytes(), "b").unwrap_err(), "what is signed is the tag a");
        assert_eq!(signed_commit(tag("tree", "a").as_bytes(), "a").unwrap_err(), "it names a tree, not a commit");
    }
}
