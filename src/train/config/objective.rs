//! The objectives: what each of them is called, wants, reports and shows.
//!
//! Everything else asks here, but for three matches that do not compile without a new one: its loss and where that begins
//! (`train::objective::choose`), and what its curves mean in words (`state::train::reading`).

use serde::{Deserialize, Serialize};

pub use super::objective_facts::{
    Head, Lines, ObjectiveFacts, Plot, Reference, Sequences, Setting,
};
use super::objective_of_texts::{CLASSIFY, MLM, REGRESS};
use super::objective_table::{CPO, DPO, KTO, ORPO, SFT};
use super::policy_facts::{GRPO, RLOO};
use super::pretrain_facts::PRETRAIN;
use super::reward_facts::REWARD;

/// What a run optimises.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, Hash)]
#[serde(rename_all = "snake_case")]
pub enum Objective {
    /// Direct Preference Optimization (Rafailov et al. 2023).
    #[default]
    Dpo,

    /// Supervised fine-tuning on the completions.
    Sft,

    /// Kahneman-Tversky Optimization (Ethayarajh et al. 2024): answers with a label each.
    Kto,

    /// Odds Ratio Preference Optimization (Hong et al. 2024).
    Orpo,

    /// Contrastive Preference Optimization (Xu et al. 2024); with other losses `SimPO` and `AlphaPO`.
    Cpo,

    /// A label for each text, by a head on top of an encoder or a decoder.
    Classify,

    /// A number for each text.
    Regress,

    /// Masked language modelling: an encoder guesses words that are hidden.
    Mlm,

    /// A reward model: a score head that gives the better answer of a pair the higher score.
    Reward,

    /// Group Relative Policy Optimization (Shao et al. 2024): answers are sampled and rewarded by rules.
    Grpo,

    /// REINFORCE Leave-One-Out (Ahmadian et al. 2024).
    Rloo,

    /// The next token of a text, from nothing or on top of a model.
    Pretrain,
}

impl Objective {
    /// In the order in which they are offered.
    pub const ALL: [Self; Self::count()] = {
        let mut all = [Self::Dpo; Self::count()];
        let mut place = 0;
        while let Some(next) = all[place].next() {
            place += 1;
            all[place] = next;
        }
        all
    };

    const fn next(self) -> Option<Self> {
        match self {
            Self::Dpo => Some(Self::Sft),
            Self::Sft => Some(Self::Kto),
            Self::Kto => Some(Self::Orpo),
            Self::Orpo => Some(Self::Cpo),
            Self::Cpo => Some(Self::Classify),
            Self::Classify => Some(Self::Regress),
            Self::Regress => Some(Self::Mlm),
            Self::Mlm => Some(Self::Reward),
            Self::Reward => Some(Self::Grpo),
            Self::Grpo => Some(Self::Rloo),
            Self::Rloo => Some(Self::Pretrain),
            Self::Pretrain => None,
        }
    }

    const fn count() -> usize {
        let mut count = 1;
        let mut last = Self::Dpo;
        while let Some(next) = last.next() {
            count += 1;
            last = next;
        }
        count
    }

    pub fn facts(self) -> &'static ObjectiveFacts {
        match self {
            Self::Dpo => &DPO,
            Self::Sft => &SFT,
            Self::Kto => &KTO,
            Self::Orpo => &ORPO,
            Self::Cpo => &CPO,
            Self::Classify => &CLASSIFY,
            Self::Regress => &REGRESS,
            Self::Mlm => &MLM,
            Self::Reward => &REWARD,
            Self::Grpo => &GRPO,
            Self::Rloo => &RLOO,
            Self::Pretrain => &PRETRAIN,
        }
    }

    /// Whether a row is a text with its label, a number or nothing, and not a prompt with answers:
    /// see `train::classify`.
    pub fn reads_texts(self) -> bool {
        matches!(self, Self::Classify | Self::Regress | Self::Mlm)
    }

    /// Whether a row is a prompt whose answers are sampled and rewarded: see `train::step::rollout`.
    pub fn samples(self) -> bool {
        matches!(self, Self::Grpo | Self::Rloo)
    }

    /// The losses of a run that names none.
    pub fn usual_loss(self) -> Vec<String> {
        let usual = self.facts().losses.first().copied().unwrap_or("sigmoid");
        vec![usual.to_owned()]
    }

    /// Whether a setting that not every objective has is one of its own.
    pub fn has(self, setting: Setting) -> bool {
        self.facts().settings.contains(&setting)
    }

    /// What tells its best checkpoint, under transformers' names.
    pub fn best_model_metrics(self) -> Vec<String> {
        let told_by = self.facts().metrics.iter().filter(|metric| metric.facts().better.is_some());
        told_by.map(|metric| metric.evaluated()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::config::metric::Metric;

    #[test]
    fn an_objective_is_written_by_its_key_and_begins_with_its_loss() {
        for objective in Objective::ALL {
            let facts = objective.facts();
            assert_eq!(serde_json::to_value(objective).unwrap(), facts.key);
            assert_eq!(facts.metrics.first(), Some(&Metric::Loss));
            assert_eq!(facts.plots.first().map(|plot| plot.lines.first()), Some(Metric::Loss));
        }
    }

    #[test]
    fn what_is_drawn_is_reported() {
        for objective in Objective::ALL {
            let ObjectiveFacts { metrics, plots, .. } = objective.facts();
            for plot in *plots {
                let metric = plot.lines.first();
                // How fast it goes follows from the others.
                assert!(metrics.contains(&metric) || metric == Metric::TokensPerSec, "{metric:?}");
                assert!(!plot.title.is_empty() && !plot.explanation.is_empty(), "{metric:?}");
            }
        }
    }

    #[test]
    fn the_best_checkpoint_is_told_by_what_is_better_one_way() {
        let dpo = Objective::Dpo.best_model_metrics();
        assert_eq!(dpo, ["eval_loss", "eval_rewards/accuracies", "eval_rewards/margins"]);
        assert_eq!(Objective::Sft.best_model_metrics(), ["eval_loss"]);
    }
}
