//! A vector that grows without moving what it holds: growth takes no longer the more there is, and leaves no
//! outgrown buffers behind.

/// Smaller chunks would leave more of the allocator's pages unused.
const CHUNK: usize = 512;

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

    pub(super) fn get_mut(&mut self, index: usize) -> Option<&mut T> {
        self.chunks.get_mut(index / CHUNK)?.get_mut(index % CHUNK)
    }

    pub(super) fn push(&mut self, item: T) {
        if self.len == self.chunks.len() * CHUNK {
            self.chunks.push(Vec::with_capacity(CHUNK));
        }
        self.chunks[self.len / CHUNK].push(item);
        self.len += 1;
    }

    pub(super) fn pop(&mut self) -> Option<T> {
        let item = self.chunks.last_mut()?.pop()?;
        self.len -= 1;
        if self.len.is_multiple_of(CHUNK) {
            self.chunks.pop();
            if self.chunks.len() < self.chunks.capacity() / 4 {
                self.chunks.shrink_to_fit();
            }
        }
        Some(item)
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
