//! Which items of a table are coded, and with which probability each of them was drawn.
//!
//! The probability is stored with the item at the moment of drawing: estimates for the whole table
//! (Egami, Hinck, Stewart and Wei 2023) cannot be had without it later.

use std::collections::BTreeMap;

use rand::SeedableRng as _;
use rand::seq::SliceRandom as _;
use rand_chacha::ChaCha20Rng;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::item::{Item, Role, cell};

/// How items are chosen.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(tag = "way", rename_all = "snake_case", deny_unknown_fields)]
pub enum Sampling {
    #[default]
    All,

    /// So many, each with the same probability.
    Random { count: usize },

    /// So many in all, spread over the values of a column.
    Stratified {
        column: String,
        count: usize,

        /// As many of each value, and not in proportion to how frequent it is.
        #[serde(default)]
        equal: bool,
    },

    /// Those of which a model is least certain, and some of the others at random: without these,
    /// nothing could be said of items of which the model is certain.
    Uncertain {
        /// The probability of each label, a column each; or one column with the probability of one of
        /// two labels, or with a list of probabilities.
        columns: Vec<String>,
        count: usize,

        /// Each column is a label by itself, which applies with that probability or does not.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        each: bool,

        /// The share of `count` that is drawn at random from the rest.
        #[serde(default = "usual_share")]
        random_share: f64,
    },

    /// Of pairs of answers, those that a model tells apart the least, by the difference of its
    /// log-probabilities of the two; and some of the others at random, as above.
    Closest {
        /// The columns with the log-probability of the first and of the second answer.
        columns: [String; 2],
        count: usize,
        #[serde(default = "usual_share")]
        random_share: f64,
    },
}

impl Sampling {
    /// The columns that it draws by.
    pub fn columns(&self) -> Vec<String> {
        match self {
            Self::All | Self::Random { .. } => Vec::new(),
            Self::Stratified { column, .. } => vec![column.clone()],
            Self::Uncertain { columns, .. } => columns.clone(),
            Self::Closest { columns, .. } => columns.to_vec(),
        }
    }

    /// Whether items come in the order in which they were drawn.
    pub fn has_order(&self) -> bool {
        matches!(self, Self::Uncertain { .. } | Self::Closest { .. })
    }
}

fn usual_share() -> f64 {
    0.3
}

/// Takes the items that are to be coded out of all of a table, each with its probability.
///
/// They keep the table's order; of [`Sampling::Uncertain`] the least certain ones come first. Items
/// for training and checks stay, without a probability. The error is a sentence.
pub fn draw(items: Vec<Item>, sampling: &Sampling, seed: u64) -> Result<Vec<Item>, String> {
    let (others, mut coding): (Vec<Item>, Vec<Item>) =
        items.into_iter().partition(|item| item.role != Role::Coding);
    let population = coding.len();
    let mut random = ChaCha20Rng::seed_from_u64(seed);
    let checked = |count: usize| match count {
        0 => Err("no items are asked for: 1 or more are expected".to_owned()),
        count if count > population => {
            Err(format!("{count} items are asked for, and the table has {population} to be coded"))
        }
        count => Ok(count),
    };
    match sampling {
        Sampling::All => {
            for item in &mut coding {
                item.inclusion = Some(1.0);
            }
        }
        Sampling::Random { count } => {
            let count = checked(*count)?;
            let places: Vec<usize> = (0..population).collect();
            let drawn = some_of(places, count, &mut random);
            let share = count as f64 / population as f64;
            coding = taken(coding, drawn.into_iter().map(|place| (place, share)));
        }
        Sampling::Stratified { column, count, equal } => {
            let count = checked(*count)?;
            let mut strata: BTreeMap<String, Vec<usize>> = BTreeMap::new();
            for (place, item) in coding.iter().enumerate() {
                let Some(value) = item.more.get(column) else {
                    return Err(format!(
                        "the item “{}” has nothing in the column “{column}” that the sample is spread over",
                        item.id
                    ));
                };
                strata.entry(cell(value)).or_default().push(place);
            }
            let sizes: Vec<usize> = strata.values().map(Vec::len).collect();
            if count < sizes.len() {
                return Err(format!(
                    "the column “{column}” has {} values, and only {count} items are asked for: \
                     each value needs one",
                    sizes.len()
                ));
            }
            let shares =
                if *equal { equal_parts(&sizes, count) } else { in_proportion(&sizes, count) };
            let mut drawn = Vec::new();
            for (places, part) in strata.into_values().zip(shares) {
                let share = part as f64 / places.len() as f64;
                drawn.extend(
                    some_of(places, part, &mut random).into_iter().map(|place| (place, share)),
                );
            }
            coding = taken(coding, drawn);
        }
        Sampling::Uncertain { count, random_share, .. }
        | Sampling::Closest { count, random_share, .. } => {
            let count = checked(*count)?;
            if !(0.0..=1.0).contains(random_share) {
                return Err(format!(
                    "the share that is drawn at random is {random_share}: 0 to 1 is expected"
                ));
            }
            let mut sorted = Vec::with_capacity(population);
            for (place, item) in coding.iter().enumerate() {
                let how_uncertain = match sampling {
                    Sampling::Closest { columns, .. } => -difference(item, columns)?,
                    Sampling::Uncertain { columns, each, .. } => uncertainty(item, columns, *each)?,
                    Sampling::All | Sampling::Random { .. } | Sampling::Stratified { .. } => 0.0,
                };
                sorted.push((how_uncertain, place));
            }
            // Among equals at random, not by their place.
            sorted.shuffle(&mut random);
            sorted.sort_by(|(a, _), (b, _)| b.total_cmp(a));
            let at_random = (count as f64 * random_share).round() as usize;
            let sure = count - at_random;
            let rest: Vec<usize> = sorted[sure..].iter().map(|(_, place)| *place).collect();
            let share = if rest.is_empty() { 0.0 } else { at_random as f64 / rest.len() as f64 };
            let drawn = some_of(rest, at_random, &mut random);
            let mut chance = vec![None; population];
            sorted[..sure].iter().for_each(|(_, place)| chance[*place] = Some(1.0));
            drawn.into_iter().for_each(|place| chance[place] = Some(share));
            // The least certain first.
            let mut kept: Vec<Option<Item>> = coding.into_iter().map(Some).collect();
            coding = sorted
                .iter()
                .filter_map(|(_, place)| {
                    let inclusion = chance[*place]?;
                    Some(Item { inclusion: Some(inclusion), ..kept[*place].take()? })
                })
                .collect();
        }
    }
    Ok(others.into_iter().chain(coding).collect())
}

/// `count` of `places`, each with the same probability, in their order.
fn some_of(mut places: Vec<usize>, count: usize, random: &mut ChaCha20Rng) -> Vec<usize> {
    places.shuffle(random);
    places.truncate(count);
    places.sort_unstable();
    places
}

fn taken(items: Vec<Item>, drawn: impl IntoIterator<Item = (usize, f64)>) -> Vec<Item> {
    let mut chance = vec![None; items.len()];
    drawn.into_iter().for_each(|(place, share)| chance[place] = Some(share));
    let with_chance = items.into_iter().zip(chance);
    with_chance
        .filter_map(|(item, inclusion)| inclusion.map(|_| Item { inclusion, ..item }))
        .collect()
}

/// Parts of `count` in proportion to `sizes`, by the largest remainders; each at least 1 and none
/// larger than its size.
fn in_proportion(sizes: &[usize], count: usize) -> Vec<usize> {
    let all: usize = sizes.iter().sum();
    let exact: Vec<f64> =
        sizes.iter().map(|size| *size as f64 * count as f64 / all as f64).collect();
    let mut parts: Vec<usize> = exact.iter().map(|part| (part.floor() as usize).max(1)).collect();
    let wanting = |parts: &[usize], at: usize| exact[at] - parts[at] as f64;
    while parts.iter().sum::<usize>() != count {
        let grows = parts.iter().sum::<usize>() < count;
        let may = |at: &usize| if grows { parts[*at] < sizes[*at] } else { parts[*at] > 1 };
        let by = |a: &usize, b: &usize| {
            let order = wanting(&parts, *a).total_cmp(&wanting(&parts, *b));
            if grows { order } else { order.reverse() }
        };
        let Some(at) = (0..sizes.len()).filter(may).max_by(by) else { break };
        if grows {
            parts[at] += 1;
        } else {
            parts[at] -= 1;
        }
    }
    parts
}

/// As many of each as there are, one after the other.
fn equal_parts(sizes: &[usize], count: usize) -> Vec<usize> {
    let mut parts = vec![0; sizes.len()];
    let mut left = count;
    while left > 0 {
        let mut given = false;
        for (part, size) in parts.iter_mut().zip(sizes) {
            if left > 0 && *part < *size {
                *part += 1;
                left -= 1;
                given = true;
            }
        }
        if !given {
            break;
        }
    }
    parts
}

/// How far apart the log-probabilities of an item's two answers are.
fn difference(item: &Item, columns: &[String; 2]) -> Result<f64, String> {
    let number = |column: &String| {
        let said = item.column(column);
        said.trim().parse().ok().filter(|number: &f64| number.is_finite()).ok_or_else(|| {
            format!("the item “{}” has no log-probability in the column “{column}”", item.id)
        })
    };
    Ok((number(&columns[0])? - number(&columns[1])?).abs())
}

/// The entropy of the label's probabilities, in bits: 0 is certain. `each`: the mean over labels that apply or
/// do not.
fn uncertainty(item: &Item, columns: &[String], each: bool) -> Result<f64, String> {
    if columns.is_empty() {
        return Err("name the columns with the probabilities of the labels".to_owned());
    }
    let mut shares = Vec::new();
    for column in columns {
        let none =
            || Err(format!("the item “{}” has no probability in the column “{column}”", item.id));
        let Some(value) = item.more.get(column) else { return none() };
        let text = cell(value);
        match serde_json::from_str(text.trim()) {
            Ok(Json::Number(number)) => shares.push(number.as_f64().unwrap_or(f64::NAN)),
            Ok(Json::Array(list)) if columns.len() == 1 => {
                shares.extend(list.iter().map(|share| share.as_f64().unwrap_or(f64::NAN)));
            }
            _ => return none(),
        }
    }
    if let Some(share) = shares.iter().find(|share| !(0.0..=1.0).contains(*share)) {
        return Err(format!(
            "the item “{}” has the probability {share}: 0 to 1 is expected",
            item.id
        ));
    }
    if each {
        let of_labels = shares.iter().map(|share| bits_of(&[*share, 1.0 - share]));
        return Ok(of_labels.sum::<f64>() / shares.len().max(1) as f64);
    }
    if let [share] = shares[..] {
        shares.push(1.0 - share);
    }
    Ok(bits_of(&shares))
}

/// Of shares that need not add up to 1.
fn bits_of(shares: &[f64]) -> f64 {
    let sum: f64 = shares.iter().sum();
    let bits = |share: &f64| if *share > 0.0 { -share / sum * (share / sum).log2() } else { 0.0 };
    shares.iter().map(bits).sum()
}

#[cfg(test)]
#[path = "draw_tests.rs"]
mod tests;
