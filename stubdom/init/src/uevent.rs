//! The kernel's announcements that a device has come: one message, strings with zeros behind them.
//!
//! Rests on Linux, `lib/kobject_uevent.c` (`add@/devices/vbd-5632/block/xvdc`, `ACTION=add`, `SUBSYSTEM=block`, …) and on
//! `drivers/block/xen-blkfront.c`, whose devices lie below `vbd-<number>`, the number being libxl's.

use alloc::string::{String, ToString as _};

/// A disk that has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disk {
    /// As below `/dev`.
    pub name: String,
    pub devid: u32,
}

pub fn disk(message: &[u8]) -> Option<Disk> {
    let value = |key: &str| {
        let of = |part: &[u8]| part.strip_prefix(key.as_bytes()).map(|v| String::from_utf8_lossy(v).into_owned());
        message.split(|byte| *byte == 0).find_map(of)
    };
    // A disk that is changed, not partitioned: partitions are no business of QEMU's.
    let whole = value("DEVTYPE=").is_none_or(|kind| kind == "disk");
    if value("ACTION=")? != "add" || value("SUBSYSTEM=")? != "block" || !whole {
        return None;
    }
    let path = value("DEVPATH=")?;
    let devid = path.split('/').find_map(|part| part.strip_prefix("vbd-"))?.parse().ok()?;
    let name = value("DEVNAME=").or_else(|| path.rsplit('/').next().map(str::to_string))?;
    let plain = name.len() < 16 && !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric());
    plain.then_some(Disk { name, devid })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADD: &str = "add@/devices/vbd-5632/block/xvdc\0ACTION=add\0DEVPATH=/devices/vbd-5632/block/xvdc\0SUBSYSTEM=block\0\
                       MAJOR=202\0MINOR=32\0DEVNAME=xvdc\0DEVTYPE=disk\0SEQNUM=400\0";

    #[test]
    fn a_disk_is_known_by_libxls_number() {
        assert_eq!(disk(ADD.as_bytes()), Some(Disk { name: "xvdc".to_string(), devid: 5632 }));
    }

    #[test]
    fn all_else_is_nothing() {
        for (from, to) in [
            ("ACTION=add", "ACTION=remove"),
            ("SUBSYSTEM=block", "SUBSYSTEM=net"),
            ("DEVTYPE=disk", "DEVTYPE=partition"),
            ("DEVPATH=/devices/vbd-5632/", "DEVPATH=/devices/pci0/"),
            ("DEVNAME=xvdc", "DEVNAME=../../etc"),
            ("DEVPATH=/devices/vbd-5632/", "DEVPATH=/devices/vbd-99999999999/"),
        ] {
            assert_eq!(disk(ADD.replace(from, to).as_bytes()), None, "{to}");
        }
        assert_eq!((disk(b""), disk(&[0; 2048]), disk(b"libudev\0\xfe\xed")), (None, None, None));
    }
}
