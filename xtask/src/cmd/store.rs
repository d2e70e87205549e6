//! `store verify`, `store gc` and `store du`: looking after the store.

use crate::cli::{self, StoreVerb};
use crate::context;
use crate::fault::Fault;
use crate::report::Report;
use crate::store::{Broken, Policy, Store};
use crate::table::table;
use anyhow::Result;
use indicatif::BinaryBytes;
use serde_json::json;

pub fn run(args: &cli::Store, report: &Report) -> Result<()> {
    match &args.verb {
        StoreVerb::Verify(args) => verify(args, report),
        StoreVerb::Gc(args) => gc(args, report),
        StoreVerb::Du(args) => du(&open(&args.place, report)?, report),
    }
}

fn open(place: &cli::Place, report: &Report) -> Result<Store> {
    Ok(Store::open(&context::store(place)?)?.with_report(report))
}

fn verify(args: &cli::StoreVerify, report: &Report) -> Result<()> {
    let store = open(&args.place, report)?;
    let total = store.usage()?.rows.iter().map(|row| row.bytes).sum();
    let task = report.begin("verify", "store", Some(total));
    let broken = store.verify(|what, bytes| {
        task.say(what);
        task.advance(bytes);
    })?;
    task.done(&if broken.is_empty() { "sound".to_owned() } else { format!("{} entries are damaged", broken.len()) });
    let text = if broken.is_empty() {
        "the store is sound".to_owned()
    } else {
        broken.iter().map(shown).collect::<Vec<_>>().join("\n")
    };
    let values: Vec<_> = broken
        .iter()
        .map(|entry| json!({ "what": entry.what, "path": entry.path, "findings": entry.findings }))
        .collect();
    report.result(&text, json!({ "broken": values }));
    if broken.is_empty() {
        return Ok(());
    }
    if args.repair {
        store.repair(&broken)?;
        report.note("what was damaged is removed; the next build makes it again");
        return Ok(());
    }
    Err(Fault::failed(format!("{} entries of the store are not what they were", broken.len()))
        .cure("remove them with `store verify --repair`; the next build makes them again")
        .into())
}

fn shown(entry: &Broken) -> String {
    let findings: Vec<String> = entry.findings.iter().map(|finding| format!("\n  {finding}")).collect();
    format!("{} ({}){}", entry.what, entry.path.display(), findings.concat())
}

fn gc(args: &cli::StoreGc, report: &Report) -> Result<()> {
    let policy = Policy { unused_days: Some(args.unused_days), max_bytes: args.max_gib.map(|gib| gib << 30) };
    let (removed, busy) = open(&args.place, report)?.gc(&policy)?;
    if busy {
        report.warn("another process uses the store: only the remains of killed and failed builds were looked at");
    }
    let bytes: u64 = removed.iter().map(|entry| entry.bytes).sum();
    let mut rows: Vec<[String; 2]> =
        removed.iter().map(|entry| [entry.what.clone(), BinaryBytes(entry.bytes).to_string()]).collect();
    rows.push([format!("removed {}", removed.len()), BinaryBytes(bytes).to_string()]);
    let values: Vec<_> = removed.iter().map(|entry| json!({ "what": entry.what, "bytes": entry.bytes })).collect();
    report.result(&table(&rows), json!({ "removed": values, "bytes": bytes, "busy": busy }));
    Ok(())
}

fn du(store: &Store, report: &Report) -> Result<()> {
    let usage = store.usage()?;
    let bytes: u64 = usage.rows.iter().map(|row| row.bytes).sum();
    let row = |what: &str, count: u64, bytes: u64| [what.to_owned(), count.to_string(), BinaryBytes(bytes).to_string()];
    let mut rows = vec![["KIND", "COUNT", "SIZE"].map(str::to_owned)];
    rows.extend(usage.rows.iter().map(|kind| row(kind.kind, kind.count, kind.bytes)));
    rows.push(["all".to_owned(), String::new(), BinaryBytes(bytes).to_string()]);
    let trees = usage
        .trees
        .iter()
        .map(|(what, key, bytes)| [what.clone(), key.short().to_owned(), BinaryBytes(*bytes).to_string()]);
    let trees: Vec<[String; 3]> = [["TREE", "KEY", "SIZE"].map(str::to_owned)].into_iter().chain(trees).collect();
    let text = format!("{}\n{}\n\n{}", store.root().display(), table(&rows), table(&trees));
    let kinds: Vec<_> =
        usage.rows.iter().map(|r| json!({ "kind": r.kind, "count": r.count, "bytes": r.bytes })).collect();
    let trees: Vec<_> =
        usage.trees.iter().map(|(what, key, bytes)| json!({ "what": what, "key": key, "bytes": bytes })).collect();
    report.result(&text, json!({ "store": store.root(), "bytes": bytes, "kinds": kinds, "trees": trees }));
    Ok(())
}
