//! `repro`'s comparison beside diffoscope, over a recipe's artifacts and a copy in which some files are other.

use super::{Bench, Row, median, ratio};
use crate::archive;
use crate::cmd::build;
use crate::cmd::repro::diffoscope;
use crate::context::Context;
use crate::job::Job;
use crate::recipe::Format;
use crate::repro::compare;
use crate::rootfs;
use crate::toolchain::Toolchain;
use anyhow::{Context as _, Result, ensure};
use fs_err as fs;
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::time::Instant;

/// Taken in turns; the medians count.
const TIMES: usize = 3;

/// Of the files that are programs or texts, so many stay as they are between two that are changed.
const EVERY: usize = 16;

/// `user` has the store in which the recipe may be built already.
pub fn run(user: &Context, bench: &Bench) -> Result<Vec<Row>> {
    let folder = bench.folder.join("compare");
    let [first, second] = ["first", "second"].map(|side| folder.join(side));
    let mut job = Job::new(user, &bench.job.recipe.stem())?;
    // Diffoscope asks rpm itself about an .rpm, and its root has none.
    job.recipe.formats.remove(&Format::Rpm);
    build::build(user, &job, &first)?;
    fs::create_dir_all(&second)?;
    for entry in fs::read_dir(&first)? {
        let entry = entry?;
        let bytes = fs::read(entry.path())?;
        let name = entry.file_name().to_string_lossy().into_owned();
        fs::write(second.join(&name), changed(&name, &bytes).with_context(|| format!("changing {name}"))?)?;
    }

    let root = rootfs::obtain(user, &Toolchain::load(&user.root, diffoscope::TOOLCHAIN)?)?;
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    let task = user.report.begin("bench", "repro's comparison and diffoscope", None);
    for turn in 0..TIMES {
        task.say(&format!("turn {} of {TIMES}", turn + 1));
        let start = Instant::now();
        let found = compare::folders(&first, &second, &[], &|_, _, _| Ok(()))?;
        ours.push(start.elapsed());
        ensure!(!found.identical(), "no file was changed");
        let sides = vec![(first.clone(), "/in/first".to_owned()), (second.clone(), "/in/second".to_owned())];
        let start = Instant::now();
        diffoscope::run(user, &root.path, sides, "/in")?;
        theirs.push(start.elapsed());
    }
    task.done("done");
    Ok(vec![ratio("changed artifacts compared (diffoscope), wall", median(ours), median(theirs), "≤ 0.05")])
}

/// The same artifact with some of its files changed; what is not made of tar archives is left alone.
fn changed(name: &str, bytes: &[u8]) -> Result<Vec<u8>> {
    let end = Path::new(name).extension().and_then(|end| end.to_str()).unwrap_or_default();
    match end {
        "deb" => {
            let (mut from, mut to) = (ar::Archive::new(bytes), ar::Builder::new(Vec::new()));
            while let Some(entry) = from.next_entry() {
                let mut entry = entry?;
                let mut header = entry.header().clone();
                let name = String::from_utf8_lossy(header.identifier()).into_owned();
                let mut content = Vec::new();
                entry.read_to_end(&mut content)?;
                let content = changed(&name, &content)?;
                header.set_size(content.len() as u64);
                to.append(&header, content.as_slice())?;
            }
            Ok(to.into_inner()?)
        }
        "zst" => Ok(zstd::encode_all(changed_tar(bytes)?.as_slice(), 3)?),
        "xz" => {
            let mut xz = liblzma::write::XzEncoder::new(Vec::new(), 1);
            xz.write_all(&changed_tar(bytes)?)?;
            Ok(xz.finish()?)
        }
        _ => Ok(bytes.to_vec()),
    }
}

fn changed_tar(packed: &[u8]) -> Result<Vec<u8>> {
    let mut from = tar::Archive::new(archive::decompress(packed)?);
    let mut to = tar::Builder::new(Vec::new());
    let mut seen = 0;
    for entry in from.entries()? {
        let mut entry = entry?;
        let (mut header, path, link) = (entry.header().clone(), entry.path()?.into_owned(), entry.link_name()?);
        if let Some(link) = link {
            match header.path()? == path {
                true => to.append(&header, std::io::empty())?,
                false => to.append_link(&mut header, &path, link)?,
            }
            continue;
        }
        let mut content = Vec::new();
        entry.read_to_end(&mut content)?;
        let elf = content.starts_with(b"\x7fELF");
        let middle = content.len() / 2;
        if elf || !content.is_empty() && std::str::from_utf8(&content).is_ok() {
            seen += 1;
            if seen % EVERY == 0 && elf {
                content[middle] ^= 1;
            } else if seen % EVERY == 0 {
                let line = memchr::memchr(b'\n', &content[middle..]).map_or(content.len(), |at| middle + at + 1);
                content.splice(line..line, b"a line that was not there\n".iter().copied());
            }
        }
        header.set_size(content.len() as u64);
        header.set_cksum();
        // Only where the name does not fit may it be written anew: a `./` in front of it would be lost.
        match header.path()? == path {
            true => to.append(&header, content.as_slice())?,
            false => to.append_data(&mut header, &path, content.as_slice())?,
        }
    }
    Ok(to.into_inner()?)
}
