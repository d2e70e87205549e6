//! Rust's heap over the C library's, and what the precompiled `alloc` wants of an unwinder that is never used.

use core::alloc::{GlobalAlloc, Layout};
use core::ffi::c_void;

unsafe extern "C" {
    fn aligned_alloc(align: usize, size: usize) -> *mut c_void;
    fn free(at: *mut c_void);
    fn realloc(at: *mut c_void, size: usize) -> *mut c_void;
}

/// What malloc() aligns to by itself on x86_64.
const ALIGN: usize = 16;

struct Heap;

// SAFETY: the C library's heap gives each allocation its own bytes, aligned as asked (every size is a multiple of its alignment, as
// aligned_alloc() wants), and null when there are none.
unsafe impl GlobalAlloc for Heap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let layout = layout.pad_to_align();
        // SAFETY: an alignment that is a power of two and a size that is a multiple of it.
        unsafe { aligned_alloc(layout.align().max(ALIGN), layout.size().next_multiple_of(ALIGN)).cast() }
    }

    unsafe fn dealloc(&self, at: *mut u8, _: Layout) {
        // SAFETY: the caller gives what `alloc` or `realloc` gave it, once.
        unsafe { free(at.cast()) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        if layout.align() <= ALIGN {
            // SAFETY: as for `dealloc`; realloc() keeps the alignment that malloc() has.
            return unsafe { realloc(at.cast(), size).cast() };
        }
        // SAFETY: the new layout is the old one with another size, which the caller has checked; both blocks are apart.
        unsafe {
            let new = self.alloc(Layout::from_size_align_unchecked(size, layout.align()));
            if !new.is_null() {
                new.copy_from_nonoverlapping(at, layout.size().min(size));
                self.dealloc(at, layout);
            }
            new
        }
    }
}

#[global_allocator]
static HEAP: Heap = Heap;

/// `alloc` was compiled for unwinding and names both; this program aborts instead, so that neither is ever called.
// SAFETY: nothing else in the program has these names; libgcc's unwinder is not linked.
#[unsafe(no_mangle)]
extern "C" fn rust_eh_personality() {}

/// See above.
// SAFETY: see above.
#[unsafe(no_mangle)]
extern "C" fn _Unwind_Resume() -> ! {
    super::power_off();
    loop {
        core::hint::spin_loop();
    }
}
