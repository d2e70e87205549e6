//! What several areas of the tests need.

pub mod compile;
pub mod expect;
pub mod http;
pub mod key;
pub mod libxl;
pub mod run;
pub mod sandbox_root;
pub mod scenario;

use std::path::{Path, PathBuf};
use xtask::context::{Context, Net};
use xtask::report::{Report, Style};
use xtask::store::Store;

/// The checkout.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the package lies in the checkout").to_owned()
}

/// The files of `tests/<area>` that end in `.suffix`, sorted. None at all is an error: a test over nothing proves nothing.
pub fn cases(area: &str, suffix: &str) -> Vec<PathBuf> {
    let folder = root().join("tests").join(area);
    let entries = fs_err::read_dir(&folder).expect("the folder of the cases can be read");
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry can be read").path()).collect();
    files.retain(|path| path.extension().is_some_and(|e| e == suffix));
    files.sort();
    assert!(!files.is_empty(), "no .{suffix} in {}", folder.display());
    files
}

/// A path below the checkout as messages show it.
pub fn shown(path: &Path) -> String {
    path.strip_prefix(root()).unwrap_or(path).display().to_string()
}

/// An empty folder that goes away with the value.
pub fn scratch() -> tempfile::TempDir {
    tempfile::tempdir().expect("the folder for temporary files can be written")
}

/// Surroundings for tests of single stages: the checkout, a store at `store`, no network, no words.
pub fn context(store: &Path) -> Context {
    let report = Report::new(Style::Silent);
    let store = Store::open(store).expect("a store can be made").with_report(&report);
    let net = Net { offline: true, ..Net::default() };
    Context { root: root(), store, net, report, jobs: 2, ccache: false }
}
