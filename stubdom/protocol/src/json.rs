//! As much JSON (RFC 8259) as QMP needs: the members of one object, strings in and out.
//!
//! Takes bytes from the other side and promises nothing but to end: nesting is bounded, nothing is copied but names. It makes no
//! tree, and reads numbers as the text that they are.

use alloc::string::String;
use alloc::vec::Vec;

/// Nesting that is still read. libxl's and QEMU's messages stay below ten.
pub const DEPTH: usize = 64;

/// The members of the object that `text` is, values as they stand there.
pub fn members(text: &[u8]) -> Result<Vec<(String, &[u8])>, &'static str> {
    let mut reader = Reader { text, at: 0 };
    let mut found = Vec::new();
    reader.space();
    reader.object(0, Some(&mut found))?;
    reader.space();
    if reader.at < text.len() { Err("more behind the object") } else { Ok(found) }
}

/// The string that a value is.
pub fn string(value: &[u8]) -> Option<String> {
    let inner = core::str::from_utf8(value.strip_prefix(b"\"")?.strip_suffix(b"\"")?).ok()?;
    let (mut text, mut chars) = (String::new(), inner.chars());
    while let Some(c) = chars.next() {
        if c != '\\' {
            text.push(c);
            continue;
        }
        text.push(match chars.next()? {
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'u' => {
                let digits: String = chars.by_ref().take(4).collect();
                if digits.len() != 4 {
                    return None;
                }
                // Halves of surrogate pairs stand for nothing that is asked for here.
                char::from_u32(u32::from_str_radix(&digits, 16).ok()?).unwrap_or(char::REPLACEMENT_CHARACTER)
            }
            plain => plain,
        });
    }
    Some(text)
}

/// A string as JSON.
pub fn quote(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if c < ' ' => quoted.push_str(&alloc::format!("\\u{:04x}", c as u32)),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

struct Reader<'a> {
    text: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn space(&mut self) {
        while matches!(self.text.get(self.at), Some(b' ' | b'\t' | b'\r' | b'\n')) {
            self.at += 1;
        }
    }

    fn takes(&mut self, byte: u8) -> bool {
        self.space();
        let is = self.text.get(self.at) == Some(&byte);
        self.at += usize::from(is);
        is
    }

    fn value(&mut self, depth: usize) -> Result<&'a [u8], &'static str> {
        self.space();
        let start = self.at;
        match self.text.get(self.at) {
            None => return Err("the end instead of a value"),
            Some(b'{') => self.object(depth, None)?,
            Some(b'[') => self.array(depth)?,
            Some(b'"') => {
                self.string()?;
            }
            Some(_) => {
                let plain = |byte: &&u8| byte.is_ascii_alphanumeric() || b"+-.".contains(byte);
                self.at += self.text[self.at..].iter().take_while(plain).count();
                if self.at == start {
                    return Err("no value where one belongs");
                }
            }
        }
        Ok(&self.text[start..self.at])
    }

    fn string(&mut self) -> Result<&'a [u8], &'static str> {
        let start = self.at;
        self.at += 1;
        loop {
            match self.text.get(self.at) {
                None => return Err("a string without an end"),
                Some(b'"') => break,
                Some(b'\\') => self.at += 2,
                Some(0..0x20) => return Err("a control character in a string"),
                Some(_) => self.at += 1,
            }
        }
        self.at += 1;
        Ok(&self.text[start..self.at])
    }

    fn array(&mut self, depth: usize) -> Result<(), &'static str> {
        self.enter(depth, b'[')?;
        if self.takes(b']') {
            return Ok(());
        }
        loop {
            self.value(depth + 1)?;
            if self.takes(b']') {
                return Ok(());
            }
            if !self.takes(b',') {
                return Err("no comma between values");
            }
        }
    }

    fn object(&mut self, depth: usize, mut found: Option<&mut Vec<(String, &'a [u8])>>) -> Result<(), &'static str> {
        self.enter(depth, b'{')?;
        if self.takes(b'}') {
            return Ok(());
        }
        loop {
            self.space();
            if self.text.get(self.at) != Some(&b'"') {
                return Err("no name where one belongs");
            }
            let name = self.string()?;
            if !self.takes(b':') {
                return Err("no colon behind a name");
            }
            let value = self.value(depth + 1)?;
            if let Some(found) = &mut found {
                found.push((string(name).ok_or("a name that is not UTF-8")?, value));
            }
            if self.takes(b'}') {
                return Ok(());
            }
            if !self.takes(b',') {
                return Err("no comma between members");
            }
        }
    }

    fn enter(&mut self, depth: usize, open: u8) -> Result<(), &'static str> {
        if depth > DEPTH {
            return Err("values nested too deeply");
        }
        if self.takes(open) { Ok(()) } else { Err("no object where one belongs") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chance::Chance;
    use alloc::format;

    fn first<'a>(text: &'a str, name: &str) -> Option<&'a str> {
        let members = members(text.as_bytes()).unwrap();
        members.into_iter().find(|(key, _)| key == name).map(|(_, value)| core::str::from_utf8(value).unwrap())
    }

    #[test]
    fn members_are_found_as_they_stand() {
        let text = r#" {"return": {"a": [1, {"b": "}"}], "c": null}, "id" :"x\"y" , "n":-1.5e3} "#;
        assert_eq!(first(text, "return"), Some(r#"{"a": [1, {"b": "}"}], "c": null}"#));
        assert_eq!(string(first(text, "id").unwrap().as_bytes()).unwrap(), "x\"y");
        assert_eq!((first(text, "n"), first(text, "a")), (Some("-1.5e3"), None));
        assert_eq!(members(b"{}").unwrap(), []);
    }

    #[test]
    fn what_is_no_object_is_refused() {
        for text in
            ["", "[]", "{", "{\"a\"}", "{\"a\":}", "{\"a\":1,}", "{\"a\":1}{", "{\"a\":\"\n\"}", "{\"a", "{\"a\\"]
        {
            assert!(members(text.as_bytes()).is_err(), "{text}");
        }
        let deep = |depth: usize| format!("{{\"a\":{}{}}}", "[".repeat(depth), "]".repeat(depth));
        assert!(members(deep(DEPTH).as_bytes()).is_ok());
        assert_eq!(members(deep(1_000_000).as_bytes()), Err("values nested too deeply"));
    }

    #[test]
    fn any_string_comes_back() {
        for seed in 0..500 {
            let mut chance = Chance::new(seed);
            let length = chance.below(40);
            let text = String::from_utf8_lossy(&chance.bytes(length)).into_owned();
            assert_eq!(string(quote(&text).as_bytes()).as_ref(), Some(&text), "seed {seed}");
            let object = format!("{{{}:{}}}", quote(&text), quote("v"));
            assert_eq!(members(object.as_bytes()).unwrap(), [(text, &b"\"v\""[..])], "seed {seed}");
        }
        assert_eq!(string(br#""\u0041\/\n\ud800""#).unwrap(), "A/\n\u{fffd}");
        assert_eq!((string(b"1"), string(br#""\"#), string(br#""\u12""#)), (None, None, None));
    }

    #[test]
    fn rubbish_ends() {
        let pieces = [&b"{"[..], b"}", b"[", b"]", b"\"", b"\\", b",", b":", b"1", b" ", b"\xff", b"\0", b"\"a\":"];
        for seed in 0..5000 {
            let mut chance = Chance::new(seed);
            let text: Vec<u8> = (0..chance.below(40)).flat_map(|_| chance.pick(&pieces).to_vec()).collect();
            let _ = members(&text);
            let _ = string(&text);
        }
    }
}
