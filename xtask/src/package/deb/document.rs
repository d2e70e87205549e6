//! What Debian asks of every package's documentation folder: `copyright`, in the machine-readable form (Policy 12.5), and
//! `changelog.Debian` (12.7, 4.4). Both say what the recipe and its pins say.

use super::control::filled;
use crate::catalog;
use crate::job::Job;
use crate::recipe::{Origin, Recipe, Source};
use chrono::DateTime;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

/// The form's own name, which its readers look for.
const FORMAT: &str = "https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/";

/// SPDX's names of licences whose text every Debian system has in /usr/share/common-licenses, with Debian's.
const COMMON: [(&str, &str, &str); 13] = [
    ("Apache-2.0", "Apache-2.0", "Apache-2.0"),
    ("CC0-1.0", "CC0-1.0", "CC0-1.0"),
    ("GPL-1.0-or-later", "GPL-1+", "GPL-1"),
    ("GPL-2.0-only", "GPL-2", "GPL-2"),
    ("GPL-2.0-or-later", "GPL-2+", "GPL-2"),
    ("GPL-3.0-only", "GPL-3", "GPL-3"),
    ("GPL-3.0-or-later", "GPL-3+", "GPL-3"),
    ("LGPL-2.0-or-later", "LGPL-2+", "LGPL-2"),
    ("LGPL-2.1-only", "LGPL-2.1", "LGPL-2.1"),
    ("LGPL-2.1-or-later", "LGPL-2.1+", "LGPL-2.1"),
    ("LGPL-3.0-only", "LGPL-3", "LGPL-3"),
    ("LGPL-3.0-or-later", "LGPL-3+", "LGPL-3"),
    ("MPL-2.0", "MPL-2.0", "MPL-2.0"),
];

const EXPAT: &str = "\
Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated documentation files
(the \"Software\"), to deal in the Software without restriction, including without limitation the rights to use, copy, modify, merge,
publish, distribute, sublicense, and/or sell copies of the Software, and to permit persons to whom the Software is furnished to do
so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all copies or substantial portions of the Software.

THE SOFTWARE IS PROVIDED \"AS IS\", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF
MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR COPYRIGHT HOLDERS BE LIABLE
FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM, OUT OF OR IN CONNECTION
WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE.";

/// Debian's own file of it speaks of the University of California, and of nobody else.
const BSD: &str = "\
Redistribution and use in source and binary forms, with or without modification, are permitted provided that the following \
conditions are met:

1. Redistributions of source code must retain the above copyright notice, this list of conditions and the following disclaimer.

2. Redistributions in binary form must reproduce the above copyright notice, this list of conditions and the following disclaimer \
in the documentation and/or other materials provided with the distribution.

3. Neither the name of the copyright holder nor the names of its contributors may be used to endorse or promote products derived \
from this software without specific prior written permission.

THIS SOFTWARE IS PROVIDED BY THE COPYRIGHT HOLDERS AND CONTRIBUTORS \"AS IS\" AND ANY EXPRESS OR IMPLIED WARRANTIES, INCLUDING, BUT \
NOT LIMITED TO, THE IMPLIED WARRANTIES OF MERCHANTABILITY AND FITNESS FOR A PARTICULAR PURPOSE ARE DISCLAIMED. IN NO EVENT SHALL \
THE COPYRIGHT HOLDER OR CONTRIBUTORS BE LIABLE FOR ANY DIRECT, INDIRECT, INCIDENTAL, SPECIAL, EXEMPLARY, OR CONSEQUENTIAL DAMAGES \
(INCLUDING, BUT NOT LIMITED TO, PROCUREMENT OF SUBSTITUTE GOODS OR SERVICES; LOSS OF USE, DATA, OR PROFITS; OR BUSINESS \
INTERRUPTION) HOWEVER CAUSED AND ON ANY THEORY OF LIABILITY, WHETHER IN CONTRACT, STRICT LIABILITY, OR TORT (INCLUDING NEGLIGENCE OR \
OTHERWISE) ARISING IN ANY WAY OUT OF THE USE OF THIS SOFTWARE, EVEN IF ADVISED OF THE POSSIBILITY OF SUCH DAMAGE.";

/// `copyright` of a package. `sources` has the names of the recipe's sources in it with the paths that were built from each, as they
/// are installed.
pub fn copyright(recipe: &Recipe, sources: &BTreeMap<String, BTreeSet<String>>) -> String {
    let mut text = format!("Format: {FORMAT}\nUpstream-Name: {}\n", recipe.name);
    if let Some(homepage) = &recipe.homepage {
        let _ = writeln!(text, "Upstream-Contact: {homepage}");
    }
    let origins: BTreeSet<&str> = sources.keys().filter_map(|name| recipe.source.get(name)).flat_map(origins).collect();
    for (count, origin) in origins.iter().enumerate() {
        let _ = writeln!(text, "{}{origin}", if count == 0 { "Source: " } else { " " });
    }
    let comment = "Files are named as this package installs them. Their sources name the authors one by one and, where it differs \
                   from what is said here, the licence of a single file.";
    fold(&mut text, "Comment:", comment);

    // The first source is that of all that no other is named for.
    let main = sources.iter().max_by_key(|(_, paths)| paths.len()).map(|(name, _)| name.as_str()).unwrap_or("xen");
    let mut used = BTreeSet::new();
    let mut stanza = |files: &str, name: &str| {
        let license = recipe.source.get(name).and_then(|source| source.license.as_ref()).unwrap_or(&recipe.license);
        let year = &catalog::moment(recipe.epoch)[..4];
        let _ = write!(text, "\nFiles: {files}\nCopyright: {year} and earlier, the authors of {name}\n");
        let _ = writeln!(text, "License: {}", debian(license));
        used.extend(license.split(['(', ')', ' ']).filter(|id| !id.is_empty() && !is_operator(id)).map(str::to_owned));
    };
    stanza("*", main);
    for (name, paths) in sources.iter().filter(|(name, _)| *name != main) {
        let paths: Vec<String> = paths.iter().map(|path| escaped(path)).collect();
        stanza(&paths.join("\n "), name);
    }
    for id in used {
        let _ = write!(text, "\nLicense: {}\n", debian(&id));
        match COMMON.iter().find(|(spdx, ..)| *spdx == id) {
            Some((.., file)) => {
                let whole = format!("On Debian systems the text is in /usr/share/common-licenses/{file}.");
                fold(&mut text, "", &whole);
            }
            None if id == "MIT" => fold(&mut text, "", EXPAT),
            None if id == "BSD-3-Clause" => fold(&mut text, "", BSD),
            None => fold(&mut text, "", &format!("SPDX calls this licence {id}; its text is in the sources.")),
        }
    }
    text
}

fn origins(source: &Source) -> impl Iterator<Item = &str> {
    source.origins.iter().map(|origin| match origin {
        Origin::Git(origin) => origin.git.as_str(),
        Origin::Url(origin) => origin.url.as_str(),
        Origin::Debian(origin) => origin.debian.as_str(),
    })
}

/// An SPDX expression in the words of Debian's form.
fn debian(expression: &str) -> String {
    let word = |word: &str| match word {
        "AND" => "and".to_owned(),
        "OR" => "or".to_owned(),
        "MIT" => "Expat".to_owned(),
        "BSD-3-Clause" => "BSD-3-clause".to_owned(),
        id => COMMON.iter().find(|(spdx, ..)| *spdx == id).map_or(id, |(_, debian, _)| debian).to_owned(),
    };
    let words: Vec<String> = expression.split(['(', ')', ' ']).filter(|word| !word.is_empty()).map(word).collect();
    words.join(" ")
}

fn is_operator(word: &str) -> bool {
    ["AND", "OR", "WITH"].contains(&word)
}

/// A path in `Files`, where `*`, `?` and `\` mean something.
fn escaped(path: &str) -> String {
    path.replace('\\', "\\\\").replace('*', "\\*").replace('?', "\\?").replace(' ', "?")
}

/// Paragraphs below a field's name, in lines of their own.
fn fold(text: &mut String, name: &str, paragraphs: &str) {
    if !name.is_empty() {
        let _ = writeln!(text, "{name}");
    }
    for (count, paragraph) in paragraphs.split("\n\n").enumerate() {
        if count > 0 {
            text.push_str(" .\n");
        }
        for line in filled(paragraph) {
            let _ = writeln!(text, " {line}");
        }
    }
}

/// What was built, one line a source with the commit that it is pinned to: `xen: RELEASE-4.17.5, 2 patches`, `commit 0114…`.
pub fn built(job: &Job) -> Vec<(String, Option<String>)> {
    let line = |(name, source): (&String, &Source)| {
        let patches = match job.queues.get(name).map_or(0, |queue| queue.patches.len()) {
            0 => String::new(),
            1 => ", 1 patch".to_owned(),
            count => format!(", {count} patches"),
        };
        let pin = source.commit.as_ref().map(|commit| format!("commit {commit}"));
        (format!("{name}: {}{patches}", source.release), pin)
    };
    job.recipe.source.iter().map(line).collect()
}

/// `changelog.Debian`: one entry, which says what was built.
pub fn changelog(job: &Job) -> String {
    let recipe = &job.recipe;
    let version = recipe.full_version();
    let mut text = format!("{} ({version}) {}; urgency=medium\n\n", recipe.name, recipe.toolchain);
    let _ = writeln!(text, "  * Packaging {} of {} {}.", recipe.revision, recipe.name, recipe.version);
    for (what, pin) in built(job) {
        let pin = pin.map(|pin| format!("\n    {pin}")).unwrap_or_default();
        let _ = writeln!(text, "  * {what}{pin}");
    }
    let date = i64::try_from(recipe.epoch).ok().and_then(|seconds| DateTime::from_timestamp(seconds, 0));
    let date = date.map(|date| date.format("%a, %d %b %Y %H:%M:%S +0000").to_string()).unwrap_or_default();
    let maintainer = recipe.maintainer.as_deref().unwrap_or_default();
    let _ = write!(text, "\n -- {maintainer}  {date}\n");
    text
}
