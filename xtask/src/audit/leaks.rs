//! Finds paths of the build in the bytes of a file: text, tables of strings, debug information, gzip'ed content.
//!
//! A path counts where it begins as one: `/build/tools` and `-I/build/tools` do, `http://host/build/` and `xen/build/` do not.
//! Other compressions are not looked into.

use memchr::memmem;
use std::io::Read as _;

/// The folders that a step sees (see the sandbox's layout): its sources, its output, its inputs.
pub const SANDBOX: &[&str] = &["/build", "/out", "/in"];

/// As much of a compressed file as is looked at; hypervisors and manuals are far smaller.
const UNPACKED: u64 = 256 << 20;

/// How many bytes of a found path are shown.
const SHOWN: usize = 96;

/// The first mention of each place, with what follows it.
pub fn search(bytes: &[u8], places: &[String]) -> Vec<String> {
    let mut found = search_plain(bytes, places);
    if bytes.starts_with(&[0x1f, 0x8b]) {
        let mut unpacked = Vec::new();
        // A damaged stream is searched as far as it can be read: what it is for is not known here.
        let _ = flate2::read::MultiGzDecoder::new(bytes).take(UNPACKED).read_to_end(&mut unpacked);
        found.extend(search_plain(&unpacked, places));
    }
    found
}

fn search_plain(bytes: &[u8], places: &[String]) -> Vec<String> {
    places
        .iter()
        .filter_map(|place| {
            let at = memmem::find_iter(bytes, place).find(|&at| begins(bytes, at) && goes_on(bytes, at, place))?;
            Some(shown(&bytes[at..]))
        })
        .collect()
}

/// A path begins after anything that cannot belong to one, or after a compiler's `-I` or `-L`.
fn begins(bytes: &[u8], at: usize) -> bool {
    let Some(before) = at.checked_sub(1).map(|at| bytes[at]) else { return true };
    let option = at >= 2 && bytes[at - 2] == b'-' && matches!(before, b'I' | b'L');
    option || !(in_path(before) || before >= 0x80 || matches!(before, b'/' | b')' | b'}' | b'>' | b'*'))
}

/// Something below the place is meant; or, for one with a telling name, the place itself. In debug information and tables of
/// symbols, `/in` and `/out` are the ends of longer strings.
fn goes_on(bytes: &[u8], at: usize, place: &str) -> bool {
    match bytes.get(at + place.len()) {
        Some(b'/') => bytes.get(at + place.len() + 1).is_some_and(|&next| in_path(next)),
        Some(0) | None => place.len() > "/out".len(),
        Some(_) => false,
    }
}

fn in_path(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-' | b'+' | b'~' | b'@')
}

fn shown(bytes: &[u8]) -> String {
    let path = bytes.iter().take(SHOWN).take_while(|&&byte| in_path(byte) || byte == b'/');
    String::from_utf8_lossy(&path.copied().collect::<Vec<u8>>()).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    fn found(text: &[u8]) -> Vec<String> {
        search(text, &["/build".to_owned(), "/in".to_owned()])
    }

    #[test]
    fn a_path_counts_where_it_begins_as_one() {
        for (text, expected) in [
            (&b"\0/build/tools/libs/light/libxl.c\0"[..], &["/build/tools/libs/light/libxl.c"][..]),
            (b"-I/build/tools -Wl,/in/tools/usr", &["/build/tools", "/in/tools/usr"]),
            (b"comp_dir\0/build\0", &["/build"]),
            (b"\0/in\0/in", &[]),
            (b"http://host/build/42 xen/build/x $(D)/build/y", &[]),
            (b"/builder/x and/in/or /inside/x", &[]),
            (b"a file in /build mode", &[]),
        ] {
            assert_eq!(found(text), expected, "{}", String::from_utf8_lossy(text));
        }
    }

    #[test]
    fn gzip_hides_nothing() {
        let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        packer.write_all(b"x \"/build/xen/common.c\" y").unwrap();
        assert_eq!(found(&packer.finish().unwrap()), ["/build/xen/common.c"]);
        assert_eq!(found(b"\x1f\x8b cut short"), [""; 0]);
    }
}
