//! What a model answered in a survey, against what real people said, way by way and group by group.

use serde::Serialize;

use super::figure::WithInterval;
use super::survey_cells::{Cell, Measure, cells, compared, masses};
use super::survey_shares::{ItemShares, distributions, in_words};
use crate::evaluate::results::answered::Answered;
use crate::evaluate::results::scored::begin_alike;
use crate::evaluate::task::manner::{Manner, Way, Wording};
use crate::evaluate::task::survey::Survey;
use crate::words::table::Table;

/// What is said of all items.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SurveyScores {
    pub items: usize,
    pub groups: Vec<String>,

    /// Items and groups of which it is known what real people said.
    pub with_people: usize,
    pub ways: Vec<WayScores>,

    /// Every item in every group.
    pub distributions: Vec<ItemShares>,
}

/// One way of reading answers from the model.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct WayScores {
    pub way: Manner,

    /// Means over items and groups: of what refuses an answer, and of anything but an option.
    pub refusal: WithInterval,
    pub other: WithInterval,

    /// 1 where all options are alike, 0 where one has everything.
    pub entropy: WithInterval,

    /// What the option that is listed first has beyond its share, in the order of the table alone
    /// and averaged over the orders; and what the first place in the list has beyond its share.
    pub first_option: WithInterval,
    pub first_option_averaged: WithInterval,
    pub first_place: WithInterval,

    /// Against real people, without what refuses: 1 less the distance on the scale (Santurkar et al.
    /// 2023), in the order of the table alone, and averaged over the orders.
    pub representativeness_first_order: WithInterval,
    pub representativeness: WithInterval,
    pub total_variation: WithInterval,

    /// The variance of the model's answers over that of people, the mean over items.
    pub variance_ratio: WithInterval,

    pub by_group: Vec<GroupScores>,
}

/// The same of one group.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct GroupScores {
    pub group: String,
    pub refusal: WithInterval,
    pub representativeness: WithInterval,
    pub total_variation: WithInterval,
    pub variance_ratio: WithInterval,
}

impl SurveyScores {
    pub fn of(rows: &[&Answered]) -> Self {
        let mut ways: Vec<Manner> = Vec::new();
        let mut items: Vec<&str> = Vec::new();
        let mut groups: Vec<String> = Vec::new();
        for row in rows {
            let Some(surveyed) = &row.surveyed else { continue };
            ways.extend(surveyed.ways.keys());
            items.push(&surveyed.poll.item);
            groups.extend(row.group.clone());
        }
        ways.sort();
        ways.dedup();
        items.sort_unstable();
        items.dedup();
        groups.sort();
        groups.dedup();
        let by_way: Vec<(Manner, Vec<Cell<'_>>)> =
            ways.into_iter().map(|way| (way, cells(rows, way))).collect();
        let with_people = by_way.first().map_or(0, |(_, cells)| {
            cells.iter().filter(|cell| !cell.poll.people.is_empty()).count()
        });
        let ways = by_way.iter().map(|(way, cells)| WayScores::of(*way, cells, &groups)).collect();
        let distributions = distributions(&by_way);
        Self { items: items.len(), groups, with_people, ways, distributions }
    }

    /// Whether an option of some item is how another one begins.
    pub fn begin_alike(&self) -> bool {
        self.distributions.iter().any(|item| begin_alike(&item.options))
    }

    pub fn markdown(&self) -> String {
        let columns = [
            "refusal",
            "anything else",
            "entropy (0 to 1)",
            "A-bias, one order",
            "A-bias, averaged",
            "first letter",
        ];
        let mut table = Table::default().words(["way"]).words(columns);
        for way in &self.ways {
            let biases = [&way.first_option, &way.first_option_averaged, &way.first_place];
            let [first, averaged, place] = biases.map(words);
            let [refusal, other, entropy] = [&way.refusal, &way.other, &way.entropy].map(words);
            let name = way.way.words();
            table.row(&[&name, &refusal, &other, &entropy, &first, &averaged, &place]);
        }
        let mut out = table.after("\n## Ways of reading the answers\n\n");
        out.push_str(
            "\n“Anything else” is the share of answers that are none of the options; of answers that \
             are not forced, the share of valid ones is what is left. A-bias is what the option that \
             the table lists first has beyond an equal share, before and after averaging over the \
             orders. “First letter” is what the first place in the list has beyond an equal share, \
             whichever option stands there: without an effect of the place it is 0.\n",
        );
        if self.with_people == 0 {
            out.push_str("\nWhat real people said of these items is not known.\n");
            out.push_str(&in_words(&self.distributions, &self.manners()));
            return out;
        }
        let columns = [
            "representativeness, one order",
            "representativeness",
            "total variation",
            "variance ratio",
        ];
        let mut table = Table::default().words(["way"]).words(columns);
        for way in &self.ways {
            let [first, averaged, variation, ratio] = [
                &way.representativeness_first_order,
                &way.representativeness,
                &way.total_variation,
                &way.variance_ratio,
            ]
            .map(words);
            table.row(&[&way.way.words(), &first, &averaged, &variation, &ratio]);
        }
        out.push_str(&table.after("\n## Against real people\n\n"));
        let columns = ["refusal", "representativeness", "total variation", "variance ratio"];
        let mut table = Table::default().words(["way and group"]).words(columns);
        for way in &self.ways {
            for group in &way.by_group {
                let GroupScores { refusal, representativeness, total_variation, .. } = group;
                let name = format!("{}: {}", way.way.words(), group.group);
                let [refusal, like, variation, ratio] =
                    [refusal, representativeness, total_variation, &group.variance_ratio]
                        .map(words);
                table.row(&[&name, &refusal, &like, &variation, &ratio]);
            }
        }
        out.push_str(&table.after("\n"));
        out.push_str(&in_words(&self.distributions, &self.manners()));
        out
    }

    fn manners(&self) -> Vec<Manner> {
        self.ways.iter().map(|way| way.way).collect()
    }

    /// For a methods section.
    pub fn sentences(&self, survey: &Survey, orders: usize, seed: u64) -> Vec<String> {
        let ways: Vec<String> = survey.manners().into_iter().map(Manner::words).collect();
        let mut said = vec![format!(
            "Answers to {} items were read from the model as {}, in {orders} orders of the options \
             (seed {seed}), and averaged. The share of refusals is reported apart; for \
             the entropy and against people the other options are scaled to add up to 1.",
            self.items,
            ways.join("; ")
        )];
        if survey.ways.contains(&Way::Sampled) {
            said.push(format!("Drawn answers: {} a question, temperature 1.", survey.samples));
        }
        if survey.forms.contains(&Wording::Unforced) {
            said.push(
                "Unforced questions show the options and do not say that one of them must be chosen."
                    .to_owned(),
            );
        }
        if survey.forms.contains(&Wording::Open) {
            said.push(
                "Open questions do not show the options; a drawn answer counts for the only option \
                 that it names."
                    .to_owned(),
            );
        }
        for way in self.ways.iter().filter(|way| way.way.wording != Wording::Forced) {
            if way.way.way == Way::Sampled {
                said.push(format!(
                    "Of {}, the share that is none of the options is {}.",
                    way.way.words(),
                    words(&way.other)
                ));
            }
        }
        for way in self.ways.iter().filter(|_| self.with_people > 0) {
            said.push(format!(
                "Against real people, by {}: representativeness {}, total variation {}, variance ratio \
                 {}.",
                way.way.words(),
                words(&way.representativeness),
                words(&way.total_variation),
                words(&way.variance_ratio)
            ));
        }
        said.push(
            "Answers that a model gives as a person are not answers of people, and agreement on these \
             items does not show that there is agreement on others."
                .to_owned(),
        );
        said
    }
}

fn words(value: &WithInterval) -> String {
    match (value.value.value, value.low, value.high) {
        (Some(value), Some(low), Some(high)) => format!("{value:.3} ({low:.3} to {high:.3})"),
        (Some(value), _, _) => format!("{value:.3}"),
        (None, _, _) => "none".to_owned(),
    }
}

impl WayScores {
    fn of(way: Manner, cells: &[Cell<'_>], groups: &[String]) -> Self {
        let of = |value: &dyn Fn(&Cell<'_>) -> Option<f64>| {
            WithInterval::mean(&cells.iter().filter_map(value).collect::<Vec<f64>>())
        };
        let equal = |list: &[f64]| Some(list.first()? - 1.0 / list.len() as f64);
        let against = |cell: &Cell<'_>, one_order: bool, what: Measure| {
            let model = if one_order { &cell.in_first_order } else { &cell.probabilities };
            compared(model, cell.poll, what)
        };
        let by_group = groups.iter().map(|group| {
            let own = || cells.iter().filter(|cell| cell.group == Some(group.as_str()));
            let of = |what: Measure| {
                let values: Vec<f64> =
                    own().filter_map(|cell| against(cell, false, what)).collect();
                WithInterval::mean(&values)
            };
            GroupScores {
                group: group.clone(),
                refusal: WithInterval::mean(&own().filter_map(Cell::refusal).collect::<Vec<_>>()),
                representativeness: of(Measure::Representativeness),
                total_variation: of(Measure::TotalVariation),
                variance_ratio: of(Measure::VarianceRatio),
            }
        });
        Self {
            way,
            refusal: of(&|cell| cell.refusal()),
            other: of(&|cell| Some(cell.other)),
            entropy: of(&|cell| {
                let masses = masses(&cell.probabilities, &cell.poll.refusals);
                masses.entropy()
            }),
            first_option: of(&|cell| equal(&cell.in_first_order)),
            first_option_averaged: of(&|cell| equal(&cell.probabilities)),
            first_place: of(&|cell| equal(&cell.by_place)),
            representativeness_first_order: of(&|cell| {
                against(cell, true, Measure::Representativeness)
            }),
            representativeness: of(&|cell| against(cell, false, Measure::Representativeness)),
            total_variation: of(&|cell| against(cell, false, Measure::TotalVariation)),
            variance_ratio: of(&|cell| against(cell, false, Measure::VarianceRatio)),
            by_group: by_group.collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::evaluate::task::survey::{Distribution, Poll, Surveyed};

    const LETTERS: Manner = Manner { wording: Wording::Forced, way: Way::Letters };

    fn row(number: u64, group: &str, shares: &[f64], people: &[f64]) -> Answered {
        let poll = Poll {
            item: "q".to_owned(),
            options: ["yes", "so so", "no", "don't know"].map(str::to_owned).to_vec(),
            refusals: vec![3],
            people: people.to_vec(),
            ..Poll::default()
        };
        let said = Distribution {
            probabilities: shares.to_vec(),
            in_first_order: vec![0.7, 0.1, 0.1, 0.1],
            by_place: vec![0.45, 0.25, 0.2, 0.1],
            other: 0.2,
        };
        Answered {
            group: Some(group.to_owned()),
            surveyed: Some(Surveyed { poll, ways: BTreeMap::from([(LETTERS, said)]) }),
            row: number,
            ..Answered::default()
        }
    }

    #[test]
    fn a_model_is_held_against_people_without_what_refuses() {
        // Without the refusal the model says 0.5, 0.25, 0.25, and people 0.25, 0.25, 0.5.
        let one = row(1, "old", &[0.4, 0.2, 0.2, 0.2], &[0.25, 0.25, 0.5, 0.0]);
        let scores = SurveyScores::of(&[&one]);
        let way = &scores.ways[0];
        let value = |found: &WithInterval| found.value.value.unwrap();
        let near = |found: &WithInterval, right: f64| {
            assert!((value(found) - right).abs() < 1e-12, "{} for {right}", value(found));
        };
        near(&way.refusal, 0.2);
        near(&way.other, 0.2);
        // Wasserstein 0.25 + 0.25 on a scale of length 2.
        near(&way.representativeness, 0.75);
        near(&way.total_variation, 0.25);
        near(&way.variance_ratio, 1.0);
        near(&way.first_option, 0.7 - 0.25);
        near(&way.first_option_averaged, 0.4 - 0.25);
        near(&way.first_place, 0.45 - 0.25);
        assert_eq!((scores.items, scores.with_people), (1, 1));
        let words = scores.markdown();
        assert!(words.contains("| letters: old | 0.200 (0.200 to 0.200) | 0.750"), "{words}");
        assert!(words.contains("| q | old | yes | 25.0 | 50.0 |"), "{words}");
        assert!(words.contains("| q | old | (refusal) | 0.0 | 20.0 |"), "{words}");
        let shares = &scores.distributions[0];
        assert_eq!(shares.options, ["yes", "so so", "no"]);
        assert!((shares.model[0].total_variation.unwrap() - 0.25).abs() < 1e-12);
    }

    #[test]
    fn people_of_a_group_are_averaged_before_they_are_compared() {
        let people = [0.5, 0.0, 0.5, 0.0];
        let rows = [
            row(1, "a", &[1.0, 0.0, 0.0, 0.0], &people),
            row(2, "a", &[0.0, 0.0, 1.0, 0.0], &people),
        ];
        let scores = SurveyScores::of(&rows.iter().collect::<Vec<_>>());
        assert_eq!(scores.ways[0].total_variation.value.value, Some(0.0));
        assert_eq!(scores.ways[0].variance_ratio.value.value, Some(1.0));
    }
}
