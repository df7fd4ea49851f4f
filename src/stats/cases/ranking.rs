//! `bradley_terry`, `mcq`, `correlation`.

use serde_json::{Value, json};

use super::input::{Label, Node, Read};
use super::output::{Got, or_null};
use crate::stats::moments::pearson;
use crate::stats::ranking::bradley_terry::{Arena, Outcome};
use crate::stats::ranking::correlation::{kendall_tau_b, spearman};
use crate::stats::ranking::multiple_choice as choice;

pub fn bradley_terry(input: &Node<'_>) -> Read<Value> {
    let models = input.key("models")?.list()?.len();
    let mut battles = Vec::new();
    let form = "a battle: [first model, second model, 1, 0 or 0.5]";
    for battle in input.key("battles")?.list()? {
        let parts = battle.list()?;
        let [first, second, score] = parts.as_slice() else { return Err(battle.problem(form)) };
        let model = |node: &Node<'_>| -> Read<usize> {
            let expected = format!("the number of one of the {models} models, from 0");
            let fits =
                |number: f64| number.fract() == 0.0 && (0.0..models as f64).contains(&number);
            Ok(node.number_where(fits, &expected)? as usize)
        };
        let (first_model, second_model) = (model(first)?, model(second)?);
        if first_model == second_model {
            return Err(second.problem("another model than the first"));
        }
        let expected = "1 (the first won), 0 (the second won) or 0.5 (a tie)";
        let score = score.number_where(|score| [0.0, 0.5, 1.0].contains(&score), expected)?;
        let outcome = if score == 0.5 {
            Outcome::Tie
        } else if score == 1.0 {
            Outcome::FirstWon
        } else {
            Outcome::SecondWon
        };
        battles.push((first_model, second_model, outcome));
    }
    let arena = Arena::new(models, &battles);
    let components = arena.components();
    let mut got = Got::default();
    got.set("games", json!(arena.games));
    let row = |i: usize| or_null((0..models).map(|j| arena.win_rate(i, j)));
    got.set("win_rate", (0..models).map(row).collect::<Vec<Value>>());
    got.because("win_rate", "null where a pair was never compared, and on the diagonal");
    got.set("connected", components.len() == 1);
    got.set("components", json!(components));
    got.set("mle_exists", arena.has_ratings());
    let ratings = arena.ratings();
    got.put_list("ratings", ratings.clone().map(|of| of.ratings));
    got.put_list("standard_errors", ratings.map(|of| of.standard_errors));
    Ok(got.finish())
}

pub fn mcq(input: &Node<'_>) -> Read<Value> {
    let label = |node: &Node<'_>| -> Read<Label> {
        Label::read(node.value).ok_or_else(|| node.problem("an option's name"))
    };
    let answers = input.key("answers")?.list()?;
    let mut scores = Vec::new();
    let mut submission = None;
    if let Some(ranked) = input.optional("ranked")? {
        let lists = ranked.list()?;
        ranked.check_length(lists.len(), answers.len())?;
        for (answer, list) in answers.iter().zip(&lists) {
            if answer.value.is_null() || list.value.is_null() {
                continue;
            }
            let guesses: Vec<Label> = list.list()?.iter().map(label).collect::<Read<_>>()?;
            scores.push(choice::score(&label(answer)?, &guesses));
        }
    } else {
        let options = input.key("options")?.list()?;
        let names: Vec<Label> = options.iter().map(label).collect::<Read<_>>()?;
        let probabilities = input.key("probs")?;
        let rows = probabilities.list()?;
        probabilities.check_length(rows.len(), answers.len())?;
        let mut lines = Vec::new();
        for (answer, row) in answers.iter().zip(&rows) {
            if answer.value.is_null() || row.value.is_null() {
                continue;
            }
            let numbers = row.numbers()?;
            row.check_length(numbers.len(), names.len())?;
            let order = choice::ranked(&numbers);
            let guesses: Vec<Label> = order.iter().map(|option| names[*option].clone()).collect();
            scores.push(choice::score(&label(answer)?, &guesses));
            let shown = order.iter().take(choice::GUESSES).map(|option| {
                let value = options[*option].value;
                value.as_str().map_or_else(|| value.to_string(), str::to_owned)
            });
            lines.push(shown.collect::<Vec<String>>().join(" "));
        }
        submission = Some(lines);
    }
    let mut got = Got::default();
    got.put("accuracy", choice::accuracy(&scores));
    got.put("map_at_3", choice::map_at_3(&scores));
    got.set("per_item", scores);
    if let Some(lines) = submission {
        got.set("submission", lines);
    }
    Ok(got.finish())
}

pub fn correlation(input: &Node<'_>) -> Read<Value> {
    let (x, y) = (input.key("x")?.numbers_or_missing()?, input.key("y")?);
    let second = y.numbers_or_missing()?;
    y.check_length(second.len(), x.len())?;
    let (x, y): (Vec<f64>, Vec<f64>) =
        x.into_iter().zip(second).filter_map(|(x, y)| Some((x?, y?))).unzip();
    let mut got = Got::default();
    got.set("n", x.len());
    got.put("pearson", pearson(&x, &y));
    got.put("spearman", spearman(&x, &y));
    got.put("kendall_tau_b", kendall_tau_b(&x, &y));
    Ok(got.finish())
}
