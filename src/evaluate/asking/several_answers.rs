//! One answer about a text from those about each of its labels, and back.

use crate::evaluate::results::answered::Answered;
use crate::evaluate::results::evaluation::Evaluation;
use crate::evaluate::rows::several::{ANSWERS, Each, Several, named};

/// One answer about a text from those about each of its labels.
///
/// Its probabilities are those with which the labels
/// apply and need not add up to 1; its entropy and mass are means over the labels, its margin is the least. `threshold`: from
/// which probability a label applies; without one, where its yes is at least as likely as its no.
pub fn together(labels: &[String], each: Vec<Answered>, threshold: Option<f64>) -> Answered {
    let count = each.len().max(1) as f64;
    let mean = |of: fn(&Answered) -> f64| each.iter().map(of).sum::<f64>() / count;
    let yes = |one: &Answered| one.probabilities.first().copied().unwrap_or_default();
    let applies = |one: &Answered| match threshold {
        Some(threshold) if !one.approximate => yes(one) >= threshold,
        _ => one.index == Some(0),
    };
    let applies: Vec<usize> = (0..each.len()).filter(|label| applies(&each[*label])).collect();
    Answered {
        answer: Some(named(labels, &applies)),
        probabilities: each.iter().map(yes).collect(),
        entropy: mean(|one| one.entropy),
        margin: each.iter().map(|one| one.margin).fold(1.0, f64::min),
        mass: mean(|one| one.mass),
        same_answer: each
            .first()
            .and_then(|first| first.same_answer)
            .map(|_| mean(|one| one.same_answer.unwrap_or(1.0))),
        approximate: each.iter().any(|one| one.approximate),
        several: Some(Several {
            applies,
            each: each
                .into_iter()
                .map(|Answered { logprobs, mass, by_place, same_answer, .. }| Each {
                    logprobs,
                    mass,
                    by_place,
                    same_answer,
                })
                .collect(),
            human: Vec::new(),
        }),
        ..Answered::default()
    }
}

/// An evaluation of several labels as if only this one had been asked about: yes is the first answer, no the second.
pub fn of_label(
    evaluation: &Evaluation,
    rows: &[&Answered],
    label: usize,
) -> (Evaluation, Vec<Answered>) {
    let labels = Some(ANSWERS.map(str::to_lowercase).to_vec());
    let evaluation = Evaluation { labels, several: false, ..evaluation.clone() };
    let is_among = |places: &Vec<usize>| usize::from(!places.contains(&label));
    let rows = rows.iter().filter_map(|row| {
        let several = row.several.as_ref()?;
        let (each, yes) = (several.each.get(label)?, *row.probabilities.get(label)?);
        let probabilities = if row.approximate { Vec::new() } else { vec![yes, 1.0 - yes] };
        Some(Answered {
            index: Some(is_among(&several.applies)),
            margin: (2.0 * yes - 1.0).abs(),
            probabilities,
            logprobs: each.logprobs.clone(),
            mass: each.mass,
            by_place: each.by_place.clone(),
            same_answer: each.same_answer,
            human: several.human.iter().map(|said| said.as_ref().map(is_among)).collect(),
            several: None,
            ..(*row).clone()
        })
    });
    let rows = rows.collect();
    (evaluation, rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels() -> Vec<String> {
        ["war", "trade, tariffs", "health"].map(str::to_owned).to_vec()
    }

    #[test]
    fn answers_about_labels_become_one_about_the_text() {
        let one = |yes: f64| Answered {
            index: Some(usize::from(yes < 0.5)),
            probabilities: vec![yes, 1.0 - yes],
            entropy: 0.5,
            margin: (2.0 * yes - 1.0).abs(),
            mass: yes,
            row: 1,
            ..Answered::default()
        };
        let found = together(&labels(), vec![one(0.9), one(0.5), one(0.2)], None);
        assert_eq!(found.answer.as_deref(), Some("war, trade, tariffs"));
        assert_eq!(found.probabilities, [0.9, 0.5, 0.2]);
        assert_eq!((found.index, found.margin), (None, 0.0));
        assert!((found.mass - 1.6 / 3.0).abs() < 1e-12);
        assert_eq!(found.several.unwrap().applies, [0, 1]);
        let low = || vec![one(0.1), one(0.2), one(0.3)];
        let none = together(&labels(), low(), None);
        assert_eq!(none.answer.as_deref(), Some("none of them"));
        let some = together(&labels(), low(), Some(0.2));
        assert_eq!(some.answer.as_deref(), Some("trade, tariffs, health"));
    }
}
