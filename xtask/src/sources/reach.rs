//! What can be had from here: all origins asked at once, nothing fetched.

use super::{identity, used};
use crate::context::Context;
use crate::download;
use crate::fault::{Exit, Fault, innermost};
use crate::git;
use crate::interrupt;
use crate::origin::{self, Failures, Place};
use crate::recipe::{Recipe, Source};
use anyhow::Result;
use std::collections::BTreeMap;
use std::panic::resume_unwind;
use std::thread;

/// Where one source can be had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reach {
    /// `the store`, a path or an address.
    From(String),
    /// Nowhere: each origin with its failure.
    Nowhere(Vec<String>),
}

/// Where each source that the recipe's steps use can be had. Takes as long as the slowest answer, 10 s at most. An origin that answers
/// is believed to have the content.
pub fn reachable(ctx: &Context, recipe: &Recipe) -> Result<BTreeMap<String, Reach>> {
    interrupt::check()?;
    thread::scope(|scope| {
        let used = used(recipe).into_iter();
        let asked: Vec<_> = used.map(|(name, source)| (name, scope.spawn(move || reach(ctx, name, source)))).collect();
        let answers = asked.into_iter();
        answers
            .map(|(name, thread)| Ok((name.to_owned(), thread.join().unwrap_or_else(|panic| resume_unwind(panic))?)))
            .collect()
    })
}

/// Completes the error of a source that cannot be had by the recipes that can be built instead. Other errors stay as they are, and
/// `others` is not called.
pub fn suggest(ctx: &Context, error: anyhow::Error, others: impl FnOnce() -> Vec<Recipe>) -> anyhow::Error {
    if innermost(&error).is_none_or(|fault| fault.exit != Exit::Source) {
        return error;
    }
    let others = others();
    let stems: Vec<String> = thread::scope(|scope| {
        let threads: Vec<_> = others.iter().map(|recipe| scope.spawn(move || complete(ctx, recipe))).collect();
        threads.into_iter().filter_map(|thread| thread.join().unwrap_or_else(|panic| resume_unwind(panic))).collect()
    });
    let can = match stems.as_slice() {
        [] => "no other recipe can be built from here".to_owned(),
        stems => format!("can be built from here: {}", stems.join(", ")),
    };
    let cure = match innermost(&error).and_then(|fault| fault.cure.as_deref()) {
        Some(cure) => format!("{cure}; {can}"),
        None => can,
    };
    let what: Vec<String> = error.chain().map(ToString::to_string).collect();
    Fault { exit: Exit::Source, what: what.join(": "), cure: Some(cure) }.into()
}

/// The recipe's name, if all of its sources can be had. A failure to find out does not take the place of the error that is being told.
fn complete(ctx: &Context, recipe: &Recipe) -> Option<String> {
    let reached = reachable(ctx, recipe).ok()?;
    reached.values().all(|reach| matches!(reach, Reach::From(_))).then(|| recipe.stem())
}

fn reach(ctx: &Context, name: &str, source: &Source) -> Result<Reach> {
    if ctx.store.tree(&identity(source))?.is_some() {
        return Ok(Reach::From("the store".to_owned()));
    }
    let mut failures = Failures::new(name);
    let places = origin::places(source, &ctx.net, &mut failures);
    for place in &places {
        if let Place::Tarball(wanted) = place
            && let Some(path) = download::seen(ctx, wanted, &mut failures)
        {
            return Ok(Reach::From(path.display().to_string()));
        }
    }
    if let Some(commit) = &source.commit
        && let Some(path) = git::seen(&ctx.net, commit, &mut failures)?
    {
        return Ok(Reach::From(path.display().to_string()));
    }
    Ok(ask(ctx, &places, failures))
}

/// Asks all addresses at once; the nearest one that answers counts.
fn ask(ctx: &Context, places: &[Place], mut failures: Failures) -> Reach {
    type Question<'a> = Box<dyn FnOnce() -> Result<(), download::Silence> + Send + 'a>;
    let mut questions: Vec<(&str, Question<'_>)> = Vec::new();
    for place in places {
        match place {
            Place::Tarball(wanted) if download::unasked(ctx, wanted, &mut failures) => {}
            Place::Tarball(wanted) => {
                for url in &wanted.urls {
                    questions.push((url, Box::new(|| download::answers(ctx, url, wanted.size))));
                }
            }
            Place::Git { url, .. } if ctx.net.offline => failures.absent(url, download::OFFLINE),
            Place::Git { url, .. } => questions.push((url, Box::new(|| git::answers(ctx, url)))),
        }
    }
    let answers: Vec<_> = thread::scope(|scope| {
        let threads: Vec<_> = questions.into_iter().map(|(url, ask)| (url, scope.spawn(ask))).collect();
        threads
            .into_iter()
            .map(|(url, thread)| (url, thread.join().unwrap_or_else(|panic| resume_unwind(panic))))
            .collect()
    });
    for (url, answer) in answers {
        match answer {
            Ok(()) => return Reach::From(url.to_owned()),
            Err(silence) => failures.absent(url, silence.reason),
        }
    }
    Reach::Nowhere(failures.lines())
}
