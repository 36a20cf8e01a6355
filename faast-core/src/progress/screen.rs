//! The foot of a terminal: the lowest lines, kept out of the way of whatever else is printed.
//!
//! Bars that are drawn where the cursor is, as libraries for bars do it, get mixed up with what the program prints. Here
//! the terminal's scroll region ends above the bars (as in apt): the program's lines scroll there, the bars are drawn below
//! by saving and restoring the cursor, and neither ever sees the other. One write is one picture.

use std::fmt::Write as _;
use std::io::Write as _;

/// What is set in the terminal now.
#[derive(Debug, Default)]
pub(super) struct Screen {
    /// Rows and columns when the region was set, and the lines below it.
    set: Option<(u16, u16, u16)>,
    /// The last picture; the same one is not drawn twice.
    shown: Vec<String>,
}

impl Screen {
    /// Shows these lines at the foot.
    pub(super) fn show(&mut self, lines: &[String]) {
        let size = size();
        let text = self.picture(lines, size);
        write(&text);
    }

    /// Gives the terminal back as it was.
    pub(super) fn leave(&mut self) {
        write(&self.undo());
    }

    /// What is to be written for these lines on a terminal of that size.
    fn picture(&mut self, lines: &[String], (rows, columns): (u16, u16)) -> String {
        let wanted = u16::try_from(lines.len()).unwrap_or(u16::MAX).min(rows.saturating_sub(2));
        let mut text = String::new();
        if wanted == 0 {
            return self.undo();
        }
        if self.set != Some((rows, columns, wanted)) {
            text += &self.undo();
            // Make room by scrolling, so that nothing that is there is covered, then set the region and go back up.
            text += &"\n".repeat(wanted.into());
            let _ = write!(text, "\x1b7\x1b[1;{}r\x1b8\x1b[{wanted}A", rows - wanted);
            self.set = Some((rows, columns, wanted));
        } else if self.shown == lines {
            return text;
        }
        text.push_str("\x1b7");
        for (row, line) in (rows - wanted + 1..=rows).zip(lines) {
            let _ = write!(text, "\x1b[{row};1H\x1b[2K{line}");
        }
        text.push_str("\x1b8");
        self.shown = lines.to_vec();
        text
    }

    /// Clears the lines and ends the region.
    ///
    /// What is below the cursor is never the program's: so nothing of it is lost where a terminal of another size has
    /// moved the lines.
    fn undo(&mut self) -> String {
        if self.set.take().is_none() {
            return String::new();
        }
        self.shown.clear();
        // Ending the region moves the cursor, so that it is saved before.
        "\x1b7\x1b[r\x1b8\x1b[J".to_owned()
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        self.leave();
    }
}

/// Columns of the terminal.
pub(super) fn width() -> usize {
    size().1.into()
}

fn write(text: &str) {
    if !text.is_empty() {
        let mut stderr = std::io::stderr().lock();
        // A terminal that is gone shows nothing.
        let _ = stderr.write_all(text.as_bytes()).and_then(|()| stderr.flush());
    }
}

/// Rows and columns.
#[cfg(unix)]
fn size() -> (u16, u16) {
    match rustix::termios::tcgetwinsize(std::io::stderr()) {
        Ok(size) if size.ws_row > 0 && size.ws_col > 0 => (size.ws_row, size.ws_col),
        _ => (24, 80),
    }
}

/// Rows and columns.
#[cfg(not(unix))]
fn size() -> (u16, u16) {
    (24, 80)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| (*text).to_owned()).collect()
    }

    #[test]
    fn the_region_is_set_once_and_again_when_the_size_changes() {
        let mut screen = Screen::default();
        let first = screen.picture(&lines(&["a", "b"]), (24, 80));
        assert_eq!(first, "\n\n\x1b7\x1b[1;22r\x1b8\x1b[2A\x1b7\x1b[23;1H\x1b[2Ka\x1b[24;1H\x1b[2Kb\x1b8");
        assert_eq!(screen.picture(&lines(&["a", "b"]), (24, 80)), "", "nothing has changed");
        let next = screen.picture(&lines(&["a", "c"]), (24, 80));
        assert!(!next.contains("22r") && next.contains("\x1b[24;1H\x1b[2Kc"), "{next:?}");
        let resized = screen.picture(&lines(&["a", "c"]), (30, 80));
        assert!(resized.starts_with("\x1b7\x1b[r\x1b8\x1b[J\n\n") && resized.contains("1;28r"), "{resized:?}");
        assert_eq!(screen.undo(), "\x1b7\x1b[r\x1b8\x1b[J");
        assert_eq!(screen.undo(), "");
    }

    #[test]
    fn what_does_not_fit_is_not_shown() {
        let mut screen = Screen::default();
        assert_eq!(screen.picture(&lines(&["a"]), (2, 80)), "");
        assert!(screen.picture(&lines(&["a", "b", "c"]), (4, 80)).contains("1;2r"));
        assert_eq!(screen.undo(), "\x1b7\x1b[r\x1b8\x1b[J");
    }
}
