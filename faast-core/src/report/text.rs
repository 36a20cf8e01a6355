//! Words and numbers as the report shows them. Everything that came from a user goes through [`Escaped`].

use std::fmt;

use crate::cost::readable;

/// Text that may hold anything, on its way into HTML: into elements, and into attributes between double quotes.
pub(crate) struct Escaped<'t>(pub(crate) &'t str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0;
        while let Some(at) = rest.find(['&', '<', '>', '"', '\'']) {
            f.write_str(&rest[..at])?;
            f.write_str(match &rest[at..=at] {
                "&" => "&amp;",
                "<" => "&lt;",
                ">" => "&gt;",
                "\"" => "&quot;",
                _ => "&#39;",
            })?;
            rest = &rest[at + 1..];
        }
        f.write_str(rest)
    }
}

/// Microseconds in the unit that fits, with three digits.
pub(super) struct Span(pub(super) u64);

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let us = self.0 as f64;
        let (value, unit) = match self.0 {
            0 => return f.write_str("0"),
            1..1_000 => (us, "µs"),
            1_000..1_000_000 => (us / 1e3, "ms"),
            1_000_000..120_000_000 => (us / 1e6, "s"),
            120_000_000..7_200_000_000 => (us / 60e6, "min"),
            _ => (us / 3600e6, "h"),
        };
        write!(f, "{}\u{a0}{unit}", Digits(value))
    }
}

/// A number with three digits, or all of its whole part.
struct Digits(f64);

impl fmt::Display for Digits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let decimals = match self.0 {
            value if value >= 99.95 => 0,
            value if value >= 9.995 => 1,
            _ => 2,
        };
        let text = format!("{:.decimals$}", self.0);
        let short = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
        f.write_str(short)
    }
}

/// A whole number, its thousands apart.
pub(super) struct Count(pub(super) u64);

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.0.to_string();
        let mut text = String::new();
        for (at, digit) in digits.chars().enumerate() {
            if at > 0 && (digits.len() - at).is_multiple_of(3) {
                text.push(',');
            }
            text.push(digit);
        }
        f.pad(&text)
    }
}

/// US dollars; small sums with as many digits as say something.
pub(super) struct Usd(pub(super) f64);

impl fmt::Display for Usd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0.0 => f.write_str("$0"),
            usd if usd >= 1.0 => write!(f, "${usd:.2}"),
            usd => write!(f, "${}", readable(usd, 4)),
        }
    }
}

/// Bytes in the unit that fits.
pub(super) struct Bytes(pub(super) u64);

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = self.0 as f64;
        let (value, unit) = match self.0 {
            0..1_024 => (bytes, "B"),
            1_024..1_048_576 => (bytes / 1024.0, "KiB"),
            1_048_576..1_073_741_824 => (bytes / 1_048_576.0, "MiB"),
            _ => (bytes / 1_073_741_824.0, "GiB"),
        };
        write!(f, "{}\u{a0}{unit}", Digits(value))
    }
}

/// A number that need not be whole.
pub(super) struct Amount(pub(super) f64);

impl fmt::Display for Amount {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "rounded, and not negative")]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            value if value >= 999.5 => Count(value.round() as u64).fmt(f),
            value if value == 0.0 || value >= 0.01 => Digits(value).fmt(f),
            value => f.write_str(&readable(value, 0)),
        }
    }
}

/// A share (0 to 1) as per cent.
pub(super) struct Share(pub(super) f64);

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\u{a0}%", Digits(self.0 * 100.0))
    }
}

/// `1 call`, `2 calls`.
pub(super) fn counted(count: u64, what: &str) -> String {
    format!("{}\u{a0}{what}{}", Count(count), if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_markup_elsewhere_is_text_here() {
        let text = Escaped("</script><b a=\"1\" b='2'>&amp; ö").to_string();
        assert_eq!(text, "&lt;/script&gt;&lt;b a=&quot;1&quot; b=&#39;2&#39;&gt;&amp;amp; ö");
    }

    #[test]
    fn units_fit_what_they_measure() {
        let spans = [0, 7, 999, 1_000, 12_345, 999_900, 1_500_000, 119_000_000, 600_000_000, 90_000_000_000];
        let texts = spans.map(|us| Span(us).to_string().replace('\u{a0}', " "));
        let expected = ["0", "7 µs", "999 µs", "1 ms", "12.3 ms", "1000 ms", "1.5 s", "119 s", "10 min", "25 h"];
        assert_eq!(texts, expected);
        assert_eq!(Bytes(3 << 19).to_string(), "1.5\u{a0}MiB");
    }

    #[test]
    fn counts_and_sums_are_readable() {
        assert_eq!([0, 999, 1_000, 1_234_567].map(|n| Count(n).to_string()), ["0", "999", "1,000", "1,234,567"]);
        let sums = [0.0, 12.345, 0.05, 0.000_123_4, 2e-9].map(|usd| Usd(usd).to_string());
        assert_eq!(sums, ["$0", "$12.35", "$0.0500", "$0.000123", "$0.00000000200"]);
        assert_eq!([0.0, 0.5, 1234.5, 0.001].map(|n| Amount(n).to_string()), ["0", "0.5", "1,235", "0.00100"]);
        assert_eq!((counted(1, "call"), Share(0.125).to_string()), ("1\u{a0}call".into(), "12.5\u{a0}%".into()));
    }
}
