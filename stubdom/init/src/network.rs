//! The guest's cards: for each a bridge between the vif that dom0 gave this domain and the tap that QEMU opens.
//!
//! Names are those of libxl's `-netdev … ifname=`. The tap belongs to QEMU's user, who could make none. The vif gets another
//! address, since it has the guest's: a bridge keeps for itself what is for a port's own address.

use crate::console::Console;
use crate::message::{Fault, Note};
use crate::sys::file;
use crate::sys::net::Network;
use alloc::format;
use alloc::string::{String, ToString as _};
use protocol::argv::Netdev;

/// Locally administered, and as high as can be but one, since a bridge takes the lowest address of its ports. The highest is that of every
/// vif's end in dom0, and so of dom0's bridge where that has no other port: what a guest sends to dom0 has to get past this bridge.
const ADDRESS: [u8; 6] = [0xfe, 0xff, 0xff, 0xff, 0xff, 0xfe];

/// Bridges one card. `classes` is where the kernel lists its interfaces, /sys/class/net.
pub fn bridge(card: &Netdev, classes: &str, user: u32, console: &Console) -> Result<(), Fault> {
    let devid = card.devid;
    let missing = || Fault::CardMissing(devid, card.ifname.clone());
    let vif = crate::start::patiently(|| interface(classes, devid)).ok_or_else(missing)?;
    let network =
        Network::open().map_err(|errno| Fault::Network("opening".to_string(), "a socket".to_string(), errno))?;
    let (name, tap) = (format!("br{devid}"), card.ifname.as_str());
    let step = |what: &str, on: &str, result: crate::sys::Result<()>| {
        result.map_err(|errno| Fault::Network(what.to_string(), on.to_string(), errno))
    };
    step("making the tap", tap, network.tap(tap, user))?;
    step("setting the packet size of", tap, network.copy_mtu(&vif, tap))?;
    step("setting the address of", &vif, network.set_address(&vif, ADDRESS))?;
    step("making the bridge", &name, network.bridge(&name))?;
    for port in [vif.as_str(), tap] {
        step("bridging", port, network.add_port(&name, port))?;
        step("starting", port, network.up(port))?;
    }
    step("starting", &name, network.up(&name))?;
    console.note(&Note::Bridged(vif, card.ifname.clone()));
    Ok(())
}

/// The interface of a vif: its device lies at `vif-<number>`.
fn interface(classes: &str, devid: u32) -> Option<String> {
    let is = |name: &String| {
        file::read_link(&format!("{classes}/{name}/device")).is_ok_and(|link| link.ends_with(&format!("/vif-{devid}")))
    };
    file::list(classes).ok()?.into_iter().find(is)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cards_are_found_by_their_number_not_by_their_name() {
        let folder = std::env::temp_dir().join(format!("init-network-{}", std::process::id()));
        for (name, link) in [("eth0", "../../../vif-1"), ("eth1", "../../../vif-0"), ("eth2", "../../../vif-10")] {
            std::fs::create_dir_all(folder.join(name)).unwrap();
            std::os::unix::fs::symlink(link, folder.join(name).join("device")).unwrap();
        }
        std::fs::create_dir_all(folder.join("lo")).unwrap();
        let find = |devid| interface(folder.to_str().unwrap(), devid);
        assert_eq!(
            (find(0).as_deref(), find(1).as_deref(), find(10).as_deref()),
            (Some("eth1"), Some("eth0"), Some("eth2"))
        );
        assert_eq!((find(2), interface("/no/such/folder", 0)), (None, None));
        std::fs::remove_dir_all(folder).unwrap();
    }

    /// With a tap in the place of the vif, in a network of this thread's own.
    #[test]
    fn a_card_is_bridged_to_its_tap() {
        use crate::sys::{file as files, net::tests::own_network};
        let made = own_network().and_then(|()| Network::open()?.tap("eth0", 0));
        if let Err(errno) = made {
            std::println!("skipped: a network of its own with a tap needs root and /dev/net/tun: {errno}");
            return;
        }
        let folder = std::env::temp_dir().join(format!("init-bridge-{}", std::process::id()));
        std::fs::create_dir_all(folder.join("eth0")).unwrap();
        std::os::unix::fs::symlink("../../../vif-0", folder.join("eth0/device")).unwrap();
        let (log, write) = files::pipe().unwrap();
        let console = Console::new(write);
        let card = Netdev { devid: 0, ifname: "vif7.0-emu".to_string() };
        let done = bridge(&card, folder.to_str().unwrap(), 100, &console);
        let interfaces = std::fs::read_to_string("/proc/thread-self/net/dev").unwrap();
        let again = bridge(&card, folder.to_str().unwrap(), 100, &console);
        let missing = bridge(&Netdev { devid: 1, ..card }, folder.to_str().unwrap(), 100, &console);
        std::fs::remove_dir_all(folder).unwrap();
        done.unwrap();
        for name in ["eth0:", "br0:", "vif7.0-emu:"] {
            assert!(interfaces.contains(name), "{name} in {interfaces}");
        }
        let mut line = [0; 100];
        let length = log.read(&mut line).unwrap();
        assert_eq!(&line[..length], b"stubdom: eth0 is bridged to vif7.0-emu\n");
        assert!(again.unwrap_err().to_string().starts_with("making the bridge br0: there already"));
        assert!(missing.unwrap_err().to_string().contains("no vif 1 has come"));
    }
}
