//! What PEFT makes of `target_modules` on a mixture of experts, where it is more or other than linear layers.
//!
//! transformers 5 keeps a layer's experts as two tensors and the router as one. PEFT 0.21 takes the names that
//! their matrices had before for these tensors, as `target_parameters`; `all-linear` names them too. What
//! else has the same names, shared experts and layers without experts, gets no LoRA then.

use super::spec::{is_path_or_end, is_pattern};

/// Every family for which PEFT does so, by `model_type`, and what its router is called.
const CONVERTED: [(&str, &str); 10] = [
    ("deepseek_v2", "gate"),
    ("deepseek_v3", "gate"),
    ("ernie4_5_moe", "gate"),
    ("glm4_moe", "gate"),
    ("glm4_moe_lite", "gate"),
    ("hunyuan_v1_moe", "gate.wg"),
    ("mixtral", "gate"),
    ("olmoe", "gate"),
    ("qwen3_moe", "gate"),
    ("qwen3_next", "gate"),
];

/// A further family whose router is a linear layer in PEFT. Gemma 4's is one too, where it has experts at all,
/// which its `model_type` does not say.
const ROUTERS: [(&str, &str); 1] = [("phimoe", "mlp.router")];

/// What `target_modules` mean in PEFT beside linear layers that are adapted here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Beyond {
    /// The experts get LoRA.
    pub experts: bool,

    /// The router gets LoRA.
    pub router: bool,

    /// Names that mean the experts' matrices there, and so neither a shared expert's nor those of a layer
    /// without experts.
    pub only_experts: Vec<&'static str>,
}

/// Of a model of this `model_type`.
pub fn beyond(model_type: &str, target_modules: &[String]) -> Beyond {
    let is_all = target_modules.iter().any(|name| name.eq_ignore_ascii_case("all-linear"));
    let named = |wanted: &str| {
        let mut names = target_modules.iter().filter(|name| !is_pattern(name));
        is_all
            || names.any(|name| {
                name == wanted || is_path_or_end(name, wanted) || is_path_or_end(wanted, name)
            })
    };
    let router = |routers: &[(&str, &str)]| {
        let own = routers.iter().find(|(known, _)| *known == model_type);
        own.is_some_and(|(_, router)| named(router))
    };
    if !CONVERTED.iter().any(|(known, _)| *known == model_type) {
        return Beyond { router: router(&ROUTERS), ..Beyond::default() };
    }
    let parts = if model_type == "mixtral" {
        ["w1", "w3", "w2"]
    } else {
        ["gate_proj", "up_proj", "down_proj"]
    };
    let only_experts: Vec<&str> = parts.into_iter().filter(|part| named(part)).collect();
    Beyond { experts: !only_experts.is_empty(), router: router(&CONVERTED), only_experts }
}

impl Beyond {
    /// In a sentence. `None`: PEFT adapts what is adapted here.
    pub fn told(&self) -> Option<String> {
        let Self { experts, router, only_experts } = self;
        let what = match (experts, router) {
            (false, false) => return None,
            (true, true) => "the experts and the router",
            (true, false) => "the experts",
            (false, true) => "the router",
        };
        let mut told = format!(
            "with these target_modules PEFT 0.21 adapts {what} of this mixture too; here they stand still"
        );
        if *experts {
            told.push_str(&format!(
                ", and {} mean shared experts and layers without experts, which get no LoRA there",
                only_experts.join(", ")
            ));
        }
        Some(told)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(model_type: &str, targets: &[&str]) -> Beyond {
        let targets: Vec<String> = targets.iter().map(|name| (*name).to_owned()).collect();
        beyond(model_type, &targets)
    }

    #[test]
    fn names_of_experts_mean_their_tensors_in_peft() {
        let all = of("olmoe", &["all-linear"]);
        assert!(all.experts && all.router, "{all:?}");
        let some = of("qwen3_moe", &["q_proj", "gate_proj", "up_proj"]);
        assert!(some.experts && !some.router && some.only_experts == ["gate_proj", "up_proj"]);
        assert_eq!(of("mixtral", &["q_proj", "gate_proj"]), Beyond::default());
        assert!(of("mixtral", &["w1", "w3"]).experts);
        assert!(of("qwen3_next", &["mlp.gate"]).router);
        assert_eq!(of("gpt_oss", &["all-linear"]), Beyond::default());
        assert_eq!(of("qwen2_moe", &["all-linear"]), Beyond::default());
        assert!(of("phimoe", &["all-linear"]).router);
        assert_eq!(of("llama", &["all-linear"]), Beyond::default());
    }

    #[test]
    fn the_difference_is_one_sentence() {
        assert_eq!(of("gpt_oss", &["all-linear"]).told(), None);
        let told = of("olmoe", &["all-linear"]).told().unwrap();
        assert!(told.contains("the experts and the router"), "{told}");
        assert!(told.contains("gate_proj, up_proj, down_proj"), "{told}");
    }
}
