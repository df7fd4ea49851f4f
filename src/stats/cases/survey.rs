//! `survey`, `option_orders`, `variance_ratio`.

use serde_json::Value;

use super::input::{Node, Problem, Read};
use super::output::Got;
use crate::stats::survey::distribution::{Answer, Masses};
use crate::stats::survey::orders::{Shown, order_effect};
use crate::stats::survey::spread::spread;
use crate::stats::undefined::{Number, Undefined, ratio};

/// Options and refusals, as numbers.
fn masses(node: &Node<'_>, options: usize) -> Read<Masses> {
    let option_node = node.key("options")?;
    let masses = option_node.masses()?;
    option_node.check_length(masses.len(), options)?;
    let refusal = match node.optional("refusal")? {
        // No refusal options sum to -0.
        Some(refusal) => refusal.masses()?.iter().sum::<f64>() + 0.0,
        None => 0.0,
    };
    Ok(Masses { options: masses, refusal })
}

/// [option, weight] each; -1 is a refusal, null is left out.
fn respondents(node: &Node<'_>, options: usize) -> Read<Masses> {
    let expected = format!("an option from 0 and below {options}, or -1 for a refusal");
    let mut answers = Vec::new();
    for respondent in node.list()? {
        let parts = respondent.list()?;
        let [option, weight] = parts.as_slice() else {
            return Err(respondent.problem("a respondent: [option, weight]"));
        };
        if option.value.is_null() || weight.value.is_null() {
            continue;
        }
        let fits = |number: f64| {
            number == -1.0 || number.fract() == 0.0 && (0.0..options as f64).contains(&number)
        };
        let option = option.number_where(fits, &expected)?;
        let weight = weight.number_where(|weight| weight >= 0.0, "a weight from 0")?;
        answers.push(((option >= 0.0).then_some(option as usize), weight));
    }
    Ok(Masses::of_people(options, &answers))
}

/// The numbers of one side.
fn put_side(got: &mut Got, name: &str, masses: &Masses, answer: Option<&Answer<'_>>) {
    let reason = match name {
        "model" => "no mass on the model's options",
        _ => "no mass on the people's options",
    };
    let of = answer.ok_or_else(|| Undefined::from(reason));
    let key = |what: &str| format!("{name}_{what}");
    got.put_list(&key("distribution"), of.clone().map(|of| of.distribution.clone()));
    got.put(&key("refusal"), masses.refusal_share());
    got.put(&key("entropy_share"), of.clone().and_then(Answer::entropy_share));
    got.put(&key("mean"), of.clone().map(Answer::mean));
    got.put(&key("sd"), of.map(Answer::sd));
}

pub fn survey(input: &Node<'_>) -> Read<Value> {
    let mut questions = Vec::new();
    let mut used = Vec::new();
    for question in input.key("questions")?.list()? {
        let positions = question.key("positions")?.numbers()?;
        let model_masses = masses(&question.key("model")?, positions.len())?;
        let human_masses = match question.optional("respondents")? {
            Some(node) => respondents(&node, positions.len())?,
            None => masses(&question.key("human")?, positions.len())?,
        };
        let (model, human) = (model_masses.answer(&positions), human_masses.answer(&positions));
        let mut got = Got::default();
        put_side(&mut got, "model", &model_masses, model.as_ref());
        put_side(&mut got, "human", &human_masses, human.as_ref());
        let both = model.as_ref().zip(human.as_ref());
        let both = both.ok_or_else(|| Undefined::from("one side has no mass on the options"));
        got.put("total_variation", both.clone().map(|(a, b)| a.total_variation(b)));
        got.put("wasserstein", both.clone().map(|(a, b)| a.wasserstein(b)));
        let representativeness = both.clone().and_then(|(a, b)| a.representativeness(b));
        got.put("representativeness", representativeness.clone());
        used.extend(representativeness.ok());
        got.put("kl_model_human_nats", both.clone().and_then(|(a, b)| a.kullback_leibler(b)));
        let reason = "the people's answers do not vary, or one side has no mass";
        let sd_ratio: Number = match both {
            Ok((model, human)) => ratio(model.sd(), human.sd(), reason),
            Err(_) => Err(reason.into()),
        };
        got.put("sd_ratio", sd_ratio.clone());
        got.put("variance_ratio", sd_ratio.map(|ratio| ratio * ratio));
        questions.push(got.finish());
    }
    let mut got = Got::default();
    got.set("questions", questions);
    let reason = "no question that both sides answered";
    got.put("representativeness", ratio(used.iter().sum(), used.len() as f64, reason));
    got.set("questions_used", used.len());
    Ok(got.finish())
}

pub fn option_orders(input: &Node<'_>) -> Read<Value> {
    let options = input.key("k")?.count()?;
    let (orders, mass_node) = (input.key("orders")?.list()?, input.key("masses")?);
    let rows = mass_node.list()?;
    mass_node.check_length(rows.len(), orders.len())?;
    let mut shown = Vec::with_capacity(rows.len());
    for (order_node, row) in orders.iter().zip(&rows) {
        if row.value.is_null() || order_node.value.is_null() {
            continue;
        }
        let order = order_node.positions(options)?;
        order_node.check_length(order.len(), options)?;
        let mut sorted = order.clone();
        sorted.sort_unstable();
        if !sorted.into_iter().eq(0..options) {
            return Err(Problem {
                at: order_node.at.clone(),
                found: order_node.value.to_string(),
                expected: format!("each option from 0 to {} once", options.saturating_sub(1)),
            });
        }
        let masses = row.masses()?;
        row.check_length(masses.len(), options)?;
        shown.push(Shown { order, masses });
    }
    let of = order_effect(options, &shown);
    let mut got = Got::default();
    got.set("orders", shown.len());
    got.set("all_orders", of.all_orders);
    got.put_list("adjusted", of.adjusted);
    let first = of
        .by_position
        .clone()
        .and_then(|by_position| by_position.first().copied().ok_or_else(|| "no options".into()));
    got.put_list("by_position", of.by_position);
    got.put("p_first", first);
    got.put("a_bias", of.a_bias);
    got.put("valid_mass", of.valid_mass);
    got.put_list("unadjusted", of.unadjusted);
    got.put("entropy_share_adjusted", of.entropy_share_adjusted);
    got.put("entropy_share_unadjusted", of.entropy_share_unadjusted);
    got.put("share_of_orders_with_the_commonest_answer", of.share_of_commonest);
    Ok(got.finish())
}

pub fn variance_ratio(input: &Node<'_>) -> Read<Value> {
    let read = |key: &str| -> Read<Vec<f64>> {
        Ok(input.key(key)?.numbers_or_missing()?.into_iter().flatten().collect())
    };
    let (model, human) = (read("model")?, read("human")?);
    let of = spread(&model, &human);
    let mut got = Got::default();
    got.set("n_model", model.len());
    got.set("n_human", human.len());
    got.put("sd_model", of.sd_model);
    got.put("sd_human", of.sd_human);
    got.put("sd_ratio", of.sd_ratio);
    got.put("variance_ratio", of.variance_ratio);
    got.put("cohens_d", of.cohens_d);
    Ok(got.finish())
}
