//! Bridges, taps and the cards of this machine, by requests on a socket.
//!
//! Numbers and structures: `include/uapi/linux/{sockios,if,if_tun}.h` of Linux.

use super::file::{self, RDWR};
use super::{Errno, Fd, Result, call, plain};

/// struct ifreq: a name, and a union of 24 bytes.
#[repr(C)]
struct Request {
    name: [u8; 16],
    union: [u8; 24],
}

const BRIDGE_ADD: usize = 0x89a0;
const BRIDGE_ADD_PORT: usize = 0x89a2;
const GET_FLAGS: usize = 0x8913;
const SET_FLAGS: usize = 0x8914;
const GET_MTU: usize = 0x8921;
const SET_MTU: usize = 0x8922;
const SET_ADDRESS: usize = 0x8924;
const GET_INDEX: usize = 0x8933;
const TUN_SET: usize = 0x4004_54ca;
const TUN_PERSIST: usize = 0x4004_54cb;
const TUN_OWNER: usize = 0x4004_54cc;

/// A socket that carries requests only.
pub struct Network(Fd);

impl Network {
    pub fn open() -> Result<Network> {
        // AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC: requests to interfaces go through any socket.
        plain(41, [1, 0o2_000_002, 0, 0]).map(|fd| Network(Fd::from(fd)))
    }

    /// A bridge without ports. It forwards at once, as it runs no spanning tree.
    pub fn bridge(&self, name: &str) -> Result<()> {
        let mut request = Request::new(name)?;
        // SIOCBRADDBR takes a name alone, with which a struct ifreq begins.
        self.ask(&self.0, BRIDGE_ADD, &mut request)
    }

    pub fn add_port(&self, bridge: &str, port: &str) -> Result<()> {
        let mut index = Request::new(port)?;
        self.ask(&self.0, GET_INDEX, &mut index)?;
        let mut request = Request::new(bridge)?;
        request.union[..4].copy_from_slice(&index.union[..4]);
        self.ask(&self.0, BRIDGE_ADD_PORT, &mut request)
    }

    pub fn up(&self, name: &str) -> Result<()> {
        let mut request = Request::new(name)?;
        self.ask(&self.0, GET_FLAGS, &mut request)?;
        // IFF_UP.
        request.union[0] |= 1;
        self.ask(&self.0, SET_FLAGS, &mut request)
    }

    /// The largest packet, in bytes, of one interface becomes that of another.
    pub fn copy_mtu(&self, from: &str, to: &str) -> Result<()> {
        let mut request = Request::new(from)?;
        self.ask(&self.0, GET_MTU, &mut request)?;
        request.name = Request::new(to)?.name;
        self.ask(&self.0, SET_MTU, &mut request)
    }

    pub fn set_address(&self, name: &str, address: [u8; 6]) -> Result<()> {
        let mut request = Request::new(name)?;
        // ARPHRD_ETHER.
        request.union[0] = 1;
        request.union[2..8].copy_from_slice(&address);
        self.ask(&self.0, SET_ADDRESS, &mut request)
    }

    /// A tap that stays, and that this user may open later without being privileged.
    pub fn tap(&self, name: &str, owner: u32) -> Result<()> {
        let tun = file::open("/dev/net/tun", RDWR)?;
        let mut request = Request::new(name)?;
        // IFF_TAP | IFF_NO_PI.
        request.union[..2].copy_from_slice(&0x1002u16.to_le_bytes());
        self.ask(&tun, TUN_SET, &mut request)?;
        for (what, number) in [(TUN_OWNER, owner as usize), (TUN_PERSIST, 1)] {
            // SAFETY: both take a number for their argument, not an address.
            unsafe { call(16, [tun.raw() as usize, what, number, 0, 0, 0]) }?;
        }
        Ok(())
    }

    fn ask(&self, fd: &Fd, what: usize, request: &mut Request) -> Result<()> {
        // SAFETY: every request of this module takes a struct ifreq, or the name with which one begins.
        unsafe { call(16, [fd.raw() as usize, what, &raw mut *request as usize, 0, 0, 0]) }.map(|_| ())
    }
}

impl Request {
    fn new(interface: &str) -> Result<Request> {
        let mut name = [0; 16];
        if interface.len() >= name.len() || interface.contains('\0') {
            return Err(Errno(22));
        }
        name[..interface.len()].copy_from_slice(interface.as_bytes());
        Ok(Request { name, union: [0; 24] })
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// A network without cards for this thread, which only root gets.
    pub fn own_network() -> Result<()> {
        const CLONE_NEWNET: usize = 0x4000_0000;
        // SAFETY: unshare(2) takes a number.
        unsafe { call(272, [CLONE_NEWNET, 0, 0, 0, 0, 0]) }.map(|_| ())
    }

    #[test]
    fn interfaces_that_are_not_there_are_named_by_the_kernel() {
        let network = Network::open().unwrap();
        for result in [
            network.up("no-such-card"),
            network.copy_mtu("no-such-card", "lo"),
            network.set_address("no-such-card", [2; 6]),
            network.add_port("br-none", "no-such-card"),
        ] {
            assert_eq!(result, Err(Errno(19)));
        }
        assert_eq!(network.up("a-name-that-is-too-long"), Err(Errno(22)));
    }
}
