//! What the parts of one case say about each other: guests and consoles that must exist, in tables and in the script. Looks at
//! texts, reports ranges of bytes in them.

use std::ops::Range;

/// A word of a script that names a guest or a console.
#[derive(Debug, PartialEq, Eq)]
pub enum Named {
    Guest,
    Console,
}

/// The guests and consoles that a script hands to the functions of dom0's shell: what is meant, the name, its bytes in `script`. What the
/// shell expands is not known here.
pub fn named(script: &str) -> Vec<(Named, &str, Range<usize>)> {
    let mut found = Vec::new();
    let mut begin = 0;
    for line in script.split_inclusive('\n') {
        let words = words(line);
        for (i, (at, word)) in words.iter().enumerate() {
            let what = match *word {
                "create" | "destroy" | "dom0qemu" | "gone" | "refused" | "stubdom" => Named::Guest,
                "await" => Named::Console,
                _ => continue,
            };
            let command = match i.checked_sub(1).map(|before| words[before].1) {
                None | Some("if" | "while" | "until" | "then" | "else" | "do" | "!" | "&&" | "||" | "(" | "{") => true,
                Some(before) => before.ends_with(';'),
            };
            if let (true, Some((start, name))) = (command, words.get(i + 1)) {
                let quotes = name.len() - name.trim_start_matches('"').len();
                let name = name.trim_end_matches(';').trim_matches('"');
                if !name.contains('$') && at < start {
                    let start = begin + start + quotes;
                    found.push((what, name, start..start + name.len()));
                }
            }
        }
        begin += line.len();
    }
    found
}

/// Words with the byte that each begins at; a comment ends the line.
fn words(line: &str) -> Vec<(usize, &str)> {
    let place = |word: &str| word.as_ptr() as usize - line.as_ptr() as usize;
    line.split_whitespace().take_while(|word| !word.starts_with('#')).map(|word| (place(word), word)).collect()
}

/// A setting of xl's configuration in quotes, `type = "hvm"`: its bytes and its value.
pub fn setting<'c>(config: &'c str, key: &str) -> Option<(Range<usize>, &'c str)> {
    let mut begin = 0;
    for line in config.split_inclusive('\n') {
        let value = line.trim_start().strip_prefix(key).and_then(|rest| rest.trim_start().strip_prefix('='));
        let quoted = value.map(str::trim_start).and_then(|value| {
            let quote = value.chars().next().filter(|c| matches!(c, '"' | '\''))?;
            value[1..].split_once(quote).map(|(value, _)| value)
        });
        if let Some(value) = quoted {
            let start = begin + (value.as_ptr() as usize - line.as_ptr() as usize);
            return Some((start..start + value.len(), value));
        }
        begin += line.len();
    }
    None
}

/// The first `$WORD` that nobody fills in: its bytes and its name.
pub fn unknown_word<'t>(text: &'t str, known: &[&str]) -> Option<(Range<usize>, &'t str)> {
    text.match_indices('$').find_map(|(at, _)| {
        let rest = &text[at + 1..];
        let end = rest.find(|c: char| !c.is_ascii_uppercase()).unwrap_or(rest.len());
        let word = &rest[..end];
        (!word.is_empty() && !known.contains(&word)).then_some((at..at + 1 + end, word))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_where_a_command_stands() {
        let script = "create hvm\n# create not-this\nif ! await \"hvm-dm\" \"await me\" 20; then destroy a; fi\n\
                      echo create nothing\nfor g in a b; do create $g; done\n";
        let found: Vec<_> = named(script).into_iter().map(|(what, name, at)| (what, name, &script[at])).collect();
        let expected = [(Named::Guest, "hvm", "hvm"), (Named::Console, "hvm-dm", "hvm-dm"), (Named::Guest, "a", "a")];
        assert_eq!(found, expected);
    }

    #[test]
    fn a_setting_is_read_as_xl_writes_it() {
        let config = "# type = \"pv\"\ntypes = \"x\"\n type='pvh'\nname = hello\n";
        let (at, value) = setting(config, "type").unwrap();
        assert_eq!((value, &config[at]), ("pvh", "pvh"));
        assert_eq!(setting(config, "name"), None);
    }

    #[test]
    fn words_that_nobody_fills_in_are_found() {
        assert_eq!(unknown_word("$PRIVATE/lib.$SERIES costs 5 $", &["PRIVATE", "SERIES"]), None);
        assert_eq!(unknown_word("a$PRIVAT/x", &["PRIVATE"]), Some((1..8, "PRIVAT")));
    }
}
