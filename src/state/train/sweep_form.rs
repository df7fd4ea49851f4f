//! The form of a sweep: what varies, as it is typed and clicked, and the runs that it adds up to.

use std::path::PathBuf;

use toml::Value;

use crate::llm::newborn::Newborn;
use crate::llm::{BIASES, INITS};
use crate::sweep::commas;
use crate::sweep::definition::{Definition, Seeds, Variation};
use crate::sweep::expand::{Planned, expand};
use crate::sweep::keys;
use crate::sweep::methods;
use crate::sweep::sizes;
use crate::sweep::sizes::Size;
use crate::train::config::scheduler::SCHEDULERS;
use crate::train::config::{DTYPES, TrainConfig};

/// What varies, as the person types and clicks it.
#[derive(Clone, Debug, PartialEq)]
pub struct SweepForm {
    pub rows: Vec<KeyRow>,
    pub variations: Vec<VariationRow>,

    /// Sizes of a model that is born, `3` or `1x40x4, 2x56x4`. Empty: the one on the left.
    pub sizes: String,

    /// `3`, or `1, 2, 3`.
    pub seeds: String,

    /// The sizes as they were counted last, and of what: a count walks through a whole model.
    counted: Option<(Typed, Vec<(Size, u64)>)>,

    /// What it added up to, and of what.
    checked: Option<(Asked, Result<Vec<Planned>, String>)>,
}

/// Sizes as they were typed, and the model that they are sizes of.
type Typed = (String, Newborn);

/// What an expansion was made of.
type Asked = (Vec<KeyRow>, Vec<VariationRow>, [String; 2], Box<TrainConfig>);

/// A variation: settings with a name.
#[derive(Clone, Debug, PartialEq)]
pub struct VariationRow {
    pub name: String,
    pub of: VariationOf,

    /// A learning rate of its own. Empty: that of the settings.
    pub rate: String,
}

#[derive(Clone, Debug, PartialEq)]
pub enum VariationOf {
    /// The settings on the left as they were when it was taken.
    Taken(Box<TrainConfig>),

    /// A method of [`methods::METHODS`], with the settings on the left as they are.
    Method(&'static str),
}

impl VariationRow {
    pub fn method(name: &'static str) -> Self {
        let title = methods::title(name).unwrap_or(name).to_owned();
        Self { name: title, of: VariationOf::Method(name), rate: String::new() }
    }

    /// What of it differs from the settings on the left, or what is wrong.
    pub fn variation(&self, config: &TrainConfig) -> Result<Variation, String> {
        let name = self.name.trim();
        let mut own = match &self.of {
            VariationOf::Taken(taken) => (**taken).clone(),
            VariationOf::Method(method) => methods::with_method(config, method)?,
        };
        let rate = self.rate.trim();
        if !rate.is_empty() {
            own.learning_rate = rate.parse().map_err(|_not_a_number| {
                format!("{name}: the learning rate `{rate}` is not a number, such as 1e-4")
            })?;
        }
        Ok(Variation::between(name, config, &own))
    }
}

/// A key with its values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyRow {
    pub key: String,

    /// `1e-4, 5e-5`
    pub values: String,
}

impl Default for SweepForm {
    fn default() -> Self {
        let row =
            |key: &str, values: &str| KeyRow { key: key.to_owned(), values: values.to_owned() };
        let rows = vec![row("learning_rate", "1e-5, 1e-4, 1e-3")];
        let (sizes, seeds) = (String::new(), "3".to_owned());
        Self { rows, variations: Vec::new(), sizes, seeds, counted: None, checked: None }
    }
}

impl SweepForm {
    /// The runs on top of the settings in the form, or what is wrong, in a sentence.
    pub fn planned(&mut self, config: &TrainConfig) -> Result<&[Planned], String> {
        let is_known = self.checked.as_ref().is_some_and(|((rows, variations, texts, of), _)| {
            *rows == self.rows
                && *variations == self.variations
                && *texts == [&self.sizes, &self.seeds].map(String::as_str)
                && **of == *config
        });
        if !is_known {
            let (rows, variations) = (self.rows.clone(), self.variations.clone());
            let texts = [self.sizes.clone(), self.seeds.clone()];
            let asked = (rows, variations, texts, Box::new(config.clone()));
            self.checked = Some((asked, self.expanded(config)));
        }
        match &self.checked {
            Some((_, found)) => found.as_deref().map_err(Clone::clone),
            None => Err(String::new()),
        }
    }

    /// The settings on the left become a variation, under a name that no other has.
    pub fn take(&mut self, config: &TrainConfig) {
        let mut name = "settings 1".to_owned();
        for number in 2.. {
            if self.variations.iter().all(|row| row.name != name) {
                break;
            }
            name = format!("settings {number}");
        }
        let of = VariationOf::Taken(Box::new(config.clone()));
        self.variations.push(VariationRow { name, of, rate: String::new() });
    }

    /// The usual methods in place of whatever varies, with one seed: "Compare methods".
    pub fn compare_methods(&mut self) {
        self.rows.clear();
        self.variations = methods::USUAL.map(VariationRow::method).to_vec();
        self.sizes.clear();
        "1".clone_into(&mut self.seeds);
    }

    /// Three sizes in place of whatever varies, with one seed: "Scaling series".
    pub fn scaling_series(&mut self) {
        self.rows.clear();
        self.variations.clear();
        self.sizes = sizes::USUAL.to_string();
        "1".clone_into(&mut self.seeds);
    }

    /// The sizes that are typed, each with its parameters without embeddings. Empty: none are typed, or they
    /// cannot be.
    pub fn sizes(&mut self, config: &TrainConfig) -> &[(Size, u64)] {
        let Some(newborn) = &config.newborn else { return &[] };
        let asked = (self.sizes.clone(), newborn.clone());
        if self.counted.as_ref().is_none_or(|(of, _)| *of != asked) {
            let sizes = sizes::parse(&self.sizes, newborn).unwrap_or_default().into_iter();
            let counted =
                |size: Size| Some((size, sizes::without_embeddings(&size.applied(newborn))?));
            self.counted = Some((asked, sizes.filter_map(counted).collect()));
        }
        self.counted.as_ref().map_or(&[], |(_, counted)| counted)
    }

    fn expanded(&self, config: &TrainConfig) -> Result<Vec<Planned>, String> {
        let mut grid = Vec::new();
        for row in &self.rows {
            let key = row.key.trim();
            if key.is_empty() && row.values.trim().is_empty() {
                continue;
            }
            if key.is_empty() {
                return Err(format!("name the key that has the values {}", row.values.trim()));
            }
            let read = values(&row.values);
            let own = keys::own(key, config);
            let is_number = matches!(own, Some(Value::Integer(_) | Value::Float(_)));
            // Of whole numbers no decimals are tried.
            let has_decimals = !matches!(own, Some(Value::Integer(_)));
            if let Some(problem) = commas::in_two_ways(&row.values).filter(|_| has_decimals) {
                return Err(format!("{key}: {problem}"));
            }
            let word = read.iter().filter(|_| is_number).find_map(Value::as_str);
            if let Some(word) = word {
                return Err(format!(
                    "“{word}” is no number, and {key} needs one: 0.001, 0.01, or 0,001; 0,01 with commas in the \
                     numbers"
                ));
            }
            grid.push((key.to_owned(), read));
        }
        let seeds = seeds(&self.seeds)?;
        let filled = filled(config);
        let variations = self.variations.iter().map(|row| row.variation(&filled));
        let mut variations = variations.collect::<Result<Vec<_>, _>>()?;
        // Left over from a model that was to be born, the sizes are not shown and mean nothing.
        if let Some(newborn) = &config.newborn
            && !self.sizes.trim().is_empty()
        {
            if !variations.is_empty() {
                return Err(
                    "sizes and variations are both there: take one of them out, a size is a variation"
                        .to_owned(),
                );
            }
            let sizes = sizes::parse(&self.sizes, newborn)?;
            variations = sizes.into_iter().map(|size| Variation::of_size(size, newborn)).collect();
        }
        let definition = Definition::with(&filled, grid, variations, seeds)?;
        let planned = expand(&definition).map_err(|err| err.to_string().replace("[grid]: ", ""))?;
        if planned.len() < 2 {
            return Err(
                "this is one run: give a key several values, add variations, or take several seeds"
                    .to_owned(),
            );
        }
        Ok(planned)
    }
}

/// The app fills model and data in: until then they must not stand in the way.
fn filled(config: &TrainConfig) -> TrainConfig {
    let model = if config.model.is_empty() { "starter".to_owned() } else { config.model.clone() };
    let data = if config.data.as_os_str().is_empty() {
        PathBuf::from("data")
    } else {
        config.data.clone()
    };
    TrainConfig { model, data, ..config.clone() }
}

impl KeyRow {
    /// Values of the key that are worth trying, each with whether it is in the list: those that a setting can
    /// have, or numbers around its own.
    pub fn offered(&self, config: &TrainConfig) -> Vec<(String, bool)> {
        let chosen = self.chosen();
        let offered = candidates(self.key.trim(), config).into_iter();
        offered.map(|value| (value.clone(), chosen.contains(&value))).collect()
    }

    /// Puts a value into the list, or takes it out.
    pub fn toggle(&mut self, value: &str) {
        let mut chosen = self.chosen();
        match chosen.iter().position(|known| known == value) {
            Some(place) => {
                chosen.remove(place);
            }
            None => chosen.push(value.to_owned()),
        }
        self.values = chosen.join(", ");
    }

    fn chosen(&self) -> Vec<String> {
        let text = with_points(&self.values);
        let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
        parts.map(ToOwned::to_owned).collect()
    }
}

/// Whoever writes decimals with a comma has semicolons between numbers, as in a table: `0,001; 0,01`.
fn with_points(text: &str) -> String {
    if text.contains(';') { text.replace(',', ".").replace(';', ",") } else { text.to_owned() }
}

/// See [`KeyRow::offered`]. Empty: nothing is known of the key.
fn candidates(key: &str, config: &TrainConfig) -> Vec<String> {
    fn names<const N: usize>(all: [&str; N]) -> Vec<String> {
        all.map(str::to_owned).to_vec()
    }
    match key {
        "lr_scheduler_type" => return names(SCHEDULERS.map(|(name, _)| name)),
        "lora.bias" => return names(BIASES.map(|(name, _)| name)),
        "lora.init_lora_weights" => return names(INITS.map(|(name, _)| name)),
        "dtype" => return names(DTYPES.map(|(name, _)| name)),
        "loss_type" => {
            return config.objective.facts().losses.iter().map(|name| (*name).to_owned()).collect();
        }
        _ => {}
    }
    match keys::own(key, config) {
        Some(Value::Boolean(_)) => names(["false", "true"]),
        Some(Value::Integer(own)) => {
            let around = [own / 4, own / 2, own, own * 2, own * 4];
            let mut found: Vec<i64> = around.into_iter().filter(|near| *near > 0).collect();
            found.dedup();
            found.iter().map(ToString::to_string).collect()
        }
        Some(Value::Float(0.0)) => names(["0.0", "0.01", "0.05", "0.1"]),
        Some(Value::Float(own)) => [0.1, 0.3, 1.0, 3.0, 10.0].map(|by| written(own * by)).to_vec(),
        _ => Vec::new(),
    }
}

/// A number as TOML has it, to two digits.
fn written(value: f64) -> String {
    let rounded: f64 = format!("{value:.1e}").parse().unwrap_or(value);
    if (1e-3..1e4).contains(&rounded.abs()) {
        format!("{rounded:?}")
    } else {
        format!("{rounded:e}")
    }
}

/// `1e-4, 5e-5` as values; what TOML cannot read is a text: `cosine, linear`.
fn values(text: &str) -> Vec<Value> {
    let read = |text: &str| -> Option<Value> {
        let table: toml::Table = format!("v = {text}").parse().ok()?;
        table.get("v").cloned()
    };
    let text = with_points(text);
    if let Some(Value::Array(list)) = read(&format!("[{text}]")) {
        return list;
    }
    let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
    parts.map(|part| read(part).unwrap_or_else(|| Value::String(part.to_owned()))).collect()
}

fn seeds(text: &str) -> Result<Seeds, String> {
    let text = text.trim();
    let problem = |part: &str| {
        format!("`{part}` is not a seed: write how many seeds there are (3), or which (1, 2, 3)")
    };
    if text.is_empty() {
        return Ok(Seeds::Own);
    }
    if !text.contains(',') {
        let count: u64 = text.parse().map_err(|_not_a_number| problem(text))?;
        return if count == 0 { Err(problem(text)) } else { Ok(Seeds::Count(count)) };
    }
    let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
    let list = parts.map(|part| part.parse().map_err(|_not_a_number| problem(part)));
    let list: Vec<u64> = list.collect::<Result<_, _>>()?;
    if let Some(twice) = list.iter().enumerate().find(|(at, seed)| list[..*at].contains(seed)) {
        return Err(format!("the seed {} is there twice: take one of them out", twice.1));
    }
    Ok(Seeds::List(list))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::config::Objective;

    fn form(rows: &[(&str, &str)], seeds: &str) -> SweepForm {
        let row = |(key, values): &(&str, &str)| KeyRow {
            key: (*key).to_owned(),
            values: (*values).to_owned(),
        };
        let rows = rows.iter().map(row).collect();
        SweepForm { rows, seeds: seeds.to_owned(), ..SweepForm::default() }
    }

    #[test]
    fn lists_that_are_typed_become_runs() {
        let config = TrainConfig::suggested(Objective::Dpo);
        let count =
            |rows: &[(&str, &str)], seeds: &str| form(rows, seeds).planned(&config).unwrap().len();
        assert_eq!(count(&[("learning_rate", "1e-5, 1e-4")], "3"), 6);
        assert_eq!(count(&[("lr_scheduler_type", "cosine, linear")], "7, 8"), 4);
        assert_eq!(count(&[("lora.r", "4, 8,"), ("", "")], "1"), 2);
        assert_eq!(count(&[("lora.r", "4,8")], "1"), 2, "a rank has no decimals");
        let mut typed = form(&[("learning_rate", "0,001; 0,01")], "1");
        let rates = typed.planned(&config).unwrap().iter().map(|run| run.config.learning_rate);
        assert_eq!(rates.collect::<Vec<_>>(), [0.001, 0.01]);
        assert_eq!(count(&[], "1, 2, 3"), 3);
    }

    #[test]
    fn what_cannot_be_run_is_said_while_it_is_typed() {
        let config = TrainConfig::suggested(Objective::Dpo);
        for (rows, seeds, words) in [
            (&[("learning_rat", "1")][..], "1", "did you mean `learning_rate`?"),
            (&[("beta", "")], "1", "the list of `beta` is empty"),
            (&[("beta", "0.1, 0.1")], "1", "`beta` has 0.1 twice"),
            (&[("beta", "0.1, much")], "1", "“much” is no number, and beta needs one"),
            (&[("learning_rate", "0,001 0,01")], "1", "“0,001” is 0.001 for some"),
            (&[("beta", "0,5")], "1", "beta: “0,5” is 0.5 for some and the two numbers 0 and 5"),
            (&[("beta", "0.1"), ("beta", "0.2")], "1", "`beta` is there twice"),
            (&[("", "0.1")], "1", "name the key"),
            (&[("seed", "1, 2")], "1", "in their own field"),
            (&[("beta", "0.1")], "1", "this is one run"),
            (&[("beta", "0.1")], "two", "`two` is not a seed"),
            (&[("beta", "0.1")], "0", "`0` is not a seed"),
            (&[("beta", "0.1")], "1, 1", "the seed 1 is there twice"),
            (&[("beta", "0.1")], "-1, 2", "`-1` is not a seed"),
        ] {
            let said = form(rows, seeds).planned(&config).unwrap_err();
            assert!(said.contains(words), "{rows:?}: {said}");
        }
    }

    #[test]
    fn variations_are_taken_from_the_settings_or_are_methods_on_top_of_them() {
        let mut config = TrainConfig::suggested(Objective::Dpo);
        let mut made = form(&[("beta", "0.1, 0.2")], "1");
        made.take(&config);
        config.lora.r = 4;
        made.take(&config);
        config.lora.r = 64; // what was taken stays
        let planned = made.planned(&config).unwrap();
        let found: Vec<_> =
            planned.iter().map(|run| (run.label.as_str(), run.config.lora.r)).collect();
        assert_eq!(found[0], ("settings 1, beta 0.1", 16));
        assert_eq!(found[3], ("settings 2, beta 0.2", 4));
        assert_eq!(found.len(), 4);
        assert_eq!(made.variations[1].variation(&config).unwrap().words(), "lora.r 4");

        made.compare_methods();
        made.variations[3].rate = "3e-2".to_owned();
        let planned = made.planned(&config).unwrap();
        let labels: Vec<&str> = planned.iter().map(|run| run.label.as_str()).collect();
        assert_eq!(labels[..3], ["LoRA", "DoRA", "Full fine-tuning"]);
        assert!(planned.iter().all(|run| run.config.lora.r == 64), "the settings as they are");
        assert_eq!((labels[3], planned[3].config.learning_rate), ("Prompt tuning", 0.03));
        made.variations[3].rate = "much".to_owned();
        assert!(
            made.planned(&config).unwrap_err().contains("Prompt tuning: the learning rate `much`")
        );
        made.variations[3] = made.variations[0].clone();
        assert!(made.planned(&config).unwrap_err().contains("two variations are called \"LoRA\""));
    }

    #[test]
    fn sizes_become_runs_that_differ_in_their_shape_alone() {
        let config = TrainConfig::suggested(Objective::Pretrain);
        let mut series = SweepForm::default();
        series.scaling_series();
        let planned = series.planned(&config).unwrap();
        let labels: Vec<&str> = planned.iter().map(|run| run.label.as_str()).collect();
        assert_eq!(labels, ["1x40x4", "2x56x4", "3x96x4"]);
        let largest = planned[2].config.newborn.as_ref();
        assert_eq!(largest, config.newborn.as_ref());
        let counts: Vec<u64> = series.sizes(&config).iter().map(|(_, count)| *count).collect();
        assert!(counts.windows(2).all(|pair| pair[0] < pair[1]), "{counts:?}");
        series.sizes = "1x30x4, 2x56x4".to_owned();
        assert!(series.planned(&config).unwrap_err().contains("the size 1x30x4"));
        series.sizes = "2".to_owned();
        series.take(&config);
        assert!(series.planned(&config).unwrap_err().contains("sizes and variations"));
        // Of a model that is loaded, sizes are not asked for.
        series.variations.clear();
        series.seeds = "2".to_owned();
        let loaded = TrainConfig { newborn: None, model: "m".to_owned(), ..config };
        assert_eq!(series.planned(&loaded).unwrap().len(), 2);
    }

    #[test]
    fn values_around_a_settings_own_can_be_clicked() {
        let config = TrainConfig { learning_rate: 2e-4, ..TrainConfig::suggested(Objective::Dpo) };
        let offered = |key: &str| {
            let row = KeyRow { key: key.to_owned(), values: String::new() };
            row.offered(&config).into_iter().map(|(value, _)| value).collect::<Vec<_>>()
        };
        assert_eq!(offered("learning_rate"), ["2e-5", "6e-5", "2e-4", "6e-4", "0.002"]);
        assert_eq!(offered("lora.r"), ["4", "8", "16", "32", "64"]);
        assert_eq!(offered("lora.use_dora"), ["false", "true"]);
        assert!(offered("lr_scheduler_type").contains(&"cosine".to_owned()));
        assert!(offered("loss_type").contains(&"ipo".to_owned()));
        assert!(offered("nothing").is_empty());
        let mut row = KeyRow { key: "lora.r".to_owned(), values: "4".to_owned() };
        for value in ["8", "4", "32"] {
            row.toggle(value);
        }
        assert_eq!(row.values, "8, 32");
        assert_eq!(row.offered(&config)[1], ("8".to_owned(), true));
        let mut rates = form(&[("learning_rate", "")], "1");
        for (value, _) in rates.rows[0].offered(&config) {
            rates.rows[0].toggle(&value);
        }
        let planned = rates.planned(&config).unwrap();
        assert_eq!(planned[1].config.learning_rate, 6e-5, "as a run file would be read");
    }
}
