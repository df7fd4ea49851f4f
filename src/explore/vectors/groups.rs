//! Clusters of texts as a person reads them: their names, sizes and examples, and how well they
//! agree with labels that are known.

use serde::Serialize;

use super::error::Error;
use super::hdbscan::{HdbscanSettings, hdbscan};
use super::kmeans::{KmeansSettings, kmeans};
use super::matrix::{Vectors, distance_square};
use super::topic_words::{Word, topic_words};
use super::umap::{LEAST, Spread, UmapSettings, umap};
use super::worked::Worked;
use crate::jobs::Progress;
use crate::stats::embeddings::clusters::{adjusted_rand, v_measure};

/// How clusters are found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    Kmeans(KmeansSettings),

    /// Of the vectors after UMAP has reduced them to so many dimensions, as `BERTopic` does; `None`:
    /// of the vectors themselves.
    Hdbscan {
        settings: HdbscanSettings,
        reduced_to: Option<usize>,
        seed: u64,
    },
}

/// UMAP's dimensions before HDBSCAN: `BERTopic`'s.
pub const REDUCED_TO: usize = 5;

/// The texts, each in a cluster or in none.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Groups {
    /// Of each text.
    pub labels: Vec<Option<usize>>,

    /// From the largest down.
    pub groups: Vec<Group>,

    /// Texts in no cluster.
    pub outside: usize,
}

impl Groups {
    /// The cluster of each text, counted from 1, and its name, as two columns of a table: empty for a
    /// text in no cluster.
    pub fn columns(&self) -> [(&'static str, Vec<String>); 2] {
        let number = |own: usize| (own + 1).to_string();
        let name = |own: usize| self.groups[own].name.clone();
        let numbers = self.labels.iter().map(|label| label.map(number).unwrap_or_default());
        let names = self.labels.iter().map(|label| label.map(name).unwrap_or_default());
        [("cluster", numbers.collect()), ("cluster_name", names.collect())]
    }
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Group {
    /// Its first words.
    pub name: String,
    pub words: Vec<Word>,
    pub size: usize,

    /// The texts that are nearest to its centre, by their places.
    pub examples: Vec<usize>,
}

/// How far clusters and known labels say the same.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Against {
    /// Texts with a label; a text in no cluster counts as in a cluster of all such.
    pub texts: usize,
    pub homogeneity: f64,
    pub completeness: f64,
    pub v_measure: f64,

    /// The Rand index corrected for chance.
    pub adjusted_rand: f64,
}

/// Words that are listed for each cluster, and those that name it.
const WORDS: usize = 10;
const NAMING: usize = 3;

/// Examples of each cluster.
const EXAMPLES: usize = 5;

/// Slow: see [`kmeans`] and [`hdbscan`].
pub fn groups(
    vectors: &Vectors,
    texts: &[&str],
    method: Method,
    progress: &dyn Progress<Worked>,
) -> Result<Groups, Error> {
    let labels: Vec<Option<usize>> = match method {
        Method::Kmeans(settings) => {
            kmeans(vectors, settings, progress)?.labels.into_iter().map(Some).collect()
        }
        Method::Hdbscan { settings, reduced_to, seed } => match reduced_to {
            // So few are not reduced, and need not be.
            Some(dimensions) if vectors.count() >= LEAST && dimensions < vectors.width() => {
                let reducing =
                    UmapSettings { spread: Spread::Dense, dimensions, seed, ..Default::default() };
                hdbscan(&umap(vectors, reducing, progress)?, settings, progress)?
            }
            _ => hdbscan(vectors, settings, progress)?,
        },
    };
    Ok(named(vectors, texts, &labels))
}

/// Numbers the clusters by their size, and says what is in them.
pub fn named(vectors: &Vectors, texts: &[&str], found: &[Option<usize>]) -> Groups {
    let count = found.iter().flatten().max().map_or(0, |most| most + 1);
    let mut sizes = vec![0_usize; count];
    found.iter().flatten().for_each(|label| sizes[*label] += 1);
    let mut order: Vec<usize> = (0..count).collect();
    order.sort_by(|a, b| sizes[*b].cmp(&sizes[*a]).then(a.cmp(b)));
    let mut numbers = vec![0; count];
    order.iter().enumerate().for_each(|(number, old)| numbers[*old] = number);
    let labels: Vec<Option<usize>> =
        found.iter().map(|label| label.map(|label| numbers[label])).collect();
    let words = topic_words(texts, &labels, count, WORDS);
    let groups = words.into_iter().enumerate().map(|(own, words)| {
        let members: Vec<usize> =
            labels.iter().enumerate().filter(|(_, l)| **l == Some(own)).map(|(at, _)| at).collect();
        let naming: Vec<&str> = words.iter().take(NAMING).map(|word| word.word.as_str()).collect();
        let name =
            if naming.is_empty() { format!("Cluster {}", own + 1) } else { naming.join(", ") };
        let size = members.len();
        Group { name, words, size, examples: nearest_to_centre(vectors, members) }
    });
    let groups = groups.collect();
    Groups { outside: labels.iter().filter(|label| label.is_none()).count(), labels, groups }
}

fn nearest_to_centre(vectors: &Vectors, members: Vec<usize>) -> Vec<usize> {
    let mut sums = vec![0.0_f64; vectors.width()];
    for member in &members {
        let row = vectors.row(*member);
        sums.iter_mut().zip(row).for_each(|(sum, value)| *sum += f64::from(*value));
    }
    let size = members.len().max(1) as f64;
    let centre: Vec<f32> = sums.into_iter().map(|sum| (sum / size) as f32).collect();
    let mut members: Vec<(f64, usize)> = members
        .into_iter()
        .map(|member| (distance_square(vectors.row(member), &centre), member))
        .collect();
    members.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    members.into_iter().take(EXAMPLES).map(|(_, member)| member).collect()
}

/// Clusters against labels that are known; a text without a label is left out. `None`: no text has
/// one.
pub fn against(groups: &Groups, known: &[Option<usize>]) -> Option<Against> {
    let none = groups.groups.len();
    let pairs = known.iter().zip(&groups.labels);
    let (gold, found): (Vec<usize>, Vec<usize>) =
        pairs.filter_map(|(known, label)| Some(((*known)?, label.unwrap_or(none)))).unzip();
    if gold.is_empty() {
        return None;
    }
    let measured = v_measure(&gold, &found);
    Some(Against {
        texts: gold.len(),
        homogeneity: measured.homogeneity,
        completeness: measured.completeness,
        v_measure: measured.v_measure,
        adjusted_rand: adjusted_rand(&gold, &found),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jobs::Quiet;

    fn texts() -> (Vec<&'static str>, Vectors) {
        let texts = vec![
            "tax cut passed",
            "tax on income",
            "income tax rises",
            "the tax office",
            "river floods town",
            "flood and river",
            "the river rose",
        ];
        let at = |x: f32, y: f32| [x, y];
        let rows = [
            at(0.0, 0.0),
            at(0.1, 0.0),
            at(0.0, 0.1),
            at(0.1, 0.2),
            at(5.0, 5.0),
            at(5.1, 5.0),
            at(5.0, 5.3),
        ];
        (texts, Vectors::new(2, rows.concat()))
    }

    #[test]
    fn clusters_have_names_sizes_and_examples_and_agree_with_what_is_known() {
        let (texts, vectors) = texts();
        let settings = KmeansSettings { clusters: 2, ..KmeansSettings::default() };
        let found = groups(&vectors, &texts, Method::Kmeans(settings), &Quiet).unwrap();
        assert_eq!(found.groups.len(), 2);
        assert_eq!(found.groups[0].size, 4, "the largest first");
        assert!(found.groups[0].name.starts_with("tax"), "{:?}", found.groups[0].name);
        assert!(found.groups[1].name.starts_with("river"), "{:?}", found.groups[1].name);
        assert_eq!(found.groups[1].examples[0], 4);
        let known = [0, 0, 0, 0, 1, 1, 1].map(Some);
        let agreed = against(&found, &known).unwrap();
        assert_eq!((agreed.v_measure, agreed.adjusted_rand, agreed.texts), (1.0, 1.0, 7));
        assert!(against(&found, &[None; 7]).is_none());
    }

    #[test]
    fn texts_in_no_cluster_are_counted_and_not_named() {
        let (texts, vectors) = texts();
        let found =
            named(&vectors, &texts, &[Some(1), Some(1), None, Some(1), None, Some(0), None]);
        assert_eq!(found.outside, 3);
        assert_eq!(found.labels[0], Some(0), "numbered by size");
        let method = Method::Hdbscan {
            settings: HdbscanSettings { least: 3, samples: Some(2) },
            reduced_to: Some(REDUCED_TO),
            seed: 0,
        };
        assert_eq!(groups(&vectors, &texts, method, &Quiet).unwrap().groups.len(), 2);
    }
}
