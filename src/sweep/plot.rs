//! The plot of a sweep as plain numbers: the metric against one of its keys, with an interval over the seeds.

use serde_json::Value;

use super::outcome::Which;
use super::queue::State;
use super::table::{Row, Summary, Table};
use crate::stats::repeats::Repeats;
use crate::words;

/// What is on the axis from the left to the right, where nothing varies but the seed or the variation.
const VARIATION: &str = "variation";
const SEEDS_ALONE: &str = "seeds";

/// Values that span so much are drawn on a logarithmic axis.
const DECADES: f64 = 10.0;

#[derive(Clone, Debug, PartialEq)]
pub struct PlotData {
    pub x_name: String,
    pub y_name: String,
    pub scale: Scale,
    pub series: Vec<Series>,
}

/// The axis from the left to the right.
#[derive(Clone, Debug, PartialEq)]
pub enum Scale {
    Linear,

    /// An x is the logarithm to the base 10.
    Log,

    /// An x is a place in this list.
    Names(Vec<String>),
}

/// Configurations that differ in the key on the axis alone.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// What they have in common beyond that. Empty: nothing.
    pub name: String,
    pub points: Vec<PlotPoint>,
}

/// A configuration.
#[derive(Clone, Debug, PartialEq)]
pub struct PlotPoint {
    pub x: f64,
    pub mean: f64,
    pub interval: Option<(f64, f64)>,

    /// Of each seed.
    pub singles: Vec<f64>,
}

/// What can be on the axis.
pub fn axes(table: &Table) -> Vec<String> {
    let mut found = table.keys.clone();
    if table.summaries.iter().any(|summary| summary.variation.is_some()) {
        found.push(VARIATION.to_owned());
    }
    if found.is_empty() {
        found.push(SEEDS_ALONE.to_owned());
    }
    found
}

impl PlotData {
    /// `against`: one of [`axes`]; another one is the first of them.
    pub fn of(table: &Table, against: &str, which: Which) -> Self {
        let axes = axes(table);
        let against = axes.iter().find(|known| *known == against).or_else(|| axes.first());
        let against = against.cloned().unwrap_or_default();
        let values: Vec<Value> =
            table.summaries.iter().map(|summary| value(summary, &against)).collect();
        let scale = scale(&values);
        let mut series: Vec<Series> = Vec::new();
        for (place, (summary, value)) in table.summaries.iter().zip(&values).enumerate() {
            let found = match which {
                Which::Last => summary.last,
                Which::Best => summary.best,
            };
            let Some(Repeats { mean, interval, .. }) = found.filter(|found| found.mean.is_finite())
            else {
                continue;
            };
            let of_configuration = |row: &&Row| row.configuration == place;
            let singles = table.rows.iter().filter(of_configuration);
            let singles = singles.filter_map(|row| single(row, &table.key, which)).collect();
            let point = PlotPoint { x: scale.place(value), mean, interval, singles };
            let name = rest(summary, &against);
            match series.iter_mut().find(|known| known.name == name) {
                Some(known) => known.points.push(point),
                None => series.push(Series { name, points: vec![point] }),
            }
        }
        for one in &mut series {
            one.points.sort_by(|one, other| one.x.total_cmp(&other.x));
        }
        let y_name = match which {
            Which::Last => table.title.clone(),
            Which::Best => format!("{}, best", table.title),
        };
        Self { x_name: against, y_name, scale, series }
    }

    /// What stands below the axis.
    pub fn x_title(&self) -> String {
        match self.scale {
            Scale::Log => format!("{} (logarithmic)", self.x_name),
            Scale::Linear | Scale::Names(_) => self.x_name.clone(),
        }
    }
}

fn single(row: &Row, key: &str, which: Which) -> Option<f64> {
    let number = row.outcome.as_ref().filter(|_| row.state == State::Done)?.number(key)?;
    match which {
        Which::Last => Some(number.last),
        Which::Best => number.best,
    }
}

fn value(summary: &Summary, against: &str) -> Value {
    if against == VARIATION {
        return Value::String(summary.variation.clone().unwrap_or_default());
    }
    summary.values.get(against).cloned().unwrap_or_else(|| Value::String(summary.label.clone()))
}

/// What a configuration is beyond the key on the axis.
fn rest(summary: &Summary, against: &str) -> String {
    let variation = summary.variation.iter().filter(|_| against != VARIATION).cloned();
    let others = summary.values.iter().filter(|(key, _)| *key != against);
    let others = others.map(|(key, value)| format!("{key} {}", words(value)));
    variation.chain(others).collect::<Vec<_>>().join(", ")
}

fn words(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => match number.as_f64() {
            Some(float) if number.is_f64() => words::number(float),
            _ => number.to_string(),
        },
        other => other.to_string(),
    }
}

fn scale(values: &[Value]) -> Scale {
    let numbers: Option<Vec<f64>> = values.iter().map(Value::as_f64).collect();
    let Some(numbers) = numbers else {
        let mut names: Vec<String> = Vec::new();
        for name in values.iter().map(words) {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        return Scale::Names(names);
    };
    let low = numbers.iter().copied().fold(f64::INFINITY, f64::min);
    let high = numbers.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if low > 0.0 && high / low >= DECADES { Scale::Log } else { Scale::Linear }
}

impl Scale {
    fn place(&self, value: &Value) -> f64 {
        match self {
            Self::Linear => value.as_f64().unwrap_or(0.0),
            Self::Log => value.as_f64().unwrap_or(1.0).log10(),
            Self::Names(names) => {
                let name = words(value);
                names.iter().position(|known| *known == name).unwrap_or(0) as f64
            }
        }
    }

    /// An x as a person reads it.
    pub fn words(&self, x: f64) -> String {
        match self {
            Self::Linear => words::number((x * 1e9).round() / 1e9),
            Self::Log => {
                let value = 10_f64.powf(x);
                let digits = 10_f64.powf(2.0 - x.floor());
                words::number((value * digits).round() / digits)
            }
            Self::Names(names) => {
                let is_place = (x - x.round()).abs() < 1e-6 && x > -0.5;
                let name = is_place.then(|| names.get(x.round() as usize)).flatten();
                name.cloned().unwrap_or_default()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, json};

    use super::*;
    use crate::stats::repeats::repeats;

    fn table(values: &[Value], others: &[i64]) -> Table {
        let mut summaries = Vec::new();
        for other in others {
            for value in values {
                let mut keys = Map::new();
                keys.insert("a".to_owned(), value.clone());
                if others.len() > 1 {
                    keys.insert("b".to_owned(), json!(other));
                }
                summaries.push(Summary {
                    label: format!("a {value}"),
                    variation: None,
                    values: keys,
                    runs: 2,
                    last: repeats(&[0.5, 0.7]),
                    best: repeats(&[0.4, 0.6]),
                    secs: None,
                    memory: None,
                });
            }
        }
        let keys = if others.len() > 1 { vec!["a", "b"] } else { vec!["a"] };
        Table {
            key: "eval_loss".to_owned(),
            title: "Held-out loss".to_owned(),
            better: None,
            keys: keys.into_iter().map(str::to_owned).collect(),
            rows: Vec::new(),
            summaries,
        }
    }

    #[test]
    fn values_that_span_decades_are_on_a_logarithmic_axis() {
        let found = PlotData::of(&table(&[json!(1e-3), json!(1e-5)], &[1]), "a", Which::Last);
        assert_eq!(found.scale, Scale::Log);
        let [series] = &found.series[..] else { panic!() };
        let places: Vec<f64> = series.points.iter().map(|point| point.x).collect();
        assert_eq!(places, [-5.0, -3.0]); // in order
        assert_eq!((series.name.as_str(), found.scale.words(-5.0)), ("", "1e-5".to_owned()));
        assert!((series.points[0].mean - 0.6).abs() < 1e-12);
        let near = PlotData::of(&table(&[json!(1e-4), json!(5e-4)], &[1]), "a", Which::Best);
        assert_eq!((near.scale, near.y_name.as_str()), (Scale::Linear, "Held-out loss, best"));
        let zero = PlotData::of(&table(&[json!(0), json!(100)], &[1]), "a", Which::Last);
        assert_eq!(zero.scale, Scale::Linear, "0 has no logarithm");
    }

    #[test]
    fn names_are_places_and_other_keys_are_series() {
        let found =
            PlotData::of(&table(&[json!("ipo"), json!("sigmoid")], &[1, 2, 3]), "a", Which::Last);
        assert_eq!(found.scale, Scale::Names(vec!["ipo".to_owned(), "sigmoid".to_owned()]));
        let names: Vec<&str> = found.series.iter().map(|series| series.name.as_str()).collect();
        assert_eq!(names, ["b 1", "b 2", "b 3"]);
        assert_eq!(
            (found.scale.words(1.0), found.scale.words(0.5)),
            ("sigmoid".to_owned(), String::new())
        );
        let other =
            PlotData::of(&table(&[json!("ipo"), json!("sigmoid")], &[1, 2, 3]), "b", Which::Last);
        assert_eq!(
            (other.scale, other.series.len(), other.series[0].points.len()),
            (Scale::Linear, 2, 3)
        );
    }

    #[test]
    fn seeds_alone_are_one_point() {
        let mut table = table(&[json!(1)], &[1]);
        table.keys.clear();
        table.summaries[0].values.clear();
        table.summaries[0].label = "as in the run file".to_owned();
        assert_eq!(axes(&table), ["seeds"]);
        let found = PlotData::of(&table, "anything", Which::Last);
        assert_eq!(found.scale, Scale::Names(vec!["as in the run file".to_owned()]));
        assert_eq!(found.series[0].points.len(), 1);
    }
}
