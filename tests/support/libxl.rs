//! What libxl asks of QEMU: every `-device`, `-machine` and `-M` that `tools/libs/light/libxl_dm.c` can put on a command line.
//!
//! Takes the text of that file and what its expressions can be, gives the options. Reads C as far as that needs: literals, calls
//! that put one after the other, assignments to a variable. Whatever it does not understand is an error, not left out. Options of
//! the device model before upstream's QEMU (`…_args_old`) are not asked for.

use std::collections::{BTreeMap, BTreeSet};

/// `-device` or `-machine`, and what follows it.
pub type Emitted = (String, String);

/// What the arguments of a format can be, by their text in C without blanks.
pub type Values = BTreeMap<String, Vec<String>>;

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Text(String),
    Word(String),
    Sign(char),
}

/// A format with its arguments: `VGA,vgamem_mb=%d` with `libxl__sizekb_to_mb(b_info->video_memkb)`.
#[derive(Clone, Debug)]
struct Template {
    format: String,
    arguments: Vec<String>,
}

/// Everything that libxl can ask for, sorted. All that is not understood is in the one error.
pub fn emitted(text: &str, values: &Values) -> Result<BTreeSet<Emitted>, String> {
    let tokens = tokens(text);
    let (mut found, mut problems) = (BTreeSet::new(), Vec::new());
    for function in functions(&tokens) {
        for (at, token) in function.iter().enumerate() {
            let Token::Text(flag) = token else { continue };
            let flag = match flag.as_str() {
                "-device" => "-device",
                "-machine" | "-M" => "-machine",
                _ => continue,
            };
            for expression in following(&function[at + 1..]) {
                match templates(expression, function).and_then(|all| expand(&all, values)) {
                    Ok(all) => found.extend(all.into_iter().map(|value| (flag.to_owned(), value))),
                    Err(problem) => problems.push(format!("{flag} {}: {problem}", show(expression))),
                }
            }
        }
    }
    if problems.is_empty() { Ok(found) } else { Err(problems.join("\n")) }
}

/// The names in an enumeration of libxl's interface language: `libxl__qemu_soundhw = Enumeration(…, [(1, "ac97"), …])`.
pub fn enumeration(idl: &str, name: &str) -> Vec<String> {
    let rest = idl.split_once(&format!("{name} = Enumeration(")).map_or("", |(_, rest)| rest);
    let body = rest.split_once('[').and_then(|(_, rest)| rest.split_once(']')).map_or("", |(body, _)| body);
    body.split('"').skip(1).step_by(2).map(str::to_owned).collect()
}

/// Words, signs and literals; neighbouring literals are one, with the length modifiers of `inttypes.h` between them.
fn tokens(text: &str) -> Vec<Token> {
    let mut tokens: Vec<Token> = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        if let Some(after) = rest.strip_prefix("/*") {
            rest = after.split_once("*/").map_or("", |(_, after)| after);
        } else if rest.starts_with("//") {
            rest = rest.split_once('\n').map_or("", |(_, after)| after);
        } else if let Some(after) = rest.strip_prefix('"') {
            let (mut literal, mut escaped, mut end) = (String::new(), false, after.len());
            for (at, c) in after.char_indices() {
                match c {
                    '"' if !escaped => {
                        end = at;
                        break;
                    }
                    '\\' if !escaped => escaped = true,
                    c => {
                        literal.push(c);
                        escaped = false;
                    }
                }
            }
            match tokens.last_mut() {
                Some(Token::Text(before)) => *before += &literal,
                _ => tokens.push(Token::Text(literal)),
            }
            rest = after.get(end + 1..).unwrap_or("");
        } else if first.is_alphanumeric() || first == '_' {
            let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
            let (word, after) = rest.split_at(end);
            match tokens.last_mut() {
                Some(Token::Text(before)) if word.starts_with("PRI") => before.push('d'),
                _ => tokens.push(Token::Word(word.to_owned())),
            }
            rest = after;
        } else {
            if !first.is_whitespace() {
                tokens.push(Token::Sign(first));
            }
            rest = &rest[first.len_utf8()..];
        }
    }
    tokens
}

/// The bodies of functions, but for those of the old device model.
fn functions(tokens: &[Token]) -> Vec<&[Token]> {
    let (mut found, mut depth, mut start, mut name) = (Vec::new(), 0_i32, 0, "");
    for (at, token) in tokens.iter().enumerate() {
        match token {
            Token::Sign('{') => {
                if depth == 0 {
                    start = at;
                }
                depth += 1;
            }
            Token::Sign('}') => {
                depth -= 1;
                if depth == 0 && !name.ends_with("_args_old") {
                    found.push(&tokens[start..at]);
                }
            }
            // The name that the parameters of a definition follow; those of its parameters stand deeper.
            Token::Word(word) if depth == 0 && tokens.get(at + 1) == Some(&Token::Sign('(')) => name = word,
            _ => (),
        }
    }
    found
}

/// The expressions that can follow a flag: the next argument of the same call, or what the next statement appends; where that is a
/// `switch`, what every branch appends.
fn following(rest: &[Token]) -> Vec<&[Token]> {
    match rest.first() {
        Some(Token::Sign(',')) => vec![argument(&rest[1..])],
        _ => {
            let semicolon = rest.iter().position(|token| *token == Token::Sign(';')).unwrap_or(rest.len());
            let next = &rest[(semicolon + 1).min(rest.len())..];
            if next.first() == Some(&Token::Word("switch".to_owned())) {
                appended(block(next))
            } else {
                appended(next).into_iter().take(1).collect()
            }
        }
    }
}

/// Up to the comma or the parenthesis that ends an argument.
fn argument(tokens: &[Token]) -> &[Token] {
    let mut depth = 0;
    for (at, token) in tokens.iter().enumerate() {
        match token {
            Token::Sign('(' | '[') => depth += 1,
            Token::Sign(',' | ')') if depth == 0 => return &tokens[..at],
            Token::Sign(')' | ']') => depth -= 1,
            _ => (),
        }
    }
    tokens
}

/// From the first brace to the one that closes it.
fn block(tokens: &[Token]) -> &[Token] {
    let start = tokens.iter().position(|token| *token == Token::Sign('{')).unwrap_or(tokens.len());
    let mut depth = 0;
    for (at, token) in tokens.iter().enumerate().skip(start) {
        match token {
            Token::Sign('{') => depth += 1,
            Token::Sign('}') if depth == 1 => return &tokens[start..at],
            Token::Sign('}') => depth -= 1,
            _ => (),
        }
    }
    &tokens[start..]
}

/// What `flexarray_append(dm_args, …)` appends, but what a user's configuration has as it is (`b_info->extra…`).
fn appended(tokens: &[Token]) -> Vec<&[Token]> {
    let call = ["flexarray_append", "(", "dm_args", ","];
    let starts = (0..tokens.len()).filter(|at| {
        let shown = tokens[*at..].iter().take(call.len()).map(|token| show(std::slice::from_ref(token)));
        shown.eq(call.iter().map(|word| (*word).to_owned()))
    });
    let values = starts.map(|at| argument(&tokens[at + call.len()..]));
    values.filter(|value| !show(value).starts_with("b_info->extra")).collect()
}

/// The formats that an expression can be. A variable is all that is assigned to it in the function; what extends its own value
/// (`x = f("%s,more", x)`) extends all others.
fn templates(expression: &[Token], function: &[Token]) -> Result<Vec<Template>, String> {
    let direct = |expression: &[Token]| -> Option<Template> {
        let text = expression.iter().position(|token| matches!(token, Token::Text(_)))?;
        let Token::Text(format) = &expression[text] else { return None };
        let mut arguments = Vec::new();
        let mut rest = &expression[text + 1..];
        while let Some(Token::Sign(',')) = rest.first() {
            let next = argument(&rest[1..]);
            arguments.push(show(next));
            rest = &rest[1 + next.len()..];
        }
        Some(Template { format: format.clone(), arguments })
    };
    if let Some(template) = direct(expression) {
        return Ok(vec![template]);
    }
    match expression {
        [Token::Word(variable)] => {
            let assigned: Vec<Template> = function
                .windows(2)
                .enumerate()
                .filter(|(_, pair)| *pair == [Token::Word(variable.clone()), Token::Sign('=')])
                .filter_map(|(at, _)| {
                    let value = &function[at + 2..];
                    direct(&value[..value.iter().position(|token| *token == Token::Sign(';'))?])
                })
                .collect();
            let (extensions, mut all): (Vec<Template>, Vec<Template>) =
                assigned.into_iter().partition(|template| template.arguments.contains(variable));
            for extension in extensions {
                let longer: Vec<Template> = all.iter().map(|base| extended(base, &extension, variable)).collect();
                all.extend(longer);
            }
            if all.is_empty() { Err(format!("nothing is assigned to {variable}")) } else { Ok(all) }
        }
        // A cast before a call.
        _ => {
            let plain = expression.strip_prefix(&tokens("(char*)")[..]).unwrap_or(expression);
            Ok(vec![Template { format: "%s".to_owned(), arguments: vec![show(plain)] }])
        }
    }
}

fn extended(base: &Template, extension: &Template, variable: &str) -> Template {
    let arguments = extension.arguments.iter().filter(|argument| *argument != variable).cloned();
    Template {
        format: extension.format.replacen("%s", &base.format, 1),
        arguments: base.arguments.iter().cloned().chain(arguments).collect(),
    }
}

/// Each format with the values of its arguments: as many as the one with most has, the others from the first again.
fn expand(templates: &[Template], values: &Values) -> Result<Vec<String>, String> {
    let mut all = Vec::new();
    for Template { format, arguments } in templates {
        let known = arguments.iter().map(|argument| {
            values.get(argument).ok_or_else(|| format!("what `{argument}` in `{format}` can be is not known"))
        });
        let known = known.collect::<Result<Vec<_>, String>>()?;
        for turn in 0..known.iter().map(|values| values.len()).max().unwrap_or(1) {
            let mut parts = format.split('%');
            let mut text = parts.next().unwrap_or_default().to_owned();
            for (at, part) in parts.enumerate() {
                let value = known.get(at).ok_or_else(|| format!("`{format}` has more conversions than arguments"))?;
                let (kind, after) =
                    part.split_at(part.find(|c: char| c.is_ascii_alphabetic()).map_or(part.len(), |end| end + 1));
                let value = &value[turn % value.len()];
                text += &if kind == "#x" && value != "0" { format!("0x{value}") } else { value.clone() };
                text += after;
            }
            all.push(text);
        }
    }
    Ok(all)
}

/// The tokens as C without blanks.
fn show(tokens: &[Token]) -> String {
    let words = tokens.iter().map(|token| match token {
        Token::Text(text) => format!("\"{text}\""),
        Token::Word(word) => word.clone(),
        Token::Sign(sign) => sign.to_string(),
    });
    words.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"
static int old_args_old(int x) { flexarray_vappend(dm_args, "-M", "xenfv", NULL); }
static int new(const char *dm, /* "-device" */ int x)
{
    flexarray_vappend(dm_args, "-device", "hub", "-chardev", "null", "-device", "hub,a=b", NULL);
    flexarray_append(dm_args, "-device");
    flexarray_append(dm_args, GCSPRINTF("%s,id=nic%d,"
                                        "addr=%#x", nics[i].model, i, 2*(i-1)));
    flexarray_append_pair(dm_args, "-device", (char*)to_string(sound));
    flexarray_append(dm_args, "-machine");
    switch (type) {
    case PV:
        flexarray_append(dm_args, "xenpv");
        flexarray_append(dm_args, b_info->extra_pv[i]);
        break;
    default:
        m = strdup(gc, "pc,accel=xen");
        m = GCSPRINTF("%s,max=%"PRIu64, m, max);
        flexarray_append(dm_args, m);
    }
    flexarray_append(dm_args, "-m");
}
"#;

    fn values() -> Values {
        let value = |text: &str, all: &[&str]| (text.to_owned(), all.iter().map(|&v| v.to_owned()).collect());
        Values::from([
            value("nics[i].model", &["e1000"]),
            value("i", &["1", "2"]),
            value("2*(i-1)", &["0", "2"]),
            value("to_string(sound)", &["ac97"]),
            value("max", &["9"]),
        ])
    }

    #[test]
    fn options_are_read_from_c() {
        let found = emitted(TEXT, &values()).unwrap();
        let shown: Vec<String> = found.iter().map(|(flag, value)| format!("{flag} {value}")).collect();
        let expected = [
            "-device ac97",
            "-device e1000,id=nic1,addr=0",
            "-device e1000,id=nic2,addr=0x2",
            "-device hub",
            "-device hub,a=b",
            "-machine pc,accel=xen",
            "-machine pc,accel=xen,max=9",
            "-machine xenpv",
        ];
        assert_eq!(shown, expected);
    }

    #[test]
    fn what_is_not_known_is_named() {
        let mut values = values();
        values.remove("max");
        let problem = emitted(TEXT, &values).unwrap_err();
        assert_eq!(problem, "-machine m: what `max` in `pc,accel=xen,max=%d` can be is not known");
    }

    #[test]
    fn an_enumeration_is_its_names() {
        let idl =
            "libxl__qemu_soundhw = Enumeration(\"qemu_soundhw\", [\n    (1, \"ac97\"),\n    (2, \"adlib\"),\n    ])\n";
        assert_eq!(enumeration(idl, "libxl__qemu_soundhw"), ["ac97", "adlib"]);
        assert!(enumeration(idl, "other").is_empty());
    }
}
