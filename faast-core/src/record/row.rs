//! Rows: single attempts, a line each, as the record's file has them.
//!
//! A row is a JSON array of numbers, about sixty bytes. Times are microseconds since the start of the run.

use std::fmt::Write as _;

use super::summary::Times;
use super::tape::{Attempt, End};
use super::timeline::Place;
use crate::error::ErrorKind;

/// What the first line of the file says about those that follow.
pub(crate) const COLUMNS: [&str; 11] =
    ["call", "attempt", "function", "lane", "queued", "sent", "started", "ended", "run", "end", "flags"];

/// The end of an attempt that gave its call the value.
pub(crate) const ANSWERED: i64 = 0;
/// Another attempt was faster.
pub(crate) const TOO_LATE: i64 = -1;
/// Nobody waited for it any more.
pub(crate) const DROPPED: i64 = -2;

const HEDGE: i64 = 1;
const COLD: i64 = 2;

/// One attempt in numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) call: u64,
    /// 0 where it is not known.
    pub(crate) attempt: u32,
    /// Its place in the summary's list.
    pub(crate) function: Option<usize>,
    pub(crate) lane: Option<usize>,
    pub(crate) queued_us: u64,
    pub(crate) sent_us: u64,
    pub(crate) started_us: u64,
    pub(crate) ended_us: u64,
    pub(crate) run_us: u64,
    /// 0, -1, -2, or the code of an [`ErrorKind`].
    pub(crate) end: i64,
    pub(crate) hedge: bool,
    pub(crate) cold: bool,
}

impl Row {
    pub(crate) fn new(attempt: &Attempt, times: &Times, function: Option<usize>, place: Place) -> Self {
        let end = match attempt.end {
            End::Answered => ANSWERED,
            End::TooLate => TOO_LATE,
            End::Dropped => DROPPED,
            End::Failed(kind) => kind.code().into(),
        };
        Self {
            call: attempt.call,
            attempt: attempt.number,
            function,
            lane: place.lane,
            queued_us: attempt.queued_us,
            sent_us: attempt.sent_us,
            started_us: times.started,
            ended_us: attempt.ended_us,
            run_us: times.run,
            end,
            hedge: attempt.hedge,
            cold: place.cold,
        }
    }

    /// Why it failed, if it did.
    pub(crate) fn error(&self) -> Option<ErrorKind> {
        ErrorKind::from_code(u8::try_from(self.end).ok().filter(|code| *code > 0)?)
    }

    pub(crate) fn numbers(&self) -> [i64; 11] {
        let number = |it: u64| i64::try_from(it).unwrap_or(i64::MAX);
        let place = |it: Option<usize>| it.and_then(|it| i64::try_from(it).ok()).unwrap_or(-1);
        let flags = if self.hedge { HEDGE } else { 0 } | if self.cold { COLD } else { 0 };
        [
            number(self.call),
            self.attempt.into(),
            place(self.function),
            place(self.lane),
            number(self.queued_us),
            number(self.sent_us),
            number(self.started_us),
            number(self.ended_us),
            number(self.run_us),
            self.end,
            flags,
        ]
    }

    /// Adds its line.
    pub(crate) fn write(&self, text: &mut String) {
        for (at, number) in self.numbers().into_iter().enumerate() {
            // Writing to a string can't fail.
            let _ = write!(text, "{}{number}", if at == 0 { '[' } else { ',' });
        }
        text.push_str("]\n");
    }

    /// Reads a line; `None` for what is none, as a killed client leaves at the end.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let numbers: [i64; 11] = serde_json::from_str(text).ok()?;
        let [call, attempt, function, lane, queued, sent, started, ended, run, end, flags] = numbers;
        // Above that, no report can reckon with it: microseconds of 35 years.
        let number = |it: i64| u64::try_from(it).ok().filter(|it| *it <= 1 << 50);
        Some(Self {
            call: number(call)?,
            attempt: u32::try_from(attempt).ok()?,
            function: usize::try_from(function).ok(),
            lane: usize::try_from(lane).ok(),
            queued_us: number(queued)?,
            sent_us: number(sent)?,
            started_us: number(started)?,
            ended_us: number(ended)?,
            run_us: number(run)?,
            end,
            hedge: flags & HEDGE != 0,
            cold: flags & COLD != 0,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_comes_back_and_half_a_row_does_not() {
        let row = Row {
            call: 7,
            attempt: 2,
            function: Some(1),
            lane: None,
            queued_us: 1,
            sent_us: 2,
            started_us: 3,
            ended_us: 9,
            run_us: 4,
            end: ErrorKind::Panic.code().into(),
            hedge: true,
            cold: false,
        };
        let mut line = String::new();
        row.write(&mut line);
        assert_eq!(line, "[7,2,1,-1,1,2,3,9,4,2,1]\n");
        assert_eq!(Row::parse(line.trim()), Some(row));
        assert_eq!(row.error(), Some(ErrorKind::Panic));
        assert_eq!(Row::parse("[7,2,1,-1,1,2"), None);
    }
}
