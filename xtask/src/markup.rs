//! Pages for a browser that need nothing but themselves: no script, no font, no picture from anywhere. Takes text, gives text; what
//! a page shows is its maker's business. Pure.

/// Light or dark as the reader's system has it; the colours that every page uses.
const BASE: &str = "
:root{color-scheme:light dark;--line:#d0d7de;--soft:#f6f8fa;--text:#1f2328;--dim:#59636e;--good:#116329;--bad:#a40e26;--page:#fff}
@media(prefers-color-scheme:dark){:root{--line:#3d444d;--soft:#161b22;--text:#e6edf3;--dim:#9198a1;--good:#56d364;--bad:#ff8182;--page:#0d1117}}
*{box-sizing:border-box}
body{margin:0 auto;padding:2rem 1.25rem 4rem;max-width:72rem;font:1rem/1.5 system-ui,sans-serif;color:var(--text);background:var(--page)}
h1{font-size:1.6rem;line-height:1.25;margin:.2rem 0}
h2{font-size:1.2rem;margin:2.5rem 0 .75rem}
p{margin:.25rem 0}
.dim{color:var(--dim)}
.good{color:var(--good);font-weight:600}
.bad{color:var(--bad);font-weight:600}
";

/// A whole page. `title` and `body` are HTML already.
pub fn page(title: &str, style: &str, body: &str) -> String {
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{title}</title>\n<style>{BASE}{}</style>\n</head>\n<body>\n<main>\n{body}</main>\n</body>\n</html>\n",
        style.trim_start()
    )
}

/// Text as HTML or XML shows it, also between quotes.
pub fn escaped(text: &str) -> String {
    printable(text).replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// Names and lines may be anybody's: none may move the user's cursor, and none may hold what XML 1.0 (section 2.2) has no word for.
pub fn printable(text: &str) -> String {
    let odd = |c: char| (c.is_control() && c != '\n') || matches!(c, '\u{fffe}' | '\u{ffff}');
    text.chars().map(|c| if odd(c) { '\u{fffd}' } else { c }).collect()
}
