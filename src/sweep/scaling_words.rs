//! A scaling series in sentences and as tables: what was found, and what so few small models can and cannot show.

use serde_json::{Value, json};

use super::outcome::{Of, Which};
use super::queue::State;
use super::scaling::{CHINCHILLA, Law, ScaledRun, Scaling};
use super::table::lines;
use crate::words::{about, counted, thousands};

/// Its files.
pub const SCALING_FILE: &str = "scaling.csv";
pub const CURVES_FILE: &str = "scaling-curves.csv";

/// How often a text can be read until repeats teach much less than new text (Muennighoff et al. 2023).
const REPEATS: f64 = 4.0;

impl Scaling {
    /// Everything that is to be said beside the plots, a sentence each.
    pub fn words(&self) -> Vec<String> {
        let mut words = vec![self.law_words()];
        words.extend(self.prediction_words());
        words.extend(self.without_floor.clone().filter(|_| self.law.is_ok()));
        words.extend(self.left_out_words());
        if self.chooses {
            let sentence = "Several settings have the same size: the ones with the lowest mean loss stand for it";
            words.push(sentence.to_owned());
        }
        words.extend(self.token_words());
        if self.of == Of::Steps {
            let sentence = "Nothing is held out, so these are losses on what is learned from: a larger model that \
                            learns the text by heart looks better than it is. Hold a part of the text out";
            words.push(sentence.to_owned());
        }
        words.push(self.limits_words());
        words
    }

    /// What stands on the axis of the loss.
    pub fn loss_name(&self) -> &'static str {
        match (self.of, self.which) {
            (Of::HeldOut, Which::Last) => "Held-out loss",
            (Of::HeldOut, Which::Best) => "Held-out loss, best",
            (Of::Steps, _) => "Loss (last 10 steps)",
        }
    }

    fn law_words(&self) -> String {
        match &self.law {
            Err(reason) => format!("No law is drawn: {reason}"),
            Ok(Law::Power(law)) => {
                let (low, high) = law.alpha_interval;
                let critical = if law.ln_critical < 200.0 {
                    format!("N_c = {}", about(law.ln_critical.exp()))
                } else {
                    format!("ln N_c = {}", about(law.ln_critical))
                };
                let mut sentence = format!(
                    "L(N) = (N_c / N)^α with α = {:.3} (95 %: {low:.3} to {high:.3}) and {critical}, through {}",
                    law.alpha,
                    counted(law.points, "size", "sizes")
                );
                if low <= 0.0 {
                    sentence.push_str(
                        ". The interval includes 0: so few sizes do not show by themselves that the loss falls by a \
                         law",
                    );
                }
                sentence
            }
            Ok(Law::WithFloor(law)) => {
                let ((low, high), (floor_low, floor_high)) =
                    (law.alpha_interval, law.floor_interval);
                format!(
                    "L(N) = E + A / N^α with E = {:.3} (95 %: {floor_low:.3} to {floor_high:.3}), α = {:.3} \
                     ({low:.3} to {high:.3}) and A = {}, through {}",
                    law.floor,
                    law.alpha,
                    about(law.ln_amplitude.exp()),
                    counted(law.points, "size", "sizes")
                )
            }
        }
    }

    /// What the law says of a size that was not tried.
    fn prediction_words(&self) -> Option<String> {
        let law = self.law.as_ref().ok()?;
        let size = self.sizes.last()?.parameters as f64 * 10.0;
        let said = format!(
            "At ten times the largest size ({} parameters) it says {:.3}",
            thousands(size as usize),
            law.at(size)
        );
        Some(match law {
            Law::Power(law) => {
                let (low, high) = law.prediction(size);
                format!(
                    "{said}, and one more run there would be between {low:.3} and {high:.3} (95 %)"
                )
            }
            Law::WithFloor(_) => said,
        })
    }

    fn left_out_words(&self) -> Vec<String> {
        let said = self.left_out.iter().filter_map(|(label, state)| {
            let why = match state {
                State::Failed => "failed",
                State::Stopped => "was stopped before its end",
                State::Done => "has no loss to compare",
                State::Waiting | State::Running => return None, // it is still to come
            };
            Some(format!("The run \"{label}\" {why} and is not part of the law"))
        });
        said.collect()
    }

    /// Where the runs stand to Chinchilla's rule, and how often they have read their text.
    fn token_words(&self) -> Vec<String> {
        let mut words = Vec::new();
        if self.runs.is_empty() {
            return words;
        }
        let below = self.runs.iter().filter(|run| run.tokens_per_parameter < CHINCHILLA).count();
        let count = self.runs.len();
        let verb = if below == 1 { "has" } else { "have" };
        words.push(format!(
            "Chinchilla's rule spends compute best at about {CHINCHILLA} tokens for each parameter, embeddings \
             included: {below} of {} {verb} seen fewer, and would by this rule have gained more from more tokens \
             than from more parameters",
            counted(count, "run", "runs")
        ));
        let epochs = self.runs.iter().map(|run| run.epochs).fold(0.0, f64::max);
        if epochs > REPEATS {
            words.push(format!(
                "The text was read up to {epochs:.1} times. Beyond about {REPEATS} times, what is read again teaches \
                 much less than new text (Muennighoff et al. 2023), so these tokens count for less than Chinchilla's"
            ));
        }
        words
    }

    /// What the series can and cannot show.
    fn limits_words(&self) -> String {
        let span = self.span();
        let sizes = counted(self.sizes.len().max(self.planned), "small model", "small models");
        let span = if span > 1.0 { format!(", {span:.0}-fold in size,") } else { String::new() };
        format!(
            "What {sizes}{span} can show: on one text, with the same tokens, a larger model gets lower, and how such a \
             law is fitted. What they cannot: how large models scale. Published laws (Kaplan et al. 2020: α = 0.076) \
             rest on hundreds of runs over a thousandfold and more, on text that is not repeated, with the learning rate and the length of each run \
             chosen for its size; here all runs share theirs"
        )
    }

    /// Everything as JSON.
    pub fn json(&self) -> Value {
        let runs = self.runs.iter().map(|run| {
            json!({
                "label": run.label,
                "size": run.size.to_string(),
                "parameters_without_embeddings": run.parameters,
                "parameters": run.all_parameters,
                "tokens": run.tokens,
                "epochs": run.epochs,
                "tokens_per_parameter": run.tokens_per_parameter,
                "compute": run.compute(),
                "loss": run.loss,
                "curve": run.curve,
            })
        });
        let sizes = self.sizes.iter().map(|point| {
            json!({
                "size": point.size.to_string(),
                "parameters_without_embeddings": point.parameters,
                "loss": point.loss,
                "low_95": point.interval.map(|(low, _)| low),
                "high_95": point.interval.map(|(_, high)| high),
                "runs": point.runs,
            })
        });
        let law = match &self.law {
            Err(reason) => json!({ "none": reason }),
            Ok(Law::Power(law)) => json!({
                "form": "(N_c / N)^alpha",
                "points": law.points,
                "alpha": law.alpha,
                "alpha_low_95": law.alpha_interval.0,
                "alpha_high_95": law.alpha_interval.1,
                "ln_N_c": law.ln_critical,
                "residual_ln": law.residual,
                "without_E": self.without_floor,
            }),
            Ok(Law::WithFloor(law)) => json!({
                "form": "E + A / N^alpha",
                "points": law.points,
                "E": law.floor,
                "E_low_95": law.floor_interval.0,
                "E_high_95": law.floor_interval.1,
                "ln_A": law.ln_amplitude,
                "alpha": law.alpha,
                "alpha_low_95": law.alpha_interval.0,
                "alpha_high_95": law.alpha_interval.1,
                "residual": law.residual,
            }),
        };
        let left_out =
            self.left_out.iter().map(|(label, state)| json!({ "label": label, "state": state }));
        json!({
            "loss": match self.of { Of::HeldOut => "eval_loss", Of::Steps => "loss" },
            "runs": runs.collect::<Vec<_>>(),
            "sizes": sizes.collect::<Vec<_>>(),
            "law": law,
            "left_out": left_out.collect::<Vec<_>>(),
            "envelope": self.envelope(),
            "words": self.words(),
        })
    }

    /// A row a run.
    pub fn csv(&self) -> String {
        let head = [
            "run",
            "layers",
            "width",
            "heads",
            "parameters_without_embeddings",
            "parameters",
            "tokens",
            "epochs",
            "tokens_per_parameter",
            "compute",
            "loss",
            "law",
        ];
        let row = |run: &ScaledRun| {
            let law = self.law.as_ref().map(|law| law.at(run.parameters as f64).to_string());
            vec![
                run.label.clone(),
                run.size.layers.to_string(),
                run.size.width.to_string(),
                run.size.heads.to_string(),
                run.parameters.to_string(),
                run.all_parameters.to_string(),
                run.tokens.to_string(),
                run.epochs.to_string(),
                run.tokens_per_parameter.to_string(),
                run.compute().to_string(),
                run.loss.to_string(),
                law.unwrap_or_default(),
            ]
        };
        let head = std::iter::once(head.map(str::to_owned).to_vec());
        lines(head.chain(self.runs.iter().map(row)))
    }

    /// A row for each measurement of each run.
    pub fn curves_csv(&self) -> String {
        let head = ["run", "parameters_without_embeddings", "tokens", "compute", "loss"];
        let rows = self.runs.iter().flat_map(|run| {
            run.curve.iter().map(|(tokens, loss)| {
                vec![
                    run.label.clone(),
                    run.parameters.to_string(),
                    tokens.to_string(),
                    run.compute_after(*tokens).to_string(),
                    loss.to_string(),
                ]
            })
        });
        lines(std::iter::once(head.map(str::to_owned).to_vec()).chain(rows))
    }
}
