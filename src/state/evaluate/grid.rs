//! Which rows of an evaluation are shown, in which order, and what all answers add up to.

use std::collections::BTreeMap;

use crate::evaluate::results::answered::Answered;
use crate::evaluate::results::written::Written;
use crate::evaluate::rows::question::Question;
use crate::evaluate::rows::questions::Questions;
use crate::evaluate::rows::several::Several;
use crate::stats::agreement::two::{KappaWeights, cohen_kappa};
use crate::stats::cross_table::CrossTable;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// As the table has them.
    #[default]
    Row,

    /// The highest entropy first, then the rows without an answer.
    Uncertain,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Filter {
    #[default]
    All,

    /// People and model differ.
    Differ,

    /// There is a problem instead of an answer, or the text was cut.
    Problems,

    /// This coder said this, and the model that. Where a text can have several labels, `said` is a label and
    /// `given` a place of [`WHO_HAS`].
    Cell { coder: usize, said: usize, given: usize },
}

/// Who gives a text a label, where it can have several.
pub const WHO_HAS: [&str; 4] = ["both", "the person alone", "the model alone", "neither"];

fn who_has(several: &Several, coder: usize, label: usize) -> Option<usize> {
    let theirs = several.human.get(coder)?.as_ref()?.contains(&label);
    let models = several.applies.contains(&label);
    Some(usize::from(!models) + 2 * usize::from(!theirs))
}

/// How often an answer was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Share {
    pub answer: String,
    pub count: usize,
}

/// A coder beside the model.
#[derive(Clone, Debug, PartialEq)]
pub struct CoderNumbers {
    pub name: String,

    /// Rows that both answered, and those of them with the same answer.
    pub both: usize,
    pub same: usize,

    /// Cohen's kappa, where every row has the same labels and it is defined.
    pub kappa: Option<f64>,

    /// How often what was given by the model (columns) where the coder said what (rows). Empty where every
    /// row has its own options. Where a text can have several labels, a row is a label and a column is of
    /// [`WHO_HAS`].
    pub table: Vec<Vec<usize>>,
}

/// What all answers add up to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Numbers {
    pub answered: usize,
    pub problems: usize,
    pub cut: usize,

    /// Texts that came to the end of their room.
    pub ended_early: usize,
    pub shares: Vec<Share>,
    pub coders: Vec<CoderNumbers>,

    /// Rows whose answer is not the same in all orders, of those asked in several.
    pub flipped: usize,
    pub in_orders: usize,

    /// Texts whose windows have different values of a field.
    pub disagree: usize,

    /// Of texts that were scored, every token counting alike; and how many tokens that are.
    pub perplexity: Option<f64>,
    pub tokens: usize,
}

/// The view of an evaluation's rows.
#[derive(Clone, Debug, Default)]
pub struct Grid {
    pub order: Order,
    pub filter: Filter,

    /// The row that is looked at, by its number in the table.
    pub selected: Option<u64>,

    /// The first of the coders that have a column, where there is no room for all of them.
    pub first_coder: usize,

    /// The coder whose confusion matrix with the model is shown.
    pub confusion: Option<usize>,

    /// Whether the list scrolls to it.
    pub scrolls_to_selected: bool,

    /// The questions that are shown, by their place in the list.
    shown: Vec<u32>,
    pub numbers: Numbers,

    /// What `shown` and `numbers` were made of, with the number of answers then.
    made_of: Option<(Order, Filter, u64)>,
}

impl Grid {
    /// Rows to draw, in order, by their place among the questions.
    pub fn shown(&self) -> &[u32] {
        &self.shown
    }

    /// Brings what is shown up to date. `version` counts changes of the answers. While rows are
    /// being asked about, a long list follows them in steps: sorting it for each would take longer
    /// than they do.
    pub fn refresh(
        &mut self,
        (questions, coders): (&Questions, &[String]),
        answers: &BTreeMap<u64, Answered>,
        version: u64,
        running: bool,
    ) {
        let step = if running { questions.list.len() as u64 / 200 } else { 0 };
        let is_fresh = self.made_of.is_some_and(|(order, filter, made)| {
            (order, filter) == (self.order, self.filter)
                && version >= made
                && version - made <= step
                && (running || version == made)
        });
        if is_fresh {
            return;
        }
        self.made_of = Some((self.order, self.filter, version));
        self.numbers = numbers(questions, coders, answers);
        let answer = |question: &Question| answers.get(&question.row.place.row);
        let passes = |question: &Question| match (self.filter, answer(question)) {
            (Filter::All, _) => true,
            (_, None) => false,
            (Filter::Differ, Some(answered)) => differs(answered),
            (Filter::Problems, Some(answered)) => {
                let is_odd = |it: &Written| it.ended_early || !it.disagree.is_empty();
                let is_odd = answered.written.as_ref().is_some_and(is_odd);
                answered.problem.is_some() || answered.cut.is_some() || is_odd
            }
            (
                Filter::Cell { coder, said, given },
                Some(Answered { several: Some(several), .. }),
            ) => who_has(several, coder, said) == Some(given),
            (Filter::Cell { coder, said, given }, Some(answered)) => {
                answered.index == Some(given)
                    && answered.human.get(coder).copied().flatten() == Some(said)
            }
        };
        let places = questions.list.iter().enumerate().filter(|(_, question)| passes(question));
        self.shown = places.map(|(place, _)| place as u32).collect();
        if self.order == Order::Uncertain {
            let entropy = |place: &u32| {
                let answered = answer(&questions.list[*place as usize]);
                let answered = answered.filter(|answered| answered.problem.is_none());
                answered.map_or(-1.0, |answered| match &answered.scored {
                    Some(text) => -text.mean(),
                    None => answered.entropy,
                })
            };
            self.shown.sort_by(|one, other| entropy(other).total_cmp(&entropy(one)));
        }
    }

    /// Looks at the row so many places further in the list, as far as there are any.
    pub fn step(&mut self, questions: &Questions, by: isize) {
        let Some(last) = self.shown.len().checked_sub(1) else { return };
        let row = |place: u32| questions.list[place as usize].row.place.row;
        let at = self.shown.iter().position(|place| Some(row(*place)) == self.selected);
        let next = at.map_or(0, |at| at.saturating_add_signed(by).min(last));
        self.selected = Some(row(self.shown[next]));
        self.scrolls_to_selected = true;
    }
}

/// Whether a person said something else than the model.
pub fn differs(answered: &Answered) -> bool {
    if let Some(several) = &answered.several {
        return several.human.iter().flatten().any(|said| *said != several.applies);
    }
    answered.index.is_some()
        && answered.human.iter().any(|said| said.is_some() && *said != answered.index)
}

fn numbers(questions: &Questions, coders: &[String], answers: &BTreeMap<u64, Answered>) -> Numbers {
    let mut counts: BTreeMap<usize, usize> = BTreeMap::new();
    let coder = |name: &String| CoderNumbers {
        name: name.clone(),
        both: 0,
        same: 0,
        kappa: None,
        table: Vec::new(),
    };
    let mut found = Numbers { coders: coders.iter().map(coder).collect(), ..Numbers::default() };
    let mut said: Vec<(Option<usize>, &[Option<usize>])> = Vec::new();
    let mut logprob = 0.0;
    for answered in answers.values() {
        said.push((answered.index, &answered.human));
        found.cut += usize::from(answered.cut.is_some());
        if let Some(written) = &answered.written {
            found.answered += 1;
            found.ended_early += usize::from(written.ended_early);
            found.disagree += usize::from(!written.disagree.is_empty());
            continue;
        }
        if let Some(text) = &answered.scored {
            found.answered += 1;
            found.tokens += text.tokens;
            logprob += text.logprob;
            continue;
        }
        if answered.index.is_none() && answered.surveyed.is_some() {
            found.answered += 1;
            continue;
        }
        if let Some(several) = &answered.several {
            found.answered += 1;
            several.applies.iter().for_each(|label| *counts.entry(*label).or_default() += 1);
            if let Some(same) = answered.same_answer {
                found.in_orders += 1;
                found.flipped += usize::from(same < 1.0);
            }
            for (coder, said) in found.coders.iter_mut().zip(&several.human) {
                coder.both += usize::from(said.is_some());
                coder.same += usize::from(said.as_ref() == Some(&several.applies));
            }
            continue;
        }
        let Some(index) = answered.index else {
            found.problems += 1;
            continue;
        };
        found.answered += 1;
        *counts.entry(index).or_default() += 1;
        if let Some(same) = answered.same_answer {
            found.in_orders += 1;
            found.flipped += usize::from(same < 1.0);
        }
        for (coder, said) in found.coders.iter_mut().zip(&answered.human) {
            coder.both += usize::from(said.is_some());
            coder.same += usize::from(*said == Some(index));
        }
    }
    found.perplexity = (found.tokens > 0).then(|| (-logprob / found.tokens as f64).exp());
    let has_several = questions.codebook.as_ref().is_some_and(|codebook| codebook.several);
    if let Some(labels) = questions.labels.as_ref().filter(|_| has_several) {
        for (place, coder) in found.coders.iter_mut().enumerate() {
            coder.table = vec![vec![0; WHO_HAS.len()]; labels.len()];
            for several in answers.values().filter_map(|answered| answered.several.as_ref()) {
                for (label, row) in coder.table.iter_mut().enumerate() {
                    if let Some(who) = who_has(several, place, label) {
                        row[who] += 1;
                    }
                }
            }
        }
    } else if let Some(labels) = &questions.labels {
        let model: Vec<Option<usize>> = said.iter().map(|(index, _)| *index).collect();
        for (place, coder) in found.coders.iter_mut().enumerate() {
            let by = |(_, human): &(_, &[Option<usize>])| human.get(place).copied().flatten();
            let person: Vec<Option<usize>> = said.iter().map(by).collect();
            let table = CrossTable::new(&person, &model, None, labels.len());
            coder.kappa = cohen_kappa(&table, KappaWeights::Unweighted).ok();
            let counts = |row: &Vec<f64>| row.iter().map(|count| *count as usize).collect();
            coder.table = table.cells.iter().map(counts).collect();
        }
    }
    found.shares = match &questions.labels {
        // A label that was never given is worth seeing too.
        Some(labels) => labels
            .iter()
            .enumerate()
            .map(|(index, label)| Share {
                answer: label.clone(),
                count: counts.get(&index).copied().unwrap_or(0),
            })
            .collect(),
        None => counts
            .into_iter()
            .map(|(index, count)| Share { answer: option_name(index), count })
            .collect(),
    };
    found
}

/// What an option is called where every row has its own.
pub fn option_name(index: usize) -> String {
    char::from(b'A' + u8::try_from(index).unwrap_or(25)).to_string()
}
