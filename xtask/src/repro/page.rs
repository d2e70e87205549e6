//! A proof as a page for a browser that needs nothing but itself: no script, no font, no picture from anywhere. Pure.
//!
//! It follows the reader's light or dark scheme, turns tables into lists where it is narrow, and prints without cutting a
//! difference in two.

use super::Difference;
use super::report::Proof;
use crate::markup::{self, escaped};

const STYLE: &str = "
h3{font-size:1rem;margin:1.75rem 0 .5rem}
code,pre,h3{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;font-size:.875rem;overflow-wrap:anywhere}
table{border-collapse:collapse;width:100%}
th,td{text-align:left;vertical-align:top;padding:.4rem .75rem .4rem 0;border-bottom:1px solid var(--line)}
thead th{color:var(--dim);font-weight:600;font-size:.875rem}
tbody th{font-weight:400}
td.number,th.number{text-align:right;padding-right:2rem;font-variant-numeric:tabular-nums}
h1 span{white-space:nowrap}
section[aria-labelledby=varied] table{table-layout:fixed}
section[aria-labelledby=artifacts] td:last-child{width:8rem}
th:first-child{width:30%}
section[aria-labelledby=artifacts] th:first-child{width:auto}
article{border:1px solid var(--line);border-radius:.4rem;margin:.75rem 0;padding:.75rem 1rem;break-inside:avoid}
article h4{margin:0;font-size:.95rem;font-weight:600;overflow-wrap:anywhere}
article h4 span{color:var(--dim);font-weight:400;padding:0 .35rem}
dl{display:grid;grid-template-columns:max-content minmax(0,1fr);gap:.3rem 1rem;margin:.5rem 0 0}
dt{color:var(--dim)}
dd{margin:0;min-width:0}
pre{margin:0;padding:.15rem .5rem;background:var(--soft);border-radius:.25rem;white-space:pre-wrap}
@media(max-width:40rem){
 body{padding:1rem .9rem 3rem}
 thead{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)}
 tr{display:block;padding:.5rem 0;border-bottom:1px solid var(--line)}
 th,td,td.number,section[aria-labelledby] tr>*{display:block;width:auto;border:0;padding:.05rem 0;text-align:left}
 section[aria-labelledby] td:empty{display:none}
 td[data-of]::before{content:attr(data-of) ' ';color:var(--dim)}
 dl{display:block}
 dt{margin-top:.4rem}
}
@media print{
 :root{--line:#999;--soft:#fff;--text:#000;--dim:#333;--good:#000;--bad:#000;--page:#fff}
 body{max-width:none;padding:0;font-size:10pt}
 tr,h2,h3{break-inside:avoid}
 h2,h3{break-after:avoid}
 thead{display:table-header-group}
}
";

impl Proof {
    pub fn html(&self) -> String {
        let compared = &self.comparison;
        let identical = compared.identical();
        let count = compared.differences.len();
        let (verdict, class) = match (identical, count) {
            (true, _) => ("identical".to_owned(), "good"),
            (false, 1) => ("1 difference".to_owned(), "bad"),
            (false, _) => (format!("{count} differences"), "bad"),
        };
        let recipe = escaped(&self.recipe);
        let (artifacts, files) = (compared.artifacts.len(), compared.files());
        let mut body = format!(
            "<header>\n<p class=\"dim\">Reproducibility of</p>\n<h1>{recipe}: <span class=\"{class}\">{verdict}</span></h1>\n\
             <p class=\"dim\">{} compared: {artifacts} artifacts, {files} files inside them.</p>\n</header>\n",
            escaped(&self.sides)
        );
        let artifacts: Vec<String> = compared.artifacts.iter().map(artifact).collect();
        body += &table("artifacts", "Artifacts", &[("artifact", ""), ("files", "number"), ("result", "")], &artifacts);
        if count > 0 {
            body += "<section aria-labelledby=\"differences\">\n<h2 id=\"differences\">Differences</h2>\n";
            let mut last = None;
            for difference in &compared.differences {
                if last != difference.place.first() {
                    last = difference.place.first();
                    body += &format!("<h3>{}</h3>\n", escaped(last.map_or("", |name| name)));
                }
                body += &article(difference);
            }
            body += "</section>\n";
        }
        let varied: Vec<String> =
            self.varied.iter().map(|it| row(it.what, &[("first", &it.first), ("second", &it.second)])).collect();
        body += &table("varied", "Varied", &[("circumstance", ""), ("first", ""), ("second", "")], &varied);
        let fixed: Vec<String> = self
            .fixed
            .iter()
            .map(|it| format!("<tr><th scope=\"row\">{}</th><td>{}</td></tr>\n", escaped(it.what), escaped(&it.reason)))
            .collect();
        body += &table("fixed", "Not varied", &[("circumstance", ""), ("because", "")], &fixed);
        markup::page(&format!("{recipe}: {verdict}"), STYLE, &body)
    }
}

fn table(id: &str, title: &str, head: &[(&str, &str)], rows: &[String]) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let cell = |(text, class): &(&str, &str)| {
        let class = if class.is_empty() { String::new() } else { format!(" class=\"{class}\"") };
        format!("<th scope=\"col\"{class}>{text}</th>")
    };
    let head: String = head.iter().map(cell).collect();
    format!(
        "<section aria-labelledby=\"{id}\">\n<h2 id=\"{id}\">{title}</h2>\n<table>\n<thead><tr>{head}</tr></thead>\n\
         <tbody>\n{}</tbody>\n</table>\n</section>\n",
        rows.concat()
    )
}

fn row(head: &str, cells: &[(&str, &str)]) -> String {
    let cell = |(of, text): &(&str, &str)| format!("<td data-of=\"{of}\"><code>{}</code></td>", escaped(text));
    let cells: String = cells.iter().map(cell).collect();
    format!("<tr><th scope=\"row\">{}</th>{cells}</tr>\n", escaped(head))
}

fn artifact(artifact: &super::Artifact) -> String {
    let (class, word) = if artifact.identical { ("good", "identical") } else { ("bad", "different") };
    let files = if artifact.files == 0 { String::new() } else { artifact.files.to_string() };
    format!(
        "<tr><th scope=\"row\"><code>{}</code></th><td class=\"number\" data-of=\"files\">{files}</td>\
         <td class=\"{class}\">{word}</td></tr>\n",
        escaped(&artifact.name)
    )
}

fn article(difference: &Difference) -> String {
    // The artifact stands above; what differs in itself has no place inside.
    let inside: Vec<String> = difference.place.iter().skip(1).map(|part| escaped(part)).collect();
    let place = if inside.is_empty() { "the artifact itself".to_owned() } else { inside.join("<span>→</span>") };
    let offset = difference.offset.map(|offset| format!(", from byte {offset} on")).unwrap_or_default();
    let side = |text: &str| {
        if text.is_empty() {
            "<span class=\"dim\">nothing</span>".to_owned()
        } else {
            format!("<pre>{}</pre>", escaped(text))
        }
    };
    let causes: String = match &difference.causes[..] {
        [] => "<dd class=\"dim\">not known</dd>".to_owned(),
        causes => causes.iter().map(|cause| format!("<dd>{}</dd>", escaped(cause))).collect(),
    };
    // A second cause stands below the first, not below its name.
    let causes = causes.replace("</dd><dd>", "</dd><dt></dt><dd>");
    format!(
        "<article>\n<h4>{place}</h4>\n<p class=\"dim\">{}{offset}</p>\n<dl>\n<dt>first</dt><dd>{}</dd>\n\
         <dt>second</dt><dd>{}</dd>\n<dt>cause</dt>{causes}\n</dl>\n</article>\n",
        escaped(&difference.what),
        side(&difference.first),
        side(&difference.second),
    )
}
