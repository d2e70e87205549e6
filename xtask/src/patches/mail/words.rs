//! Encoded words in a mail's header (RFC 2047): `=?utf-8?q?Marek_Marczykowski-G=C3=B3recki?=`.
//!
//! UTF-8, US-ASCII and Latin-1 are decoded, to bytes of UTF-8; a word in another charset stays as it is.

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

/// Mailers leave the padding out.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// The text with every word decoded that can be. White space between two such words belongs to the encoding.
pub fn decode(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut at = 0;
    // Where the last decoded word ended in `out`, while only white space has followed.
    let mut after_word = None;
    while at < text.len() {
        if let Some((decoded, end)) = word(&text[at..]) {
            if let Some(end_of_word) = after_word {
                out.truncate(end_of_word);
            }
            out.extend_from_slice(&decoded);
            after_word = Some(out.len());
            at += end;
            continue;
        }
        if !text[at].is_ascii_whitespace() {
            after_word = None;
        }
        out.push(text[at]);
        at += 1;
    }
    out
}

/// The word that `text` begins with, decoded, and its length.
fn word(text: &[u8]) -> Option<(Vec<u8>, usize)> {
    let rest = text.strip_prefix(b"=?")?;
    let mut parts = rest.splitn(4, |&b| b == b'?');
    let (charset, encoding, content, tail) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    if tail.first() != Some(&b'=') || [charset, content].iter().any(|part| part.iter().any(u8::is_ascii_whitespace)) {
        return None;
    }
    let charset = Charset::of(charset)?;
    let bytes = match encoding {
        b"q" | b"Q" => quoted(content)?,
        b"b" | b"B" => BASE64.decode(content).ok()?,
        _ => return None,
    };
    Some((charset.to_utf8(&bytes), text.len() - tail.len() + 1))
}

fn quoted(content: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    let mut rest = content;
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        match byte {
            b'_' => out.push(b' '),
            b'=' => {
                let (digits, tail) = rest.split_at_checked(2)?;
                if !digits.iter().all(u8::is_ascii_hexdigit) {
                    return None;
                }
                out.push(u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?);
                rest = tail;
            }
            byte => out.push(byte),
        }
    }
    Some(out)
}

/// A charset that is understood here.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Charset {
    /// And its part, US-ASCII.
    Utf8,
    Latin1,
}

impl Charset {
    pub fn of(name: &[u8]) -> Option<Charset> {
        // RFC 2231, 5: a language may follow behind an asterisk.
        let name = name.split(|&b| b == b'*').next().unwrap_or_default();
        match name.to_ascii_lowercase().as_slice() {
            b"utf-8" | b"utf8" | b"us-ascii" | b"ascii" => Some(Charset::Utf8),
            b"iso-8859-1" | b"iso8859-1" | b"latin1" | b"latin-1" => Some(Charset::Latin1),
            _ => None,
        }
    }

    pub fn to_utf8(self, bytes: &[u8]) -> Vec<u8> {
        match self {
            Charset::Utf8 => bytes.to_vec(),
            // What is UTF-8 although its header says Latin-1 has been through an editor.
            Charset::Latin1 if !bytes.is_ascii() && std::str::from_utf8(bytes).is_ok() => bytes.to_vec(),
            Charset::Latin1 => bytes.iter().map(|&byte| char::from(byte)).collect::<String>().into_bytes(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_decoded_and_the_rest_is_kept() {
        for (text, decoded) in [
            ("plain", "plain"),
            (
                "=?utf-8?q?Marek_Marczykowski-G=C3=B3recki?= <m@example.org>",
                "Marek Marczykowski-Górecki <m@example.org>",
            ),
            ("=?ISO-8859-1?Q?J=FCrgen?= x", "Jürgen x"),
            ("=?UTF-8?B?SsO8cmdlbg==?=", "Jürgen"),
            ("=?UTF-8?B?SsO8cmdlbg?=", "Jürgen"),
            // A character may be cut in two.
            ("=?utf-8?q?a=C3?=  =?utf-8?q?=BCb?= c", "aüb c"),
            ("=?utf-8?q?a?= b =?utf-8?q?c?=", "a b c"),
            ("=?utf-8*de?q?a?=", "a"),
            ("=?koi8-r?B?8g==?=", "=?koi8-r?B?8g==?="),
            ("=?utf-8?q?=C?= =?utf-8?x?a?= =?utf-8?q?a", "=?utf-8?q?=C?= =?utf-8?x?a?= =?utf-8?q?a"),
            ("=?utf-8?q?a b?=", "=?utf-8?q?a b?="),
        ] {
            assert_eq!(String::from_utf8(decode(text.as_bytes())).unwrap(), decoded);
        }
    }
}
