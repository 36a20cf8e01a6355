//! What a process writes: read off its pipe without ever blocking it for long, and cut into lines.

use std::mem;

use rustix::io::{Errno, read};
use tokio::net::unix::pipe::Receiver;

/// Kept of a line at most, as CloudWatch Logs keeps an event.
const LINE_LIMIT: usize = 256 << 10;

/// The read end of a process's output, and the lines that nobody has taken yet.
#[derive(Debug)]
pub(crate) struct Output {
    pipe: Receiver,
    partial: Vec<u8>,
    lines: Vec<String>,
    closed: bool,
}

impl Output {
    pub(crate) fn new(pipe: Receiver) -> Self {
        Self { pipe, partial: Vec::new(), lines: Vec::new(), closed: false }
    }

    /// Waits for output and reads it; never resolves once all writers are gone. Cancel safe.
    pub(crate) async fn read_more(&mut self) {
        if self.closed || self.pipe.readable().await.is_err() {
            return std::future::pending().await;
        }
        let mut buffer = [0; 16 << 10];
        match self.pipe.try_read(&mut buffer) {
            Ok(0) => self.closed = true,
            Ok(count) => self.add(&buffer[..count]),
            // Not readable after all.
            Err(_) => {}
        }
    }

    /// The lines that are whole.
    #[cfg(feature = "emulator-google")]
    pub(crate) fn whole(&mut self) -> Vec<String> {
        mem::take(&mut self.lines)
    }

    /// Reads what is there, and gives every line so far. An unfinished one counts as a line.
    pub(crate) fn take(&mut self) -> Vec<String> {
        let mut buffer = [0; 16 << 10];
        // Past the reactor, which may not have heard yet of what was just written.
        while !self.closed {
            match read(&self.pipe, &mut buffer) {
                Ok(0) => self.closed = true,
                Ok(count) => self.add(&buffer[..count]),
                Err(Errno::INTR) => {}
                Err(_) => break,
            }
        }
        if !self.partial.is_empty() {
            self.end_line();
        }
        mem::take(&mut self.lines)
    }

    fn add(&mut self, bytes: &[u8]) {
        let mut pieces = bytes.split(|byte| *byte == b'\n').peekable();
        while let Some(piece) = pieces.next() {
            let room = LINE_LIMIT.saturating_sub(self.partial.len()).min(piece.len());
            self.partial.extend_from_slice(&piece[..room]);
            if pieces.peek().is_some() {
                self.end_line();
            }
        }
    }

    fn end_line(&mut self) {
        let line = mem::take(&mut self.partial);
        self.lines.push(String::from_utf8_lossy(&line).into_owned());
    }
}

#[cfg(test)]
mod tests {
    use rustix::io::write;
    use rustix::pipe::{PipeFlags, pipe_with};

    use super::*;

    #[tokio::test]
    async fn lines_are_whole_whatever_the_pieces() {
        let (read, writer) = pipe_with(PipeFlags::CLOEXEC).unwrap();
        let mut output = Output::new(Receiver::from_owned_fd(read).unwrap());
        write(&writer, b"one\ntw").unwrap();
        output.read_more().await;
        write(&writer, b"o\n\nthree").unwrap();
        assert_eq!(output.take(), ["one", "two", "", "three"]);
        assert!(output.take().is_empty());
    }
}
