//! From the log-probabilities of options, order by order, to one distribution over them.

use std::f64::consts::LN_2;

use crate::evaluate::results::answered::Answered;
use crate::stats::classification::probabilities::first_largest;
use crate::stats::divergence::entropy;
use crate::stats::ranking::multiple_choice::ranked;
use crate::stats::survey::orders::{Shown, order_effect};
use crate::stats::undefined::Undefined;

/// Averages over the orders. `scores`, `logprobs`: of each place, order by order.
pub fn weigh(
    orders: &[Vec<usize>],
    scores: &[Vec<f64>],
    logprobs: &[Vec<f64>],
    judges: bool,
) -> Result<Answered, Undefined> {
    let count = orders.first().map_or(0, Vec::len);
    let shown: Vec<Shown> = orders
        .iter()
        .zip(scores)
        .map(|(order, scores)| Shown { order: order.clone(), masses: shifted_masses(scores) })
        .collect();
    let effect = order_effect(count, &shown);
    let probabilities = effect.adjusted?;
    // Where two places are as likely the first one is the choice: a judge that cannot tell two answers
    // apart then chooses another one in each order, which is a tie.
    let mut choices = vec![0_usize; count];
    for Shown { order, masses } in &shown {
        choices[order[first_largest(masses)]] += 1;
    }
    let commonest = choices.into_iter().max().unwrap_or(0);
    let masses = logprobs.iter().map(|logprobs| logprobs.iter().map(|it| it.exp()).sum::<f64>());
    let ranked = ranked(&probabilities);
    let of_rank = |rank: usize| ranked.get(rank).map_or(0.0, |option| probabilities[*option]);
    let several = orders.len() > 1;
    let disagree = commonest < orders.len();
    let mut in_order_of_table = vec![0.0; count];
    if let (Some(order), Some(logprobs)) = (orders.first(), logprobs.first()) {
        for (&option, logprob) in order.iter().zip(logprobs) {
            in_order_of_table[option] = *logprob;
        }
    }
    Ok(Answered {
        index: if judges && disagree { Some(count) } else { ranked.first().copied() },
        logprobs: in_order_of_table,
        entropy: in_bits(entropy(&probabilities)),
        margin: of_rank(0) - of_rank(1),
        mass: masses.sum::<f64>() / orders.len() as f64,
        by_place: if several { effect.by_position? } else { Vec::new() },
        same_answer: several.then_some(commonest as f64 / orders.len() as f64),
        probabilities,
        ..Answered::default()
    })
}

fn in_bits(nats: f64) -> f64 {
    nats / LN_2
}

/// Shifted by the highest first, so that answers of many tokens do not all become 0.
fn shifted_masses(scores: &[f64]) -> Vec<f64> {
    let highest = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    scores.iter().map(|score| (score - highest).exp()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probabilities_are_averaged_over_orders_by_option_and_by_place() {
        // Each order's masses are on letters; what stands there is in `orders`.
        let orders = [vec![0, 1], vec![1, 0]];
        let logprobs = [vec![0.6_f64.ln(), 0.2_f64.ln()], vec![0.5_f64.ln(), 0.5_f64.ln()]];
        let answered = weigh(&orders, &logprobs, &logprobs, false).unwrap();
        assert!((answered.probabilities[0] - f64::midpoint(0.75, 0.5)).abs() < 1e-12);
        assert!((answered.by_place[0] - f64::midpoint(0.75, 0.5)).abs() < 1e-12);
        assert!((answered.mass - 0.9).abs() < 1e-12);
        assert_eq!(answered.index, Some(0));
        // Of the second order the first place is as likely as the second and counts.
        assert_eq!(answered.same_answer, Some(0.5));
    }

    #[test]
    fn a_judge_that_follows_the_place_says_tie() {
        let orders = [vec![0, 1], vec![1, 0]];
        let first_place = [vec![-0.1, -3.0], vec![-0.1, -3.0]];
        assert_eq!(weigh(&orders, &first_place, &first_place, true).unwrap().index, Some(2));
        let steady = [vec![-0.1, -3.0], vec![-3.0, -0.1]];
        assert_eq!(weigh(&orders, &steady, &steady, true).unwrap().index, Some(0));
    }

    #[test]
    fn entropy_is_in_bits() {
        assert!((in_bits(entropy(&[0.25; 4])) - 2.0).abs() < 1e-12);
        assert_eq!(in_bits(entropy(&[1.0, 0.0])), 0.0);
    }
}
