//! The allocator of every Prism binary: mimalloc, which is asked for an alignment only where its blocks do not have it anyway.
//!
//! Rust names an alignment with each request, and the `mimalloc` crate passes all of them on. mimalloc 3 has a slower way for
//! those, and takes a larger block unless the block's size is a power of two of up to 4 KiB
//! (<https://github.com/microsoft/mimalloc/issues/889>): some 400 of the 33,000 instructions of a Get in the store.

use std::alloc::{GlobalAlloc, Layout};

use libmimalloc_sys as mi;

/// What a block of so many bytes or more is aligned to (`MI_MAX_ALIGN_SIZE`); a smaller one is to the power of two that it
/// has room for, as `malloc` has it.
const BLOCK_ALIGNMENT: usize = 16;

/// mimalloc.
#[derive(Clone, Copy, Debug, Default)]
pub struct Allocator;

fn is_aligned_anyway(size: usize, alignment: usize) -> bool {
    alignment <= BLOCK_ALIGNMENT && alignment <= size
}

#[expect(unsafe_code, reason = "the trait is unsafe, and so are the functions of a C library")]
// SAFETY: mimalloc keeps the contract of `malloc`, `calloc`, `realloc` and `free`, alignment included, and each of its ways to free
// or resize a block takes what any of its ways to allocate has made.
unsafe impl GlobalAlloc for Allocator {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let (size, alignment) = (layout.size(), layout.align());
        let block = if is_aligned_anyway(size, alignment) {
            // SAFETY: it takes any size.
            unsafe { mi::mi_malloc(size) }
        } else {
            // SAFETY: a layout's alignment is a power of two.
            unsafe { mi::mi_malloc_aligned(size, alignment) }
        };
        block.cast()
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        let (size, alignment) = (layout.size(), layout.align());
        let block = if is_aligned_anyway(size, alignment) {
            // SAFETY: it takes any size.
            unsafe { mi::mi_zalloc(size) }
        } else {
            // SAFETY: a layout's alignment is a power of two.
            unsafe { mi::mi_zalloc_aligned(size, alignment) }
        };
        block.cast()
    }

    #[inline]
    unsafe fn dealloc(&self, block: *mut u8, _: Layout) {
        // SAFETY: the caller has it from here.
        unsafe { mi::mi_free(block.cast()) }
    }

    #[inline]
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let block = if is_aligned_anyway(size, layout.align()) {
            // SAFETY: the caller has the block from here, and gives it up.
            unsafe { mi::mi_realloc(block.cast(), size) }
        } else {
            // SAFETY: the same, and a layout's alignment is a power of two.
            unsafe { mi::mi_realloc_aligned(block.cast(), size, layout.align()) }
        };
        block.cast()
    }
}

/// Gives what this thread has freed back to the system. mimalloc does that by itself beside its work, and a thread without
/// work would keep what a burst has left.
pub fn release() {
    #[expect(unsafe_code, reason = "a function of a C library is called")]
    // SAFETY: it takes no pointer, and any thread may call it at any time.
    unsafe {
        mi::mi_collect(true);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(unsafe_code, reason = "an allocator is called")]
    fn blocks_are_aligned_and_keep_their_bytes() {
        for alignment in (0..=12).map(|power| 1 << power) {
            let mut blocks = Vec::new();
            for size in (1..=600).chain([4096, 100_000]) {
                let layout = Layout::from_size_align(size, alignment).unwrap();
                // SAFETY: the layouts are those that the blocks are asked for with, and none is empty.
                unsafe {
                    for resized in [size + size / 2 + 1, size.div_ceil(3)] {
                        let block = Allocator.alloc_zeroed(layout);
                        assert!((0..size).all(|at| block.add(at).read() == 0), "{layout:?}");
                        block.write_bytes(7, size);
                        let block = Allocator.realloc(block, layout, resized);
                        assert!((0..size.min(resized)).all(|at| block.add(at).read() == 7), "{layout:?}");
                        blocks.push((block, Layout::from_size_align(resized, alignment).unwrap()));
                    }
                    blocks.push((Allocator.alloc(layout), layout));
                }
            }
            for (block, layout) in blocks {
                assert_eq!(block.addr() % alignment, 0, "{layout:?}");
                // SAFETY: as above.
                unsafe { Allocator.dealloc(block, layout) }
            }
        }
    }
}
