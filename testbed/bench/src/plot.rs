//! Plots as SVG: lines through points, either axis linear or logarithmic, on white, readable without anything else.

use std::fmt::Write;

/// The picture, in units of its own.
const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 420.0;
/// The room around the axes: left, right, top, bottom.
const MARGIN: [f64; 4] = [84.0, 190.0, 44.0, 56.0];
/// Told apart without colour sight, too (Okabe and Ito).
const COLOURS: [&str; 6] = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"];

/// Points with a name.
#[derive(Clone, Debug)]
pub struct Series {
    /// In the legend.
    pub name: String,
    /// By rising x.
    pub points: Vec<(f64, f64)>,
}

/// An axis.
#[derive(Clone, Debug)]
pub struct Axis {
    /// What it measures.
    pub name: String,
    /// Decades lie evenly on it.
    pub log: bool,
    /// It begins at nought, unless it is logarithmic.
    pub from_zero: bool,
}

impl Axis {
    /// A linear axis from nought.
    pub fn linear(name: &str) -> Self {
        Self { name: name.into(), log: false, from_zero: true }
    }

    /// A logarithmic one.
    pub fn log(name: &str) -> Self {
        Self { name: name.into(), log: true, from_zero: false }
    }
}

/// A plot.
#[derive(Clone, Debug)]
pub struct Plot {
    /// Above it.
    pub title: String,
    /// From left to right.
    pub x: Axis,
    /// From bottom to top.
    pub y: Axis,
    /// Lines, six at most.
    pub series: Vec<Series>,
}

/// An axis on paper.
struct Scale {
    log: bool,
    low: f64,
    high: f64,
    from: f64,
    to: f64,
    ticks: Vec<f64>,
}

impl Scale {
    fn new(axis: &Axis, values: impl Iterator<Item = f64> + Clone, from: f64, to: f64) -> Self {
        let (least, most) = values.fold((f64::MAX, f64::MIN), |(a, b), v| (a.min(v), b.max(v)));
        if axis.log {
            let least = least.max(1e-9);
            let decades = least.log10().floor() as i32..=most.max(least * 1.01).log10().ceil() as i32;
            let (low, high) = (f64::from(*decades.start()), f64::from(*decades.end()));
            return Self { log: true, low, high, from, to, ticks: decades.map(|d| 10_f64.powi(d)).collect() };
        }
        let low = if axis.from_zero { least.min(0.0) } else { least };
        let step = nice((most - low).max(1e-9) / 5.0);
        let low = (low / step).floor() * step;
        let count = ((most - low) / step).ceil().max(1.0) as u32;
        let ticks: Vec<f64> = (0..=count).map(|n| low + f64::from(n) * step).collect();
        Self { log: false, low, high: low + f64::from(count) * step, from, to, ticks }
    }

    fn at(&self, value: f64) -> f64 {
        let value = if self.log { value.max(1e-9).log10() } else { value };
        self.from + (value - self.low) / (self.high - self.low) * (self.to - self.from)
    }
}

/// The next of 1, 2, 5 times a power of ten.
fn nice(step: f64) -> f64 {
    let power = 10_f64.powf(step.log10().floor());
    [1.0, 2.0, 5.0].into_iter().map(|n| n * power).find(|n| *n >= step * 0.999).unwrap_or(10.0 * power)
}

/// A number as short as it can be told on an axis.
fn told(value: f64) -> String {
    for (size, letter) in [(1e9, "G"), (1e6, "M"), (1e3, "k")] {
        if value.abs() >= size {
            return format!("{}{letter}", trimmed(value / size));
        }
    }
    trimmed(value)
}

fn trimmed(value: f64) -> String {
    let text = format!("{value:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

impl Plot {
    /// The picture. Nothing where there are no points.
    pub fn svg(&self) -> String {
        let all = || self.series.iter().flat_map(|series| series.points.iter().copied());
        if all().next().is_none() {
            return String::new();
        }
        let [left, right, top, bottom] = MARGIN;
        let x = Scale::new(&self.x, all().map(|(x, _)| x), left, WIDTH - right);
        let y = Scale::new(&self.y, all().map(|(_, y)| y), HEIGHT - bottom, top);
        let mut out = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" font-size=\"12\">\n\
             <rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n\
             <text x=\"{left}\" y=\"24\" font-size=\"15\" font-weight=\"bold\">{}</text>\n",
            escaped(&self.title)
        );
        let line = |x1: f64, y1: f64, x2: f64, y2: f64| {
            format!("<path d=\"M{x1:.1} {y1:.1}L{x2:.1} {y2:.1}\" stroke=\"#ddd\"/>\n")
        };
        for tick in &x.ticks {
            let at = x.at(*tick);
            out += &line(at, top, at, HEIGHT - bottom);
            let below = HEIGHT - bottom + 18.0;
            let _ = writeln!(
                out,
                "<text x=\"{at:.1}\" y=\"{below}\" text-anchor=\"middle\">{}</text>",
                told(*tick)
            );
        }
        for tick in &y.ticks {
            let at = y.at(*tick);
            out += &line(left, at, WIDTH - right, at);
            let (beside, at) = (left - 8.0, at + 4.0);
            let _ = writeln!(
                out,
                "<text x=\"{beside}\" y=\"{at:.1}\" text-anchor=\"end\">{}</text>",
                told(*tick)
            );
        }
        let (middle, low) = (f64::midpoint(left, WIDTH - right), HEIGHT - 14.0);
        let _ = writeln!(
            out,
            "<text x=\"{middle}\" y=\"{low}\" text-anchor=\"middle\">{}</text>",
            escaped(&self.x.name)
        );
        let middle = f64::midpoint(top, HEIGHT - bottom);
        let _ = writeln!(
            out,
            "<text transform=\"translate(20 {middle}) rotate(-90)\" text-anchor=\"middle\">{}</text>",
            escaped(&self.y.name)
        );
        for (n, (series, colour)) in self.series.iter().zip(COLOURS).enumerate() {
            let points = series.points.iter().map(|(px, py)| (x.at(*px), y.at(*py)));
            let path: Vec<String> = points.clone().map(|(px, py)| format!("{px:.1},{py:.1}")).collect();
            let _ = writeln!(
                out,
                "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>",
                path.join(" ")
            );
            for ((px, py), (_, value)) in points.zip(&series.points) {
                let _ = writeln!(
                    out,
                    "<circle cx=\"{px:.1}\" cy=\"{py:.1}\" r=\"3.5\" fill=\"{colour}\"><title>{}</title></circle>",
                    trimmed(*value)
                );
            }
            let (at, height) = (WIDTH - right + 14.0, top + 12.0 + 20.0 * n as f64);
            let _ = writeln!(
                out,
                "<rect x=\"{at}\" y=\"{:.1}\" width=\"12\" height=\"4\" fill=\"{colour}\"/><text x=\"{}\" y=\"{height}\">{}</text>",
                height - 6.0,
                at + 18.0,
                escaped(&series.name)
            );
        }
        out + "</svg>\n"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plot(log: bool, points: Vec<(f64, f64)>) -> Plot {
        let axis = |name: &str| if log { Axis::log(name) } else { Axis::linear(name) };
        let series = vec![Series { name: "a & b".into(), points }];
        Plot { title: "t".into(), x: axis("x"), y: Axis::linear("y"), series }
    }

    #[test]
    fn decades_lie_evenly_on_a_logarithmic_axis() {
        let svg = plot(true, vec![(1.0, 0.0), (10.0, 5.0), (100.0, 10.0)]).svg();
        let (left, right) = (MARGIN[0], WIDTH - MARGIN[1]);
        let (bottom, top) = (HEIGHT - MARGIN[3], MARGIN[2]);
        let (x, y) = (f64::midpoint(left, right), f64::midpoint(bottom, top));
        let points = format!("points=\"{left:.1},{bottom:.1} {x:.1},{y:.1} {right:.1},{top:.1}\"");
        assert!(svg.contains(&points), "{points}\n{svg}");
        assert!(svg.contains("a &amp; b") && !svg.contains("NaN"), "{svg}");
    }

    #[test]
    fn one_point_or_none_is_no_trouble() {
        assert!(!plot(false, vec![(3.0, 0.0)]).svg().contains("NaN"));
        assert_eq!(plot(false, Vec::new()).svg(), "");
        assert_eq!(
            (told(1_048_576.0), told(0.25), told(50_000.0)),
            ("1.049M".into(), "0.25".into(), "50k".into())
        );
    }
}
