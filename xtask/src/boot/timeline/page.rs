//! Draws spans as one page without references to anything else: a picture in SVG for each case on one scale, and below it what each
//! bar means and which lines it goes from and to.

use super::{Lane, Span};
use crate::boot::verdict::{Outcome, Verdict};
use crate::markup::{self, escaped};
use std::fmt::Write as _;

/// The picture's own units; it is scaled to the page.
const WIDTH: f64 = 960.0;
/// Where bars begin; names of lanes stand before.
const LEFT: f64 = 232.0;
/// Room behind the scale for the last number.
const RIGHT: f64 = 24.0;
const ROW: f64 = 24.0;
const BAR: f64 = 14.0;
const HEAD: f64 = 26.0;
/// A letter's width at the size of the picture's text, on the safe side.
const LETTER: f64 = 6.6;

const STYLE: &str = "
:root{--a:#0969da;--b:#1a7f37;--c:#9a6700;--d:#8250df;--e:#bc4c00;--f:#57606a}
@media(prefers-color-scheme:dark){:root{--a:#58a6ff;--b:#3fb950;--c:#d29922;--d:#bc8cff;--e:#f0883e;--f:#9198a1}}
h2{margin-bottom:.25rem}
figure{margin:1rem 0;overflow-x:auto}
svg{display:block;width:100%;min-width:44rem;height:auto;font:12px system-ui,sans-serif}
svg text{fill:var(--text)}
svg .scale{fill:var(--dim);text-anchor:middle}
svg .name{text-anchor:end}
svg .before{text-anchor:end}
svg line{stroke:var(--line)}
.hypervisor{fill:var(--f)}.dom0{fill:var(--a)}.toolstack{fill:var(--b)}.create{fill:var(--b)}.qemu{fill:var(--d)}
.stubdomain{fill:var(--e)}.firmware{fill:var(--c)}.guest{fill:var(--a)}
svg .open{fill-opacity:.35;stroke-width:1.5;stroke-dasharray:4 3;stroke:var(--bad)}
table{border-collapse:collapse;width:100%;font-size:.875rem}
th,td{text-align:left;vertical-align:top;padding:.3rem .75rem .3rem 0;border-bottom:1px solid var(--line)}
thead th{color:var(--dim);font-weight:600}
tbody th{font-weight:400}
.number{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
code{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;font-size:.8rem;overflow-wrap:anywhere}
details summary{cursor:pointer;color:var(--dim)}
@media(max-width:40rem){
 thead{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)}
 tr{display:block;padding:.4rem 0;border-bottom:1px solid var(--line)}
 th,td,td.number{display:block;border:0;padding:.05rem 0;text-align:left}
 td[data-of]::before{content:attr(data-of) ' ';color:var(--dim)}
}
@media print{:root{--line:#999;--text:#000;--dim:#333;--page:#fff}body{max-width:none;padding:0}figure,tr{break-inside:avoid}}
";

/// The page of all cases of one recipe. A case that did not run is named only.
pub fn page(recipe: &str, verdicts: &[Verdict]) -> String {
    let recipe = escaped(recipe);
    let end = verdicts.iter().flat_map(|verdict| &verdict.spans).map(|span| span.to).fold(1.0, f64::max);
    let mut body = format!(
        "<header>\n<p class=\"dim\">Who started when</p>\n<h1>{recipe}</h1>\n\
         <p>Seconds of guest time since Xen's start, on one scale for all cases. A bar goes from the line that shows that something \
         began to the line that shows that it was done; a dashed one was not done when the machine ended or the guest was started \
         again.</p>\n</header>\n"
    );
    for (i, verdict) in verdicts.iter().enumerate() {
        body += &section(i, verdict, end);
    }
    markup::page(&format!("{recipe}: who started when"), STYLE, &body)
}

fn section(number: usize, verdict: &Verdict, end: f64) -> String {
    let (class, word) = match &verdict.outcome {
        Outcome::Passed => ("good", "passed".to_owned()),
        Outcome::Failed(reason) => ("bad", format!("failed: {reason}")),
        Outcome::NotApplicable(reason) => ("dim", format!("not applicable: {reason}")),
    };
    let name = escaped(&verdict.case);
    let mut section = format!(
        "<section aria-labelledby=\"case-{number}\">\n<h2 id=\"case-{number}\">{name}</h2>\n<p>{}</p>\n<p class=\"{class}\">{}</p>\n",
        escaped(&verdict.summary),
        escaped(&word)
    );
    if !verdict.spans.is_empty() {
        let rows = rows(&verdict.spans);
        let _ = write!(section, "<figure>\n{}</figure>\n{}", picture(number, &name, &rows, end), table(&verdict.spans));
    }
    section + "</section>\n"
}

/// Spans that share a name and a guest share a row; firmware is one row.
fn rows(spans: &[Span]) -> Vec<(String, Vec<&Span>)> {
    let mut rows: Vec<(String, Vec<&Span>)> = Vec::new();
    for span in spans {
        let what = match (span.lane, &span.guest) {
            (Lane::Firmware, _) => "firmware",
            (Lane::QemuDom0, _) => "QEMU in dom0",
            (Lane::Guest, _) => "guest",
            _ => &span.what,
        };
        let name = match &span.guest {
            Some(guest) => format!("{guest}: {what}"),
            None => what.to_owned(),
        };
        match rows.iter_mut().find(|(row, _)| *row == name) {
            Some((_, spans)) => spans.push(span),
            None => rows.push((name, vec![span])),
        }
    }
    rows
}

fn picture(number: usize, name: &str, rows: &[(String, Vec<&Span>)], end: f64) -> String {
    let height = HEAD + ROW * rows.len() as f64 + 6.0;
    let x = |at: f64| LEFT + (WIDTH - LEFT - RIGHT) * (at / end).clamp(0.0, 1.0);
    let mut svg = format!(
        "<svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-labelledby=\"title-{number} desc-{number}\">\n\
         <title id=\"title-{number}\">{name}: who started when</title>\n<desc id=\"desc-{number}\">{}</desc>\n",
        escaped(&description(rows))
    );
    let step = step(end);
    let mut tick = 0.0;
    while tick <= end {
        let at = x(tick);
        let _ = writeln!(svg, "<line x1=\"{at:.1}\" y1=\"{HEAD}\" x2=\"{at:.1}\" y2=\"{height}\"/>");
        let unit = if tick == 0.0 { " s" } else { "" };
        let _ =
            writeln!(svg, "<text class=\"scale\" x=\"{at:.1}\" y=\"{:.1}\">{}{unit}</text>", HEAD - 8.0, seconds(tick));
        tick += step;
    }
    for (i, (name, spans)) in rows.iter().enumerate() {
        let top = HEAD + ROW * i as f64 + (ROW - BAR) / 2.0;
        let base = top + BAR - 3.0;
        // Names are a guest's own to choose.
        let room = ((LEFT - 16.0) / LETTER) as usize;
        let shown = if name.chars().count() > room {
            format!("{}…", name.chars().take(room - 1).collect::<String>())
        } else {
            name.clone()
        };
        let _ =
            writeln!(svg, "<text class=\"name\" x=\"{:.1}\" y=\"{base:.1}\">{}</text>", LEFT - 10.0, escaped(&shown));
        for span in spans {
            let (from, to) = (x(span.from), x(span.to).max(x(span.from) + 2.0));
            let class = class(span);
            let title = escaped(&meaning(span));
            let _ = writeln!(
                svg,
                "<rect class=\"{class}\" x=\"{from:.1}\" y=\"{top:.1}\" width=\"{:.1}\" height=\"{BAR}\" rx=\"2\">\
                 <title>{title}</title></rect>",
                to - from
            );
        }
        // One number a row: of the first bar's begin, or of its length, would crowd it.
        let (first, last) = (spans[0], spans[spans.len() - 1]);
        let label = format!("{} – {}", seconds(first.from), seconds(last.to));
        let (width, behind) = (label.chars().count() as f64 * LETTER, x(last.to).max(x(last.from) + 2.0) + 6.0);
        let (class, at) = if behind + width <= WIDTH { ("after", behind) } else { ("before", x(first.from) - 6.0) };
        if class == "after" || at - width >= LEFT {
            let _ = writeln!(svg, "<text class=\"{class}\" x=\"{at:.1}\" y=\"{base:.1}\">{label}</text>");
        }
    }
    svg + "</svg>\n"
}

/// The same in words, for those who hear the picture.
fn description(rows: &[(String, Vec<&Span>)]) -> String {
    let row = |(name, spans): &(String, Vec<&Span>)| {
        let spans: Vec<String> = spans.iter().map(|s| format!("{} to {} s", seconds(s.from), seconds(s.to))).collect();
        format!("{name} from {}", spans.join(" and from "))
    };
    rows.iter().map(row).collect::<Vec<_>>().join("; ") + "."
}

fn meaning(span: &Span) -> String {
    let took = span.to - span.from;
    let end = span.ends.as_deref().unwrap_or("nothing: it was not done");
    format!("{}: {} s, from “{}” to “{end}”", span.what, seconds(took), span.begins)
}

fn class(span: &Span) -> String {
    let class = match span.lane {
        Lane::Hypervisor => "hypervisor",
        Lane::Dom0 => "dom0",
        Lane::Toolstack => "toolstack",
        Lane::Create => "create",
        Lane::QemuDom0 | Lane::QemuStubdomain => "qemu",
        Lane::StubdomainKernel | Lane::StubdomainInit => "stubdomain",
        Lane::Firmware => "firmware",
        Lane::Guest => "guest",
    };
    if span.ends.is_some() { class.to_owned() } else { format!("{class} open") }
}

fn table(spans: &[Span]) -> String {
    let row = |span: &Span| {
        let of = span.guest.as_ref().map(|guest| format!("{guest}: ")).unwrap_or_default();
        let ends = match &span.ends {
            Some(line) => format!("<code>{}</code>", escaped(line)),
            None => "<span class=\"bad\">was not done</span>".to_owned(),
        };
        format!(
            "<tr><th scope=\"row\">{}</th><td class=\"number\" data-of=\"from\">{}</td><td class=\"number\" data-of=\"to\">{}</td>\
             <td class=\"number\" data-of=\"took\">{}</td><td data-of=\"begins with\"><code>{}</code></td>\
             <td data-of=\"ends with\">{ends}</td></tr>\n",
            escaped(&format!("{of}{}", span.what)),
            seconds(span.from),
            seconds(span.to),
            seconds(span.to - span.from),
            escaped(&span.begins)
        )
    };
    format!(
        "<details>\n<summary>What each bar is</summary>\n<table>\n<thead><tr><th scope=\"col\">bar</th>\
         <th scope=\"col\" class=\"number\">from</th><th scope=\"col\" class=\"number\">to</th>\
         <th scope=\"col\" class=\"number\">took s</th><th scope=\"col\">begins with</th><th scope=\"col\">ends with</th></tr></thead>\n\
         <tbody>\n{}</tbody>\n</table>\n</details>\n",
        spans.iter().map(row).collect::<String>()
    )
}

/// Numbers that people count in, some ten to the scale.
fn step(end: f64) -> f64 {
    [0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0]
        .into_iter()
        .find(|step| end / step <= 12.0)
        .unwrap_or(1000.0)
}

fn seconds(seconds: f64) -> String {
    let text = format!("{seconds:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}
