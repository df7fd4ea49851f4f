//! HDBSCAN (Campello, Moulavi and Sander 2013): clusters of any shape, as many as there are, and
//! points that belong to none. As scikit-learn's `HDBSCAN` with `cluster_selection_method="eom"`.

use super::error::Error;
use super::matrix::Vectors;
use super::tree::{Join, core_distances, single_linkage};
use super::worked::Worked;
use crate::jobs::Progress;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HdbscanSettings {
    /// Fewer points are no cluster: `min_cluster_size`.
    pub least: usize,

    /// How many points around one count for its density, itself among them: `min_samples`. `None`:
    /// as many as `least`.
    pub samples: Option<usize>,
}

impl Default for HdbscanSettings {
    fn default() -> Self {
        Self { least: 15, samples: None }
    }
}

/// Work that is not begun: points times points times values.
const MOST_WORK: f64 = 2e11;

/// Distances below this are 0: 1 / distance must stay a number.
const LEAST_DISTANCE: f64 = 1e-12;

/// The cluster of each point; `None`: it belongs to none. Slow.
pub fn hdbscan(
    points: &Vectors,
    settings: HdbscanSettings,
    progress: &dyn Progress<Worked>,
) -> Result<Vec<Option<usize>>, Error> {
    let HdbscanSettings { least, samples } = settings;
    if least < 2 {
        return Err(Error::ClusterSize { given: least });
    }
    let (count, width) = (points.count(), points.width());
    if (count as f64).powi(2) * width as f64 > MOST_WORK {
        let most = (MOST_WORK / width as f64).sqrt() as usize;
        return Err(Error::TooManyForClusters { count, width, most });
    }
    if count < least || count < 2 {
        return Ok(vec![None; count]);
    }
    let cores = core_distances(points, samples.unwrap_or(least), progress)?;
    let joins = single_linkage(points, &cores, progress)?;
    Ok(labels(count, &joins, least))
}

/// A part of the condensed tree: a cluster, or a point that falls out of one.
struct Part {
    parent: usize,
    child: usize,

    /// 1 / distance: how dense it was when it left.
    density: f64,
    size: usize,
}

fn labels(count: usize, joins: &[Join], least: usize) -> Vec<Option<usize>> {
    let (parts, clusters) = condensed(count, joins, least);
    let chosen = chosen(count, clusters, &parts);
    // Which chosen cluster a cluster lies in.
    let mut within: Vec<Option<usize>> = vec![None; clusters];
    let mut number = 0;
    for part in parts.iter().filter(|part| part.child >= count) {
        let (own, parent) = (part.child - count, part.parent - count);
        within[own] = within[parent];
        if chosen[own] {
            within[own] = Some(number);
            number += 1;
        }
    }
    let mut labels = vec![None; count];
    for part in parts.iter().filter(|part| part.child < count) {
        labels[part.child] = within[part.parent - count];
    }
    labels
}

/// The tree without parts that are too small to be clusters, and how many clusters it has. Cluster 0,
/// which is everything, is numbered `count`; a cluster comes before those within it.
fn condensed(count: usize, joins: &[Join], least: usize) -> (Vec<Part>, usize) {
    let root = 2 * count - 2;
    let size = |node: usize| if node < count { 1 } else { joins[node - count].size };
    let mut parts = Vec::new();
    let mut clusters = 1;
    let mut waiting = std::collections::VecDeque::from([(root, count)]);
    while let Some((node, cluster)) = waiting.pop_front() {
        let Join { left, right, distance, .. } = joins[node - count];
        let density = 1.0 / distance.max(LEAST_DISTANCE);
        let is_large = [size(left) >= least, size(right) >= least];
        for (child, is_large, other_is_large) in
            [(left, is_large[0], is_large[1]), (right, is_large[1], is_large[0])]
        {
            if is_large && other_is_large {
                let own = count + clusters;
                clusters += 1;
                parts.push(Part { parent: cluster, child: own, density, size: size(child) });
                waiting.push_back((child, own));
            } else if is_large {
                waiting.push_back((child, cluster));
            } else {
                let mut below = vec![child];
                while let Some(node) = below.pop() {
                    if node < count {
                        parts.push(Part { parent: cluster, child: node, density, size: 1 });
                    } else {
                        below.extend([joins[node - count].left, joins[node - count].right]);
                    }
                }
            }
        }
    }
    (parts, clusters)
}

/// Excess of mass: the clusters that last longest, none within another; never everything.
fn chosen(count: usize, clusters: usize, parts: &[Part]) -> Vec<bool> {
    let mut births = vec![0.0; clusters];
    let mut parents = vec![None; clusters];
    for part in parts.iter().filter(|part| part.child >= count) {
        births[part.child - count] = part.density;
        parents[part.child - count] = Some(part.parent - count);
    }
    let mut stabilities = vec![0.0; clusters];
    for part in parts {
        let parent = part.parent - count;
        stabilities[parent] += (part.density - births[parent]) * part.size as f64;
    }
    let mut below = vec![0.0; clusters];
    let mut chosen = vec![false; clusters];
    // Those within a cluster have higher numbers.
    for own in (1..clusters).rev() {
        if below[own] > stabilities[own] {
            stabilities[own] = below[own];
        } else {
            chosen[own] = true;
        }
        let parent = parents[own].expect("all but the first lie in another");
        below[parent] += stabilities[own];
    }
    for own in 1..clusters {
        let mut at = parents[own];
        while let Some(parent) = at {
            if chosen[parent] && parent > 0 {
                chosen[own] = false;
            }
            at = parents[parent];
        }
    }
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jobs::Quiet;

    #[test]
    fn two_moons_are_two_clusters_and_what_lies_between_is_none() {
        let mut values = Vec::new();
        for at in 0..40 {
            let turn = at as f32 / 40.0 * std::f32::consts::PI;
            values.extend([turn.cos(), turn.sin()]);
            values.extend([1.0 - turn.cos(), 0.3 - turn.sin()]);
        }
        values.extend([9.0, 9.0]);
        let points = Vectors::new(2, values);
        let settings = HdbscanSettings { least: 6, samples: Some(3) };
        let found = hdbscan(&points, settings, &Quiet).unwrap();
        for at in 0..80 {
            assert_eq!(found[at], found[at % 2], "point {at}");
        }
        assert!(found[0].is_some() && found[0] != found[1]);
        assert_eq!(found[80], None);
    }

    #[test]
    fn equal_points_and_too_few_are_no_crash() {
        let same = Vectors::new(2, vec![0.5; 60]);
        let settings = HdbscanSettings { least: 5, samples: None };
        assert_eq!(hdbscan(&same, settings, &Quiet).unwrap().len(), 30);
        let few = Vectors::new(1, vec![1.0, 2.0]);
        assert_eq!(hdbscan(&few, settings, &Quiet).unwrap(), [None, None]);
        let one = HdbscanSettings { least: 1, samples: None };
        assert!(hdbscan(&few, one, &Quiet).is_err());
        let many = Vectors::new(1000, vec![0.0; 20_000_000]);
        let said = hdbscan(&many, settings, &Quiet).unwrap_err().to_string();
        assert!(said.contains("at most 14142 texts"), "{said}");
    }

    /// scikit-learn 1.9.1, `tests/reference/make_vectors.py`: three uneven groups and noise; a letter a
    /// cluster, a dot for none.
    #[test]
    fn clusters_are_those_of_scikit_learn() {
        let mut values = Vec::new();
        for i in 0..150 {
            let (group, at) = (i % 3, f64::from(i));
            let turn = at * 0.618_033_988_75 % 1.0 * 2.0 * std::f64::consts::PI;
            let radius = [0.5, 1.2, 2.5][group as usize] * (at * 0.754_877_666_2 % 1.0).sqrt();
            values.push((f64::from(group) * 4.0 + radius * turn.cos()) as f32);
            values.push((f64::from(group % 2) * 3.0 + radius * turn.sin()) as f32);
        }
        for i in 1..16 {
            let at = f64::from(i);
            values.push((at * 0.569_840_290_9 % 1.0 * 14.0 - 3.0) as f32);
            values.push((at * 0.754_877_666_2 % 1.0 * 10.0 - 3.0) as f32);
        }
        let points = Vectors::new(2, values);
        for (least, samples, expected) in REFERENCE {
            let settings = HdbscanSettings { least, samples: Some(samples) };
            let found = hdbscan(&points, settings, &Quiet).unwrap();
            // Numbered by who comes first: the numbers themselves mean nothing.
            let canonical = |labels: Vec<Option<usize>>| {
                let mut seen = Vec::new();
                let number = |label: usize| {
                    seen.iter().position(|other| *other == label).unwrap_or_else(|| {
                        seen.push(label);
                        seen.len() - 1
                    })
                };
                let mut number = number;
                labels.into_iter().map(|label| label.map(&mut number)).collect::<Vec<_>>()
            };
            let letter = |letter: char| (letter != '.').then_some(letter as usize);
            assert_eq!(canonical(found), canonical(expected.chars().map(letter).collect()));
        }
    }

    const REFERENCE: [(usize, usize, &str); 2] = [
        (
            8,
            8,
            "abcabcabcabcabcabcabcabcabcab.abcabcabcab.abcabcabcabcabcabcabcabcabcabcabc\
         abcabcabcabcabcabcabcabcabcabcabcabcabcabcabcabcabcabcabcabcabcabcabcabcabc\
         baca.b....a....",
        ),
        (
            12,
            4,
            "abcabcabcabcabcabcabcabcabcabcabcabcabcabcabcabcabcabcabcabcabcabcabcabcabc\
             abcabcabcabcabcabcabcabcabcabcabcabcabcabcabcabcabcabcabcabcabcabcabcabcabc\
             baca.bc..cac..c",
        ),
    ];
}
