//! How the learning rate moves over the steps, under the names and settings of transformers.

use serde::{Deserialize, Serialize};

/// How the learning rate moves over the steps, as transformers names it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SchedulerType {
    #[default]
    Linear,
    Cosine,
    CosineWithRestarts,
    Polynomial,
    Constant,
    ConstantWithWarmup,
    InverseSqrt,
    CosineWithMinLr,
    CosineWarmupWithMinLr,
    WarmupStableDecay,
}

/// Every schedule by its name in a run file, in the order in which they are offered.
pub const SCHEDULERS: [(&str, SchedulerType); 10] = [
    ("linear", SchedulerType::Linear),
    ("cosine", SchedulerType::Cosine),
    ("cosine_with_restarts", SchedulerType::CosineWithRestarts),
    ("cosine_with_min_lr", SchedulerType::CosineWithMinLr),
    ("cosine_warmup_with_min_lr", SchedulerType::CosineWarmupWithMinLr),
    ("polynomial", SchedulerType::Polynomial),
    ("inverse_sqrt", SchedulerType::InverseSqrt),
    ("warmup_stable_decay", SchedulerType::WarmupStableDecay),
    ("constant", SchedulerType::Constant),
    ("constant_with_warmup", SchedulerType::ConstantWithWarmup),
];

/// The form of a climb or a fall.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Slope {
    #[serde(rename = "linear")]
    Linear,
    #[serde(rename = "cosine")]
    Cosine,
    #[serde(rename = "1-sqrt")]
    OneMinusSqrt,
}

/// transformers' `lr_scheduler_kwargs`. What is not given has transformers' default.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SchedulerKwargs {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub num_cycles: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_lr: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_lr_rate: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub warmup_lr_rate: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lr_end: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub power: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timescale: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub num_decay_steps: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub num_stable_steps: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub warmup_type: Option<Slope>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decay_type: Option<Slope>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_lr_ratio: Option<f64>,
}

impl SchedulerType {
    pub fn name(self) -> &'static str {
        SCHEDULERS.iter().find(|(_, known)| *known == self).map_or("", |(name, _)| name)
    }

    /// The keys of `lr_scheduler_kwargs` that it knows.
    pub fn takes(self) -> &'static [&'static str] {
        match self {
            Self::Linear | Self::Constant | Self::ConstantWithWarmup => &[],
            Self::Cosine | Self::CosineWithRestarts => &["num_cycles"],
            Self::Polynomial => &["lr_end", "power"],
            Self::InverseSqrt => &["timescale"],
            Self::CosineWithMinLr => &["num_cycles", "min_lr", "min_lr_rate"],
            Self::CosineWarmupWithMinLr => {
                &["num_cycles", "min_lr", "min_lr_rate", "warmup_lr_rate"]
            }
            Self::WarmupStableDecay => &[
                "num_decay_steps",
                "num_stable_steps",
                "warmup_type",
                "decay_type",
                "min_lr_ratio",
                "num_cycles",
            ],
        }
    }
}

impl SchedulerKwargs {
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// What stands in the way of a run with this schedule and this learning rate.
    pub fn problems(&self, kind: SchedulerType, learning_rate: f64) -> Vec<String> {
        let mut found = Vec::new();
        let name = kind.name();
        for key in self.given() {
            if !kind.takes().contains(&key) {
                let takes = match kind.takes() {
                    [] => "which has no settings".to_owned(),
                    keys => format!("which has {}", keys.join(", ")),
                };
                found.push(format!("has `{key}`, which is no setting of `{name}`, {takes}"));
            }
        }
        let numbers = [
            ("num_cycles", self.num_cycles, 0.0..=1000.0),
            ("min_lr", self.min_lr, 0.0..=1.0),
            ("min_lr_rate", self.min_lr_rate, 0.0..=1.0),
            ("warmup_lr_rate", self.warmup_lr_rate, 0.0..=1.0),
            ("lr_end", self.lr_end, 0.0..=1.0),
            ("power", self.power, 0.0..=100.0),
            ("min_lr_ratio", self.min_lr_ratio, 0.0..=1.0),
        ];
        for (key, value, range) in numbers {
            if let Some(value) = value.filter(|value| !range.contains(value)) {
                let (low, high) = range.into_inner();
                found.push(format!("needs `{key}` between {low} and {high}, and it is {value}"));
            }
        }
        if self.timescale == Some(0) {
            found.push("needs a `timescale` of at least 1".to_owned());
        }
        let has_minimum =
            matches!(kind, SchedulerType::CosineWithMinLr | SchedulerType::CosineWarmupWithMinLr);
        match (self.min_lr, self.min_lr_rate) {
            (None, None) if has_minimum => {
                found.push(format!("must give `min_lr` or `min_lr_rate` for `{name}`"));
            }
            (Some(_), Some(_)) if has_minimum => {
                found
                    .push("gives `min_lr` and `min_lr_rate`; only one of them can hold".to_owned());
            }
            _ => {}
        }
        if kind == SchedulerType::WarmupStableDecay && self.num_decay_steps.is_none() {
            found.push(format!("must give `num_decay_steps` for `{name}`"));
        }
        let end = self.lr_end.unwrap_or(LR_END);
        if kind == SchedulerType::Polynomial && learning_rate <= end {
            found.push(format!(
                "needs an `lr_end` below learning_rate ({learning_rate}), and it is {end}"
            ));
        }
        found
    }

    fn given(&self) -> Vec<&'static str> {
        let Self {
            num_cycles,
            min_lr,
            min_lr_rate,
            warmup_lr_rate,
            lr_end,
            power,
            timescale,
            num_decay_steps,
            num_stable_steps,
            warmup_type,
            decay_type,
            min_lr_ratio,
        } = self;
        let all = [
            ("num_cycles", num_cycles.is_some()),
            ("min_lr", min_lr.is_some()),
            ("min_lr_rate", min_lr_rate.is_some()),
            ("warmup_lr_rate", warmup_lr_rate.is_some()),
            ("lr_end", lr_end.is_some()),
            ("power", power.is_some()),
            ("timescale", timescale.is_some()),
            ("num_decay_steps", num_decay_steps.is_some()),
            ("num_stable_steps", num_stable_steps.is_some()),
            ("warmup_type", warmup_type.is_some()),
            ("decay_type", decay_type.is_some()),
            ("min_lr_ratio", min_lr_ratio.is_some()),
        ];
        all.into_iter().filter(|(_, given)| *given).map(|(key, _)| key).collect()
    }
}

/// transformers' default of `lr_end`.
pub const LR_END: f64 = 1e-7;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_of_another_schedule_is_refused_by_name() {
        let kwargs = SchedulerKwargs { power: Some(2.0), ..SchedulerKwargs::default() };
        assert_eq!(kwargs.problems(SchedulerType::Polynomial, 1e-3), Vec::<String>::new());
        let [problem] = &kwargs.problems(SchedulerType::Cosine, 1e-3)[..] else { panic!() };
        assert_eq!(problem, "has `power`, which is no setting of `cosine`, which has num_cycles");
    }

    #[test]
    fn what_transformers_needs_is_asked_for() {
        let none = SchedulerKwargs::default();
        let words = |kwargs: &SchedulerKwargs, kind| kwargs.problems(kind, 1e-3).join("; ");
        assert!(words(&none, SchedulerType::CosineWithMinLr).contains("min_lr_rate"));
        assert!(words(&none, SchedulerType::WarmupStableDecay).contains("num_decay_steps"));
        assert!(none.problems(SchedulerType::Polynomial, 1e-8)[0].contains("lr_end"));
        for (name, kind) in SCHEDULERS {
            assert_eq!(serde_json::to_value(kind).unwrap(), name);
        }
    }
}
