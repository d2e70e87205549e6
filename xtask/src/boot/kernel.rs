//! Takes dom0's kernel out of a locked Debian package: the ELF file inside of its bzImage, which Xen starts without unpacking it in
//! the emulator, and the modules that a dom0 needs here, with all that they depend on.
//!
//! Makes no index of modules: depmod does that in the system that they are put in.

use crate::archive;
use crate::context::Context;
use crate::digest::KeyBuilder;
use crate::fault::Fault;
use crate::store::Stored;
use anyhow::{Context as _, Result, bail, ensure};
use fs_err as fs;
use goblin::elf::Elf;
use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;
use std::path::{Path, PathBuf};

/// Raised whenever the same package would give another tree.
const VERSION: &str = "boot-kernel/1";

/// What a dom0 in this emulator loads, and for what.
const MODULES: [(&str, &str); 12] = [
    ("bridge", "guests' interfaces are connected to dom0's own by a bridge"),
    ("loop", "the packaged script `block` makes a block device of a disk's image"),
    ("tun", "QEMU connects an emulated interface through a tap device"),
    ("virtio_console", "the port that events go out through"),
    ("virtio_pci", "the bus of that port"),
    ("xen-blkback", "disks of guests and stubdomains"),
    ("xen-evtchn", "daemons and QEMU wait for guests"),
    ("xen-gntalloc", "libxenvchan: QMP to a stubdomain"),
    ("xen-gntdev", "daemons and QEMU map what guests grant"),
    ("xen-netback", "interfaces of guests and stubdomains"),
    ("xen-privcmd", "every hypercall of the tools"),
    ("xenfs", "/proc/xen, by which init scripts know a dom0"),
];

/// How an ELF file begins.
const ELF: &[u8] = b"\x7fELF";

/// Index files of a kernel's modules that come with the package: depmod and modprobe read them.
const LISTS: [&str; 3] = ["modules.builtin", "modules.builtin.modinfo", "modules.order"];

/// A kernel in the store.
pub struct Kernel {
    pub stored: Stored,
    /// What `uname -r` says: `6.1.0-50-amd64`.
    pub release: String,
}

impl Kernel {
    /// The ELF file.
    pub fn vmlinux(&self) -> PathBuf {
        self.stored.path.join("vmlinux")
    }

    /// The folder that is `/usr/lib/modules` in a system, without depmod's indexes.
    pub fn modules(&self) -> PathBuf {
        self.stored.path.join("modules")
    }
}

/// The kernel of an unpacked toolchain that has exactly one, made when it is not in the store.
pub fn obtain(ctx: &Context, toolchain: &Stored) -> Result<Kernel> {
    let root = &toolchain.path;
    let release = release(root)?;
    let mut key = KeyBuilder::new(VERSION).field("toolchain", toolchain.key.as_str());
    for (module, _) in MODULES {
        key = key.field("module", module);
    }
    let what = format!("dom0's kernel {release}");
    let stored = ctx.store.tree_or_make(&key.finish(), &what, |into| {
        let task = ctx.report.begin("unpack", &what, None);
        make(root, &release, into).with_context(|| format!("taking out {what}"))?;
        task.done("ELF file and modules");
        Ok(())
    })?;
    Ok(Kernel { stored, release })
}

fn make(root: &Path, release: &str, into: &Path) -> Result<()> {
    let config = fs::read_to_string(root.join(format!("boot/config-{release}")))?;
    if !config.lines().any(|line| line == "CONFIG_XEN_DOM0=y") {
        let what = format!("Linux {release} was built without CONFIG_XEN_DOM0");
        bail!(Fault::failed(what).cure("name linux-image-amd64 in the toolchain: its kernels can be dom0"));
    }
    let image = format!("boot/vmlinuz-{release}");
    let vmlinux = vmlinux(&fs::read(root.join(&image))?).with_context(|| format!("reading {image}"))?;
    fs::write(into.join("vmlinux"), vmlinux)?;

    let from = root.join("usr/lib/modules").join(release);
    let to = into.join("modules").join(release);
    fs::create_dir_all(&to)?;
    for list in LISTS {
        fs::copy(from.join(list), to.join(list))?;
    }
    for module in closure(&from, &MODULES.map(|(name, _)| name))? {
        let target = to.join(&module.path);
        fs::create_dir_all(target.parent().expect("a module is in a folder"))?;
        fs::write(target, module.bytes)?;
    }
    Ok(())
}

/// The release of the only kernel in a root.
fn release(root: &Path) -> Result<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(root.join("boot"))? {
        let name = entry?.file_name();
        found.extend(name.to_str().and_then(|name| name.strip_prefix("vmlinuz-")).map(str::to_owned));
    }
    found.sort();
    match found.as_slice() {
        [one] => Ok(one.clone()),
        others => bail!(
            Fault::failed(format!(
                "{}/boot has {} kernels, and dom0 boots one: {others:?}",
                root.display(),
                others.len()
            ))
            .cure("name one package of a kernel in the toolchain, and lock it again")
        ),
    }
}

/// The ELF file that a bzImage holds compressed: Linux's Documentation/arch/x86/boot.rst, `payload_offset`.
pub fn vmlinux(image: &[u8]) -> Result<Vec<u8>> {
    let number = |at: usize| -> Result<usize> {
        let bytes = image.get(at..at + 4).context("it ends within its header")?;
        Ok(u32::from_le_bytes(bytes.try_into().expect("four bytes")) as usize)
    };
    ensure!(image.get(0x202..0x206) == Some(b"HdrS"), "it has no header of the Linux boot protocol");
    let protocol = number(0x206)? & 0xffff;
    ensure!(
        protocol >= 0x208,
        "boot protocol {}.{:02} does not say where its payload is",
        protocol >> 8,
        protocol & 255
    );
    // The boot sector itself, and 4 where the field is 0, as it was before there was one.
    let sectors = match image[0x1f1] {
        0 => 4,
        sectors => usize::from(sectors),
    } + 1;
    let (offset, length) = (sectors * 512 + number(0x248)?, number(0x24c)?);
    let payload = offset.checked_add(length).and_then(|end| image.get(offset..end));
    let mut payload = payload.context("its payload lies outside of it")?;
    // All but gzip, which ends with that itself, are followed by the size of what was compressed.
    if !payload.starts_with(b"\x1f\x8b") && !payload.starts_with(ELF) {
        payload = &payload[..payload.len().saturating_sub(4)];
    }
    let mut vmlinux = Vec::new();
    archive::decompress(payload)?.read_to_end(&mut vmlinux).context("unpacking its payload")?;
    ensure!(vmlinux.starts_with(ELF), "its payload is not an ELF file");
    Ok(vmlinux)
}

/// A module, unpacked.
pub struct Module {
    /// Below the folder of the kernel's modules, without the suffix of a compression: `kernel/drivers/block/loop.ko`.
    pub path: String,
    pub bytes: Vec<u8>,
}

/// These modules and all that they depend on, each after those that it needs. `folder` is `/usr/lib/modules/RELEASE`; what is
/// built into the kernel is left out.
pub fn closure(folder: &Path, wanted: &[&str]) -> Result<Vec<Module>> {
    let mut files = BTreeMap::new();
    for found in crate::tree::walk(&folder.join("kernel"))? {
        let path = format!("kernel/{}", found.path);
        if let Some((stem, _)) = path.rsplit('/').next().and_then(|name| name.split_once(".ko")) {
            files.insert(plain(stem), path);
        }
    }
    let builtin = fs::read_to_string(folder.join("modules.builtin"))?;
    let builtin: BTreeSet<String> =
        builtin.lines().filter_map(|line| Some(plain(line.rsplit('/').next()?.strip_suffix(".ko")?))).collect();
    let mut modules = Vec::new();
    let mut seen = BTreeSet::new();
    for name in wanted {
        add(folder, &files, &builtin, &plain(name), &mut seen, &mut modules)
            .with_context(|| format!("looking for the module {name} in {}", folder.display()))?;
    }
    Ok(modules)
}

fn add(
    folder: &Path,
    files: &BTreeMap<String, String>,
    builtin: &BTreeSet<String>,
    name: &str,
    seen: &mut BTreeSet<String>,
    modules: &mut Vec<Module>,
) -> Result<()> {
    if builtin.contains(name) || !seen.insert(name.to_owned()) {
        return Ok(());
    }
    let Some(path) = files.get(name) else {
        bail!(
            Fault::failed(format!("this kernel has no module {name}"))
                .cure("name a package of a kernel that has it in the toolchain")
        );
    };
    let mut bytes = Vec::new();
    archive::open(&folder.join(path))?.read_to_end(&mut bytes)?;
    for needed in depends(&bytes).with_context(|| format!("reading {path}"))? {
        add(folder, files, builtin, &needed, seen, modules)?;
    }
    let end = path.rfind(".ko").expect("it was found by that") + ".ko".len();
    modules.push(Module { path: path[..end].to_owned(), bytes });
    Ok(())
}

/// What a module says of itself: `depends=` in the section `.modinfo`, a list of texts that end with NUL.
fn depends(module: &[u8]) -> Result<Vec<String>> {
    let elf = Elf::parse(module)?;
    let section =
        elf.section_headers.iter().find(|section| elf.shdr_strtab.get_at(section.sh_name) == Some(".modinfo"));
    let range = section.and_then(|section| section.file_range()).context("it has no section .modinfo")?;
    let info = module.get(range).context("its section .modinfo lies outside of it")?;
    let entry = info.split(|byte| *byte == 0).find_map(|entry| entry.strip_prefix(b"depends=")).unwrap_or_default();
    let names = String::from_utf8_lossy(entry);
    Ok(names.split(',').filter(|name| !name.is_empty()).map(plain).collect())
}

/// File names of modules have both, names in lists the underscore.
fn plain(name: &str) -> String {
    name.replace('-', "_")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    /// A bzImage of one setup sector with this payload.
    fn image(protocol: u16, payload: &[u8]) -> Vec<u8> {
        let mut image = vec![0; 0x400];
        image[0x1f1] = 1;
        image[0x202..0x206].copy_from_slice(b"HdrS");
        image[0x206..0x208].copy_from_slice(&protocol.to_le_bytes());
        image[0x248..0x24c].copy_from_slice(&16_u32.to_le_bytes());
        image[0x24c..0x250].copy_from_slice(&(payload.len() as u32).to_le_bytes());
        image.extend([0xcc; 16]);
        image.extend(payload);
        image.extend([0xcc; 5]);
        image
    }

    #[test]
    fn every_compression_is_unpacked() {
        let kernel = [ELF, b" and so on"].concat();
        let size = (kernel.len() as u32).to_le_bytes();
        let mut xz = liblzma::write::XzEncoder::new(Vec::new(), 6);
        xz.write_all(&kernel).unwrap();
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(&kernel).unwrap();
        let zstd = zstd::encode_all(kernel.as_slice(), 3).unwrap();
        let payloads =
            [[xz.finish().unwrap(), size.to_vec()].concat(), gzip.finish().unwrap(), [zstd, size.to_vec()].concat()];
        for payload in payloads {
            assert_eq!(vmlinux(&image(0x20f, &payload)).unwrap(), kernel);
        }
    }

    #[test]
    fn what_is_no_kernel_is_told_apart() {
        let said = |image: &[u8]| format!("{:#}", vmlinux(image).unwrap_err());
        assert!(said(b"MZ").contains("no header"));
        assert!(said(&image(0x207, b"")).contains("boot protocol 2.07"));
        assert!(said(&image(0x20f, b"text and no ELF")).contains("not an ELF"));
        let mut outside = image(0x20f, &[0; 8]);
        outside[0x24e] = 1;
        assert!(said(&outside).contains("outside"));
        outside.truncate(0x24d);
        assert!(said(&outside).contains("ends within"));
    }
}
