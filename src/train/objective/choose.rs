//! Which loss an objective has. A new one does not compile until it is here.

use super::cpo::Contrastive;
use super::kto::{self, Labelled};
use super::loss::{Loss, StepRows};
use super::orpo::OddsRatio;
use super::preferences::{self, Preferences};
use super::reward::BradleyTerry;
use super::sft::Completions;
use crate::train::config::{Objective, TrainConfig};

/// The loss of a step of this run.
pub(crate) fn loss(config: &TrainConfig, rows: StepRows) -> Box<dyn Loss + '_> {
    match config.objective {
        Objective::Dpo => Box::new(Preferences::new(config, rows)),
        // Those that read texts come here only once a decoder is trained on them; `run::setup` refuses
        // it until then.
        Objective::Sft
        | Objective::Pretrain
        | Objective::Classify
        | Objective::Regress
        | Objective::Mlm
        // Their answers are not in the rows: see `step::policy`. Nothing asks for this one.
        | Objective::Grpo
        | Objective::Rloo => Box::new(Completions::new(rows)),
        Objective::Kto => Box::new(Labelled::new(config, rows)),
        Objective::Orpo => Box::new(OddsRatio::new(config, rows)),
        Objective::Cpo => Box::new(Contrastive::new(config, rows)),
        Objective::Reward => Box::new(BradleyTerry::new(config, rows)),
    }
}

/// The loss before the first step, where it follows from the settings alone.
pub fn loss_at_start(config: &TrainConfig) -> Option<f64> {
    match config.objective {
        Objective::Dpo => preferences::loss_at_start(config),
        Objective::Kto => kto::loss_at_start(config),
        Objective::Sft
        | Objective::Pretrain
        | Objective::Orpo
        | Objective::Cpo
        | Objective::Classify
        | Objective::Regress
        | Objective::Mlm
        | Objective::Reward
        | Objective::Grpo
        | Objective::Rloo => None,
    }
}
