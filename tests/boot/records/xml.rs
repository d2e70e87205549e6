//! A check whether a text is well-formed XML 1.0, as far as reports use it: elements, attributes, text, character references and the five
//! named entities; no comments, no sections, no declarations but the first.

/// The error says what is wrong and where.
pub fn check(text: &str) -> Result<(), String> {
    // Section 2.2 of the specification.
    let allowed =
        |c: char| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..);
    if let Some(c) = text.chars().find(|c| !allowed(*c)) {
        return Err(format!("a character that XML has no word for: {c:?}"));
    }
    let mut rest = text.strip_prefix("<?xml version=\"1.0\" encoding=\"UTF-8\"?>").unwrap_or(text).trim_start();
    let mut open: Vec<&str> = Vec::new();
    let mut elements = 0;
    while !rest.is_empty() {
        let (content, after) = rest.split_once('<').unwrap_or((rest, ""));
        characters(content)?;
        if open.is_empty() && !content.trim().is_empty() {
            return Err(format!("text outside of the root: {content:?}"));
        }
        if after.is_empty() && !rest.contains('<') {
            break;
        }
        let (tag, behind) = after.split_once('>').ok_or_else(|| format!("a tag without an end: {after:?}"))?;
        rest = behind;
        if let Some(name) = tag.strip_prefix('/') {
            match open.pop() {
                Some(expected) if expected == name => continue,
                other => return Err(format!("</{name}> where {other:?} is open")),
            }
        }
        elements += usize::from(open.is_empty());
        let (tag, empty) = tag.strip_suffix('/').map_or((tag, false), |tag| (tag, true));
        let (name, attributes) = tag.split_once([' ', '\n']).unwrap_or((tag, ""));
        if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-') {
            return Err(format!("`{name}` is not a name"));
        }
        self::attributes(attributes)?;
        if !empty {
            open.push(name);
        }
    }
    match (open.is_empty(), elements) {
        (true, 1) => Ok(()),
        (true, count) => Err(format!("{count} roots")),
        (false, _) => Err(format!("{open:?} are not closed")),
    }
}

fn attributes(text: &str) -> Result<(), String> {
    let mut rest = text.trim();
    let mut seen = Vec::new();
    while !rest.is_empty() {
        let wrong = || format!("`{rest}` is not an attribute");
        let (name, value) = rest.split_once("=\"").ok_or_else(wrong)?;
        let (value, behind) = value.split_once('"').ok_or_else(wrong)?;
        if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-') || seen.contains(&name) {
            return Err(wrong());
        }
        seen.push(name);
        characters(value)?;
        if !behind.is_empty() && !behind.starts_with([' ', '\n']) {
            return Err(wrong());
        }
        rest = behind.trim_start();
    }
    Ok(())
}

fn characters(text: &str) -> Result<(), String> {
    if text.contains('<') || text.contains("]]>") {
        return Err(format!("not to be there unescaped: {text:?}"));
    }
    for part in text.split('&').skip(1) {
        let name = part.split_once(';').map(|(name, _)| name).ok_or_else(|| format!("a bare & before {part:?}"))?;
        let number = name.strip_prefix('#').is_some_and(|n| !n.is_empty() && n.chars().all(|c| c.is_ascii_digit()));
        if !number && !["amp", "lt", "gt", "quot", "apos"].contains(&name) {
            return Err(format!("&{name}; is unknown"));
        }
    }
    Ok(())
}

#[test]
fn ill_formed_texts_are_found() {
    assert_eq!(check("<a x=\"1&amp;2\">t&#10;<b/></a>\n"), Ok(()));
    let wrong = [
        "<a>",
        "<a></b>",
        "<a/><b/>",
        "x<a/>",
        "<a>\u{1}</a>",
        "<a>&x;</a>",
        "<a>& </a>",
        "<a x=1/>",
        "<a x=\"<\"/>",
        "<a>]]></a>",
    ];
    for wrong in wrong {
        assert!(check(wrong).is_err(), "{wrong:?}");
    }
}
