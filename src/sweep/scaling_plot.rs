//! The plots of a scaling series as plain numbers, all on logarithmic axes: loss against size with the law, against
//! tokens, against compute; tokens against size with Chinchilla's line.

use super::scaling::{CHINCHILLA, ScaledRun, Scaling, SizePoint};
use crate::words::about;

/// A plot whose axes are both logarithmic. Its numbers are not logarithms.
#[derive(Clone, Debug, PartialEq)]
pub struct LogPlot {
    /// Of its file: `scaling-parameters`.
    pub name: &'static str,
    pub title: String,

    /// What it means, in a sentence.
    pub explanation: &'static str,
    pub x_name: &'static str,
    pub series: Vec<LogSeries>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct LogSeries {
    pub name: String,
    pub tint: Tint,
    pub look: Look,
    pub points: Vec<(f64, f64)>,

    /// From a lower to a higher value at an x: 95 %.
    pub bars: Vec<(f64, f64, f64)>,
}

/// What gives a colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tint {
    /// A size by its place, the same on all plots.
    Size(usize),

    /// A law or a rule.
    Law,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    Marks,
    Line,
    Dashes,
}

/// How far a law is drawn beyond the sizes that it was fitted to.
const BEYOND: f64 = 2.0;

/// All of them, in order. Empty: nothing is done yet.
pub fn plots(scaling: &Scaling) -> Vec<LogPlot> {
    if scaling.runs.is_empty() {
        return Vec::new();
    }
    vec![
        against_size(scaling),
        against_tokens(scaling),
        tokens_against_size(scaling),
        against_compute(scaling),
    ]
}

fn against_size(scaling: &Scaling) -> LogPlot {
    let point = |(place, point): (usize, &SizePoint)| LogSeries {
        name: point.size.to_string(),
        tint: Tint::Size(place_of(scaling, place)),
        look: Look::Marks,
        points: vec![(point.parameters as f64, point.loss)],
        bars: point
            .interval
            .filter(|(low, _)| *low > 0.0)
            .map(|(low, high)| (point.parameters as f64, low, high))
            .into_iter()
            .collect(),
    };
    let mut series: Vec<LogSeries> = scaling.sizes.iter().enumerate().map(point).collect();
    if let (Ok(law), Some(first), Some(last)) =
        (&scaling.law, scaling.sizes.first(), scaling.sizes.last())
    {
        let (low, high) = (first.parameters as f64 / BEYOND, last.parameters as f64 * BEYOND);
        let points = between(low, high).map(|size| (size, law.at(size))).collect();
        let name = format!("law, α = {:.3}", law.alpha().0);
        series.insert(0, of_law(name, Look::Line, points));
    }
    LogPlot {
        name: "scaling-parameters",
        title: format!("{} over size", scaling.loss_name()),
        explanation: "A mark for each size, the mean over its seeds with its 95 % interval where there are several; \
                      the line is the law that is fitted to them",
        x_name: "Parameters without embeddings",
        series,
    }
}

fn against_tokens(scaling: &Scaling) -> LogPlot {
    LogPlot {
        name: "scaling-tokens",
        title: format!("{} over tokens", scaling.loss_name()),
        explanation: "What each run had reached after so many tokens",
        x_name: "Tokens learned from",
        series: curves(scaling, |_, tokens| tokens as f64),
    }
}

fn tokens_against_size(scaling: &Scaling) -> LogPlot {
    let run = |run: &ScaledRun| LogSeries {
        name: format!("{}: {}", run.size, about(run.tokens_per_parameter)),
        tint: Tint::Size(run.place),
        look: Look::Marks,
        points: vec![(run.all_parameters as f64, run.tokens as f64)],
        bars: Vec::new(),
    };
    let sizes = scaling.runs.iter().map(|run| run.all_parameters as f64);
    let (low, high) =
        sizes.fold((f64::INFINITY, 0.0_f64), |(low, high), size| (low.min(size), high.max(size)));
    let points = between(low / BEYOND, high * BEYOND).map(|size| (size, CHINCHILLA * size));
    let mut series =
        vec![of_law(format!("{CHINCHILLA} tokens a parameter"), Look::Dashes, points.collect())];
    series.extend(scaling.runs.iter().map(run));
    LogPlot {
        name: "scaling-chinchilla",
        title: "Tokens over size".to_owned(),
        explanation: "Where each run stands to Chinchilla's line. Below it a model is too large for what it read, \
                      above it too small for what it could have learned with the same compute",
        x_name: "All parameters",
        series,
    }
}

fn against_compute(scaling: &Scaling) -> LogPlot {
    let mut series = curves(scaling, ScaledRun::compute_after);
    series.push(of_law("lowest of all".to_owned(), Look::Dashes, scaling.envelope()));
    LogPlot {
        name: "scaling-compute",
        title: format!("{} over compute", scaling.loss_name()),
        explanation: "The same curves over 6 N D, with all parameters. The dashes are the lowest loss that any run \
                      had with so much compute: the frontier of these runs",
        x_name: "Floating-point operations, 6 N D",
        series,
    }
}

/// A line a run.
fn curves(scaling: &Scaling, x: impl Fn(&ScaledRun, u64) -> f64) -> Vec<LogSeries> {
    let curve = |run: &ScaledRun| {
        let points = run.curve.iter().filter(|(tokens, loss)| *tokens > 0 && *loss > 0.0);
        LogSeries {
            name: run.size.to_string(),
            tint: Tint::Size(run.place),
            look: Look::Line,
            points: points.map(|(tokens, loss)| (x(run, *tokens), *loss)).collect(),
            bars: Vec::new(),
        }
    };
    scaling.runs.iter().map(curve).collect()
}

fn of_law(name: String, look: Look, points: Vec<(f64, f64)>) -> LogSeries {
    LogSeries { name, tint: Tint::Law, look, points, bars: Vec::new() }
}

/// The place of a size among all, where some have no run that is done.
fn place_of(scaling: &Scaling, place: usize) -> usize {
    let parameters = scaling.sizes[place].parameters;
    let run = scaling.runs.iter().find(|run| run.parameters == parameters);
    run.map_or(place, |run| run.place)
}

fn between(low: f64, high: f64) -> impl Iterator<Item = f64> {
    const STEPS: u32 = 48;
    let ratio = (high / low).ln() / f64::from(STEPS);
    (0..=STEPS).map(move |step| low * (ratio * f64::from(step)).exp())
}
