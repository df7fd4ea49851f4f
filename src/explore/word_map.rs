//! A list of words or sentences: how they lie to each other in a layer of the model, and where along an axis
//! between two groups of anchors (woman, girl … man, boy).

use serde::Serialize;

use super::error::Error;
use super::meaning::{Along, Pooled, along_axis, meaning, vectors_of_layer};
use super::subject::{Looked, Subject};
use crate::jobs::Progress;

/// How often both groups of anchors are drawn anew.
pub const DRAWS: usize = 1000;
const SEED: u64 = 0;

/// What is asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WordsRequest {
    pub items: Vec<String>,

    /// Stands before each item and anchor: a word alone is hardly ever read alone.
    pub before: String,
    pub layer: usize,

    /// The anchors of either end; without both there is no axis.
    pub from: Vec<String>,
    pub to: Vec<String>,
}

/// The items as they lie.
#[derive(Clone, Debug, PartialEq)]
pub struct WordsView {
    pub items: Vec<String>,
    pub layer: usize,

    /// Along the first two principal components, with the share of all variance that each holds.
    pub coordinates: Vec<[f64; 2]>,
    pub variance_share: [f64; 2],

    /// Of each two; `None` beside a vector of zeros.
    pub cosine: Vec<Vec<Option<f64>>>,
    pub axis: Option<AxisView>,
}

/// Items along an axis: -1 where the mean of the anchors `from` is, 1 where that of `to` is.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AxisView {
    pub from: Vec<String>,
    pub to: Vec<String>,

    /// Of the intervals: so often both groups were drawn anew, with this seed.
    pub draws: usize,
    pub seed: u64,
    pub along: Vec<Along>,
}

/// Reads every item and anchor as far as the layer. Slow: reports texts, and looks for Stop at each.
pub fn word_map(
    subject: Subject<'_>,
    request: &WordsRequest,
    progress: &dyn Progress<Looked>,
) -> Result<WordsView, Error> {
    let WordsRequest { items, before, layer, from, to } = request;
    let texts = items.iter().chain(from).chain(to);
    let texts = texts.map(|text| subject.encode(&format!("{before}{text}")));
    let texts = texts.collect::<Result<Vec<_>, _>>()?;
    let mut vectors = vectors_of_layer(subject, &texts, *layer, Pooled::Last, progress)?;
    let axis = axis(&vectors, items.len(), from, to);
    vectors.truncate(items.len());
    let found = meaning(vectors);
    let at = |row: &[f64], place: usize| row.get(place).copied().unwrap_or(0.0);
    let share = |place: usize| at(&found.variance_share, place);
    Ok(WordsView {
        items: items.clone(),
        layer: *layer,
        coordinates: found.coordinates.iter().map(|row| [at(row, 0), at(row, 1)]).collect(),
        variance_share: [share(0), share(1)],
        cosine: found.cosine,
        axis,
    })
}

/// Where the first vectors, those of the items, lie between those of the anchors, which stand behind them.
/// `None`: a group is empty, or both have one mean.
pub fn axis(
    vectors: &[Vec<f32>],
    items: usize,
    from: &[String],
    to: &[String],
) -> Option<AxisView> {
    let first: Vec<usize> = (items..items + from.len()).collect();
    let second: Vec<usize> = (items + from.len()..items + from.len() + to.len()).collect();
    let mut along = along_axis(vectors, [&first, &second], DRAWS, SEED)?;
    along.truncate(items);
    let (from, to) = (from.to_vec(), to.to_vec());
    Some(AxisView { from, to, draws: DRAWS, seed: SEED, along })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_are_put_between_anchors_that_are_no_items() {
        let names =
            |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        let vectors =
            vec![vec![0.0, 5.0], vec![1.0, 0.0], vec![3.0, 1.0], vec![-2.0, 0.0], vec![2.0, 0.0]];
        let (from, to) = (names(&["low"]), names(&["high"]));
        let found = axis(&vectors, 3, &from, &to).unwrap();
        // By hand: from -2 to 2 along the first number, so that 0, 1 and 3 are 0, a half and one and a half.
        let places: Vec<f64> = found.along.iter().map(|along| along.position).collect();
        assert_eq!(places, [0.0, 0.5, 1.5]);
        assert!(
            found.along.iter().all(|along| along.interval.is_none()),
            "of one anchor nothing is drawn"
        );
        assert_eq!((found.from, found.to), (from.clone(), to));
        assert!(axis(&vectors, 3, &from, &[]).is_none());
    }
}
