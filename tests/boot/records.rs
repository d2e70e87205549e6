//! What is said of machines that were recorded: `records/<name>/` has what each left behind, `said/reasons.toml` short ones that failed in
//! one way each. Beside them lies what is expected as reason, table, JSON, JUnit's XML and page.

mod xml;

use crate::support::{expect, root};
use proptest::prelude::*;
use serde::Deserialize;
use std::path::PathBuf;
use xtask::boot::case::{self, Case};
use xtask::boot::event::{Ended, Event, Record};
use xtask::boot::verdict::{Outcome, Verdict};
use xtask::boot::{report, timeline};
use xtask::fault;

fn folder() -> PathBuf {
    root().join("tests/boot")
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "kebab-case")]
enum End {
    #[default]
    Off,
    Limit,
    Silent {
        seconds: u64,
    },
    Emulator {
        status: Option<i32>,
        said: String,
    },
    Crashed {
        said: String,
    },
}

impl End {
    fn ended(self) -> Ended {
        match self {
            End::Off => Ended::Off,
            End::Limit => Ended::Limit,
            End::Silent { seconds } => Ended::Silent { seconds },
            End::Crashed { said } => Ended::Crashed { said },
            End::Emulator { status, said } => Ended::Emulator { status, said },
        }
    }
}

fn events(text: &str) -> Vec<Event> {
    text.lines().filter(|line| !line.is_empty()).map(|line| Event::parse(line).unwrap()).collect()
}

#[derive(Deserialize)]
struct Meta {
    ended: End,
    wall: f64,
    cpu: f64,
}

/// A machine's folder: its case and its record.
fn recorded(name: &str) -> (Case, Record) {
    let folder = folder().join("records").join(name);
    let read = |file: &str| fs_err::read_to_string(folder.join(file)).unwrap();
    let case = case::parse(name, "case.toml", &read("case.toml")).unwrap_or_else(|e| panic!("{}", fault::render(&e)));
    let Meta { ended, wall, cpu } = toml::from_str(&read("record.toml")).unwrap();
    let serial = read("serial.txt");
    (case, Record { serial, events: events(&read("events.txt")), ended: ended.ended(), wall, cpu })
}

#[derive(Deserialize)]
struct Short {
    xen: String,
    dom0: String,
    record: Vec<ShortRecord>,
}

#[derive(Deserialize)]
struct ShortRecord {
    name: String,
    xen: Option<String>,
    dom0: Option<String>,
    #[serde(default)]
    serial: String,
    #[serde(default)]
    events: String,
    #[serde(default)]
    ended: End,
}

/// The short records with their names.
fn short() -> Vec<(String, Record)> {
    let all: Short = toml::from_str(&fs_err::read_to_string(folder().join("said/reasons.toml")).unwrap()).unwrap();
    let record = |record: ShortRecord| {
        let serial = record.xen.unwrap_or_else(|| all.xen.clone()) + &record.serial;
        let events = events(&(record.dom0.unwrap_or_else(|| all.dom0.clone()) + &record.events));
        (record.name, Record { serial, events, ended: record.ended.ended(), wall: 20.0, cpu: 18.5 })
    };
    all.record.into_iter().map(record).collect()
}

#[test]
fn a_failure_has_its_reason_in_one_sentence() {
    let (case, _) = recorded("stubdom");
    let mut said = String::new();
    let mut passed = Vec::new();
    for (name, record) in short() {
        let verdict = Verdict::of(&case, &record);
        said += &format!("== {name}\n{}\n\n", report::failure(&verdict, "out/stubdom"));
        match &verdict.outcome {
            Outcome::Failed(reason) => assert!(!reason.contains('\n') && !verdict.good(), "{name}: {reason}"),
            _ => passed.push(name),
        }
    }
    assert_eq!(passed, ["all is well"]);
    expect::golden(&folder().join("said/reasons.txt"), &said);
}

/// One that passed, one that failed, one that failed as it should, one that did not apply.
fn verdicts() -> Vec<Verdict> {
    let (case, record) = recorded("stubdom");
    let find = |name: &str| short().into_iter().find(|(found, _)| found == name).unwrap().1;
    let broken = case.broken_by("no-svm").unwrap();
    vec![
        Verdict::of(&case, &record),
        Verdict::of(&case, &find("a stubdomain whose image is damaged")),
        Verdict::of(&broken, &find("no SVM")),
        Verdict::of(&broken, &find("a line that does not come")),
        Verdict::of(&broken, &record),
        Verdict::not_applicable(&case, "what was built has no /usr/lib/xen-4.17/boot/x".to_owned()),
    ]
}

#[test]
fn verdicts_are_shown_to_people_and_to_programs() {
    let (verdicts, recipe) = (verdicts(), "xen-4.17.5+72");
    let good: Vec<bool> = verdicts.iter().map(Verdict::good).collect();
    assert_eq!(good, [true, false, true, false, false, true]);
    let said = |name: &str, text: &str| expect::golden(&folder().join("said").join(name), text);
    said("table.txt", &(report::text(recipe, &verdicts) + "\n"));
    said("report.json", &(serde_json::to_string_pretty(&report::json(recipe, &verdicts)).unwrap() + "\n"));
    let junit = report::junit(recipe, &verdicts);
    xml::check(&junit).unwrap_or_else(|why| panic!("{why} in\n{junit}"));
    said("junit.xml", &junit);
    said("timeline.html", &timeline::page(recipe, &verdicts));
}

#[test]
fn all_consoles_are_kept() {
    let (_, record) = recorded("stubdom");
    let files = report::files(&record);
    let names: Vec<&str> = files.keys().map(String::as_str).collect();
    let consoles =
        ["device-dm", "device", "disk-dm", "disk", "qemu-device", "qemu-disk", "xencommons", "xl-device", "xl-disk"];
    let consoles = consoles.map(|name| format!("consoles/{name}.txt"));
    let expected: Vec<&str> = consoles.iter().map(String::as_str).chain(["events.jsonl", "serial.txt"]).collect();
    assert_eq!(names, expected);
    let done = files["consoles/disk.txt"].lines().last();
    assert_eq!(done, Some("[   10.836461] XENWRIGHT disk: done"), "{files:?}");
    assert_eq!(files["serial.txt"], record.serial);
    assert!(files["events.jsonl"].lines().all(|line| serde_json::from_str::<serde_json::Value>(line).is_ok()));
    // Where a name leads is not for the machine to say.
    let record = Record { events: events("line 1.0 ../../x y\n"), ..record };
    assert!(report::files(&record).contains_key("consoles/______x.txt"), "{:?}", report::files(&record).keys());
}

#[test]
fn a_page_stands_alone() {
    let page = timeline::page("x<1>", &verdicts());
    for reference in ["http", "url(", "src=", "<script", "<link", "@import", "href"] {
        assert!(!page.contains(reference), "{reference} in {page}");
    }
    assert!(page.contains("<h1>x&lt;1&gt;</h1>"));
}

/// A bar or a text of a picture: its row (the middle of it), from where to where, and what it is.
#[derive(Debug)]
struct Shape {
    y: f64,
    from: f64,
    to: f64,
    bar: bool,
    row: bool,
}

fn attribute(tag: &str, name: &str) -> f64 {
    let value = tag.split(&format!(" {name}=\"")).nth(1).and_then(|rest| rest.split('"').next());
    value.and_then(|value| value.parse().ok()).unwrap_or_else(|| panic!("no {name} in {tag}"))
}

#[test]
fn pictures_are_inside_their_frames_and_nothing_lies_on_anything() {
    let page = timeline::page("x", &verdicts());
    let mut bars = 0;
    for svg in page.split("<svg ").skip(1).map(|rest| rest.split("</svg>").next().unwrap()) {
        let frame: Vec<f64> = svg.split('"').nth(1).unwrap().split(' ').map(|n| n.parse().unwrap()).collect();
        let mut shapes = Vec::new();
        for tag in svg.lines().filter(|line| line.starts_with("<rect")) {
            let (x, y) = (attribute(tag, "x"), attribute(tag, "y") + attribute(tag, "height") / 2.0);
            shapes.push(Shape { y, from: x, to: x + attribute(tag, "width"), bar: true, row: true });
        }
        for tag in svg.lines().filter(|line| line.starts_with("<text")) {
            let text = tag.split('>').nth(1).unwrap().split('<').next().unwrap();
            let (x, width) = (attribute(tag, "x"), text.chars().count() as f64 * 6.0);
            let from = match () {
                () if tag.contains("class=\"name\"") || tag.contains("class=\"before\"") => x - width,
                () if tag.contains("class=\"scale\"") => x - width / 2.0,
                () => x,
            };
            let row = !tag.contains("class=\"scale\"");
            shapes.push(Shape { y: attribute(tag, "y") - 4.0, from, to: from + width, bar: false, row });
        }
        for shape in &shapes {
            assert!(shape.from >= frame[0] && shape.to <= frame[2], "{shape:?} is outside of {frame:?}");
            assert!(shape.y >= 4.0 && shape.y <= frame[3] - 4.0, "{shape:?} is outside of {frame:?}");
        }
        for (i, a) in shapes.iter().enumerate() {
            for b in shapes[i + 1..].iter().filter(|b| (a.y - b.y).abs() < 12.0 && a.row == b.row) {
                // Two bars may touch: one thing ends with the line that the next begins with. A short one is drawn two units wide.
                let slack = if a.bar && b.bar { 2.05 } else { 0.0 };
                assert!(a.to <= b.from + slack || b.to <= a.from + slack, "{a:?} and {b:?}");
            }
        }
        bars += shapes.iter().filter(|shape| shape.bar).count();
    }
    assert!(bars > 10, "{bars} bars");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// What a machine says is anybody's: none of it makes a report that no reader takes.
    #[test]
    fn no_text_makes_a_report_ill_formed(
        reason in any::<String>(),
        tail in proptest::collection::vec(any::<String>(), 0..3),
        odd in "[\\x00-\\x1f\\x7f-\\x9f<>&\"'\\]\u{fffe}\u{ffff}\u{2028}]{0,12}",
    ) {
        let (case, record) = recorded("stubdom");
        let mut verdict = Verdict::of(&case, &record);
        verdict.outcome = Outcome::Failed(reason.clone() + &odd);
        verdict.case += &odd;
        verdict.summary = odd.clone() + &reason;
        verdict.console = Some(odd.clone());
        verdict.xen = tail.clone();
        verdict.tail = [tail, vec!["]]>".to_owned(), odd.clone()]].concat();
        for span in &mut verdict.spans {
            span.begins = odd.clone();
            span.what += &odd;
            span.guest = Some(reason.clone());
        }
        let skipped = Verdict { outcome: Outcome::NotApplicable(reason), ..verdict.clone() };
        let verdicts = [verdict, skipped];
        let junit = report::junit(&odd, &verdicts);
        prop_assert_eq!(xml::check(&junit), Ok(()), "{}", junit);
        let page = timeline::page(&odd, &verdicts);
        for svg in page.split("<svg ").skip(1).map(|rest| rest.split("</svg>").next().unwrap()) {
            let svg = format!("<svg {svg}</svg>");
            prop_assert_eq!(xml::check(&svg), Ok(()), "{}", svg);
        }
        let text = report::failure(&verdicts[0], "out") + &report::text("x", &verdicts);
        prop_assert!(!text.chars().any(|c| c.is_control() && c != '\n'), "{:?}", text);
    }
}
