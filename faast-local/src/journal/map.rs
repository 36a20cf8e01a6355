//! Memory that survives the process: a shared mapping of the journal's file.
//!
//! The only unsafe code of faast. A `pwrite` for each call is safe and does the same, but takes most of the time of a
//! short call: measured, `identity` over a million integers ran at half the speed with it.
#![expect(unsafe_code, reason = "a mapping that another process reads has no safe interface")]

use std::os::fd::AsFd;
use std::ptr::{self, NonNull};
use std::sync::atomic::{Ordering, compiler_fence};

use rustix::fs::ftruncate;
use rustix::io::Errno;
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};

/// A mapping of the first bytes of a file, for this process to write.
#[derive(Debug)]
pub(super) struct Map {
    start: NonNull<u8>,
    len: usize,
}

// SAFETY: the memory belongs to this value alone within the process, and is written through `&mut self` only.
unsafe impl Send for Map {}

impl Map {
    /// Empties the file, gives it `len` bytes of zeros and maps them. `len` is above zero.
    pub(super) fn new(file: impl AsFd, len: usize) -> Result<Self, Errno> {
        ftruncate(&file, 0)?;
        ftruncate(&file, len as u64)?;
        // SAFETY: the kernel chooses a free range, so no other memory of this process is touched. The file keeps its
        // size as long as the mapping lives: the client only reads it, and nobody else has it.
        let start = unsafe { mmap(ptr::null_mut(), len, ProtFlags::WRITE, MapFlags::SHARED, &file, 0)? };
        NonNull::new(start.cast()).map(|start| Self { start, len }).ok_or(Errno::NOMEM)
    }

    /// Copies `bytes` to `at`; says whether they fit. What is written before is in memory before what is written after.
    pub(super) fn write(&mut self, at: usize, bytes: &[u8]) -> bool {
        if at.checked_add(bytes.len()).is_none_or(|end| end > self.len) {
            return false;
        }
        // SAFETY: the range lies within the mapping, as was just checked, and `bytes` can't overlap it, because nobody
        // has a reference into it.
        unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), self.start.as_ptr().add(at), bytes.len()) };
        // The reader looks only when this process is dead: no more than the order of instructions is needed.
        compiler_fence(Ordering::SeqCst);
        true
    }
}

impl Drop for Map {
    fn drop(&mut self) {
        // SAFETY: the mapping was made with this start and length, and nothing refers to it any more.
        let _ = unsafe { munmap(self.start.as_ptr().cast(), self.len) };
    }
}
