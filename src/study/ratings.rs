//! The codes of a variable as numbers for statistics: items by coders, each code the place of its
//! category. Items for training and checks, second looks and "don't know" are left out.

use std::collections::HashMap;

use super::folder::Folder;
use super::item::Role;
use super::value::Value;
use super::variable::{Kind, Variable};
use crate::stats::agreement::many::{
    Coincidences, Ratings, Scale, fleiss_kappa, percent_agreement,
};
use crate::stats::agreement::two::{KappaWeights, cohen_kappa};
use crate::stats::cross_table::CrossTable;
use crate::stats::undefined::Number;

/// A variable's codes.
#[derive(Clone, Debug)]
pub struct Coded {
    /// By the place among the study's logs.
    pub coders: Vec<usize>,

    /// The items with a code, by their place.
    pub items: Vec<usize>,

    /// What each category stands for, in the order of the scale.
    pub categories: Vec<String>,
    pub ratings: Ratings,

    /// How far two categories are apart.
    pub scale: Measure,

    /// The numbers that the categories stand for, where they are numbers.
    pub numbers: Vec<f64>,

    /// Codes that were "don't know".
    pub dont_know: usize,
}

/// See [`Scale`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    Nominal,
    Ordinal,
    Interval,
}

/// More different codes than this cannot be held in a matrix of all pairs.
const MOST_CATEGORIES: usize = 4000;

impl Coded {
    /// The codes that `of` makes of a variable's values. `None`: there is nothing to compare, as the
    /// codes are places in a text.
    pub fn of(folder: &Folder, place: usize) -> Option<Self> {
        let variable = &folder.study.codebook.variables[place];
        let words = |value: &Value| match (variable.kind, value) {
            (Kind::Spans, _) | (_, Value::DontKnow) => None,
            (_, value) => Some(value.to_cell()),
        };
        (variable.kind != Kind::Spans).then(|| Self::with(folder, place, variable, words))
    }

    /// Whether a label was given, of a variable that takes several.
    pub fn of_label(folder: &Folder, place: usize, label: &str) -> Self {
        let variable = Variable {
            kind: Kind::Choice,
            classes: ["no", "yes"]
                .map(|label| crate::data::codebook::Class {
                    label: label.to_owned(),
                    ..Default::default()
                })
                .to_vec(),
            ..folder.study.codebook.variables[place].clone()
        };
        Self::with(folder, place, &variable, |value| match value {
            Value::Labels(labels) => {
                Some(if labels.iter().any(|l| l == label) { "yes" } else { "no" }.to_owned())
            }
            _ => None,
        })
    }

    fn with(
        folder: &Folder,
        place: usize,
        variable: &Variable,
        words: impl Fn(&Value) -> Option<String>,
    ) -> Self {
        let mut categories = variable.labels();
        if matches!(variable.kind, Kind::Choices | Kind::Number | Kind::Text) {
            categories.clear();
        }
        let mut index: HashMap<String, usize> = categories.iter().cloned().zip(0..).collect();
        let coders: Vec<usize> = (0..folder.logs.len()).collect();
        let mut dont_know = 0;
        let (mut items, mut units) = (Vec::new(), Vec::new());
        for (number, item) in folder.items.iter().enumerate() {
            if item.role != Role::Coding {
                continue;
            }
            let mut unit = Vec::with_capacity(coders.len());
            for coder in &coders {
                let value = folder.logs[*coder].verdict(number, 1);
                let value = value.and_then(|verdict| verdict.value(place));
                dont_know += usize::from(value == Some(&Value::DontKnow));
                unit.push(value.and_then(&words).map(|words| {
                    let next = index.len();
                    *index.entry(words).or_insert_with_key(|words| {
                        categories.push(words.clone());
                        next
                    })
                }));
            }
            if unit.iter().any(Option::is_some) {
                items.push(number);
                units.push(unit);
            }
        }
        let scale = match variable.kind {
            Kind::Scale => Measure::Ordinal,
            Kind::Number => Measure::Interval,
            _ => Measure::Nominal,
        };
        let numbers = categories.iter().map(|words| words.parse().unwrap_or(f64::NAN)).collect();
        let ratings = Ratings { units, categories: categories.len() };
        Self { coders, items, categories, ratings, scale, numbers, dont_know }
    }

    /// One category against all others.
    #[must_use]
    pub fn one_against_rest(&self, category: usize) -> Self {
        let yes = |code: &Option<usize>| code.map(|code| usize::from(code == category));
        let units = self.ratings.units.iter().map(|unit| unit.iter().map(yes).collect());
        Self {
            categories: vec!["no".to_owned(), "yes".to_owned()],
            ratings: Ratings { units: units.collect(), categories: 2 },
            scale: Measure::Nominal,
            ..self.clone()
        }
    }

    /// Statistics of any choice of the items, as a bootstrap draws them.
    pub fn counted(&self) -> Counted<'_> {
        Counted::new(self)
    }
}

/// Codes with items that are coded alike put together, so that a thousand resamples of a large study
/// take seconds.
pub struct Counted<'a> {
    coded: &'a Coded,

    /// For each item, its pattern: how many coders gave it each category.
    pattern_of: Vec<usize>,
    patterns: Vec<Vec<Option<usize>>>,

    /// Whether each item was coded by everybody.
    is_complete: Vec<bool>,
    shares: Vec<Number>,
}

impl<'a> Counted<'a> {
    fn new(coded: &'a Coded) -> Self {
        let (mut pattern_of, mut patterns, mut is_complete) = (Vec::new(), Vec::new(), Vec::new());
        let mut index: HashMap<Vec<Option<usize>>, usize> = HashMap::new();
        for unit in &coded.ratings.units {
            is_complete.push(unit.iter().all(Option::is_some));
            let mut sorted: Vec<Option<usize>> =
                unit.iter().filter(|code| code.is_some()).copied().collect();
            sorted.sort_unstable();
            let next = patterns.len();
            pattern_of.push(*index.entry(sorted).or_insert_with_key(|sorted| {
                patterns.push(sorted.clone());
                next
            }));
        }
        let categories = coded.ratings.categories;
        let shares = patterns
            .iter()
            .map(|unit| percent_agreement(&Ratings { units: vec![unit.clone()], categories }));
        let shares = shares.collect();
        Self { coded, pattern_of, patterns, is_complete, shares }
    }

    fn times(&self, drawn: &[usize]) -> Vec<f64> {
        let mut times = vec![0.0; self.patterns.len()];
        drawn.iter().for_each(|unit| times[self.pattern_of[*unit]] += 1.0);
        times
    }

    /// The mean, over items with two codes or more, of the share of pairs of coders that agree.
    pub fn percent(&self, drawn: &[usize]) -> Number {
        let times = self.times(drawn);
        let (mut sum, mut count) = (0.0, 0.0);
        for (share, times) in self.shares.iter().zip(&times) {
            if let Ok(share) = share {
                sum += share * times;
                count += times;
            }
        }
        crate::stats::undefined::ratio(sum, count, "no item has codes of two coders")
    }

    /// Krippendorff's alpha on the variable's scale.
    pub fn alpha(&self, drawn: &[usize]) -> Number {
        let categories = self.coded.ratings.categories;
        if self.coded.scale == Measure::Interval {
            return self.interval_alpha(drawn);
        }
        if categories > MOST_CATEGORIES {
            return Err(
                format!("there are {categories} different codes, too many for alpha").into()
            );
        }
        let mut pairs = Coincidences::empty(categories);
        for (unit, times) in self.patterns.iter().zip(self.times(drawn)) {
            if times > 0.0 {
                pairs.add_times(unit, times);
            }
        }
        pairs.alpha(match self.coded.scale {
            Measure::Ordinal => Scale::Ordinal,
            Measure::Nominal | Measure::Interval => Scale::Nominal,
        })
    }

    /// Alpha with (c - k)² from sums of squares: the codes may all differ.
    ///
    /// Of a unit with m codes, `Σ_{i≠j} (x_i - x_j)² / (m - 1) = 2 (m Σx² - (Σx)²) / (m - 1)`.
    fn interval_alpha(&self, drawn: &[usize]) -> Number {
        let numbers = &self.coded.numbers;
        // From a number in the middle, so that little is lost by squaring.
        let origin = numbers.first().copied().unwrap_or_default();
        let (mut within, mut count, mut sum, mut squares) = (0.0, 0.0, 0.0, 0.0);
        for (unit, times) in self.patterns.iter().zip(self.times(drawn)) {
            let codes = unit.iter().flatten().map(|code| numbers[*code] - origin);
            let m = unit.len() as f64;
            if m < 2.0 || times == 0.0 {
                continue;
            }
            let (s, q) = codes.fold((0.0, 0.0), |(s, q), x| (s + x, q + x * x));
            within += times * 2.0 * (m * q - s * s) / (m - 1.0);
            (count, sum, squares) = (count + times * m, sum + times * s, squares + times * q);
        }
        if count == 0.0 {
            return Err("no item has codes of two coders".into());
        }
        let expected = 2.0 * (count * squares - sum * sum) / (count - 1.0);
        let alike = "the codes are all the same: expected disagreement is 0, 0/0";
        Ok(1.0 - crate::stats::undefined::ratio(within, expected, alike)?)
    }

    /// Fleiss' kappa over the items that everybody has coded. Not of resamples: of all.
    pub fn fleiss(&self) -> Number {
        fleiss_kappa(&self.coded.ratings)
    }

    /// The same of some items.
    pub fn fleiss_of(&self, drawn: &[usize]) -> Number {
        let units = drawn.iter().filter(|unit| self.is_complete[**unit]);
        let units = units.map(|unit| self.coded.ratings.units[*unit].clone()).collect();
        fleiss_kappa(&Ratings { units, categories: self.coded.ratings.categories })
    }

    /// The items of `drawn` that both coders have coded, by their codes.
    pub fn table(&self, (a, b): (usize, usize), drawn: &[usize]) -> CrossTable {
        let codes = |coder: usize| -> Vec<Option<usize>> {
            drawn.iter().map(|unit| self.coded.ratings.units[*unit][coder]).collect()
        };
        CrossTable::new(&codes(a), &codes(b), None, self.coded.ratings.categories)
    }

    /// Cohen's kappa of two coders; on an ordered scale with quadratic weights.
    pub fn kappa(&self, pair: (usize, usize), drawn: &[usize], weights: KappaWeights) -> Number {
        if self.coded.ratings.categories > MOST_CATEGORIES / 8 {
            return Err("there are too many different codes for kappa".into());
        }
        cohen_kappa(&self.table(pair, drawn), weights)
    }
}
