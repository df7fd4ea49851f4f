//! What stands in the way of a run in its settings: each problem by its key, in a sentence.

use std::ops::RangeInclusive;

use super::learning::Method;
use super::objective::{Head, Objective, Reference, Setting};
use super::rewards;
use super::settings::{DIVERGENCE_LOSSES, FDivergence, TrainConfig, TruncationMode};
use crate::llm::newborn::Newborn;
use crate::llm::{Init, SoftKind};

/// The objectives that train soft prompts.
const SOFT_OBJECTIVES: [Objective; 3] = [Objective::Sft, Objective::Dpo, Objective::Kto];

/// Something about a configuration that stands in the way of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigProblem {
    /// The key as the run file spells it: `learning_rate`, `lora.r`.
    pub field: &'static str,

    /// What it must be: `must be between 1 and 256, and it is 0`.
    pub message: String,
}

impl TrainConfig {
    /// What stands in the way of a run, in the order of the fields. Empty: it can start.
    pub fn problems(&self) -> Vec<ConfigProblem> {
        let mut found = Problems::default();
        if let Some(newborn) = &self.newborn {
            self.newborn_problems(newborn, &mut found);
        } else if self.model.is_empty() {
            found.add("model", "choose a model first".to_owned());
        }
        if self.data.as_os_str().is_empty() {
            found.add("data", "choose the training data first".to_owned());
        }
        if let Some(problem) = self.columns.problem() {
            found.add("columns", format!("cannot be used: {problem}"));
        }
        for problem in self.mix_problems() {
            found.add("mix", problem);
        }
        found.count("per_device_train_batch_size", self.per_device_train_batch_size, 1..=256);
        found.count("gradient_accumulation_steps", self.gradient_accumulation_steps, 1..=1024);
        match self.max_steps {
            Some(steps) => found.count("max_steps", steps, 1..=1_000_000),
            None => found.number("num_train_epochs", self.num_train_epochs, 0.001..=1000.0),
        }
        found.number("learning_rate", self.learning_rate, 1e-9..=1.0);
        for problem in self.lr_scheduler_kwargs.problems(self.lr_scheduler_type, self.learning_rate)
        {
            found.add("lr_scheduler_kwargs", problem);
        }
        found.number("warmup_steps", self.warmup_steps, 0.0..=1e6);
        found.number("weight_decay", self.weight_decay, 0.0..=1.0);
        found.number("max_grad_norm", self.max_grad_norm, 0.0..=1e6);
        found.number("adam_beta1", self.adam_beta1, 0.0..=0.999_999);
        found.number("adam_beta2", self.adam_beta2, 0.0..=0.999_999);
        found.number("adam_epsilon", self.adam_epsilon, 0.0..=1.0);
        if self.objective.has(Setting::Beta) {
            // Without a leash a policy is held to nothing, and its losses do not divide by it.
            let least = if self.objective.samples() { 0.0 } else { 0.0001 };
            found.number("beta", self.beta, least..=100.0);
        }
        if self.objective.has(Setting::Losses) {
            self.loss_problems(&mut found);
        }
        // Earlier versions wrote DPO's into the records of SFT.
        let is_left_over = self.loss_type.len() == 1 && self.loss_type[0] == "sigmoid";
        if self.objective.has(Setting::TokenLoss) && !is_left_over {
            self.loss_problems(&mut found);
        }
        if self.per_device_train_batch_size == 1 && self.least_batch() > 1 {
            let message = "must be at least 2 for KTO's loss `kto`, as in TRL: an answer is held \
                           against another one of its batch, and alone it would be held against itself";
            found.add("per_device_train_batch_size", message.to_owned());
        }
        if self.objective.has(Setting::LabelSmoothing) {
            self.smoothing_problems(&mut found);
        }
        if self.objective.has(Setting::LabelWeights) {
            found.number("desirable_weight", self.desirable_weight, 0.0..=1000.0);
            found.number("undesirable_weight", self.undesirable_weight, 0.0..=1000.0);
        }
        if self.objective.has(Setting::Cpo) {
            found.number("cpo_alpha", self.cpo_alpha, 0.0..=1000.0);
            found.number("simpo_gamma", self.simpo_gamma, -1000.0..=1000.0);
            found.number("alpha", self.alpha, -100.0..=100.0);
        }
        if self.objective.has(Setting::TestPart) {
            found.number("test_share", self.test_share, 0.0..=0.9);
            if self.test_share + self.held_out_share > 0.9 {
                let message = "and held_out_share must leave a tenth of the texts to train on";
                found.add("test_share", message.to_owned());
            }
        }
        if self.objective.has(Setting::Masking) {
            found.number("mlm_probability", self.mlm_probability, 0.01..=0.9);
        }
        if self.objective.has(Setting::Classes) {
            for weight in self.class_weights.values() {
                found.number("class_weights", weight, 0.0..=1e6);
            }
        }
        let (name, of_texts) = (self.objective.facts().name, self.objective.reads_texts());
        match self.method {
            Method::Head if !of_texts => {
                let methods = if SOFT_OBJECTIVES.contains(&self.objective) {
                    "lora, full, bias, prompt_tuning or prefix_tuning"
                } else {
                    "lora, full or bias"
                };
                found.add("method", format!("must be {methods} for {name}"));
            }
            Method::Bias | Method::PromptTuning | Method::PrefixTuning if of_texts => {
                found.add("method", format!("must be lora, full or head for {name}"));
            }
            _ => {}
        }
        if let Some(weight) = self.center_rewards_coefficient
            && self.objective.has(Setting::CenterRewards)
        {
            found.number("center_rewards_coefficient", weight, 0.0..=1000.0);
        }
        if self.objective.has(Setting::Policy) {
            self.policy_problems(&mut found);
        }
        if self.packing && !self.objective.has(Setting::Packing) {
            let name = self.objective.facts().name;
            found.add("packing", format!("must be off: {name} compares whole answers"));
        }
        let name = self.objective.facts().name;
        if self.assistant_only_loss && !self.objective.has(Setting::AssistantOnlyLoss) {
            found.add(
                "assistant_only_loss",
                format!("must be off: {name} does not have it, SFT has"),
            );
        }
        if self.truncation_mode == TruncationMode::KeepEnd
            && !self.objective.has(Setting::TruncationMode)
        {
            let message = format!("must be keep_start: {name} does not have it, SFT and DPO have");
            found.add("truncation_mode", message);
        }
        if self.objective.has(Setting::Divergence) {
            self.divergence_problems(&mut found);
        }
        if let Some(weight) = self.tail_weight() {
            found.number("ld_alpha", weight, 0.0..=1.0);
            if self.loss_type.iter().any(|loss| loss == "sft") {
                let message =
                    "must be left out for `sft`, which weighs all tokens alike".to_owned();
                found.add("ld_alpha", message);
            }
        }
        if self.weighs_pairs() {
            self.weighting_problems(&mut found);
        }
        found.count("max_length", self.max_length, 2..=1_000_000);
        if self.objective.has(Setting::Windows) {
            found.count("stride", self.stride, 0..=self.max_length);
        }
        found.number("held_out_share", self.held_out_share, 0.0..=0.9);
        found.number("early_stopping_threshold", self.early_stopping_threshold, 0.0..=1e6);
        let known = self.objective.best_model_metrics();
        if !is_known(&self.metric_for_best_model, &known) {
            let (name, known) = (&self.metric_for_best_model, known.join(", "));
            found.add("metric_for_best_model", format!("`{name}` is not one of {known}"));
        }
        let writes = self.objective.facts().head == Head::Tokens && !self.objective.reads_texts();
        if self.measure_forgetting && !(writes && self.newborn.is_none()) {
            let message =
                "must be left out: it is measured on models that write text and knew some before";
            found.add("measure_forgetting", message.to_owned());
        }
        let holds_out = self.held_out_share > 0.0 || self.columns.get("split").is_some();
        let evaluates = holds_out && self.eval_steps > 0;
        if self.early_stopping_patience > 0 && !evaluates {
            let message = "needs eval_steps and held_out_share above 0: it counts evaluations on \
                           the held-out rows";
            found.add("early_stopping_patience", message.to_owned());
        }
        if self.load_best_model_at_end && !evaluates {
            let message = "needs eval_steps and held_out_share above 0: the best is told by what \
                           is held out";
            found.add("load_best_model_at_end", message.to_owned());
        }
        if self.method == Method::Lora {
            self.lora_problems(&mut found);
        } else if let Some(kind) = self.method.soft() {
            self.soft_problems(kind, &mut found);
        } else if self.adapter.is_some() {
            let message = "must be left out where the model's own weights learn; export the adapter as a \
                           merged model and train that, or take method = \"lora\"";
            found.add("adapter", message.to_owned());
        }
        found.0
    }

    /// Whether a row is measured with the answer of another one of its batch.
    pub fn compares_neighbours(&self) -> bool {
        self.objective == Objective::Kto && self.loss_type.iter().any(|loss| loss == "kto")
    }

    /// How many rows a batch has at least.
    pub fn least_batch(&self) -> usize {
        if self.compares_neighbours() { 2 } else { 1 }
    }

    fn newborn_problems(&self, newborn: &Newborn, found: &mut Problems) {
        for (field, message) in newborn.problems() {
            found.add(field, message);
        }
        if self.objective != Objective::Pretrain {
            let name = self.objective.facts().name;
            let message =
                format!("must be left out for {name}: a model that knows nothing is pretrained");
            found.add("newborn", message);
        } else if self.method != Method::Full {
            let message = "must be full where a model is born: nothing of it has been learned yet";
            found.add("method", message.to_owned());
        }
        if self.max_length > newborn.max_position_embeddings {
            let message = format!(
                "must be at most newborn.max_position_embeddings ({}), and it is {}",
                newborn.max_position_embeddings, self.max_length
            );
            found.add("max_length", message);
        }
    }

    fn soft_problems(&self, kind: SoftKind, found: &mut Problems) {
        for (field, message) in self.soft_prompt.problems(kind) {
            found.add(field, message);
        }
        if !SOFT_OBJECTIVES.contains(&self.objective) && !self.objective.reads_texts() {
            let name = self.objective.facts().name;
            let message = format!(
                "must be lora, full or bias for {name}: soft prompts are trained by SFT, DPO and KTO"
            );
            found.add("method", message);
        }
        if self.packing && self.objective.has(Setting::Packing) {
            let message = "must be off with a soft prompt: it would stand before the first of the packed \
                           rows alone";
            found.add("packing", message.to_owned());
        }
        if self.adapter.is_some() {
            let message = "must be left out: a soft prompt is begun anew, and as in PEFT one that was \
                           loaded is not trained further";
            found.add("adapter", message.to_owned());
        }
    }

    fn lora_problems(&self, found: &mut Problems) {
        found.count("lora.r", self.lora.r, 1..=1024);
        found.number("lora.lora_alpha", self.lora.lora_alpha, 0.001..=10_000.0);
        found.number("lora.lora_dropout", self.lora.lora_dropout, 0.0..=0.99);
        if self.lora.target_modules.is_empty() && !self.objective.reads_texts() {
            found.add("lora.target_modules", "name at least one layer to adapt".to_owned());
        }
        for (field, message) in self.lora.problems() {
            found.add(field, message);
        }
        let takes_out = matches!(self.lora.init_lora_weights, Init::Pissa | Init::Olora);
        let has_reference = self.objective.facts().reference != Reference::None;
        if takes_out && has_reference && self.adapter.is_none() {
            let message = format!(
                "must be true or gaussian for {}: without its adapter, a model with this start is not \
                 the one that the run began with, and that is what PEFT would take for the reference",
                self.objective.facts().name
            );
            found.add("lora.init_lora_weights", message);
        }
    }

    fn policy_problems(&self, found: &mut Problems) {
        let sizes = (self.per_device_train_batch_size, self.gradient_accumulation_steps);
        for (field, message) in self.policy.problems(sizes) {
            found.add(field, message);
        }
        for message in rewards::problems(&self.rewards) {
            found.add("rewards", message);
        }
    }

    fn loss_problems(&self, found: &mut Problems) {
        if self.loss_type.is_empty() {
            found.add("loss_type", "name at least one loss".to_owned());
        }
        for name in &self.loss_type {
            let facts = self.objective.facts();
            if !facts.losses.contains(&name.as_str()) {
                let known = facts.losses.join(", ");
                let message = format!("`{name}` is not one of {}'s: {known}", facts.name);
                found.add("loss_type", message);
            }
        }
        if self.loss_type.len() > 1 && !self.objective.has(Setting::LossWeights) {
            let name = self.objective.facts().name;
            found.add("loss_type", format!("{name} has one loss; only DPO adds several up"));
        }
        let (weights, losses) = (self.loss_weights.len(), self.loss_type.len());
        if weights != 0 && weights != losses {
            let message = format!("must be as many as loss_type has ({losses}), found {weights}");
            found.add("loss_weights", message);
        }
        for weight in &self.loss_weights {
            found.number("loss_weights", *weight, -1e6..=1e6);
        }
    }

    fn divergence_problems(&self, found: &mut Problems) {
        found.number("f_alpha_divergence_coef", self.f_alpha_divergence_coef, -100.0..=100.0);
        let has_no_form = |loss: &&String| !DIVERGENCE_LOSSES.contains(&loss.as_str());
        let other = self.f_divergence_type != FDivergence::ReverseKl;
        if let (true, Some(loss)) = (other, self.loss_type.iter().find(has_no_form)) {
            let known = DIVERGENCE_LOSSES.join(", ");
            let message = format!("must be `reverse_kl` for `{loss}`; others go with {known}");
            found.add("f_divergence_type", message);
        }
    }

    fn weighting_problems(&self, found: &mut Problems) {
        let unweighed = ["aot", "aot_unpaired", "sft"];
        if let Some(loss) = self.loss_type.iter().find(|loss| unweighed.contains(&loss.as_str())) {
            let message = format!("must be off for `{loss}`, which is not a loss of one pair");
            found.add("use_weighting", message);
        }
    }

    fn smoothing_problems(&self, found: &mut Problems) {
        found.number("label_smoothing", self.label_smoothing, 0.0..=0.5);
        let uses = |name: &str| self.loss_type.iter().any(|loss| loss == name);
        if uses("exo_pair") && self.label_smoothing == 0.0 {
            let message = "must be above 0 for `exo_pair`; its paper takes 0.001".to_owned();
            found.add("label_smoothing", message);
        }
        if uses("robust") && self.label_smoothing == 0.5 {
            found.add("label_smoothing", "must be below 0.5 for `robust`".to_owned());
        }
    }
}

/// As transformers does, the prefix may be left out.
fn is_known(name: &str, metrics: &[String]) -> bool {
    metrics.iter().any(|known| known == name || known.strip_prefix("eval_") == Some(name))
}

#[derive(Default)]
struct Problems(Vec<ConfigProblem>);

impl Problems {
    fn add(&mut self, field: &'static str, message: String) {
        self.0.push(ConfigProblem { field, message });
    }

    fn count(&mut self, field: &'static str, value: usize, range: RangeInclusive<usize>) {
        if !range.contains(&value) {
            let (low, high) = range.into_inner();
            self.add(field, format!("must be between {low} and {high}, and it is {value}"));
        }
    }

    fn number(&mut self, field: &'static str, value: f64, range: RangeInclusive<f64>) {
        // A NaN is in no range.
        if !range.contains(&value) {
            let (low, high) = range.into_inner();
            self.add(field, format!("must be between {low} and {high}, and it is {value}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::train::config::objective::Objective;

    fn ready(config: TrainConfig) -> TrainConfig {
        TrainConfig { model: "starter".to_owned(), data: PathBuf::from("pairs.jsonl"), ..config }
    }

    #[test]
    fn defaults_and_suggestions_can_start_once_model_and_data_are_chosen() {
        assert_eq!(ready(TrainConfig::default()).problems(), []);
        for objective in Objective::ALL {
            let config = TrainConfig::suggested(objective);
            let fields: Vec<&str> = config.problems().iter().map(|found| found.field).collect();
            // A model that is born needs none to begin with.
            let missing = if config.newborn.is_some() { &["data"][..] } else { &["model", "data"] };
            assert_eq!(fields, missing);
            assert_eq!(ready(config).problems(), []);
        }
    }

    #[test]
    fn every_setting_out_of_range_is_named() {
        type Change = fn(&mut TrainConfig);
        let changes: [(&str, Change); 23] = [
            ("metric_for_best_model", |config| config.metric_for_best_model = "bleu".to_owned()),
            ("early_stopping_patience", |config| config.early_stopping_patience = 3),
            ("load_best_model_at_end", |config| config.load_best_model_at_end = true),
            ("per_device_train_batch_size", |config| config.per_device_train_batch_size = 0),
            ("gradient_accumulation_steps", |config| config.gradient_accumulation_steps = 0),
            ("max_steps", |config| config.max_steps = Some(0)),
            ("num_train_epochs", |config| config.num_train_epochs = 0.0),
            ("learning_rate", |config| config.learning_rate = f64::NAN),
            ("beta", |config| config.beta = 0.0),
            ("loss_type", |config| config.loss_type = vec!["simpo".to_owned()]),
            ("label_smoothing", |config| config.loss_type = vec!["exo_pair".to_owned()]),
            ("loss_weights", |config| config.loss_weights = vec![1.0, 0.5]),
            ("loss_weights", |config| config.loss_weights = vec![f64::INFINITY]),
            ("f_divergence_type", |config| {
                config.f_divergence_type = FDivergence::JsDivergence;
                config.loss_type = vec!["sigmoid".to_owned(), "nca_pair".to_owned()];
            }),
            ("f_alpha_divergence_coef", |config| config.f_alpha_divergence_coef = f64::NAN),
            ("ld_alpha", |config| config.ld_alpha = Some(1.5)),
            ("ld_alpha", |config| {
                config.ld_alpha = Some(0.5);
                config.loss_type = vec!["sigmoid".to_owned(), "sft".to_owned()];
            }),
            ("use_weighting", |config| {
                config.use_weighting = true;
                config.loss_type = vec!["sft".to_owned()];
            }),
            ("use_weighting", |config| {
                config.use_weighting = true;
                config.loss_type = vec!["aot".to_owned()];
            }),
            ("max_length", |config| config.max_length = 1),
            ("held_out_share", |config| config.held_out_share = 1.0),
            ("lora.r", |config| config.lora.r = 0),
            ("lora.lora_dropout", |config| config.lora.lora_dropout = 1.0),
        ];
        for (field, change) in changes {
            let mut config = ready(TrainConfig::default());
            change(&mut config);
            let fields: Vec<&str> = config.problems().iter().map(|found| found.field).collect();
            assert_eq!(fields, [field]);
        }
    }

    #[test]
    fn what_would_be_learned_otherwise_than_by_trl_is_refused_by_its_key() {
        let fields = |config: TrainConfig| -> Vec<&str> {
            ready(config).problems().iter().map(|found| found.field).collect()
        };
        let sft = |name: &str| TrainConfig {
            objective: Objective::Sft,
            loss_type: vec![name.to_owned()],
            ..TrainConfig::default()
        };
        assert_eq!(fields(sft("ipo")), ["loss_type"]);
        for known in ["nll", "dft", "sigmoid"] {
            assert!(fields(sft(known)).is_empty(), "{known}");
        }
        let kto = |name: &str| TrainConfig {
            objective: Objective::Kto,
            loss_type: vec![name.to_owned()],
            per_device_train_batch_size: 1,
            ..TrainConfig::default()
        };
        assert_eq!(fields(kto("kto")), ["per_device_train_batch_size"]);
        assert!(fields(kto("apo_zero_unpaired")).is_empty());
    }

    #[test]
    fn a_metric_for_the_best_model_is_one_of_its_objective() {
        let dpo = Objective::Dpo.best_model_metrics();
        assert!(is_known("eval_loss", &dpo) && is_known("rewards/margins", &dpo));
        let sft = Objective::Sft.best_model_metrics();
        assert!(!is_known("bleu", &dpo) && !is_known("rewards/margins", &sft));
    }
}
