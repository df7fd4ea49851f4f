//! Which rows of several files are trained on and which are held out, so that each file has its share.
//!
//! `data` gives all of its rows. Of every other file as many are drawn as its share wants; one that has fewer
//! stands in several times. A prompt is on one side only, whichever files it is in, and what is held out of
//! `data` is what would be held out without the others: runs with and without a mix can be compared.

use std::collections::BTreeMap;

use rand::SeedableRng as _;
use rand::seq::SliceRandom as _;
use rand_chacha::ChaCha20Rng;

use crate::data::split;
use crate::data::split::Split;
use crate::train::config::TrainConfig;
use crate::train::record::sources::SourceRows;

/// A row by its file and its place among that file's rows.
pub type Place = (usize, usize);

/// The rows of a run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Arranged {
    /// The files among each other, each in its own order.
    pub train: Vec<Place>,

    /// One file after the other.
    pub held_out: Vec<Place>,
    pub sources: Vec<SourceRows>,
}

/// `groups` has for each file of the run what its rows are held out by, in their order: rows that are the same
/// there stay together.
pub fn arranged(groups: &[Vec<&str>], config: &TrainConfig) -> Arranged {
    let shares: Vec<f64> = config.sources(&config.data).iter().map(|source| source.share).collect();
    let names = config.source_names();
    let own = groups.first().map_or(0, Vec::len);
    // As many rows as go with so many of `data`.
    let wanted = |source: usize, of_data: usize| {
        let count = of_data as f64 * shares[source] / shares[0];
        (count.round() as usize).max(1)
    };
    let mut sides: BTreeMap<&str, bool> = BTreeMap::new(); // whether it is held out
    let mut train: Vec<Vec<usize>> = Vec::new();
    let (mut held_out, mut sources) = (Vec::new(), Vec::new());
    for (source, (groups, name)) in groups.iter().zip(names).enumerate() {
        let taken = if source == 0 {
            (0..groups.len()).collect()
        } else {
            drawn(groups.len(), wanted(source, own), dice(config.seed, source))
        };
        let split = split_of(groups, &taken, &sides, config);
        for (rows, is_held_out) in [(&split.train, false), (&split.held_out, true)] {
            sides.extend(rows.iter().map(|row| (groups[*row], is_held_out)));
        }
        let of_data = train.first().map_or(0, Vec::len);
        let distinct_rows = split.train.len();
        let rows = if source > 0 && groups.len() < wanted(source, own) {
            repeated(split.train, wanted(source, of_data), dice(config.seed, source))
        } else {
            split.train
        };
        sources.push(SourceRows {
            name,
            share: shares[source],
            rows: groups.len(),
            train_rows: rows.len(),
            distinct_rows,
            held_out_rows: split.held_out.len(),
            ..SourceRows::default()
        });
        train.push(rows);
        held_out.extend(split.held_out.into_iter().map(|row| (source, row)));
    }
    Arranged { train: among_each_other(&train), held_out, sources }
}

/// The dice of a file: another one for each, and none of those that draw the order of an epoch.
fn dice(seed: u64, source: usize) -> ChaCha20Rng {
    let mut dice = ChaCha20Rng::seed_from_u64(seed);
    dice.set_stream(u64::MAX - source as u64);
    dice
}

/// `count` of so many rows, in their order.
fn drawn(rows: usize, count: usize, mut dice: ChaCha20Rng) -> Vec<usize> {
    let mut all: Vec<usize> = (0..rows).collect();
    if count < rows {
        all.shuffle(&mut dice);
        all.truncate(count);
        all.sort_unstable();
    }
    all
}

/// The rows `taken` of a file. Prompts of an earlier file stay on their side; of the others so many are held out
/// as of `data`.
fn split_of(
    groups: &[&str],
    taken: &[usize],
    sides: &BTreeMap<&str, bool>,
    config: &TrainConfig,
) -> Split {
    let (mut train, mut held_out, mut new) = (Vec::new(), Vec::new(), Vec::new());
    for row in taken {
        match sides.get(groups[*row]) {
            Some(true) => held_out.push(*row),
            Some(false) => train.push(*row),
            None => new.push(*row),
        }
    }
    let names: Vec<&str> = new.iter().map(|row| groups[*row]).collect();
    let split = split::split(&names, config.held_out_share, config.seed);
    train.extend(split.train.iter().map(|place| new[*place]));
    held_out.extend(split.held_out.iter().map(|place| new[*place]));
    train.sort_unstable();
    held_out.sort_unstable();
    Split { train, held_out }
}

/// Rows as often as it takes to make so many: all of them again and again, at last some of them.
fn repeated(rows: Vec<usize>, count: usize, mut dice: ChaCha20Rng) -> Vec<usize> {
    if rows.is_empty() || rows.len() >= count {
        return rows;
    }
    let rest = count % rows.len();
    let mut some = rows.clone();
    some.shuffle(&mut dice);
    some.truncate(rest);
    some.sort_unstable();
    let mut all: Vec<usize> =
        std::iter::repeat_n(&rows, count / rows.len()).flatten().copied().collect();
    all.extend(some);
    all
}

/// The rows of all files, so that every part of them has about the shares of the whole: where the order of a
/// file counts, none is learned before another.
fn among_each_other(files: &[Vec<usize>]) -> Vec<Place> {
    let mut all: Vec<(f64, Place)> = Vec::new();
    for (file, rows) in files.iter().enumerate() {
        let place =
            |(at, row): (usize, &usize)| ((at as f64 + 0.5) / rows.len() as f64, (file, *row));
        all.extend(rows.iter().enumerate().map(place));
    }
    // Stable: of equal places the earlier file comes first.
    all.sort_by(|(one, _), (other, _)| one.total_cmp(other));
    all.into_iter().map(|(_, place)| place).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::PathBuf;

    use super::*;
    use crate::train::config::mix::MixSource;

    fn names(prefix: &str, count: usize) -> Vec<String> {
        (0..count).map(|row| format!("{prefix} {row}")).collect()
    }

    fn config(shares: &[f64], held_out_share: f64) -> TrainConfig {
        let files = shares.iter().enumerate();
        let mix = files
            .map(|(place, share)| MixSource::of(PathBuf::from(format!("{place}.jsonl")), *share))
            .collect();
        TrainConfig {
            mix,
            held_out_share,
            data: PathBuf::from("own.jsonl"),
            ..TrainConfig::default()
        }
    }

    fn of(files: &[Vec<String>], config: &TrainConfig) -> Arranged {
        let groups: Vec<Vec<&str>> =
            files.iter().map(|file| file.iter().map(String::as_str).collect()).collect();
        arranged(&groups, config)
    }

    #[test]
    fn every_file_has_its_share_and_all_of_them_hold_out() {
        let files = [names("own", 90), names("large", 400), names("small", 5)];
        let config = config(&[0.2, 0.2], 0.2);
        let found = of(&files, &config);
        let counts: Vec<(usize, usize, usize)> = found
            .sources
            .iter()
            .map(|of| (of.train_rows, of.distinct_rows, of.held_out_rows))
            .collect();
        // 90 of `own` are 60 %, so 30 each go with them: drawn from 400, and 5 that stand in again.
        assert_eq!(counts, [(72, 72, 18), (24, 24, 6), (24, 4, 1)]);
        assert_eq!((found.train.len(), found.held_out.len()), (120, 25));
        let of_small = found.train.iter().filter(|(source, _)| *source == 2);
        let mut times = BTreeMap::new();
        of_small.for_each(|(_, row)| *times.entry(row).or_insert(0) += 1);
        assert_eq!(times.values().copied().collect::<Vec<_>>(), [6; 4]);
        assert_eq!(of(&files, &config), found, "the seed decides");
        let other = TrainConfig { seed: 7, ..config };
        assert_ne!(of(&files, &other).train, found.train);
    }

    #[test]
    fn what_is_held_out_of_data_is_what_would_be_without_a_mix() {
        let files = [names("own", 40), names("other", 9)];
        let alone = of(&files[..1], &config(&[], 0.25));
        let mixed = of(&files, &config(&[0.1], 0.25));
        let own = |of: &Arranged| -> Vec<Place> {
            of.held_out.iter().copied().filter(|(source, _)| *source == 0).collect()
        };
        assert_eq!(own(&alone), own(&mixed));
        assert_eq!(alone.train.len(), 30);
        let names: Vec<&str> = files[0].iter().map(String::as_str).collect();
        let split = split::split(&names, 0.25, 42);
        assert_eq!(alone.held_out.iter().map(|(_, row)| *row).collect::<Vec<_>>(), split.held_out);
    }

    #[test]
    fn no_prompt_is_on_both_sides_whichever_files_it_is_in() {
        for seed in 0..40 {
            // Half of the second file's prompts are the first one's.
            let files = [names("p", 20), names("p", 40), [names("p", 10), names("q", 10)].concat()];
            let config = TrainConfig { seed, ..config(&[0.3, 0.3], 0.3) };
            let found = of(&files, &config);
            let prompts = |places: &[Place]| -> BTreeSet<&String> {
                places.iter().map(|(source, row)| &files[*source][*row]).collect()
            };
            let (train, held_out) = (prompts(&found.train), prompts(&found.held_out));
            assert_eq!(train.intersection(&held_out).count(), 0, "seed {seed}");
            assert!(!held_out.is_empty());
        }
    }

    #[test]
    fn rows_of_all_files_stand_among_each_other() {
        let files = [names("own", 80), names("other", 20)];
        let found = of(&files, &config(&[0.2], 0.0));
        for part in found.train.chunks(10) {
            let of_other = part.iter().filter(|(source, _)| *source == 1).count();
            assert_eq!(of_other, 2, "{part:?}");
        }
        let of_own = found.train.iter().filter(|(source, _)| *source == 0);
        assert!(of_own.map(|(_, row)| *row).eq(0..80), "in their order");
    }
}
