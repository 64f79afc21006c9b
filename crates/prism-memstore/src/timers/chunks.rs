//! A vector in chunks: growth moves at most one chunk, so its cost does not depend on the length. A short vector has
//! little room to grow, and a long one grows by whole chunks, which leaves no outgrown buffers behind.

use crate::memory::allocation_bytes;

/// 16 KiB of timer slots. Smaller chunks would leave more of the allocator's pages unused.
const CHUNK: usize = 1024;

pub(super) struct Chunks<T> {
    chunks: Vec<Vec<T>>,
    len: usize,
}

impl<T> Default for Chunks<T> {
    fn default() -> Self {
        Self { chunks: Vec::new(), len: 0 }
    }
}

impl<T> Chunks<T> {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub(super) fn get_mut(&mut self, index: usize) -> Option<&mut T> {
        self.chunks.get_mut(index / CHUNK)?.get_mut(index % CHUNK)
    }

    pub(super) fn push(&mut self, item: T) {
        if self.len == self.chunks.len() * CHUNK {
            self.chunks.push(Vec::new());
        }
        self.len += 1;
        let last = self.chunks.last_mut().expect("there is a chunk with room");
        if last.len() == last.capacity() {
            last.reserve_exact(Self::last_capacity(self.len) - last.len());
        }
        last.push(item);
    }

    pub(super) fn pop(&mut self) -> Option<T> {
        let last = self.chunks.last_mut()?;
        let item = last.pop()?;
        self.len -= 1;
        if last.is_empty() {
            self.chunks.pop();
            if self.chunks.len() < self.chunks.capacity() / 4 {
                self.chunks.shrink_to_fit();
            }
        } else if last.capacity() - last.len() > self.len / 2 {
            last.shrink_to(Self::last_capacity(self.len));
        }
        Some(item)
    }

    /// The capacity of the last of the chunks that hold `len` items when it grows or shrinks: a sixteenth more than the
    /// total, plus what the allocator adds anyway.
    fn last_capacity(len: usize) -> usize {
        let in_last = (len - 1) % CHUNK + 1;
        let bytes = allocation_bytes((in_last + len / 16) * size_of::<T>()) as usize;
        (bytes / size_of::<T>()).min(CHUNK)
    }

    /// Up to `len_max` items before `end`, all in one chunk, and the index of the first; `None` if there are none.
    pub(super) fn batch_before(&self, end: usize, len_max: usize) -> Option<(&[T], usize)> {
        let end = end.min(self.len);
        let chunk = end.checked_sub(1)? / CHUNK;
        let begin = (chunk * CHUNK).max(end.saturating_sub(len_max));
        Some((&self.chunks[chunk][begin % CHUNK..end - chunk * CHUNK], begin))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_behaves_as_a_vector() {
        let (mut chunks, mut model) = (Chunks::default(), Vec::new());
        for i in 0..10_000 {
            if fastrand::u32(..5) < 3 {
                chunks.push(i);
                model.push(i);
            } else {
                assert_eq!(chunks.pop(), model.pop());
            }
            assert_eq!(chunks.len(), model.len());
            let at = fastrand::usize(..=model.len());
            assert_eq!(chunks.get_mut(at), model.get_mut(at));
        }
        while let Some(last) = model.pop() {
            assert_eq!(chunks.pop(), Some(last));
        }
        assert_eq!(chunks.pop(), None);
        assert!(chunks.chunks.is_empty());
    }

    /// With items of 16 bytes, like timer slots: their charge of 18 bytes relies on it.
    #[test]
    fn a_vector_has_little_room_that_it_does_not_use() {
        let capacity = |chunks: &Chunks<u128>| chunks.chunks.iter().map(Vec::capacity).sum::<usize>();
        let mut filled = 0.0;
        for bits in 0..400 {
            let mut chunks = Chunks::default();
            let len = 2_f64.powf(f64::from(bits) / 25.0) as usize;
            (0..len).for_each(|i| chunks.push(i as u128));
            filled += len as f64 / capacity(&chunks) as f64 / 400.0;
            while chunks.pop().is_some() {
                assert!(capacity(&chunks) <= chunks.len() + chunks.len() / 2);
            }
        }
        assert!(filled > 0.92, "{filled}");
    }

    #[test]
    fn walking_backwards_by_batches_visits_everything_once() {
        for len in [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK] {
            let mut chunks = Chunks::default();
            (0..len).for_each(|i| chunks.push(i));
            for len_max in [1, 7, CHUNK / 2, CHUNK, 2 * CHUNK] {
                let (mut seen, mut end) = (Vec::new(), usize::MAX);
                while let Some((batch, begin)) = chunks.batch_before(end, len_max) {
                    assert!(batch.len() <= len_max);
                    seen.extend(batch.iter().rev().copied());
                    end = begin;
                }
                assert_eq!(seen, (0..len).rev().collect::<Vec<_>>());
            }
        }
    }
}
