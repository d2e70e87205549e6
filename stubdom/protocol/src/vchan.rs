//! libxenvchan: two byte streams over one shared page, one each way.
//!
//! Rests on `xen/include/public/io/libxenvchan.h` (the layout) and on `tools/libs/vchan/{init,io}.c` (the order of its steps). The
//! page is a slice of atomic words that somebody else has shared; whoever holds it rings the event channel when told to. Rings of
//! their own pages, which libxenvchan makes for more than 2048 bytes, are not made here: a server may choose its sizes.
//!
//! The peer may write anything into the page at any time. An [`Endpoint`] keeps its own indices, takes every offset modulo its
//! ring, and calls an index that cannot be an error, so that no value of the peer's leads anywhere but into the page.

use core::sync::atomic::{AtomicU32, Ordering, fence};

/// The shared page, 4096 bytes; words are little-endian on every machine that Xen's x86 port runs on.
pub type Page = [AtomicU32; 1024];

/// `left`, client to server: order 10, at byte 1024. `right`, server to client: order 11, at byte 2048. What
/// libxenvchan_server_init() chooses when it is asked for no sizes, as vchan-socket-proxy does.
const LEFT: Ring = Ring { cons: 0, prod: 1, offset: 1024, size: 1024 };
const RIGHT: Ring = Ring { cons: 2, prod: 3, offset: 2048, size: 2048 };
const ORDERS: u32 = 10 | 11 << 16;

/// Words of the page: both orders, and then cli_live, srv_live, cli_notify, srv_notify from the lowest byte on.
const ORDER_WORD: usize = 4;
const STATE_WORD: usize = 5;

const NOTIFY_WRITE: u32 = 1;
const NOTIFY_READ: u32 = 2;

#[derive(Clone, Copy)]
struct Ring {
    cons: usize,
    prod: usize,
    offset: usize,
    size: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    Client,
    Server,
}

impl Side {
    fn live(self) -> u32 {
        if self == Side::Client { 0 } else { 8 }
    }

    fn notify(self) -> u32 {
        if self == Side::Client { 16 } else { 24 }
    }

    fn other(self) -> Side {
        if self == Side::Client { Side::Server } else { Side::Client }
    }
}

/// What the other side's `live` byte says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    /// It has gone, or its domain has.
    Gone,
    /// It has come since [`Endpoint::accept`] was called last.
    New,
    /// A client that has not come yet.
    Awaited,
    /// The one that was accepted.
    Known,
}

/// An index that cannot be: more bytes in a ring than the ring has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Corrupt {
    pub bytes: u32,
    pub size: u32,
}

impl core::fmt::Display for Corrupt {
    fn fmt(&self, f: &mut core::fmt::Formatter) -> core::fmt::Result {
        write!(f, "an index that means {} bytes in a ring of {}", self.bytes, self.size)
    }
}

/// What was moved, and whether the peer asked to be told: then the event channel must be rung.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moved {
    pub bytes: usize,
    pub ring: bool,
}

/// Lays out a fresh page for a server, before anybody can see it.
pub fn format(page: &Page) {
    page.iter().for_each(|word| word.store(0, Ordering::Relaxed));
    page[ORDER_WORD].store(ORDERS, Ordering::Relaxed);
    // init_gnt_srv(): the client has not come, the server is there, and wants to hear of what is written.
    page[STATE_WORD].store(2 | 1 << 8 | NOTIFY_WRITE << 16, Ordering::Release);
}

pub struct Endpoint<'a> {
    page: &'a Page,
    side: Side,
    incoming: Ring,
    outgoing: Ring,
    /// Bytes ever read and ever written; the page only shows them to the peer.
    consumed: u32,
    produced: u32,
}

impl<'a> Endpoint<'a> {
    /// A page that [`format`] has laid out.
    pub fn server(page: &'a Page) -> Endpoint<'a> {
        Endpoint::new(page, Side::Server, LEFT, RIGHT)
    }

    /// The other side's page, where the sizes are those that a server here chooses; that is what the tests need.
    pub fn client(page: &'a Page) -> Option<Endpoint<'a>> {
        let ours = page[ORDER_WORD].load(Ordering::Acquire) == ORDERS;
        let client = Endpoint::new(page, Side::Client, RIGHT, LEFT);
        ours.then(|| {
            client.page[STATE_WORD].fetch_and(!0xff, Ordering::SeqCst);
            client.page[STATE_WORD].fetch_or(1 | NOTIFY_WRITE << 24, Ordering::SeqCst);
            client
        })
    }

    fn new(page: &'a Page, side: Side, incoming: Ring, outgoing: Ring) -> Endpoint<'a> {
        let (consumed, produced) =
            (page[incoming.cons].load(Ordering::Acquire), page[outgoing.prod].load(Ordering::Acquire));
        Endpoint { page, side, incoming, outgoing, consumed, produced }
    }

    /// The `live` byte has 1 for a peer that is there. Who accepted it turns that into 3, which no libxenvchan writes and no client
    /// reads: a 1 that is seen again is another client, however quickly it came after the first.
    pub fn peer(&self) -> Peer {
        match self.page[STATE_WORD].load(Ordering::SeqCst) >> self.side.other().live() & 0xff {
            1 => Peer::New,
            2 => Peer::Awaited,
            3 => Peer::Known,
            // Zero, or what no side writes.
            _ => Peer::Gone,
        }
    }

    /// Takes note of the peer that is there now.
    pub fn accept(&self) {
        let shift = self.side.other().live();
        let known = |word: u32| (word >> shift & 0xff == 1).then_some(word | 2 << shift);
        // When the byte is not 1 any more, the peer has gone again, and the next look will say so.
        let _ = self.page[STATE_WORD].fetch_update(Ordering::SeqCst, Ordering::SeqCst, known);
    }

    /// Bytes that wait, after a notification was asked for when there are none.
    pub fn ready(&self) -> Result<usize, Corrupt> {
        if self.waiting()? == 0 {
            self.request(NOTIFY_WRITE);
        }
        self.waiting()
    }

    /// Room to write, after a notification was asked for when there is less than `wanted`.
    pub fn space(&self, wanted: usize) -> Result<usize, Corrupt> {
        if self.room()? < wanted {
            self.request(NOTIFY_READ);
        }
        self.room()
    }

    fn waiting(&self) -> Result<usize, Corrupt> {
        let bytes = self.page[self.incoming.prod].load(Ordering::SeqCst).wrapping_sub(self.consumed);
        if bytes > self.incoming.size { Err(Corrupt { bytes, size: self.incoming.size }) } else { Ok(bytes as usize) }
    }

    fn room(&self) -> Result<usize, Corrupt> {
        let bytes = self.produced.wrapping_sub(self.page[self.outgoing.cons].load(Ordering::SeqCst));
        let size = self.outgoing.size;
        if bytes > size { Err(Corrupt { bytes, size }) } else { Ok((size - bytes) as usize) }
    }

    pub fn read(&mut self, to: &mut [u8]) -> Result<Moved, Corrupt> {
        let bytes = self.ready()?.min(to.len());
        for (count, byte) in to[..bytes].iter_mut().enumerate() {
            *byte = self.byte(self.incoming, self.consumed.wrapping_add(count as u32));
        }
        self.consumed = self.consumed.wrapping_add(bytes as u32);
        Ok(Moved { bytes, ring: bytes > 0 && self.publish(self.incoming.cons, self.consumed, NOTIFY_READ) })
    }

    pub fn write(&mut self, from: &[u8]) -> Result<Moved, Corrupt> {
        let bytes = self.space(from.len())?.min(from.len());
        for (count, byte) in from[..bytes].iter().enumerate() {
            self.put(self.produced.wrapping_add(count as u32), *byte);
        }
        self.produced = self.produced.wrapping_add(bytes as u32);
        Ok(Moved { bytes, ring: bytes > 0 && self.publish(self.outgoing.prod, self.produced, NOTIFY_WRITE) })
    }

    /// Throws away what waits to be read, whatever the peer's index says.
    pub fn discard(&mut self) -> Moved {
        let prod = self.page[self.incoming.prod].load(Ordering::SeqCst);
        let bytes = prod.wrapping_sub(self.consumed).min(self.incoming.size) as usize;
        self.consumed = prod;
        Moved { bytes, ring: self.publish(self.incoming.cons, prod, NOTIFY_READ) }
    }

    /// Prepares for the next peer, which starts where the former stopped. What that one left unread becomes blank: the index cannot
    /// be taken back, as the next may be reading already. What it scribbled is mended: an index of its own that cannot be, this
    /// side's `live` byte, and the wish to hear of what is written.
    pub fn renew(&mut self) {
        let cons = self.page[self.outgoing.cons].load(Ordering::SeqCst);
        let unread = self.produced.wrapping_sub(cons);
        if unread > self.outgoing.size {
            self.page[self.outgoing.cons].store(self.produced, Ordering::SeqCst);
        } else {
            (0..unread).for_each(|count| self.put(cons.wrapping_add(count), b' '));
        }
        self.page[self.outgoing.prod].store(self.produced, Ordering::SeqCst);
        self.page[self.incoming.cons].store(self.consumed, Ordering::SeqCst);
        // At once, so that no peer sees this side gone between two steps.
        let there = |word: u32| Some(word & !(0xff << self.side.live()) | 1 << self.side.live());
        let _ = self.page[STATE_WORD].fetch_update(Ordering::SeqCst, Ordering::SeqCst, there);
        self.request(NOTIFY_WRITE);
    }

    /// Says that this side has gone; the event channel is to be rung then.
    pub fn close(&self) {
        self.page[STATE_WORD].fetch_and(!(0xff << self.side.live()), Ordering::SeqCst);
    }

    fn byte(&self, ring: Ring, at: u32) -> u8 {
        let at = ring.offset + (at & (ring.size - 1)) as usize;
        (self.page[at / 4].load(Ordering::Relaxed) >> (at % 4 * 8)) as u8
    }

    /// Only this side writes to its ring, so that a word may be read, changed and stored.
    fn put(&self, at: u32, byte: u8) {
        let at = self.outgoing.offset + (at & (self.outgoing.size - 1)) as usize;
        let (word, shift) = (&self.page[at / 4], at % 4 * 8);
        word.store(word.load(Ordering::Relaxed) & !(0xff << shift) | u32::from(byte) << shift, Ordering::Relaxed);
    }

    /// do_send() and do_recv(): the data first, then the index, then whether the peer wants to hear of it.
    fn publish(&self, index: usize, value: u32, notice: u32) -> bool {
        fence(Ordering::SeqCst);
        self.page[index].store(value, Ordering::SeqCst);
        let bit = notice << self.side.notify();
        self.page[STATE_WORD].fetch_and(!bit, Ordering::SeqCst) & bit != 0
    }

    /// request_notify(): in the other side's byte, before the indices are looked at again.
    fn request(&self, notice: u32) {
        self.page[STATE_WORD].fetch_or(notice << self.side.other().notify(), Ordering::SeqCst);
    }
}

#[cfg(test)]
#[path = "vchan_tests.rs"]
mod tests;
