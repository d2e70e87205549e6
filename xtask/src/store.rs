//! The store: blobs by sha256 and trees by key, in the user's cache directory, shared by checkouts and by builds at once.
//!
//! ```text
//! blob/ab/<sha256>      a download, read-only
//! partial/<sha256>      a download under way; kept, so that it can be resumed
//! tree/<key>/           root (the tree), manifest.json, record.json
//! work/<key>/           a tree being made; whoever makes it holds lock/<key>
//! failed/<key>/         the folder of a step that failed, for `shell`
//! log/<key>.log         what a step said
//! cost/<step>           CPU milliseconds that a step took last, the scheduler's guess for the next time
//! ccache/               the compile cache
//! lock/                 see [`lock`]; `users` is shared by all open stores and wanted alone by `gc`
//! ```
//!
//! A result appears under its name by one rename, when it is whole; a lock is taken back by the kernel when its holder dies. So
//! a killed build leaves nothing but folders in `work`, which the next [`Store::open`] takes away. Nothing is changed after it
//! appeared. Modes are part of a tree, so the store does not take write permission away: a build system that copies a
//! file out of a root expects to be able to write to its copy. What protects a tree is that sandboxes mount it read-only and
//! that [`Store::check`] sees a change before the tree flows into anything.

mod check;
mod disk;
mod gc;
pub mod lock;
mod making;
mod usage;

pub use check::Broken;
pub use disk::remove;
pub use gc::{Policy, Removed};
pub use lock::Guard;
pub use making::{Begin, Cost, Making};
pub use usage::{Usage, UsageRow};

use crate::digest::{Hash, Key, hash_reader};
use crate::fault::Fault;
use crate::report::{Report, Style};
use crate::sandbox::disguise::{self, Disguise};
use crate::tree::{Manifest, Seal};
use anyhow::{Context as _, Result};
use fs_err as fs;
use serde::{Deserialize, Serialize};
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// What the file `version` holds; raised when an older program would misread the store.
const VERSION: &str = "xenwright store 1\n";

/// The same of a store whose steps see another world. Any other program refuses it.
const DISGUISED: &str = "xenwright store 1, disguised\n";

const DISGUISE: &str = "disguise.json";

const ELSEWHERE: &str = "name another folder with --store DIR or XENWRIGHT_STORE";

/// How the name of a file begins that has not got its name yet.
const PENDING: &str = ".pending-";

const FOLDERS: [&str; 9] = ["blob", "partial", "tree", "work", "failed", "log", "cost", "ccache", "lock"];

pub struct Store {
    root: PathBuf,
    report: Report,
    disguise: Disguise,
    /// Holds the share in `lock/users` for as long as the store is open.
    users: fs::File,
}

/// A finished tree in the store.
#[derive(Clone, Debug)]
pub struct Stored {
    pub key: Key,
    /// Not to be written to.
    pub path: PathBuf,
    pub manifest_digest: Hash,
}

/// What the store knows about a tree without reading it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// The object in words: `step tools`.
    pub what: String,
    /// The sha256 of `manifest.json`.
    pub manifest: Hash,
    /// Bytes of all files together.
    pub bytes: u64,
    pub seal: Seal,
    /// What it took to make, where it was measured.
    pub cost: Option<Cost>,
}

/// An empty folder on the store's file system, removed when it is dropped or, after a kill, by the next [`Store::open`].
#[derive(Debug)]
pub struct Work {
    path: PathBuf,
    _lock: Guard,
}

impl Work {
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        // What cannot be removed now is taken away by the next open.
        let _ = disk::remove(&self.path);
    }
}

impl Store {
    /// Opens or makes the store at `root`, and takes away what killed builds left.
    pub fn open(root: &Path) -> Result<Store> {
        Store::open_inner(root)
            .with_context(|| format!("opening the store {}", root.display()))
            .map_err(|error| disk::explain(error, root))
    }

    fn open_inner(root: &Path) -> Result<Store> {
        fs::create_dir_all(root).map_err(|error| match error.kind() {
            ErrorKind::AlreadyExists | ErrorKind::NotADirectory | ErrorKind::NotFound => {
                Fault::usage(error.to_string()).cure(ELSEWHERE).into()
            }
            _ => anyhow::Error::from(error),
        })?;
        // Absolute, because the sandbox's command is given paths below it; resolved, because a mount does not follow links.
        let root = fs::canonicalize(root)?;
        let disguise = check_version(&root)?;
        for folder in FOLDERS {
            match fs::create_dir(root.join(folder)) {
                Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error.into()),
                _ => {}
            }
        }
        let users =
            fs::OpenOptions::new().create(true).truncate(false).write(true).open(root.join("lock").join("users"))?;
        lock::shared(&users)?;
        let store = Store { root, report: Report::new(Style::Silent), disguise, users };
        store.sweep()?;
        Ok(store)
    }

    /// Tells the user when it has to wait for another build.
    pub fn with_report(mut self, report: &Report) -> Store {
        self.report = report.clone();
        self
    }

    /// Makes a store at `root`, which must not be there, whose steps see another world. Only such a store can: a result that
    /// was made in a disguise has the key of one that was not. `library` is given to every process when the disguise preloads one.
    pub fn disguised(root: &Path, disguise: &Disguise, library: Option<&Path>) -> Result<Store> {
        fs::create_dir_all(root.parent().unwrap_or(Path::new("/")))?;
        fs::create_dir(root)?;
        publish(&root.join("version"), DISGUISED.as_bytes())?;
        fs::write(root.join(DISGUISE), serde_json::to_string(disguise)?)?;
        for (name, _, text) in disguise::ACCOUNTS {
            fs::write(root.join(name), text)?;
        }
        if let Some(library) = library {
            fs::copy(library, root.join(disguise::LIBRARY))?;
        }
        Store::open(root)
    }

    /// What the steps of this store see in place of the usual world; nothing, in every store but those of `repro`.
    pub fn disguise(&self) -> &Disguise {
        &self.disguise
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The blob with this hash, if it is there.
    pub fn blob(&self, hash: &Hash) -> Option<PathBuf> {
        let path = self.blob_path(hash);
        // Fails for a blob that is not there; one that is there counts as used from now.
        disk::touch(&path).ok().map(|()| path)
    }

    /// Where a download of this blob is collected. Only the holder of [`Store::lock_blob`] writes there.
    pub fn partial(&self, hash: &Hash) -> PathBuf {
        self.root.join("partial").join(hash.as_str())
    }

    /// Links every download into another store, so that nothing is downloaded twice; copies where the file system cannot link.
    pub fn share_downloads(&self, with: &Store) -> Result<()> {
        let to = with.root.join("blob");
        for folder in fs::read_dir(self.root.join("blob"))? {
            let folder = folder?;
            let target = to.join(folder.file_name());
            fs::create_dir_all(&target)?;
            for blob in fs::read_dir(folder.path())? {
                let blob = blob?;
                let target = target.join(blob.file_name());
                // One that it has may be this very file, which a copy onto itself would empty.
                if !target.exists() && fs::hard_link(blob.path(), &target).is_err() {
                    fs::copy(blob.path(), &target)?;
                }
            }
        }
        Ok(())
    }

    /// Held while a blob is downloaded; waits for another process that downloads it.
    pub fn lock_blob(&self, hash: &Hash) -> Result<Guard> {
        let waiting = || self.report.note(&format!("waiting for another process that downloads {}", hash.short()));
        lock::exclusive(&self.blob_lock(hash), waiting).map_err(|error| self.explain(error))
    }

    /// Makes `partial`, a file on the store's file system, the blob of this hash and size. Its bytes are checked here,
    /// whatever the caller has checked; a file with wrong bytes is removed, so that nobody resumes it.
    pub fn keep_blob(&self, partial: &Path, hash: &Hash, size: u64) -> Result<PathBuf> {
        let (found, found_size) =
            hash_reader(fs::File::open(partial)?).with_context(|| format!("reading {}", partial.display()))?;
        if (&found, found_size) != (hash, size) {
            fs::remove_file(partial)?;
            return Err(Fault::source(format!(
                "expected sha256 {hash} and {size} bytes, found sha256 {found} and {found_size} bytes"
            ))
            .into());
        }
        let path = self.blob_path(hash);
        let keep = || -> Result<()> {
            fs::create_dir_all(path.parent().expect("a blob has a folder"))?;
            fs::set_permissions(partial, std::fs::Permissions::from_mode(0o444))?;
            Ok(fs::rename(partial, &path)?)
        };
        keep().map_err(|error| self.explain(error))?;
        Ok(path)
    }

    /// The tree under this key, if it is finished. Costs one small file: the tree itself is not looked at.
    pub fn tree(&self, key: &Key) -> Result<Option<Stored>> {
        let Some(record) = self.record(key)? else { return Ok(None) };
        disk::touch(&self.entry(key).join("record.json"))?;
        Ok(Some(self.stored(key, record.manifest)))
    }

    /// The tree under this key, made by `make` in an empty folder when it is not there, and checked when it is. A failed
    /// `make` leaves nothing behind. `what` names the object in messages.
    pub fn tree_or_make(&self, key: &Key, what: &str, make: impl FnOnce(&Path) -> Result<()>) -> Result<Stored> {
        match self.begin(key, what)? {
            Begin::Found(stored) => self.check(&stored).map(|()| stored),
            Begin::Make(making) => {
                make(making.root()).map_err(|error| self.explain(error))?;
                making.finish(None)
            }
        }
    }

    /// Takes the lock of this key: the tree is there by then, or it is the caller's to make.
    pub fn begin<'s>(&'s self, key: &Key, what: &str) -> Result<Begin<'s>> {
        Ok(self.begin_unless(key, what, || false)?.expect("nobody gives up"))
    }

    /// As [`Store::begin`]; nothing once `given_up` says so, while another process makes the tree.
    pub fn begin_unless(&self, key: &Key, what: &str, given_up: impl Fn() -> bool) -> Result<Option<Begin<'_>>> {
        making::begin(self, key, what, given_up).map_err(|error| self.explain(error))
    }

    /// Keeps everyone else from making or removing what belongs to this key.
    pub fn hold(&self, key: &Key) -> Result<Guard> {
        let waiting = || self.report.note("waiting for another process that works on the same step");
        lock::exclusive(&self.lock_path(key.as_str()), waiting).map_err(|error| self.explain(error))
    }

    pub fn manifest(&self, stored: &Stored) -> Result<Manifest> {
        let path = self.entry(&stored.key).join("manifest.json");
        let text = fs::read(&path)?;
        let found = Hash::of(&text);
        if found != stored.manifest_digest {
            return Err(damaged(format!(
                "{}: expected sha256 {}, found {found}",
                path.display(),
                stored.manifest_digest
            )));
        }
        serde_json::from_slice(&text).map_err(|error| damaged(format!("{}: {error}", path.display())))
    }

    /// What is known about the tree under this key; nothing when it is not finished.
    pub fn record(&self, key: &Key) -> Result<Option<Record>> {
        let path = self.entry(key).join("record.json");
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(self.explain(error.into())),
        };
        serde_json::from_slice(&text).map(Some).map_err(|error| damaged(format!("{}: {error}", path.display())))
    }

    /// An empty folder for `purpose`, for as long as the value lives.
    pub fn work(&self, purpose: &str) -> Result<Work> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let name = format!("{purpose}-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let make = || -> Result<Work> {
            let _lock = lock::exclusive(&self.lock_path(&name), || ())?;
            let path = self.root.join("work").join(&name);
            // Another process may have had this number before it was killed.
            disk::remove(&path)?;
            fs::create_dir(&path)?;
            Ok(Work { path, _lock })
        };
        make().map_err(|error| self.explain(error))
    }

    /// Where the log of the step with this key is, whether it went well or not.
    pub fn log(&self, key: &Key) -> PathBuf {
        self.root.join("log").join(format!("{key}.log"))
    }

    /// The folder of the failed step with this key: its `build` and `root` (`$OUT`) as the failure left them.
    pub fn failed(&self, key: &Key) -> PathBuf {
        self.root.join("failed").join(key.as_str())
    }

    /// The compile cache's folder; bounded by the cache itself.
    pub fn ccache(&self) -> PathBuf {
        self.root.join("ccache")
    }

    /// CPU milliseconds that the step of this name took last, in whatever build.
    pub fn last_cost(&self, step: &str) -> Option<u64> {
        fs::read_to_string(self.root.join("cost").join(step)).ok()?.trim().parse().ok()
    }

    /// Remembers what [`Store::last_cost`] gives. Written in place: a torn number is only a bad guess.
    pub fn remember_cost(&self, step: &str, cpu_ms: u64) -> Result<()> {
        fs::write(self.root.join("cost").join(step), cpu_ms.to_string()).map_err(|error| self.explain(error.into()))
    }

    /// Says what to do about a full, read-only or foreign disk; leaves every other error as it is.
    pub fn explain(&self, error: anyhow::Error) -> anyhow::Error {
        disk::explain(error, &self.root)
    }

    fn stored(&self, key: &Key, manifest_digest: Hash) -> Stored {
        Stored { key: key.clone(), path: self.entry(key).join("root"), manifest_digest }
    }

    fn entry(&self, key: &Key) -> PathBuf {
        self.root.join("tree").join(key.as_str())
    }

    fn blob_path(&self, hash: &Hash) -> PathBuf {
        self.root.join("blob").join(&hash.as_str()[..2]).join(hash.as_str())
    }

    fn lock_path(&self, name: &str) -> PathBuf {
        self.root.join("lock").join(name)
    }

    fn blob_lock(&self, hash: &Hash) -> PathBuf {
        self.lock_path(&format!("blob-{hash}"))
    }

    /// Takes away the work folders that nobody has a lock for.
    fn sweep(&self) -> Result<Vec<Removed>> {
        gc::remove_unlocked(self, "work", |name| self.lock_path(name))
    }
}

/// A folder that is not empty and not a store stays untouched: `gc` would remove what it finds in it.
fn check_version(root: &Path) -> Result<Disguise> {
    let path = root.join("version");
    let refuse = |what: String| Fault::usage(what).cure(ELSEWHERE).into();
    match fs::read_to_string(&path) {
        Ok(text) if text == VERSION => Ok(Disguise::default()),
        Ok(text) if text == DISGUISED => {
            let path = root.join(DISGUISE);
            serde_json::from_slice(&fs::read(&path)?).map_err(|error| damaged(format!("{}: {error}", path.display())))
        }
        Ok(text) => Err(refuse(format!(
            "it was made by another version: expected `{}`, found `{}`",
            VERSION.trim(),
            text.trim()
        ))),
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error.into()),
        Err(_) if is_fresh(root)? => publish(&path, VERSION.as_bytes()).map(|()| Disguise::default()),
        Err(_) => Err(refuse("the folder is not empty and is not a store".to_owned())),
    }
}

/// True for a folder that holds nothing but what [`publish`] may have under way: two processes may make the same store at once.
fn is_fresh(root: &Path) -> Result<bool> {
    for entry in fs::read_dir(root)? {
        let name = entry?.file_name();
        if name != "version" && !name.to_string_lossy().starts_with(PENDING) {
            return Ok(path_exists(&root.join("version")));
        }
    }
    Ok(true)
}

fn path_exists(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok()
}

/// Writes a file so that it appears whole or not at all.
fn publish(path: &Path, bytes: &[u8]) -> Result<()> {
    let folder = path.parent().expect("a file in the store has a folder");
    let mut file = tempfile::Builder::new().prefix(PENDING).tempfile_in(folder)?;
    std::io::Write::write_all(&mut file, bytes)?;
    file.persist(path)
        .map_err(|error| anyhow::Error::from(error.error).context(format!("writing {}", path.display())))?;
    Ok(())
}

fn damaged(what: String) -> anyhow::Error {
    Fault::failed(format!("the store is damaged: {what}"))
        .cure("run `cargo xtask store verify --repair`: it takes damaged entries away, and the next build makes them again")
        .into()
}
