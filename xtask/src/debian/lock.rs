//! Makes a toolchain's lock from the signed indices of its suites, and checks a lock against the world.

use super::index::{self, Package, Release, stamp};
use super::mirror::{self, Answer};
use super::{resolve, signature};
use crate::archive;
use crate::context::Context;
use crate::digest::hash_reader;
use crate::download;
use crate::fault::{Exit, Fault};
use crate::openpgp::{self, now};
use crate::parallel;
use crate::toolchain::{Deb, Lock, Toolchain, Wanted, file};
use anyhow::{Context as _, Result};
use fs_err as fs;
use pgp::composed::SignedPublicKey;
use std::collections::BTreeSet;
use std::io::{BufReader, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::sync::{Mutex, PoisonError};

/// An InRelease file of Debian is some 200 kB.
const INDEX_LIMIT: u64 = 16 << 20;

/// How many questions wait for the mirror at once.
const LINES: usize = 8;

/// The snapshot archive takes a new state of the archive in within so many seconds.
const TAKEN_IN: u64 = 24 * 3600;

/// Verifies the indices, resolves what is wanted and writes `toolchains/<name>.lock`.
pub fn make(ctx: &Context, name: &str) -> Result<Lock> {
    let wanted = Wanted::load(&ctx.root, name)?;
    let now = now();
    let suites = suites(ctx, &wanted, now).with_context(|| format!("locking toolchain {name}"))?;
    let moment = stamp(suites.iter().map(|suite| suite.release.date).max().unwrap_or(now) + TAKEN_IN);

    let mut gone: BTreeSet<String> = BTreeSet::new();
    let chosen = loop {
        let there = suites.iter().flat_map(|suite| &suite.packages).filter(|package| !gone.contains(&package.path));
        let chosen = resolve::resolve(&wanted.packages, there, &wanted.architecture).map_err(|error| {
            let vanished: Vec<&str> = gone.iter().map(String::as_str).collect();
            match vanished[..] {
                [] => error,
                _ => error.context(format!("no mirror has {}, and without", vanished.join(", "))),
            }
        });
        let chosen = chosen.with_context(|| format!("resolving toolchain {name}"))?;
        let absent = absent(ctx, &chosen, &moment)?;
        if absent.is_empty() {
            break chosen;
        }
        for package in chosen.iter().filter(|package| absent.contains(&package.path)) {
            let Package { name, version, path, .. } = package;
            ctx.report
                .note(&format!("{name} {version}: the index has it, no mirror does ({path}); taking a lower version"));
        }
        gone.extend(absent);
    };
    let debs = chosen
        .into_iter()
        .map(|Package { name, version, path, size, sha256, .. }| Deb {
            name: name.clone(),
            version: version.clone(),
            path: path.clone(),
            size: *size,
            sha256: sha256.clone(),
        })
        .collect();
    let lock = Lock { wanted: wanted.digest(), snapshot: moment, debs };
    write(ctx, name, &lock)?;
    Ok(lock)
}

/// Checks that the lock answers what is wanted, that what is in the store is what the lock says, and, online, that mirrors
/// and indices still have the rest. All findings are one error.
pub fn verify(ctx: &Context, name: &str) -> Result<Toolchain> {
    let toolchain = Toolchain::load(&ctx.root, name)?;
    let relock = format!("run `cargo xtask toolchain lock {name}`");
    // Each with its cure.
    let findings: Mutex<BTreeSet<(String, &str)>> = Mutex::default();
    let add = |finding| findings.lock().unwrap_or_else(PoisonError::into_inner).insert(finding);
    parallel::each(LINES, toolchain.debs.len(), &|at| {
        if let Some((finding, cure)) = verify_one(ctx, &toolchain, &toolchain.debs[at])? {
            add((finding, cure.unwrap_or(&relock)));
        }
        Ok(())
    })?;
    if !ctx.net.offline {
        let wanted = Wanted::load(&ctx.root, name)?;
        let suites = suites(ctx, &wanted, now()).with_context(|| format!("verifying toolchain {name}"))?;
        let listed: BTreeSet<_> =
            suites.iter().flat_map(|suite| &suite.packages).map(|p| (&p.path, &p.sha256)).collect();
        for deb in toolchain.debs.iter().filter(|deb| !listed.contains(&(&deb.path, &deb.sha256))) {
            let finding =
                format!("{} {}: no index of {} lists it any more", deb.name, deb.version, wanted.suites.join(", "));
            add((finding, &relock));
        }
    }
    let findings = findings.into_inner().unwrap_or_else(PoisonError::into_inner);
    if findings.is_empty() {
        return Ok(toolchain);
    }
    let cures: BTreeSet<&str> = findings.iter().map(|(_, cure)| *cure).collect();
    let findings: Vec<&str> = findings.iter().map(|(finding, _)| finding.as_str()).collect();
    Err(Fault::failed(format!("the lock of toolchain {name} does not hold:\n    {}", findings.join("\n    ")))
        .cure(cures.into_iter().collect::<Vec<_>>().join("; "))
        .into())
}

/// What is wrong with a locked package, with a cure where it is not a new lock.
fn verify_one(ctx: &Context, toolchain: &Toolchain, deb: &Deb) -> Result<Option<(String, Option<&'static str>)>> {
    let finding = |text: String| format!("{} {}: {text}", deb.name, deb.version);
    if let Some(path) = ctx.store.blob(&deb.sha256) {
        let found = hash_reader(fs::File::open(&path)?).with_context(|| format!("reading {}", path.display()))?;
        let cure = Some("delete what was changed: it will be brought again");
        let changed = found != (deb.sha256.clone(), deb.size);
        return Ok(changed.then(|| (finding(format!("{} in the store was changed", path.display())), cure)));
    }
    if ctx.net.offline {
        let text = "not in the store, and not asked for (offline)".to_owned();
        return Ok(Some((finding(text), Some("run it again without `--offline`"))));
    }
    let urls = super::urls(&ctx.net, Some(&toolchain.snapshot), &deb.path);
    let reasons = reachable(ctx, &urls, deb.size)?.err();
    Ok(reasons.map(|reasons| (finding(format!("no mirror has it: {}", lines(reasons).join(", "))), None)))
}

/// One suite, believed.
struct Suite {
    release: Release,
    packages: Vec<Package>,
}

fn suites(ctx: &Context, wanted: &Wanted, now: u64) -> Result<Vec<Suite>> {
    if ctx.net.offline {
        return Err(Fault::source("the archive's index was not asked for (offline)")
            .cure("run it again without `--offline`")
            .into());
    }
    let path = ctx.root.join("toolchains").join(&wanted.certificates);
    let certificates = openpgp::certificates(&fs::read_to_string(&path)?, &wanted.signers)
        .with_context(|| format!("reading {}", path.display()))?;
    wanted.suites.iter().map(|suite| self::suite(ctx, wanted, suite, &certificates, now)).collect()
}

fn suite(ctx: &Context, wanted: &Wanted, suite: &str, certificates: &[SignedPublicKey], now: u64) -> Result<Suite> {
    let release = release(ctx, suite, certificates, now)?;
    let mut packages = Vec::new();
    for component in &wanted.components {
        let folder = format!("{component}/binary-{}", wanted.architecture);
        let path = format!("{folder}/Packages.xz");
        let Some((sha256, size)) = release.files.get(&path).cloned() else {
            let what = format!("the index of {suite} has no {path}");
            return Err(Fault::failed(what).cure("correct `components` or `architecture` of the toolchain").into());
        };
        // By its hash first: between the two questions the mirror may have been updated.
        let places = [format!("dists/{suite}/{folder}/by-hash/SHA256/{sha256}"), format!("dists/{suite}/{path}")];
        let urls = places.iter().flat_map(|place| super::urls(&ctx.net, Some(&stamp(now)), place)).collect();
        let name = format!("{suite}-{component}-{}-Packages.xz", wanted.architecture);
        let blob = download::blob(ctx, &download::Wanted { name, sha256, size, urls })?;
        let text = BufReader::with_capacity(archive::BUFFER, archive::open(&blob)?);
        let found =
            index::packages(text, &wanted.architecture).with_context(|| format!("reading {path} of {suite}"))?;
        packages.extend(found);
    }
    Ok(Suite { release, packages })
}

/// The suite's signed index from the first mirror that has a good one.
fn release(ctx: &Context, suite: &str, certificates: &[SignedPublicKey], now: u64) -> Result<Release> {
    let mut reasons = Vec::new();
    let mut exit = Exit::Source;
    let mut cure = None;
    for url in super::urls(&ctx.net, Some(&stamp(now)), &format!("dists/{suite}/InRelease")) {
        let bytes = match mirror::get(ctx, &url, INDEX_LIMIT)? {
            Answer::Found(bytes) => bytes,
            Answer::Absent(reason) | Answer::Silent(reason) => {
                reasons.push(format!("{url}: {reason}"));
                continue;
            }
        };
        let read = signature::verify(&String::from_utf8_lossy(&bytes), certificates, now)
            .and_then(|text| Release::parse(&text, suite, now));
        match read {
            Ok(release) => {
                for reason in &reasons {
                    ctx.report.warn(reason);
                }
                return Ok(release);
            }
            Err(error) => {
                exit = Exit::Failed;
                cure = error.downcast_ref::<Fault>().and_then(|fault| fault.cure.clone()).or(cure);
                reasons.push(format!("{url}: {error:#}"));
            }
        }
    }
    let what = format!("no mirror has an index of {suite} that can be believed:\n    {}", reasons.join("\n    "));
    let cure = cure.unwrap_or_else(|| "connect to the network, or name a mirror with `--debian-mirror URL`".to_owned());
    Err(Fault { exit, what, cure: Some(cure) }.into())
}

/// Paths of those packages that mirrors answer for, and do not have.
fn absent(ctx: &Context, packages: &[&Package], moment: &str) -> Result<BTreeSet<String>> {
    let absent: Mutex<BTreeSet<String>> = Mutex::default();
    let task = ctx.report.begin("look for", &format!("{} packages", packages.len()), None);
    parallel::each(LINES, packages.len(), &|at| {
        let Package { name, version, path, size, .. } = packages[at];
        let Err(reasons) = reachable(ctx, &super::urls(&ctx.net, Some(moment), path), *size)? else { return Ok(()) };
        if reasons.iter().any(|(_, _, answered)| *answered) {
            absent.lock().unwrap_or_else(PoisonError::into_inner).insert(path.clone());
            return Ok(());
        }
        Err(Fault::source(format!("no mirror answers for {name} {version}:\n    {}", lines(reasons).join("\n    ")))
            .cure("try again, or name another mirror with `--debian-mirror URL`")
            .into())
    })?;
    let absent = absent.into_inner().unwrap_or_else(PoisonError::into_inner);
    task.done(&format!("{} absent", absent.len()));
    Ok(absent)
}

/// Every address that does not have the file, with its reason and whether it answered.
type Reasons = Vec<(String, String, bool)>;

fn lines(reasons: Reasons) -> Vec<String> {
    reasons.into_iter().map(|(url, reason, _)| format!("{url}: {reason}")).collect()
}

fn reachable(ctx: &Context, urls: &[String], size: u64) -> Result<Result<(), Reasons>> {
    let mut reasons = Vec::new();
    for url in urls {
        match mirror::has(ctx, url, size)? {
            Answer::Found(()) => return Ok(Ok(())),
            Answer::Absent(reason) => reasons.push((url.clone(), reason, true)),
            Answer::Silent(reason) => reasons.push((url.clone(), reason, false)),
        }
    }
    Ok(Err(reasons))
}

/// Beside its place and then over it, so that a lock is always whole.
fn write(ctx: &Context, name: &str, lock: &Lock) -> Result<()> {
    let path = file(&ctx.root, name, "lock");
    let mut temporary = tempfile::NamedTempFile::new_in(ctx.root.join("toolchains"))
        .with_context(|| format!("writing {}", path.display()))?;
    temporary.write_all(lock.render(name).as_bytes()).with_context(|| format!("writing {}", path.display()))?;
    fs::set_permissions(temporary.path(), std::fs::Permissions::from_mode(0o644))?;
    temporary.persist(&path).with_context(|| format!("writing {}", path.display()))?;
    Ok(())
}
