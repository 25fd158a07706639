//! Buffers for `O_DIRECT`, which takes only memory that begins on a block.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// The block that `O_DIRECT` is aligned to. No common device has larger ones.
pub(super) const BLOCK: usize = 4096;

/// Buffers that are kept for reuse; more are freed. All writers together use four at a time.
const KEPT: usize = 4;

/// Buffers that were used and will be again: a page fault for each new page costs more than
/// writing it does.
#[derive(Debug, Default)]
pub(super) struct Pool(Mutex<Vec<Buffer>>);

/// Memory with a whole number of blocks in it, the first byte of which lies on one.
#[derive(Debug)]
pub(super) struct Buffer {
    memory: Vec<u8>,
    start: usize,
}

impl Pool {
    /// A buffer for `len` bytes, filled up to whole blocks.
    pub(super) fn take(&self, len: usize) -> Buffer {
        let len = len.next_multiple_of(BLOCK);
        let kept = self.lock().pop().filter(|buffer| buffer.len() >= len);
        kept.unwrap_or_else(|| Buffer::new(len))
    }

    pub(super) fn give_back(&self, buffer: Buffer) {
        let mut kept = self.lock();
        if kept.len() < KEPT {
            kept.push(buffer);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Buffer>> {
        // A list of buffers cannot be half-changed.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Buffer {
    fn new(len: usize) -> Self {
        // The allocation never moves: the vector does not grow.
        let memory = vec![0; len + BLOCK];
        let start = memory.as_ptr().addr().next_multiple_of(BLOCK) - memory.as_ptr().addr();
        Self { memory, start }
    }

    fn len(&self) -> usize {
        self.memory.len() - BLOCK
    }

    /// Fills the buffer with `pieces`, and with zeros up to the end of the last block; returns
    /// those blocks.
    pub(super) fn fill<'a>(&mut self, pieces: impl Iterator<Item = &'a [u8]>) -> &[u8] {
        let whole = self.start..self.start + self.len();
        let aligned = &mut self.memory[whole];
        let mut end = 0;
        for piece in pieces {
            aligned[end..end + piece.len()].copy_from_slice(piece);
            end += piece.len();
        }
        let padded = end.next_multiple_of(BLOCK);
        aligned[end..padded].fill(0);
        &aligned[..padded]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_begins_on_a_block_and_is_padded_to_one() {
        let pool = Pool::default();
        let mut buffer = pool.take(5000);
        let blocks = buffer.fill([&[1_u8; 4000][..], &[2; 1000]].into_iter());
        assert_eq!(blocks.as_ptr().addr() % BLOCK, 0);
        assert_eq!(blocks.len(), 2 * BLOCK);
        assert_eq!((blocks[3999], blocks[4000], blocks[4999], blocks[5000]), (1, 2, 2, 0));
        pool.give_back(buffer);
        let mut again = pool.take(1);
        assert_eq!(again.fill([&[7_u8][..]].into_iter())[..2], [7, 0]);
    }
}
