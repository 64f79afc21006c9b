//! The allocator of every Prism binary: mimalloc, asked for an alignment only where its blocks do not have it anyway.
//!
//! Rust names an alignment with each request, and the `mimalloc` crate passes all of them on. mimalloc 3 has a slower
//! path for those, and uses a larger block unless the block's size is a power of two up to 4 KiB
//! (<https://github.com/microsoft/mimalloc/issues/889>): some 400 of the 33,000 instructions of a Get in the store.

use std::alloc::{GlobalAlloc, Layout};

use libmimalloc_sys as mi;

/// The alignment of a block of at least this many bytes (`MI_MAX_ALIGN_SIZE`); a smaller one is aligned to the largest
/// power of two that fits into it, as with `malloc`.
const BLOCK_ALIGNMENT: usize = 16;

/// mimalloc.
#[derive(Clone, Copy, Debug, Default)]
pub struct Allocator;

fn is_aligned_anyway(size: usize, alignment: usize) -> bool {
    alignment <= BLOCK_ALIGNMENT && alignment <= size
}

#[expect(unsafe_code, reason = "the trait is unsafe, and so are the functions of a C library")]
// SAFETY: mimalloc fulfils the contract of `malloc`, `calloc`, `realloc` and `free`, alignment included, and each of
// its functions that free or resize a block accepts one from any of its functions that allocate.
unsafe impl GlobalAlloc for Allocator {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let (size, alignment) = (layout.size(), layout.align());
        let block = if is_aligned_anyway(size, alignment) {
            // SAFETY: any size is valid.
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
            // SAFETY: any size is valid.
            unsafe { mi::mi_zalloc(size) }
        } else {
            // SAFETY: a layout's alignment is a power of two.
            unsafe { mi::mi_zalloc_aligned(size, alignment) }
        };
        block.cast()
    }

    #[inline]
    unsafe fn dealloc(&self, block: *mut u8, _: Layout) {
        // SAFETY: the caller got the block from this allocator.
        unsafe { mi::mi_free(block.cast()) }
    }

    #[inline]
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let block = if is_aligned_anyway(size, layout.align()) {
            // SAFETY: the caller got the block from this allocator, and gives it up.
            unsafe { mi::mi_realloc(block.cast(), size) }
        } else {
            // SAFETY: the same, and a layout's alignment is a power of two.
            unsafe { mi::mi_realloc_aligned(block.cast(), size, layout.align()) }
        };
        block.cast()
    }
}

/// Returns memory that this thread has freed to the system. mimalloc does so only while it is at work; without this, an
/// idle thread would keep what a burst has left.
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
                // SAFETY: the layouts are those with which the blocks are allocated, and none has size zero.
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
