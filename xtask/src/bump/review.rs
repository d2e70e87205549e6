//! What a reviewer of a new version must look at, as text and as JSON. Pure.

use super::Bump;
use super::config::Said;
use super::sisters::{Fate, Sister};
use crate::catalog;
use crate::patches::rebase::table as outcomes;
use crate::table::table;
use serde_json::{Value, json};

/// The whole review but for what was written.
pub fn text(bump: &Bump) -> String {
    let mut text = format!(
        "{}: {} of {}\n  signed {} UTC by {}\n  commit {} of {} UTC\n  tree {}\n\n{}",
        bump.new.stem(),
        bump.release.tag,
        bump.place,
        catalog::moment(bump.tagged.signed),
        bump.tagged.signer.to_uppercase(),
        bump.tagged.commit,
        catalog::moment(bump.tagged.epoch),
        bump.tagged.tree,
        sisters(&bump.sisters)
    );
    for (name, steps) in &bump.queues {
        text += &format!("\n\nqueue {name}:\n{}", outcomes::text(steps));
    }
    let look = look_at(bump);
    if !look.is_empty() {
        text += "\n\nlook at:";
    }
    for line in look {
        text += &format!("\n- {}", line.replace('\n', "\n  "));
    }
    text
}

fn sisters(sisters: &[Sister]) -> String {
    let mut rows = vec![["SISTER", "WAS", "UPSTREAM NAMES", "NOW"].map(str::to_owned)];
    for sister in sisters {
        let was = sister.was.clone().unwrap_or_else(|| "-".to_owned());
        rows.push([sister.name.to_owned(), was, said(sister).to_owned(), now(&sister.fate).to_owned()]);
    }
    table(&rows)
}

fn said(sister: &Sister) -> &str {
    match &sister.said {
        Said::Value(value) => value,
        Said::Nothing => "nothing",
        Said::Unclear(_) => "?",
    }
}

fn now(fate: &Fate) -> &str {
    match fate {
        Fate::Absent => "not in the recipe",
        Fate::Same => "the same",
        Fate::Kept(_) => "kept",
        Fate::Moved(pin) => pin.commit.as_str(),
        Fate::LeftOut { .. } => "LEFT OUT",
    }
}

/// A line, or several, for each thing to look at.
fn look_at(bump: &Bump) -> Vec<String> {
    let mut lines: Vec<String> = bump.sisters.iter().filter_map(doubt).collect();
    for (name, steps) in &bump.queues {
        lines.extend(outcomes::review(steps).into_iter().map(|line| format!("queue {name}: {line}")));
    }
    lines.extend(bump.notes.iter().cloned());
    lines
}

fn doubt(sister: &Sister) -> Option<String> {
    let name = sister.name;
    match &sister.fate {
        Fate::Absent | Fate::Same => None,
        Fate::Moved(pin) => {
            let moves = format!("{name} moves from {} to {}", sister.was.as_deref().unwrap_or_default(), pin.release);
            let said_by =
                pin.said_by.as_ref().map(|place| format!("; which commit that is was said by {place}, unsigned"));
            Some(moves + &said_by.unwrap_or_default())
        }
        Fate::Kept(why) => {
            let (was, said) = (sister.was.as_deref().unwrap_or_default(), said(sister));
            Some(format!("{name} stays at {was}, where upstream names {said}: {why}"))
        }
        Fate::LeftOut { why, asked } => {
            let asked: String = asked.iter().map(|place| format!("\n{place}")).collect();
            Some(format!("{name} is left out of the recipe: {why}{asked}"))
        }
    }
}

pub fn value(bump: &Bump, written: &[String]) -> Value {
    let sister = |sister: &Sister| {
        json!({
            "name": sister.name,
            "was": sister.was,
            "upstream": match &sister.said { Said::Value(value) => Some(value), _ => None },
            "now": match &sister.fate {
                Fate::Moved(pin) => json!({ "release": pin.release, "commit": pin.commit, "tree": pin.tree }),
                fate => json!(now(fate)),
            },
        })
    };
    let queues = bump.queues.iter().map(|(name, steps)| (name.clone(), outcomes::value(steps)));
    json!({
        "recipe": bump.new.stem(),
        "from": bump.old.stem(),
        "tag": bump.release.tag,
        "repository": bump.place,
        "signer": bump.tagged.signer.to_uppercase(),
        "commit": bump.tagged.commit,
        "tree": bump.tagged.tree,
        "epoch": bump.tagged.epoch,
        "sisters": bump.sisters.iter().map(sister).collect::<Vec<_>>(),
        "queues": queues.collect::<serde_json::Map<_, _>>(),
        "look-at": look_at(bump),
        "written": written,
    })
}
