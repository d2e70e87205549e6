//! Every device and machine that libxl can ask for, asked of both QEMUs of each series: the static one of a stubdomain and dom0's.
//!
//! What is asked for is read from `libxl_dm.c` of the recipe's own pinned Xen, never from our list of devices.
//! `tests/golden/<recipe>/qemu-options.txt` shows it to a reviewer, with what both QEMUs say.

use super::machine::context;
use super::{SERIES, asked, built};
use crate::support::libxl::{Values, emitted, enumeration};
use crate::support::{expect, root};
use fs_err as fs;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use xtask::context::Context;
use xtask::job::Job;
use xtask::sandbox::Sandbox;
use xtask::{rootfs, sources};

/// What belongs to SPICE, a protocol that neither QEMU speaks: libxl asks for it with `spice = 1` or `vga = "qxl"` alone.
const SPICE: [&str; 2] = ["qxl-vga,", "usb-redir,"];

/// What expressions of `libxl_dm.c` can be; one value where any will do, all together where several change at once.
const VALUES: [(&str, &[&str]); 13] = [
    ("libxl__sizekb_to_mb(b_info->video_memkb)", &["16"]),
    ("(b_info->video_memkb/2/1024)", &["64"]),
    ("max_ram_below_4g", &["2147483648"]),
    // The companions of an EHCI controller, by the loop that adds them; SPICE's channels for USB.
    ("i", &["1", "2", "3"]),
    ("2*(i-1)", &["0", "2", "4"]),
    ("i-1", &["0", "1", "2"]),
    ("nics[i].devid", &["0"]),
    ("smac", &["00:16:3e:00:00:01"]),
    // The default, and the other card that xl-network-configuration(5) names.
    ("nics[i].model", &["rtl8139", "e1000"]),
    ("drive_id", &["disk"]),
    ("disk", &["0", "1", "2", "3", "4", "5"]),
    ("disk/2", &["0", "0", "1", "1"]),
    ("disk%2", &["0", "1", "0", "1"]),
];

/// What libxl gives in an option of its own beside one that holds the word.
const BESIDE: [(&str, [&str; 2]); 6] = [
    ("bus=ahci0.", ["-device", "ahci,id=ahci0"]),
    ("hda-duplex", ["-device", "intel-hda"]),
    ("masterbus=usb.0", ["-device", "ich9-usb-ehci1,id=usb,addr=0x1d.0x7,multifunction=on"]),
    ("netdev=net0", ["-netdev", "hubport,hubid=0,id=net0"]),
    ("scsi-hd,", ["-device", "lsi53c895a"]),
    ("virtserialport,", ["-device", "virtio-serial"]),
];

/// What a QEMU that knows a machine and its properties says where there is no Xen: by then it has set them all.
const NO_XEN: &str = "failed to initialize xen";

struct Qemu<'a> {
    ctx: &'a Context,
    sandbox: Sandbox,
    program: String,
}

impl Qemu<'_> {
    /// The last words of a QEMU with these options and a monitor that is told to quit; nothing when all went well.
    fn says(&self, options: &[&str]) -> Result<(), String> {
        let script =
            "echo quit | exec timeout 60 \"$@\" -no-user-config -nodefaults -display none -S -monitor stdio 2>&1";
        let argv: Vec<&str> = ["/bin/sh", "-c", script, "sh", &self.program].iter().chain(options).copied().collect();
        let output = self.sandbox.command(self.ctx, &argv).unwrap().output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        let last = said.lines().last().unwrap_or_default().to_owned();
        if output.status.success() { Ok(()) } else { Err(format!("{} {last}", output.status)) }
    }

    /// Asks for an option on a machine that needs no Xen, with what it stands on. The rest of libxl's options is not there.
    fn takes(&self, flag: &str, value: &str) -> Result<(), String> {
        if flag == "-machine" {
            return match self.says(&[flag, value, "-xen-domid", "1"]) {
                Err(said) if said.contains(NO_XEN) => Ok(()),
                Err(said) => Err(said),
                Ok(()) => Err("it runs without Xen".to_owned()),
            };
        }
        let mut options = vec!["-machine", "pc,accel=qtest", "-bios", "/in/boot/seabios.bin"];
        BESIDE.iter().filter(|(word, _)| value.contains(word)).for_each(|(_, beside)| options.extend(beside));
        let named = |key: &str| value.split(',').find_map(|part| part.strip_prefix(key));
        let drive = named("drive=").map(|id| format!("if=none,id={id},file=null-co://,format=raw"));
        let chardev = named("chardev=").map(|id| format!("null,id={id}"));
        options.extend(drive.iter().flat_map(|drive| ["-drive", drive]));
        options.extend(chardev.iter().flat_map(|chardev| ["-chardev", chardev]));
        options.extend([flag, value]);
        self.says(&options)
    }
}

/// The folder that a step of the job left in the store.
fn output(ctx: &Context, job: &Job, step: &str) -> PathBuf {
    let planned = job.plan.steps.iter().find(|planned| planned.name == step).unwrap();
    ctx.store.tree(&planned.key).unwrap().unwrap().path
}

/// What this Xen's libxl can ask for, from its sources.
fn asked_for(xen: &Path) -> Vec<(String, String)> {
    let read = |name: &str| fs::read_to_string(xen.join("tools/libs/light").join(name)).unwrap();
    let (text, idl) = (read("libxl_dm.c"), read("libxl_types_internal.idl"));
    let owned = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect();
    let mut values: Values = VALUES.iter().map(|(expression, all)| ((*expression).to_owned(), owned(all))).collect();
    // Sound cards by name, but for those that a case of their own speaks of.
    let mut cards = enumeration(&idl, "libxl__qemu_soundhw");
    cards.retain(|card| !text.contains(&format!("case LIBXL__QEMU_SOUNDHW_{}:", card.to_uppercase())));
    values.insert("libxl__qemu_soundhw_to_string(soundhw)".to_owned(), cards);
    let default = read("libxl_nic.c");
    assert!(default.contains("nic->model = strdup(\"rtl8139\")"), "the default network card is another");
    emitted(&text, &values)
        .unwrap_or_else(|problem| panic!("libxl_dm.c asks for more than is known here:\n{problem}"))
        .into_iter()
        .collect()
}

#[test]
fn both_qemus_take_every_device_and_machine_that_libxl_asks_for() {
    if !asked() {
        return;
    }
    let ctx = context();
    for stem in SERIES {
        built(stem);
        let job = Job::new(&ctx, stem).unwrap();
        let (private, series) = (&job.recipe.relocate.private, &job.recipe.series);
        let xen = sources::one(&ctx, "xen", &job.recipe.source["xen"]).unwrap();
        // Dom0's runs with the libraries of its own toolchain and of its Xen; the static one needs nothing of this.
        let machine =
            rootfs::obtain(&ctx, &job.toolchains[job.recipe.toolchain_of(&job.recipe.step["qemu-xen"])]).unwrap();
        let [dom0, stubdom, tools] = ["qemu-xen", "qemu-stubdom", "tools"].map(|step| output(&ctx, &job, step));
        let boot = output(&ctx, &job, "seabios").join(format!("usr/lib/xen-{series}/boot"));
        let libraries = format!("/in/tools{private}/lib:/in/tools{}", job.recipe.relocate.public_libdir);
        let places = [(dom0, "/in/dom0"), (stubdom, "/in/stubdom"), (tools, "/in/tools"), (boot, "/in/boot")];
        let qemu = |program: String| Qemu {
            ctx: &ctx,
            sandbox: Sandbox {
                root: machine.path.clone(),
                writable: Vec::new(),
                readonly: places.iter().map(|(path, place)| (path.clone(), (*place).to_owned())).collect(),
                env: BTreeMap::from([("LD_LIBRARY_PATH".to_owned(), libraries.clone())]),
                cwd: "/".to_owned(),
                interactive: false,
                administrator: false,
                open_root: false,
            },
            program,
        };
        let qemus = [
            ("dom0", qemu(format!("/in/dom0{private}/bin/qemu-system-i386"))),
            ("stubdom", qemu("/in/stubdom/usr/bin/qemu".to_owned())),
        ];

        let (mut listing, mut wrong) = (String::new(), Vec::new());
        for (flag, value) in asked_for(xen.path()) {
            let spice = SPICE.iter().any(|word| value.starts_with(word));
            listing += &format!("{flag} {value}{}\n", if spice { "    # refused: SPICE" } else { "" });
            for (name, qemu) in &qemus {
                match qemu.takes(&flag, &value) {
                    Ok(()) if spice => wrong.push(format!("{name}: {flag} {value}: is taken, and SPICE is not there")),
                    Err(said) if !spice => wrong.push(format!("{name}: {flag} {value}: {said}")),
                    _ => (),
                }
            }
        }
        // That it can fail: a device, a property and a machine that nobody has.
        for (name, qemu) in &qemus {
            for (flag, value) in [
                ("-device", "nothing"),
                ("-device", "VGA,nothing=1"),
                ("-machine", "xenfv,nothing=on"),
                ("-machine", "nothing"),
            ] {
                assert!(qemu.takes(flag, value).is_err(), "{name} takes {flag} {value}");
            }
        }
        // What QEMU dropped, and libxl still says. The last two are for root alone; that they are known shows in what fails.
        for (name, qemu) in &qemus {
            let base = ["-machine", "pc,accel=qtest", "-bios", "/in/boot/seabios.bin"];
            let dropped: [(&[&str], &str); 3] = [
                (&["-no-acpi"], ""),
                (&["-runas", "1000:1000"], "Failed to setgroups"),
                (&["-chroot", "/tmp"], "chroot failed"),
            ];
            for (more, end) in dropped {
                match qemu.says(&[&base[..], more].concat()) {
                    Err(said) if end.is_empty() || !said.contains(end) => {
                        wrong.push(format!("{name}: {more:?}: {said}"))
                    }
                    _ => (),
                }
            }
        }
        expect::golden(&root().join("tests/golden").join(stem).join("qemu-options.txt"), &listing);
        assert!(wrong.is_empty(), "{stem}:\n{}", wrong.join("\n"));
    }
}
