//! `patch status`: each queue of a recipe with its patches, what their heads say, and whether they apply. Nothing is written.

use crate::catalog;
use crate::cli::patch as cli;
use crate::context::Context;
use crate::fault::{Fault, innermost};
use crate::patches::apply::{self, CURE, Direction, Misfit, Offset};
use crate::patches::content::{Files, Folder};
use crate::patches::mail::Mail;
use crate::patches::{Patch, Queue, name};
use crate::recipe::Recipe;
use crate::report::Report;
use crate::sources;
use crate::table::table;
use anyhow::Result;
use clap::ValueEnum as _;
use serde_json::{Value, json};
use std::fmt;

pub fn run(args: &cli::Status, report: &Report) -> Result<()> {
    let ctx = Context::of(report, &args.common)?;
    let recipe = catalog::find(&ctx.root, &args.recipe.wanted)?;
    let mut texts = Vec::new();
    let mut values = Vec::new();
    let (mut misfits, mut count) = (0, 0);
    let mut absent = Vec::new();
    for (source, queue) in Queue::obtain_all(&ctx, &ctx.root, &recipe)? {
        let tried = match tried(&ctx, &recipe, &source, &queue) {
            Ok(tried) => tried,
            Err(error) => {
                absent.push((source.clone(), error));
                queue.patches.iter().map(|_| Tried::unknown()).collect()
            }
        };
        misfits += tried.iter().filter(|tried| matches!(tried.applies, Applies::No(_))).count();
        count += tried.len();
        let known: Vec<Known> = queue.patches.iter().map(Known::of).collect();
        texts.push(text(&recipe, &source, &known, &tried));
        let patches: Vec<Value> = known.iter().zip(&tried).map(|(known, tried)| known.value(tried)).collect();
        values.push(json!({ "source": source, "patches": patches }));
    }
    texts.extend(absent.iter().map(|(source, error)| {
        let mut text = format!("whether the patches to {source} apply is not known: {error:#}");
        if let Some(cure) = innermost(error).and_then(|fault| fault.cure.as_deref()) {
            text = format!("{text}\n  help: {cure}");
        }
        text
    }));
    report.result(&texts.join("\n\n"), json!({ "recipe": recipe.stem(), "queues": values }));
    if misfits > 0 {
        let what = format!("{misfits} of {count} patches of {} {}", recipe.stem(), plural(misfits, "does", "do"));
        return Err(Fault::failed(format!("{what} not apply")).cure(CURE).into());
    }
    match absent.into_iter().next() {
        Some((source, _)) => Err(Fault::source(format!("without source {source} its patches cannot be tried")).into()),
        None => Ok(()),
    }
}

fn plural<'t>(count: usize, one: &'t str, more: &'t str) -> &'t str {
    if count == 1 { one } else { more }
}

/// What trying a patch has shown.
struct Tried {
    applies: Applies,
    /// Patches before this one that did not apply: it was tried without them.
    without: Vec<String>,
}

enum Applies {
    Exactly,
    Offset(Vec<Offset>),
    No(Misfit),
    Unknown,
}

impl Tried {
    fn unknown() -> Tried {
        Tried { applies: Applies::Unknown, without: Vec::new() }
    }
}

/// Tries each patch upon those before it that apply.
fn tried(ctx: &Context, recipe: &Recipe, source: &str, queue: &Queue) -> Result<Vec<Tried>> {
    if queue.patches.is_empty() {
        return Ok(Vec::new());
    }
    let checked = sources::one(ctx, source, &recipe.source[source])
        .map_err(|error| sources::suggest(ctx, error, || catalog::others(&ctx.root, recipe)))?;
    let base = Folder(checked.path().to_owned());
    let mut files = Files::over(&base);
    let mut without: Vec<String> = Vec::new();
    queue
        .patches
        .iter()
        .map(|patch| {
            let so_far = without.clone();
            let applies = match apply::apply(&mut files, patch, Direction::Forward)? {
                Ok(offsets) if offsets.is_empty() => Applies::Exactly,
                Ok(offsets) => Applies::Offset(offsets),
                Err(misfit) => {
                    without.push(short(patch).to_owned());
                    Applies::No(misfit)
                }
            };
            Ok(Tried { applies, without: so_far })
        })
        .collect()
}

/// A patch's number, which is short, or its name where it has none.
fn short(patch: &Patch) -> &str {
    let file = file_name(patch);
    if name::number(file).is_some() { &file[..4] } else { file }
}

fn file_name(patch: &Patch) -> &str {
    patch.file.rsplit('/').next().unwrap_or(&patch.file)
}

impl fmt::Display for Tried {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.applies {
            Applies::Exactly => write!(f, "exactly")?,
            Applies::Offset(offsets) => {
                let least = offsets.iter().map(|offset| offset.lines).min().unwrap_or(0);
                let most = offsets.iter().map(|offset| offset.lines).max().unwrap_or(0);
                let count = offsets.len();
                write!(f, "offset {least:+}")?;
                if least != most {
                    write!(f, " to {most:+}")?;
                }
                write!(f, " in {count} {}", plural(count, "hunk", "hunks"))?;
            }
            Applies::No(misfit) => write!(f, "no: {misfit}")?,
            Applies::Unknown => write!(f, "unknown")?,
        }
        match self.without.as_slice() {
            [] => Ok(()),
            few @ ([_] | [_, _]) => write!(f, " (without {})", few.join(", ")),
            [first, others @ ..] => write!(f, " (without {first} and {} others)", others.len()),
        }
    }
}

/// What a patch says of itself.
struct Known {
    file: String,
    short: String,
    class: Option<String>,
    subject: String,
    origin: Option<String>,
    forwarded: Option<String>,
    advisory: Option<String>,
}

impl Known {
    fn of(patch: &Patch) -> Known {
        let class = name::number(file_name(patch)).and_then(cli::Class::of);
        // What is wrong with a head is for `lint` to say.
        let mail = Mail::read(&patch.text[..patch.diff.start()]).unwrap_or_default();
        Known {
            file: patch.file.clone(),
            short: short(patch).to_owned(),
            class: class.and_then(|class| class.to_possible_value()).map(|value| value.get_name().to_owned()),
            subject: String::from_utf8_lossy(&mail.subject).into_owned(),
            origin: mail.trailer("Origin"),
            forwarded: mail.trailer("Forwarded"),
            advisory: mail.trailer("Advisory"),
        }
    }

    fn value(&self, tried: &Tried) -> Value {
        let applies = match &tried.applies {
            Applies::Exactly => json!({ "outcome": "exactly" }),
            Applies::Offset(offsets) => json!({ "outcome": "offset", "offsets": offsets }),
            Applies::No(misfit) => json!({ "outcome": "no", "why": misfit.to_string() }),
            Applies::Unknown => json!({ "outcome": "unknown" }),
        };
        json!({
            "file": self.file,
            "class": self.class,
            "subject": self.subject,
            "origin": self.origin,
            "forwarded": self.forwarded,
            "advisory": self.advisory,
            "applies": applies,
            "without": tried.without,
        })
    }
}

fn text(recipe: &Recipe, source: &str, known: &[Known], tried: &[Tried]) -> String {
    let held = recipe.source[source].queue.as_ref();
    let held = held.map(|packed| format!(" of source {}, only read", packed.source)).unwrap_or_default();
    let heading = match known.len() {
        0 => return format!("{} {source}: no patches", recipe.stem()),
        count => format!("{} {source}: {count} {}{held}", recipe.stem(), plural(count, "patch", "patches")),
    };
    let mut rows = vec![["PATCH", "CLASS", "SUBJECT", "ORIGIN", "FORWARDED", "ADVISORY", "APPLIES"].map(str::to_owned)];
    let or_dash = |value: &Option<String>| value.as_deref().map_or("-".to_owned(), |value| cut(value, 32));
    rows.extend(known.iter().zip(tried).map(|(known, tried)| {
        [
            known.short.clone(),
            or_dash(&known.class),
            cut(&known.subject, 60),
            or_dash(&known.origin),
            or_dash(&known.forwarded),
            or_dash(&known.advisory),
            tried.to_string(),
        ]
    }));
    format!("{heading}\n{}", table(&rows))
}

/// At most so many characters, for a table; `--json` has all.
fn cut(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    text.chars().take(width - 1).chain(['…']).collect()
}
