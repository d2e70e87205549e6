//! What xl, libxl, a stubdomain or Xen say of a guest that does not start, in the words of somebody who did not write them.

use super::super::case::{Case, XEN};
use super::super::transcript::{Line, Speaker, Transcript, said};
use super::reason::{Reason, ends, names, quoted};
use super::{guest_of, is_about};

/// A program that cannot even be loaded.
pub fn library(transcript: &Transcript) -> Option<Reason> {
    let line = transcript.lines.iter().find(|line| line.text.contains(": error while loading shared libraries: "))?;
    let (program, why) = line.text.split_once(": error while loading shared libraries: ")?;
    let program = program.rsplit([' ', '/']).next().unwrap_or(program);
    let sentence = match why.split_once(": cannot open shared object file") {
        Some((library, _)) => format!("{program} cannot start: library {library} is missing"),
        None => format!("{program} cannot start: {}", quoted(why)),
    };
    Some(Reason::new(sentence, &line.console))
}

/// xl's own errors about a guest that it could not create, as the script's sentence says; about any guest when the script came to no end.
pub fn xl(case: &Case, transcript: &Transcript, sentence: Option<&str>) -> Option<Reason> {
    if sentence.is_some_and(|sentence| !sentence.starts_with("xl create ")) {
        return None;
    }
    guests(case, sentence).find_map(|guest| {
        let console = format!("xl-{guest}");
        let lines: Vec<&Line> = transcript.console(&console).collect();
        // libxl went on after what stands before: it asks a first QEMU for what it can, and calls its end an error of the socket.
        let spawned = lines.iter().rposition(|line| line.text.contains("Spawning device-model")).unwrap_or(0);
        let errors: Vec<&&Line> = lines[spawned..].iter().filter(|line| is_error(&line.text)).collect();
        let first = errors.first()?;
        // What follows the first is mostly libxl that takes apart what it has not yet put together.
        let timeout = errors.iter().find(|line| line.text.ends_with(": startup timed out"));
        if let Some(line) = timeout {
            return Some(timed_out(guest, line, &lines, transcript));
        }
        let text = stripped(&first.text);
        if text.contains("neither hap nor shadow paging available") {
            let why =
                format!("xl create {guest}: the hypervisor runs no guests with hardware support: {}", quoted(text));
            return Some(Reason::new(why, console));
        }
        if text.contains("xc_dom_chk_alloc_pages") && text.contains("too large") {
            let whose = match lines.iter().rfind(|line| line.text.contains("xc_dom_kernel_file: filename=")) {
                Some(line) if line.text.contains("stubdom") => "stubdomain",
                _ => "guest itself",
            };
            let why = format!(
                "xl create {guest}: kernel and image do not fit into the memory of the {whose}: {}",
                quoted(text)
            );
            return Some(Reason::new(why, console));
        }
        // What QEMU had to say is on its own console.
        let ended = ["spawn failed", "error on QMP socket"].iter().any(|part| text.contains(part));
        let log = format!("qemu-{guest}");
        if ended && transcript.console(&log).next().is_some() {
            let why =
                format!("QEMU in dom0 for guest `{guest}` did not come up: its console {}", ends(transcript, &log));
            return Some(Reason::new(why, log));
        }
        Some(Reason::new(format!("xl create {guest}: {}", quoted(text)), console))
    })
}

/// libxl waits 30 s for a stubdomain and 60 s for a QEMU in dom0, and its log is silent while it waits: that long it really was.
fn timed_out(guest: &str, line: &Line, lines: &[&Line], transcript: &Transcript) -> Reason {
    let before = lines.iter().rfind(|earlier| earlier.at < line.at - 1.0).map_or(line.at, |earlier| earlier.at);
    let waited = (line.at - before).round();
    let (what, console) = if line.text.contains("Stubdom ") {
        ("stubdomain startup", format!("{guest}-dm"))
    } else {
        ("QEMU's startup", format!("qemu-{guest}"))
    };
    // What explains it is seldom the last line: a kernel goes on talking.
    let telling = ["stubdom: error: ", "Out of memory", "Kernel panic - not syncing: "];
    let own = telling.iter().find_map(|part| transcript.console(&console).find(|line| line.text.contains(part)));
    let ends = own.map_or_else(|| ends(transcript, &console), |line| format!("says {}", quoted(&line.text)));
    Reason::new(format!("{what} timed out after {waited} s of guest time: its console {ends}"), console)
}

/// A domain that ended by itself: its kernel, its init, or Xen for it.
pub fn domain(case: &Case, transcript: &Transcript, sentence: Option<&str>) -> Option<Reason> {
    guests(case, sentence).find_map(|guest| {
        let stubdomain = format!("{guest}-dm");
        let dm = |part: &str| transcript.console(&stubdomain).find(|line| line.text.contains(part));
        if let Some(line) = dm("stubdom: error: ") {
            let why = line.text.split_once("stubdom: error: ").map_or("", |(_, why)| why);
            return Some(Reason::new(
                format!("the stubdomain of guest `{guest}` gave up: {}", quoted(why)),
                stubdomain,
            ));
        }
        for (console, whose) in [(&stubdomain, "the stubdomain of guest"), (guest, "guest")] {
            let panic =
                transcript.console(console).find_map(|line| line.text.split_once("Kernel panic - not syncing: "));
            if let Some((_, why)) = panic {
                return Some(Reason::new(
                    format!("the kernel of {whose} `{guest}` panicked: {}", quoted(why)),
                    console,
                ));
            }
        }
        let ids = [transcript.domains(guest), transcript.domains(&stubdomain)].concat();
        let crash = |line: &&Line| {
            let text = said(line);
            line.speaker == Some(Speaker::Xen)
                && ["Triple fault", "crashed", "Unhandled", "domain_crash"].iter().any(|word| text.contains(word))
                && ids.iter().any(|id| is_about(text, *id))
        };
        let unbootable = |line: &&Line| {
            said(line).starts_with("No bootable device")
                && ids.iter().any(|id| line.speaker == Some(Speaker::Domain(*id)))
        };
        if transcript.console(XEN).any(|line| unbootable(&line)) {
            let why = format!("the firmware of guest `{guest}` found no device to boot from");
            return Some(Reason::new(why, XEN));
        }
        let line = transcript.console(XEN).find(crash)?;
        Some(Reason::new(format!("Xen ended guest `{guest}`: {}", quoted(said(line))), XEN))
    })
}

/// The guests that a sentence names; all without one.
fn guests<'c>(case: &'c Case, sentence: Option<&'c str>) -> impl Iterator<Item = &'c String> {
    let consoles = case.consoles();
    let named = move |guest: &&String| match sentence {
        None => true,
        Some(sentence) => consoles.iter().any(|console| guest_of(console, guest) && names(sentence, console)),
    };
    case.guest.keys().filter(named)
}

fn is_error(line: &str) -> bool {
    ["libxl: error: ", "xc: error: ", "xl: error: ", "xlu: error: "].iter().any(|kind| line.contains(kind))
}

/// Without the place in libxl's source: `libxl: error: libxl_dm.c:2829:stubdom_xswait_cb: Domain 3:…`.
fn stripped(line: &str) -> &str {
    let text = line.split_once("error: ").map_or(line, |(_, text)| text);
    match text.split_once(": ") {
        Some((place, text)) if place.contains(".c:") => text,
        _ => text,
    }
}
