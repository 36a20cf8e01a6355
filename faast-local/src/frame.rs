//! Frames on the socket between client and worker, for both sides: a header, a head, and at most one large payload.
//!
//! The head is what core's wire format makes of a request or of several events. One payload of [`BLOB_FROM`] bytes or
//! more travels behind it as it is, so that it is copied neither into the head nor out of a read buffer: the kernel
//! reads it from the sender's `Bytes` and writes it into a buffer that becomes the receiver's `Bytes`.

use std::io::{self, IoSlice};
use std::os::fd::{AsFd, BorrowedFd};

use bytes::Bytes;
use rustix::buffer::spare_capacity;
use rustix::io::Errno;
use rustix::net::{SendAncillaryBuffer, SendFlags};

/// Payloads of at least so many bytes travel behind the head. Below it, copying costs less than another buffer.
pub(crate) const BLOB_FROM: usize = 16 * 1024;

/// Bytes before the head: frame number (8), length of the head (4), index of the blob's owner (4), its length (8).
const HEADER: usize = 24;

/// A large payload's buffer is used again, if nobody has it any more, up to this size: fresh memory costs a page fault
/// for every 4 KiB, which is most of the time that a payload of a megabyte takes.
const REUSED: usize = 2 << 20;

/// Read at once; the size of the reusable buffer.
const READ: usize = 64 * 1024;

/// Room that is made for what a header claims before any of it has come: whoever writes into a worker's socket, such as a
/// function with a stray descriptor, must not make the other side take gigabytes. What is longer grows as it comes.
const TRUSTED: usize = 64 << 20;

/// A frame that has arrived.
#[derive(Debug)]
pub(crate) struct Frame {
    /// Counted by the client; events carry the number of the request that they answer.
    pub(crate) number: u64,
    /// Encoded request or events.
    pub(crate) head: Bytes,
    /// The large payload, and which call or event of the head it belongs to.
    pub(crate) blob: Option<(usize, Bytes)>,
}

/// A frame to be sent. The head's buffer is reused from frame to frame.
#[derive(Debug, Default)]
pub(crate) struct Outgoing {
    head: Vec<u8>,
    blob: Bytes,
    sent: usize,
}

impl Outgoing {
    /// A frame in a buffer that was used before.
    pub(crate) fn reuse(mut head: Vec<u8>) -> Self {
        head.clear();
        head.resize(HEADER, 0);
        Self { head, blob: Bytes::new(), sent: 0 }
    }

    /// Where the head is encoded to, by appending.
    pub(crate) fn head(&mut self) -> &mut Vec<u8> {
        &mut self.head
    }

    /// Bytes of the head so far.
    pub(crate) fn head_len(&self) -> usize {
        self.head.len().saturating_sub(HEADER)
    }

    /// The head from `start` on.
    pub(crate) fn head_from(&self, start: usize) -> &[u8] {
        &self.head[HEADER + start..]
    }

    /// Writes the header; from now on the frame can be sent.
    pub(crate) fn finish(&mut self, number: u64, blob: Option<(usize, Bytes)>) -> io::Result<()> {
        let head = u32::try_from(self.head_len()).map_err(|_| io::Error::other("a frame has more than 4 GiB"))?;
        let (owner, blob) = blob.unwrap_or_default();
        let owner = u32::try_from(owner).map_err(io::Error::other)?;
        self.head[..8].copy_from_slice(&number.to_le_bytes());
        self.head[8..12].copy_from_slice(&head.to_le_bytes());
        self.head[12..16].copy_from_slice(&owner.to_le_bytes());
        self.head[16..24].copy_from_slice(&(blob.len() as u64).to_le_bytes());
        self.blob = blob;
        Ok(())
    }

    /// Sends what the socket takes; `true` when all of it is sent. With `SendFlags::DONTWAIT` it never blocks.
    pub(crate) fn send(&mut self, socket: BorrowedFd<'_>, flags: SendFlags) -> Result<bool, Errno> {
        let total = self.head.len() + self.blob.len();
        while self.sent < total {
            match self.send_once(socket, flags | SendFlags::NOSIGNAL) {
                Ok(sent) => self.sent += sent,
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return Ok(false),
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    fn send_once(&self, socket: BorrowedFd<'_>, flags: SendFlags) -> Result<usize, Errno> {
        let head = self.head.get(self.sent..).unwrap_or_default();
        let blob = &self.blob[self.sent.saturating_sub(self.head.len())..];
        if blob.is_empty() {
            return rustix::net::send(socket, head, flags);
        }
        let parts = [IoSlice::new(head), IoSlice::new(blob)];
        rustix::net::sendmsg(socket, &parts, &mut SendAncillaryBuffer::default(), flags)
    }

    /// The buffer, for the next frame.
    pub(crate) fn into_buffer(self) -> Vec<u8> {
        self.head
    }
}

/// Takes frames from a socket, blocking. Belongs to the one thread that reads.
#[derive(Debug)]
pub(crate) struct FrameReader {
    buffer: Vec<u8>,
    /// What lies before is taken.
    start: usize,
    /// The last large payload, which its owner may still hold.
    last_blob: Bytes,
}

impl FrameReader {
    pub(crate) fn new() -> Self {
        Self { buffer: Vec::with_capacity(READ), start: 0, last_blob: Bytes::new() }
    }

    /// The next frame; `None` at the end of the stream, also in the middle of a frame.
    pub(crate) fn next(&mut self, socket: impl AsFd) -> io::Result<Option<Frame>> {
        let socket = socket.as_fd();
        if !self.fill(socket, HEADER)? {
            return Ok(None);
        }
        let number = u64::from_le_bytes(self.take());
        let head = u32::from_le_bytes(self.take()) as usize;
        let owner = u32::from_le_bytes(self.take()) as usize;
        let blob = usize::try_from(u64::from_le_bytes(self.take())).map_err(io::Error::other)?;
        if !self.fill(socket, head)? {
            return Ok(None);
        }
        let head = Bytes::copy_from_slice(self.advance(head));
        if blob == 0 {
            return Ok(Some(Frame { number, head, blob: None }));
        }
        let Some(blob) = self.blob(socket, blob)? else { return Ok(None) };
        Ok(Some(Frame { number, head, blob: Some((owner, blob)) }))
    }

    /// Reads until `len` bytes lie in the buffer.
    fn fill(&mut self, socket: BorrowedFd<'_>, len: usize) -> io::Result<bool> {
        while self.buffer.len() - self.start < len {
            if self.start == self.buffer.len() {
                self.buffer.clear();
                self.start = 0;
                // One frame of unusual size must not keep its memory for ever.
                self.buffer.shrink_to(READ.max(len.min(TRUSTED)));
            } else if self.start + len > self.buffer.capacity() {
                self.buffer.drain(..self.start);
                self.start = 0;
            }
            let more = len.saturating_sub(self.buffer.len()).clamp(1, TRUSTED);
            self.buffer.try_reserve(more).map_err(io::Error::other)?;
            if read(socket, &mut self.buffer)? == 0 {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Reads a large payload straight into its own buffer.
    fn blob(&mut self, socket: BorrowedFd<'_>, len: usize) -> io::Result<Option<Bytes>> {
        let mut last = std::mem::take(&mut self.last_blob);
        let fits = last.len() / 2 <= len && len <= REUSED;
        let mut blob = if fits && last.is_unique() {
            last.truncate(0);
            Vec::from(last)
        } else {
            Vec::new()
        };
        blob.try_reserve_exact(len.min(TRUSTED)).map_err(io::Error::other)?;
        let here = len.min(self.buffer.len() - self.start);
        blob.extend_from_slice(self.advance(here));
        while blob.len() < len {
            if blob.len() == blob.capacity() {
                // Twice as much as has come, as long as that is claimed.
                let more = (len - blob.len()).min(blob.len());
                blob.try_reserve_exact(more).map_err(io::Error::other)?;
            }
            if read(socket, &mut blob)? == 0 {
                return Ok(None);
            }
        }
        if blob.len() > len {
            // There was more room than was asked for, and the next frame has begun to fill it.
            self.buffer.clear();
            self.start = 0;
            self.buffer.extend_from_slice(&blob[len..]);
            blob.truncate(len);
        }
        let blob = Bytes::from(blob);
        if len <= REUSED {
            self.last_blob = blob.clone();
        }
        Ok(Some(blob))
    }

    fn advance(&mut self, len: usize) -> &[u8] {
        let start = self.start;
        self.start += len;
        &self.buffer[start..self.start]
    }

    fn take<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        bytes.copy_from_slice(self.advance(N));
        bytes
    }
}

fn read(socket: BorrowedFd<'_>, buffer: &mut Vec<u8>) -> io::Result<usize> {
    Ok(rustix::io::retry_on_intr(|| rustix::io::read(socket, spare_capacity(buffer)))?)
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use super::*;

    fn frame(number: u64, head: &[u8], blob: Option<(usize, Bytes)>) -> Outgoing {
        let mut frame = Outgoing::reuse(Vec::new());
        frame.head().extend_from_slice(head);
        frame.finish(number, blob).unwrap();
        frame
    }

    #[test]
    fn frames_of_every_size_arrive_whole_and_in_order() {
        let (mut near, far) = UnixStream::pair().unwrap();
        let sizes = [(0, 0), (1, 0), (5, BLOB_FROM), (READ, 3), (READ * 5 + 1, READ * 40), (7, 1), (0, 0), (30, READ)];
        let sender = std::thread::spawn(move || {
            for (number, (head, blob)) in (0u64..).zip(sizes) {
                let blob = (blob > 0).then(|| (head, Bytes::from(vec![2u8; blob])));
                assert!(frame(number, &vec![1; head], blob).send(near.as_fd(), SendFlags::empty()).unwrap());
            }
            io::Write::write_all(&mut near, &[0; 11]).unwrap();
        });
        let mut frames = FrameReader::new();
        for (number, (head, blob)) in (0..).zip(sizes) {
            let frame = frames.next(&far).unwrap().unwrap();
            assert_eq!((frame.number, frame.head.len()), (number, head));
            assert!(frame.head.iter().all(|byte| *byte == 1));
            assert_eq!(frame.blob.as_ref().map_or(0, |(_, bytes)| bytes.len()), blob);
            assert!(frame.blob.is_none_or(|(owner, bytes)| owner == head && bytes.iter().all(|byte| *byte == 2)));
        }
        assert!(frames.next(&far).unwrap().is_none(), "a torn frame is the end");
        sender.join().unwrap();
    }

    #[test]
    fn payloads_above_what_is_trusted_arrive_whole() {
        let (near, far) = UnixStream::pair().unwrap();
        let blob: Vec<u8> = (0..TRUSTED + (TRUSTED / 3)).map(|at| at.to_le_bytes()[0]).collect();
        let mut outgoing = frame(1, b"head", Some((0, Bytes::from(blob.clone()))));
        let sender = std::thread::spawn(move || outgoing.send(near.as_fd(), SendFlags::empty()).unwrap());
        let frame = FrameReader::new().next(&far).unwrap().unwrap();
        assert!(frame.blob.unwrap().1 == blob);
        assert!(sender.join().unwrap());
    }

    #[test]
    fn a_header_that_lies_is_given_no_more_room_than_is_trusted() {
        for claimed in [[u32::MAX.into(), 0], [0, 1 << 40], [u32::MAX.into(), u64::MAX], [4, u64::MAX]] {
            let (mut near, far) = UnixStream::pair().unwrap();
            let [head, blob]: [u64; 2] = claimed;
            let mut bytes = 7_u64.to_le_bytes().to_vec();
            bytes.extend_from_slice(&head.to_le_bytes()[..4]);
            bytes.extend_from_slice(&[0; 4]);
            bytes.extend_from_slice(&blob.to_le_bytes());
            bytes.extend_from_slice(&[1; 100]);
            io::Write::write_all(&mut near, &bytes).unwrap();
            drop(near);
            let mut frames = FrameReader::new();
            assert!(matches!(frames.next(&far), Ok(None) | Err(_)), "{claimed:?}");
            assert!(frames.buffer.capacity() <= TRUSTED + READ, "{}", frames.buffer.capacity());
        }
    }

    #[test]
    fn damaged_frames_end_the_stream_or_are_frames() {
        let mut whole = frame(3, b"a head of some length", Some((0, Bytes::from(vec![5; BLOB_FROM]))));
        let mut valid = std::mem::take(&mut whole.head);
        valid.extend_from_slice(&whole.blob);
        for seed in 0..3_000 {
            let (mut near, far) = UnixStream::pair().unwrap();
            let bytes = faast_testkit::hostile::bytes(seed, &valid);
            // The socket takes so much at once.
            io::Write::write_all(&mut near, &bytes).unwrap();
            drop(near);
            let mut frames = FrameReader::new();
            while let Ok(Some(_)) = frames.next(&far) {}
            assert!(frames.buffer.capacity() <= TRUSTED + READ, "seed {seed}");
        }
    }

    #[test]
    fn a_full_socket_takes_a_part_and_says_so() {
        let (near, far) = UnixStream::pair().unwrap();
        let mut outgoing = frame(1, b"head", Some((0, Bytes::from(vec![7u8; 8 << 20]))));
        assert!(!outgoing.send(near.as_fd(), SendFlags::DONTWAIT).unwrap());
        let sender = std::thread::spawn(move || outgoing.send(near.as_fd(), SendFlags::empty()).unwrap());
        let frame = FrameReader::new().next(&far).unwrap().unwrap();
        assert_eq!(frame.blob.unwrap().1.len(), 8 << 20);
        assert!(sender.join().unwrap());
    }
}
