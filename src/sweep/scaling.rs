//! A scaling series: what runs say together that differ in the size of a model that is born.
//!
//! Loss against size with the law through it, against tokens, and against compute. In words: see `scaling_words`; as
//! plots: see `scaling_plot`.

use super::born::Born;
use super::outcome::{Of, Which};
use super::queue::State;
use super::sizes::Size;
use super::table::{Row, Table};
use crate::stats::power_law::{PowerLaw, WithFloor, power_law, with_floor};
use crate::stats::repeats::repeats;

/// Tokens a parameter at which Hoffmann et al. (2022, "Chinchilla") found compute to be spent best. All parameters
/// are counted there.
pub const CHINCHILLA: f64 = 20.0;

/// A run that is done.
#[derive(Clone, Debug, PartialEq)]
pub struct ScaledRun {
    pub label: String,
    pub size: Size,

    /// Its place among the sizes, from the smallest.
    pub place: usize,

    /// Without embeddings, and all of them.
    pub parameters: u64,
    pub all_parameters: u64,
    pub tokens: u64,
    pub epochs: f64,
    pub loss: f64,

    /// Tokens for each of all parameters.
    pub tokens_per_parameter: f64,
    pub curve: Vec<(u64, f64)>,
}

impl ScaledRun {
    /// Floating-point operations of the whole run, about 6 N D (Kaplan et al. 2020), with all parameters as
    /// Hoffmann et al. (2022) count them: of a small model the head is a large part.
    pub fn compute(&self) -> f64 {
        self.compute_after(self.tokens)
    }

    pub fn compute_after(&self, tokens: u64) -> f64 {
        6.0 * self.all_parameters as f64 * tokens as f64
    }
}

/// What stands for a size: the runs of its best configuration.
#[derive(Clone, Debug, PartialEq)]
pub struct SizePoint {
    pub size: Size,
    pub parameters: u64,

    /// Over the seeds.
    pub loss: f64,
    pub interval: Option<(f64, f64)>,
    pub runs: usize,
}

/// A law through the sizes.
#[derive(Clone, Debug, PartialEq)]
pub enum Law {
    Power(PowerLaw),
    WithFloor(WithFloor),
}

impl Law {
    pub fn at(&self, size: f64) -> f64 {
        match self {
            Self::Power(law) => law.at(size),
            Self::WithFloor(law) => law.at(size),
        }
    }

    pub fn alpha(&self) -> (f64, (f64, f64)) {
        match self {
            Self::Power(law) => (law.alpha, law.alpha_interval),
            Self::WithFloor(law) => (law.alpha, law.alpha_interval),
        }
    }
}

/// A series as it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Scaling {
    pub of: Of,
    pub which: Which,

    /// So many different sizes the series has, whether they are done or not.
    pub planned: usize,
    pub runs: Vec<ScaledRun>,

    /// From the smallest.
    pub sizes: Vec<SizePoint>,

    /// Why there is none, in a sentence.
    pub law: Result<Law, String>,

    /// Why the law is the one without a part that remains.
    pub without_floor: Option<String>,

    /// Runs that are not part of it, each with its state.
    pub left_out: Vec<(String, State)>,

    /// Why the losses cannot be compared.
    pub problem: Option<String>,

    /// Whether several configurations have the same size.
    pub chooses: bool,
}

impl Scaling {
    /// `None`: the runs of the sweep do not differ in the size of a model that is born.
    pub fn of(table: &Table, which: Which) -> Option<Self> {
        let born: Option<Vec<(&Row, &Born)>> =
            table.rows.iter().map(|row| Some((row, row.born.as_deref()?))).collect();
        let born = born?;
        let mut counts: Vec<u64> = born.iter().map(|(_, born)| born.parameters).collect();
        counts.sort_unstable();
        counts.dedup();
        if counts.len() < 2 {
            return None;
        }
        let first = born.first()?.1;
        let problem = born.iter().any(|(_, born)| !born.is_of_one_series_with(first)).then(|| {
            "the runs differ in more than their size (the text, its window, what is held out, the tokenizer or the \
             family), so their losses are not of one series: vary those in a sweep of their own"
                .to_owned()
        });
        let runs = runs(&born, which, &counts);
        let done = |label: &str| runs.iter().any(|run| run.label == label);
        let left_out: Vec<(String, State)> = born
            .iter()
            .filter(|(row, _)| !done(&row.label))
            .map(|(row, _)| (row.label.clone(), row.state))
            .collect();
        let (sizes, chooses) = sizes(&born, which, &counts);
        let (law, without_floor) = match &problem {
            Some(problem) => (Err(problem.clone()), None),
            None => law(&sizes, counts.len()),
        };
        let (of, planned) = (first.of, counts.len());
        Some(Self {
            of,
            which,
            planned,
            runs,
            sizes,
            law,
            without_floor,
            left_out,
            problem,
            chooses,
        })
    }

    /// The lowest loss that any run had with so much compute, from the least compute on; between two measurements
    /// of a run as a straight line on logarithmic axes.
    pub fn envelope(&self) -> Vec<(f64, f64)> {
        const STEPS: u32 = 64;
        let of_run = |run: &ScaledRun| -> Vec<(f64, f64)> {
            let points = run.curve.iter().filter(|(tokens, loss)| *tokens > 0 && *loss > 0.0);
            points.map(|(tokens, loss)| (run.compute_after(*tokens).ln(), loss.ln())).collect()
        };
        let curves: Vec<Vec<(f64, f64)>> = self.runs.iter().map(of_run).collect();
        let mut places: Vec<f64> = curves.iter().flatten().map(|point| point.0).collect();
        places.sort_by(f64::total_cmp);
        let (Some(first), Some(last)) = (places.first().copied(), places.last().copied()) else {
            return Vec::new();
        };
        let step = (last - first) / f64::from(STEPS);
        places.extend((0..=STEPS).map(|number| first + step * f64::from(number)));
        places.sort_by(f64::total_cmp);
        places.dedup();
        let mut lowest = f64::INFINITY;
        let mut found = Vec::with_capacity(places.len());
        for place in places {
            let here = curves.iter().filter_map(|curve| between(curve, place));
            let here = here.fold(f64::INFINITY, f64::min);
            if here < lowest {
                lowest = here;
                found.push((place.exp(), here.exp()));
            }
        }
        found
    }

    /// How many times as large the largest size is.
    pub fn span(&self) -> f64 {
        match (self.sizes.first(), self.sizes.last()) {
            (Some(first), Some(last)) => last.parameters as f64 / first.parameters as f64,
            _ => 1.0,
        }
    }
}

/// The value of a curve at an x, on a straight line between its points. `None`: it has none there.
fn between(curve: &[(f64, f64)], x: f64) -> Option<f64> {
    let after = curve.iter().position(|point| point.0 >= x)?;
    let (right, above) = curve[after];
    if after == 0 {
        return (right <= x).then_some(above);
    }
    let (left, below) = curve[after - 1];
    Some(below + (above - below) * (x - left) / (right - left))
}

/// The runs that are done and have a loss.
fn runs(born: &[(&Row, &Born)], which: Which, counts: &[u64]) -> Vec<ScaledRun> {
    let done = born.iter().filter(|(row, _)| row.state == State::Done);
    let run = |(row, born): &(&Row, &Born)| {
        let all_parameters = row.parameters.unwrap_or(born.parameters);
        Some(ScaledRun {
            label: row.label.clone(),
            size: Size::of(&born.newborn),
            place: counts.partition_point(|count| *count < born.parameters),
            parameters: born.parameters,
            all_parameters,
            tokens: born.tokens,
            epochs: born.epochs,
            loss: born.loss(which)?,
            tokens_per_parameter: born.tokens as f64 / all_parameters as f64,
            curve: born.curve.clone(),
        })
    };
    let mut runs: Vec<ScaledRun> = done.filter_map(run).collect();
    runs.sort_by_key(|run| run.place); // stable: runs of one size stay in their order
    runs
}

/// A point a size: of several configurations that with the lowest mean, and whether there are several.
fn sizes(born: &[(&Row, &Born)], which: Which, counts: &[u64]) -> (Vec<SizePoint>, bool) {
    let mut chooses = false;
    let point = |count: &u64| {
        let own = || born.iter().filter(|(_, born)| born.parameters == *count);
        let mut configurations: Vec<usize> = own().map(|(row, _)| row.configuration).collect();
        configurations.dedup();
        chooses |= configurations.len() > 1;
        let points = configurations.into_iter().filter_map(|configuration| {
            let mut losses = Vec::new();
            let mut size = None;
            for (row, born) in own().filter(|(row, _)| row.configuration == configuration) {
                if row.state == State::Done {
                    losses.extend(born.loss(which));
                }
                size = Some(Size::of(&born.newborn));
            }
            let found = repeats(&losses)?;
            let (loss, interval, runs) = (found.mean, found.interval, found.n);
            Some(SizePoint { size: size?, parameters: *count, loss, interval, runs })
        });
        points.min_by(|one, other| one.loss.total_cmp(&other.loss))
    };
    let points = counts.iter().filter_map(point).collect();
    (points, chooses)
}

/// The law that so many sizes can carry, and why it is the one without a part that remains.
fn law(sizes: &[SizePoint], planned: usize) -> (Result<Law, String>, Option<String>) {
    let points: Vec<(f64, f64)> =
        sizes.iter().map(|point| (point.parameters as f64, point.loss)).collect();
    if points.len() < 3 {
        let more = if planned > points.len() { "; it follows when more runs are done" } else { "" };
        return (
            Err(match points.len() {
                2 => format!(
                    "two sizes always lie on such a line, so a law through them would say nothing{more}"
                ),
                1 => format!("one size says nothing about how the loss falls with size{more}"),
                _ => "no run is done yet".to_owned(),
            }),
            None,
        );
    }
    let power = || power_law(&points).map(Law::Power).map_err(|reason| reason.to_string());
    match with_floor(&points) {
        Ok(law) => (Ok(Law::WithFloor(law)), None),
        Err(_) if points.len() < 5 => {
            let why = format!(
                "The law with a part that remains, E + A / N^α, has three numbers: five sizes are the fewest that \
                 leave two to check it with, and there are {}",
                points.len()
            );
            (power(), Some(why))
        }
        Err(reason) => {
            let why =
                format!("The law with a part that remains, E + A / N^α, cannot be had: {reason}");
            (power(), Some(why))
        }
    }
}
