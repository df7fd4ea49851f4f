//! Which of several models is preferred: ratings from comparisons in pairs, how sure they are, what
//! the side does, and which two to compare next.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::data::battles::{Battle, Winner};
use crate::stats::paired::wilson;
use crate::stats::ranking::bradley_terry::{Arena, Outcome, Ratings, bootstrap_ratings};
use crate::stats::resample::Bootstrap;

/// So many comparisons to make next are named.
const MOST_NEXT: usize = 5;

/// Everything about the comparisons.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ArenaReport {
    pub battles: usize,

    /// Both bad included: half a win for each.
    pub ties: usize,

    /// The best first, within its group.
    pub models: Vec<ModelReport>,

    /// Of all models in the order of `models`: how often two were compared.
    pub games: Vec<Vec<u64>>,

    /// The share that the row's model won against the column's, ties half. Null: never compared.
    pub win_rate: Vec<Vec<Option<f64>>>,
    pub position: PositionReport,
    pub next: Vec<NextPair>,

    /// What has to be known to read the ratings, in sentences.
    pub notes: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ModelReport {
    pub name: String,

    /// Models of one group were compared, if over others; ratings of two groups share no scale.
    pub group: usize,
    pub battles: u64,

    /// Ties half.
    pub wins: f64,

    /// Bradley and Terry: the mean of a group is 1000, 400 points are odds of 10 to 1. Null: it is
    /// not finite.
    pub rating: Option<f64>,
    pub standard_error: Option<f64>,

    /// Percentiles over resampled battles.
    pub low: Option<f64>,
    pub high: Option<f64>,
}

/// How often what was shown first, or at the left, won.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PositionReport {
    pub decided: usize,
    pub first_won: usize,
    pub share: Option<f64>,

    /// Wilson's interval.
    pub low: Option<f64>,
    pub high: Option<f64>,
}

/// Two models whose comparison would tell the most.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct NextPair {
    pub first: String,
    pub second: String,
    pub reason: String,
}

/// As a window shows it, which asks again and again: with fewer resamples than a paper would have.
pub fn quick_report(battles: &[Battle]) -> ArenaReport {
    report(battles, Bootstrap { resamples: 1000, ..Bootstrap::default() })
}

/// The same of [`report_of_pairs`].
pub fn quick_report_of_pairs(battles: &[Battle], pairs: &[usize]) -> ArenaReport {
    report_of_pairs(battles, pairs, Bootstrap { resamples: 1000, ..Bootstrap::default() })
}

/// Works everything out. Each battle is drawn by itself for the intervals.
pub fn report(battles: &[Battle], bootstrap: Bootstrap) -> ArenaReport {
    let alone: Vec<usize> = (0..battles.len()).collect();
    report_of_pairs(battles, &alone, bootstrap)
}

/// The same where several people judge one pair: `pairs` says of each battle which it is about, and battles of
/// one pair are drawn together.
pub fn report_of_pairs(battles: &[Battle], pairs: &[usize], bootstrap: Bootstrap) -> ArenaReport {
    let names: BTreeSet<&str> =
        battles.iter().flat_map(|battle| [battle.first.as_str(), battle.second.as_str()]).collect();
    let names: Vec<&str> = names.into_iter().collect();
    let place = |name: &str| names.binary_search(&name).unwrap_or(0);
    let numbered: Vec<(usize, usize, Outcome)> = battles
        .iter()
        .map(|battle| (place(&battle.first), place(&battle.second), outcome(battle.winner)))
        .collect();
    let arena = Arena::new(names.len(), &numbered);
    let mut groups = arena.components();
    groups.sort_by_key(|group| std::cmp::Reverse(group.len()));
    let mut models = Vec::new();
    let mut order = Vec::new();
    let mut notes = Vec::new();
    let mut next = Vec::new();
    if groups.len() > 1 {
        let all: Vec<String> = groups.iter().map(|group| listed(group, &names)).collect();
        notes.push(format!(
            "The models fall into {} groups that were never compared with each other: {}. Ratings of \
             different groups cannot be compared",
            groups.len(),
            all.join(" | ")
        ));
        for other in &groups[1..] {
            next.push(NextPair {
                first: names[groups[0][0]].to_owned(),
                second: names[other[0]].to_owned(),
                reason: "it links two groups that were never compared".to_owned(),
            });
        }
    }
    for (number, group) in groups.iter().enumerate() {
        let rated = Group::of(group, (&numbered, pairs), bootstrap);
        if let Err(reason) = &rated.ratings {
            notes.push(unbounded(&arena, group, &names).unwrap_or_else(|| reason.clone()));
        }
        let mut places: Vec<usize> = (0..group.len()).collect();
        let key = |at: &usize| {
            if let Ok(ratings) = &rated.ratings {
                return ratings.ratings[*at];
            }
            let (wins, games) = record(&arena, group[*at]);
            wins / games.max(1) as f64
        };
        places.sort_by(|one, other| key(other).total_cmp(&key(one)));
        next.extend(rated.uncertain(&places, group, &names));
        for at in places {
            let (wins, games) = record(&arena, group[at]);
            let ratings = rated.ratings.as_ref().ok();
            let interval = rated.intervals.get(at);
            let is_rated = ratings.is_some();
            models.push(ModelReport {
                name: names[group[at]].to_owned(),
                group: number + 1,
                battles: games,
                wins,
                rating: ratings.map(|ratings| ratings.ratings[at]),
                standard_error: ratings.map(|ratings| ratings.standard_errors[at]),
                low: interval.and_then(|of| of.low.clone().ok()).filter(|_| is_rated),
                high: interval.and_then(|of| of.high.clone().ok()).filter(|_| is_rated),
            });
            order.push(group[at]);
        }
        if rated.undefined > 0 && rated.ratings.is_ok() {
            notes.push(format!(
                "In {} of {} resamples some rating was infinite; the intervals of {} are over the \
                 others, and too narrow. More comparisons mend that",
                rated.undefined,
                bootstrap.resamples,
                listed(group, &names)
            ));
        }
    }
    next.truncate(MOST_NEXT);
    let position = position(battles, bootstrap.level);
    if let (Some(low), Some(high)) = (position.low, position.high)
        && (low > 0.5 || high < 0.5)
    {
        notes.push(
            "The side decided: the answer at the left (or first) won more or less often than half of \
             the decided comparisons. Compare each pair in both orders"
                .to_owned(),
        );
    }
    ArenaReport {
        battles: battles.len(),
        ties: numbered.iter().filter(|(.., outcome)| *outcome == Outcome::Tie).count(),
        models,
        games: order
            .iter()
            .map(|one| order.iter().map(|other| arena.games[*one][*other]).collect())
            .collect(),
        win_rate: order
            .iter()
            .map(|one| order.iter().map(|other| arena.win_rate(*one, *other)).collect())
            .collect(),
        position,
        next,
        notes,
    }
}

fn outcome(winner: Winner) -> Outcome {
    match winner {
        Winner::First => Outcome::FirstWon,
        Winner::Second => Outcome::SecondWon,
        Winner::Tie | Winner::BothBad => Outcome::Tie,
    }
}

/// Wins, ties half, and battles of a model.
fn record(arena: &Arena, model: usize) -> (f64, u64) {
    (arena.wins[model].iter().sum(), arena.games[model].iter().sum())
}

fn listed(group: &[usize], names: &[&str]) -> String {
    group.iter().map(|model| names[*model]).collect::<Vec<_>>().join(", ")
}

/// Models that comparisons link.
struct Group {
    ratings: Result<Ratings, String>,
    intervals: Vec<crate::stats::resample::Interval>,

    /// Resamples without finite ratings.
    undefined: usize,
}

impl Group {
    fn of(
        group: &[usize],
        (all, pairs): (&[(usize, usize, Outcome)], &[usize]),
        bootstrap: Bootstrap,
    ) -> Self {
        let place = |model: &usize| group.iter().position(|member| member == model);
        let mut own = Vec::new();
        let mut units: BTreeMap<usize, Vec<(usize, usize, Outcome)>> = BTreeMap::new();
        for ((first, second, outcome), pair) in all.iter().zip(pairs) {
            if let (Some(first), Some(second)) = (place(first), place(second)) {
                own.push((first, second, *outcome));
                units.entry(*pair).or_default().push((first, second, *outcome));
            }
        }
        let ratings = Arena::new(group.len(), &own).ratings().map_err(|why| why.to_string());
        let units: Vec<_> = units.into_values().collect();
        let intervals = if ratings.is_ok() {
            bootstrap_ratings(group.len(), &units, bootstrap)
        } else {
            Vec::new()
        };
        let undefined = intervals.iter().map(|of| of.undefined).max().unwrap_or(0);
        Self { ratings, intervals, undefined }
    }

    /// Pairs whose order is the least certain: a difference of few standard errors.
    fn uncertain(&self, places: &[usize], group: &[usize], names: &[&str]) -> Vec<NextPair> {
        let Ok(Ratings { ratings, standard_errors }) = &self.ratings else { return Vec::new() };
        let mut pairs = Vec::new();
        for (at, one) in places.iter().enumerate() {
            for other in &places[at + 1..] {
                let error = standard_errors[*one].hypot(standard_errors[*other]).max(1e-9);
                let by = (ratings[*one] - ratings[*other]).abs();
                pairs.push((by / error, by, *one, *other));
            }
        }
        pairs.sort_by(|one, other| one.0.total_cmp(&other.0));
        let pair = |(errors, by, one, other): (f64, f64, usize, usize)| NextPair {
            first: names[group[one]].to_owned(),
            second: names[group[other]].to_owned(),
            reason: format!("their ratings are {by:.0} points apart, {errors:.1} standard errors"),
        };
        pairs.into_iter().take(MOST_NEXT).map(pair).collect()
    }
}

/// Why a group has no finite ratings: those whom nobody outside of them has beaten or tied.
fn unbounded(arena: &Arena, group: &[usize], names: &[&str]) -> Option<String> {
    let beats = |one: usize, other: usize| arena.wins[one][other] > 0.0;
    // Whoever reaches `model` over wins.
    let above = |model: usize| -> BTreeSet<usize> {
        let mut found = BTreeSet::from([model]);
        let mut open = vec![model];
        while let Some(at) = open.pop() {
            for other in group {
                if beats(*other, at) && found.insert(*other) {
                    open.push(*other);
                }
            }
        }
        found
    };
    let smallest = group.iter().map(|model| above(*model)).min_by_key(BTreeSet::len)?;
    let top: Vec<usize> = smallest.into_iter().collect();
    if top.len() == group.len() {
        return None;
    }
    let (who, has) = (listed(&top, names), if top.len() == 1 { "has" } else { "have" });
    Some(format!(
        "{who} {has} never lost to or tied with the others of {}: the ratings of this group are not \
         finite. More comparisons are needed",
        listed(group, names)
    ))
}

fn position(battles: &[Battle], level: f64) -> PositionReport {
    let won = |winner| battles.iter().filter(|battle| battle.winner == winner).count();
    let (first_won, second_won) = (won(Winner::First), won(Winner::Second));
    let decided = first_won + second_won;
    let share = wilson(first_won as f64, decided as f64, level).ok();
    PositionReport {
        decided,
        first_won,
        share: share.map(|of| of.share),
        low: share.map(|of| of.low),
        high: share.map(|of| of.high),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn battle(first: &str, second: &str, winner: Winner) -> Battle {
        Battle { first: first.to_owned(), second: second.to_owned(), winner }
    }

    fn few() -> Bootstrap {
        Bootstrap { resamples: 200, ..Bootstrap::default() }
    }

    #[test]
    fn ratings_are_those_of_the_reference_whatever_the_order_of_names() {
        use Winner::{First, Second, Tie};
        // tests/reference: bradley_terry.json, three_models.
        let battles = [
            battle("base", "dpo", Second),
            battle("base", "dpo", First),
            battle("dpo", "sft", First),
            battle("dpo", "sft", Second),
            battle("base", "sft", Tie),
            battle("sft", "base", First),
            battle("dpo", "base", First),
            battle("dpo", "sft", Tie),
        ];
        let report = report(&battles, few());
        let names: Vec<&str> = report.models.iter().map(|model| model.name.as_str()).collect();
        assert_eq!(names, ["sft", "dpo", "base"]);
        let expected = [1058.35373916, 1040.986988, 900.659272834];
        let errors = [109.093519821, 98.4402832465, 113.761667963];
        for ((model, rating), error) in report.models.iter().zip(expected).zip(errors) {
            assert!((model.rating.unwrap() - rating).abs() < 1e-6, "{model:?}");
            assert!((model.standard_error.unwrap() - error).abs() < 1e-6, "{model:?}");
        }
        assert_eq!((report.battles, report.ties), (8, 2));
        assert_eq!(report.win_rate[2], [Some(0.25), Some(1.0 / 3.0), None]);
        assert_eq!((report.position.first_won, report.position.decided), (4, 6));
        assert_eq!((report.next[0].first.as_str(), report.next[0].second.as_str()), ("sft", "dpo"));
    }

    #[test]
    fn a_graph_in_parts_is_said_so_and_each_part_is_rated() {
        use Winner::{First, Second, Tie};
        let battles = [
            battle("a", "b", First),
            battle("b", "a", First),
            battle("c", "d", First),
            battle("d", "c", First),
            battle("c", "d", Tie),
            battle("e", "f", First),
            battle("f", "e", Second),
        ];
        let report = report(&battles, few());
        assert!(
            report.notes[0].contains("3 groups that were never compared"),
            "{:?}",
            report.notes
        );
        assert!(report.notes[0].contains("a, b | c, d | e, f"));
        let infinite = "e has never lost to or tied with the others of e, f";
        assert!(report.notes.iter().any(|note| note.starts_with(infinite)), "{:?}", report.notes);
        let rating =
            |name: &str| report.models.iter().find(|model| model.name == name).unwrap().rating;
        assert!((rating("a").unwrap() - 1000.0).abs() < 1e-6);
        assert_eq!(rating("e"), None);
        assert_eq!(report.next[0].reason, "it links two groups that were never compared");
    }

    #[test]
    fn coders_who_say_the_same_of_a_pair_do_not_make_it_surer() {
        let winner = |pair: usize| if pair % 5 < 3 { Winner::First } else { Winner::Second };
        let once: Vec<Battle> = (0..60).map(|pair| battle("a", "b", winner(pair))).collect();
        let pairs: Vec<usize> = (0..60).flat_map(|pair| [pair; 4]).collect();
        let four: Vec<Battle> = pairs.iter().map(|pair| once[*pair].clone()).collect();
        let width =
            |report: &ArenaReport| report.models[0].high.unwrap() - report.models[0].low.unwrap();
        let (alone, together) = (report(&once, few()), report_of_pairs(&four, &pairs, few()));
        assert!((width(&together) / width(&alone) - 1.0).abs() < 1e-9, "the same draws");
        assert!(width(&report(&four, few())) < 0.7 * width(&alone), "as if they were 240 pairs");
        assert!(
            (together.models[0].rating.unwrap() - alone.models[0].rating.unwrap()).abs() < 1e-6
        );
    }

    #[test]
    fn a_side_that_decides_is_said_so() {
        let battles: Vec<Battle> = (0..40)
            .map(|number| {
                let (first, second) = if number % 2 == 0 { ("a", "b") } else { ("b", "a") };
                let winner = if number % 8 == 7 { Winner::Second } else { Winner::First };
                battle(first, second, winner)
            })
            .collect();
        let report = report(&battles, few());
        assert_eq!((report.position.first_won, report.position.decided), (35, 40));
        assert!(report.notes.iter().any(|note| note.starts_with("The side decided")));
    }
}
