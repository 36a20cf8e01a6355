//! Charts: the frame around drawings. A drawing stretches with the page and its lines don't; words and numbers stand
//! beside it as HTML, so that they stay readable at any width.

use std::fmt::{Display, Write as _};

use super::text::Escaped;

/// The width of every drawing, in its own units.
pub(super) const WIDTH: f64 = 1000.0;

/// A mark on an axis: where (0 to 1), and what it says.
pub(crate) type Tick = (f64, String);

/// A drawing with its axes.
pub(super) struct Chart<'c> {
    /// What a screen reader says instead of the drawing.
    pub(super) label: &'c str,
    /// Its height, in units and in pixels.
    pub(super) height: f64,
    /// Elements of SVG.
    pub(super) drawing: String,
    pub(super) x: Vec<Tick>,
    pub(super) y: Vec<Tick>,
}

impl Chart<'_> {
    pub(super) fn html(&self) -> String {
        let Self { label, height, drawing, x, y } = self;
        let mut html = String::from("<div class=\"chart\"><div class=\"y\" aria-hidden=\"true\">");
        for (at, text) in y {
            // Writing to a string can't fail.
            let _ = write!(html, "<span style=\"bottom:{:.2}%\">{text}</span>", at * 100.0);
        }
        let label = Escaped(label);
        let _ = writeln!(
            html,
            "</div><div class=\"plot\"><svg role=\"img\" aria-label=\"{label}\" viewBox=\"0 0 {WIDTH} {height}\" \
             preserveAspectRatio=\"none\" style=\"height:{height}px\">"
        );
        for (at, _) in y {
            let up = height * (1.0 - at);
            let _ = write!(html, "<path class=\"grid\" d=\"M0 {up:.2}H{WIDTH}\"/>");
        }
        html.push_str(drawing);
        html.push_str("</svg><div class=\"x\" aria-hidden=\"true\">");
        for (at, text) in x {
            let _ = write!(html, "<span style=\"left:{:.2}%\">{text}</span>", at * 100.0);
        }
        html.push_str("</div></div></div>\n");
        html
    }
}

/// Marks at round numbers, about `wanted` of them, from zero to `most`.
pub(crate) fn ticks<T: Display>(most: f64, wanted: f64, shown: impl Fn(f64) -> T) -> Vec<Tick> {
    if most <= 0.0 {
        return vec![(0.0, shown(0.0).to_string())];
    }
    let rough = most / wanted;
    let power = 10_f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].into_iter().map(|it| it * power).find(|it| *it >= rough * 0.999).unwrap_or(power);
    let marks = std::iter::successors(Some(0.0), |at| Some(at + step)).take_while(|at| *at <= most * 1.0001);
    marks.map(|at| (at / most, shown(at).to_string())).collect()
}

/// A curve of steps over equal spans from left to right, closed down to the ground.
pub(super) fn steps(values: &[f64], span: f64, most: f64, height: f64) -> String {
    let mut path = format!("M0 {height}");
    for (index, value) in values.iter().enumerate() {
        let up = height * (1.0 - (value / most).min(1.0));
        // Writing to a string can't fail.
        let _ = write!(path, "V{up:.1}H{:.2}", ((index + 1) as f64 * span).min(WIDTH));
    }
    let _ = write!(path, "V{height}Z");
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_within_the_axis() {
        let texts =
            |most| ticks(most, 5.0, |at| format!("{at:.0}")).into_iter().map(|(_, text)| text).collect::<Vec<_>>();
        assert_eq!(texts(100.0), ["0", "20", "40", "60", "80", "100"]);
        assert_eq!(texts(7.0), ["0", "2", "4", "6"]);
        assert_eq!(texts(0.0), ["0"]);
        assert!(ticks(12_345.0, 5.0, |at| at).iter().all(|(at, _)| (0.0..=1.0).contains(at)));
    }

    #[test]
    fn a_label_can_not_end_its_attribute() {
        let chart = Chart { label: "\"><script>", height: 10.0, drawing: String::new(), x: vec![], y: vec![] };
        assert!(!chart.html().contains("<script>"));
    }
}
