//! `/v1/systemone`: typed questions about a text, and the exact probability of every answer.
//!
//! The interface of decision models, which Potato, Kiln and Unsloth ask as well: a `choice` among
//! labels, a `score` on levels that are counted from 0, a `noul` that is true or false. Every answer
//! is scored as a whole text, as Evaluate scores labels, in the order in which the options are given,
//! or in several orders and averaged (`orders`, ours).
//! Source of the form: the server of the Python package `laya` 0.4.15.

use serde_json::{Map, Value, json};

use super::completions::Usage;
use super::error::Refusal;
use super::labels::scored;
use super::questions::{Decisions, Question, QuestionKind};
use super::served::Served;
use super::watch::Watch;
use crate::evaluate::asking::scoring::{Asked, Scorer, Unaskable, sentence};
use crate::evaluate::asking::weighing::weigh;
use crate::evaluate::prompt::{Presentation, orders};
use crate::evaluate::results::answered::Answered;

/// Every question about every text; of one text the answer itself, of several a list.
pub fn whole(
    served: &Served,
    asked: &Decisions,
    watch: &Watch<'_>,
) -> Result<(Value, Usage), Refusal> {
    let decoder = served.writer()?;
    let adapter = decoder.adapter(asked.adapter);
    let mut scorer = Scorer::new(&decoder.model, adapter);
    let model = served.name_with(asked.adapter);
    let mut results = Vec::with_capacity(asked.states.len());
    let mut usage = Usage::default();
    for state in &asked.states {
        let (mut answers, mut tokens) = (Map::new(), 0);
        for question in &asked.questions {
            watch.still_wanted()?;
            let presentations = presentations(question, state, asked.orders);
            let mut encoded = Vec::with_capacity(presentations.len());
            for presentation in &presentations {
                let room = (0, scorer.context());
                match Asked::encode(&decoder.model, presentation, room)? {
                    Ok(one) => encoded.push(one),
                    Err(unaskable) => return Err(refusal(question, &unaskable)),
                }
            }
            tokens += encoded.iter().map(|one| one.prompt.len()).sum::<usize>();
            let scored = scored(&mut scorer, &encoded, watch)?;
            let order: Vec<Vec<usize>> = presentations.into_iter().map(|it| it.order).collect();
            let weighed = weigh(&order, &scored, &scored, false).map_err(|why| {
                let message = format!("Question \"{}\" has no probabilities: {why}.", question.id);
                Refusal::with(500, message)
            })?;
            answers.insert(question.id.clone(), answer(question, &weighed));
        }
        usage.prompt += tokens;
        let used = json!({"input_tokens": tokens, "output_tokens": 0});
        results.push(json!({"model": model, "answers": answers, "usage": used}));
    }
    if !asked.is_batch {
        let only = results.pop().unwrap_or_default();
        return Ok((only, usage));
    }
    let total = json!({"input_tokens": usage.prompt, "output_tokens": 0});
    Ok((json!({"results": results, "total_usage": total}), usage))
}

/// The words in which a question is put, in each order of its options.
fn presentations(question: &Question, state: &str, wanted: usize) -> Vec<Presentation> {
    // Levels that are counted stay in their order, and so do true and false.
    let wanted = if question.kind == QuestionKind::Choice { wanted } else { 1 };
    let one = |order: Vec<usize>| {
        let mut content = format!("{}\n\nText: {state}\n\nOptions:\n", question.instructions);
        for &option in &order {
            let option = &question.options[option];
            content.push_str("- ");
            content.push_str(&option.name);
            if !option.means.is_empty() {
                content.push_str(": ");
                content.push_str(&option.means);
            }
            content.push('\n');
        }
        let asked_for = match question.kind {
            QuestionKind::Choice | QuestionKind::Noul => {
                "Answer with one of the options, in its words, and nothing else."
            }
            QuestionKind::Score => "Answer with the number of one option and nothing else.",
        };
        content.push('\n');
        content.push_str(asked_for);
        let answers = order.iter().map(|&option| question.options[option].name.clone()).collect();
        Presentation { content, order, answers }
    };
    orders(question.options.len(), wanted, 0).into_iter().map(one).collect()
}

/// One typed answer.
fn answer(question: &Question, weighed: &Answered) -> Value {
    let probabilities = &weighed.probabilities;
    let largest = probabilities.iter().copied().fold(0.0_f64, f64::max);
    let by_name = question.options.iter().zip(probabilities);
    let by_name: Map<String, Value> =
        by_name.map(|(option, probability)| (option.name.clone(), json!(probability))).collect();
    let mut answer = match question.kind {
        QuestionKind::Choice => json!({
            "type": "choice",
            "choice": weighed.index.and_then(|best| question.options.get(best)).map(|it| &it.name),
            "probabilities": by_name,
            "confidence": concentration(probabilities),
        }),
        QuestionKind::Score => {
            let levels = probabilities.iter().enumerate();
            let legend = question.options.iter();
            let legend: Map<String, Value> =
                legend.map(|option| (option.name.clone(), json!(option.means))).collect();
            json!({
                "type": "score",
                "score": levels.map(|(level, probability)| level as f64 * probability).sum::<f64>(),
                "probabilities": by_name,
                "confidence": concentration(probabilities),
                "legend": legend,
            })
        }
        // The options are false and true.
        QuestionKind::Noul => json!({
            "type": "noul", "noul": probabilities[1], "confidence": largest,
        }),
    };
    answer["answer_confidence"] = json!(largest);
    // How much of all that could be answered the options are together: what is small was not asked well.
    answer["mass"] = json!(weighed.mass);
    answer
}

/// One less the entropy of `probabilities` as a share of the largest possible one: 1 for an answer
/// without a doubt, 0 where all are equally likely.
fn concentration(probabilities: &[f64]) -> f64 {
    if probabilities.len() < 2 {
        return 1.0;
    }
    let entropy: f64 = probabilities.iter().filter(|&&p| p > 0.0).map(|p| -p * p.ln()).sum();
    (1.0 - entropy / (probabilities.len() as f64).ln()).clamp(0.0, 1.0)
}

fn refusal(question: &Question, unaskable: &Unaskable) -> Refusal {
    let param = match unaskable {
        Unaskable::Unsayable { .. } | Unaskable::NoRoom { .. } => "questions",
        Unaskable::TooLong { .. } => "state",
    };
    let said = sentence(unaskable);
    Refusal::of(param, format!("Question \"{}\" cannot be answered: {said}.", question.id))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::serve::questions::Choice;

    fn question(kind: QuestionKind, options: &[(&str, &str)]) -> Question {
        let options = options
            .iter()
            .map(|(name, means)| Choice { name: (*name).to_owned(), means: (*means).to_owned() });
        Question {
            id: "q".to_owned(),
            kind,
            instructions: "Which team?".to_owned(),
            options: options.collect(),
        }
    }

    #[test]
    fn a_question_shows_every_option_with_what_it_means() {
        let asked = question(QuestionKind::Choice, &[("billing", "refunds"), ("tech", "")]);
        let all = presentations(&asked, "billed twice", 2);
        assert_eq!(
            all[0].content,
            "Which team?\n\nText: billed twice\n\nOptions:\n- billing: refunds\n- tech\n\nAnswer \
             with one of the options, in its words, and nothing else."
        );
        assert_eq!(all[1].order, [1, 0]);
        assert_eq!(all[1].answers, ["tech", "billing"]);
        let levels = question(QuestionKind::Score, &[("0", "calm"), ("1", "angry")]);
        assert_eq!(presentations(&levels, "", 2).len(), 1, "levels stay in their order");
    }

    #[test]
    fn how_concentrated_a_distribution_is() {
        assert!((concentration(&[0.25; 4])).abs() < 1e-12);
        assert!((concentration(&[1.0, 0.0]) - 1.0).abs() < 1e-12);
        // 1 - (0.7 ln(1 / 0.7) + 0.3 ln(1 / 0.3)) / ln 2
        assert!((concentration(&[0.7, 0.3]) - 0.118_709_101).abs() < 1e-9);
        assert!((concentration(&[1.0]) - 1.0).abs() < 1e-12);
    }
}
