//! What PEFT makes of `target_modules` on a mixture of experts, where it is more or other than linear layers.
//!
//! transformers 5 keeps a layer's experts as two tensors and the router as one. PEFT 0.21 takes the names that
//! their matrices had before for these tensors, as `target_parameters`; `all-linear` names them too. What
//! else has the same names, shared experts and layers without experts, gets no LoRA then.

use super::modules::{Patterns, TargetModules};
use super::peft_config::{PeftConfig, Start};
use super::spec::{LoraSpec, is_path_or_end, is_pattern};

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
    let only_experts: Vec<&str> =
        parts(model_type).into_iter().filter(|part| named(part)).collect();
    Beyond { experts: !only_experts.is_empty(), router: router(&CONVERTED), only_experts }
}

/// What the matrices of an expert were called, of a family for which PEFT takes these names for all of them.
fn parts(model_type: &str) -> [&'static str; 3] {
    if model_type == "mixtral" { ["w1", "w3", "w2"] } else { ["gate_proj", "up_proj", "down_proj"] }
}

impl PeftConfig {
    /// Names layers of a new adapter by their parameters which PEFT would take for experts by their names: shared
    /// experts, and layers without experts. `layers`: all that it adapts, by PEFT's paths. Fails with the setting
    /// that PEFT does not have for parameters.
    pub(crate) fn spare_experts(
        &mut self,
        model_type: &str,
        layers: &[String],
        spec: &LoraSpec,
    ) -> Result<(), &'static str> {
        let TargetModules::Names(names) = &mut self.target_modules else { return Ok(()) };
        if !CONVERTED.iter().any(|(known, _)| *known == model_type) {
            return Ok(());
        }
        let parts = parts(model_type);
        let is_part =
            |name: &str| name.rsplit('.').next().is_some_and(|last| parts.contains(&last));
        let spared: Vec<&String> = layers.iter().filter(|layer| is_part(layer)).collect();
        if spared.is_empty() {
            return Ok(());
        }
        for (is_set, setting) in [
            (self.use_dora, "use_dora"),
            (self.lora_dropout != 0.0, "lora_dropout"),
            (self.start != Start::Plain, "init_lora_weights"),
        ] {
            if is_set {
                return Err(setting);
            }
        }
        names.retain(|name| !is_part(name));
        if names.is_empty() {
            self.target_modules = TargetModules::Unsaid;
            self.layers_to_transform = None;
        }
        self.target_parameters = spared.iter().map(|layer| format!("{layer}.weight")).collect();
        // What fits a layer's path does not fit its parameter's.
        let (mut ranks, mut alphas) = (Vec::new(), Vec::new());
        for layer in spared {
            let key = format!("{layer}.weight").replace('.', r"\.");
            let (rank, alpha) = self.rank_and_alpha(layer);
            if rank != self.r {
                ranks.push((key.clone(), rank as f64));
            }
            if alpha != self.lora_alpha {
                alphas.push((key, alpha));
            }
        }
        ranks.extend(spec.rank_pattern.iter().cloned());
        alphas.extend(spec.alpha_pattern.iter().cloned());
        self.rank_pattern = Patterns::of_keys(&ranks).unwrap_or_default();
        self.alpha_pattern = Patterns::of_keys(&alphas).unwrap_or_default();
        Ok(())
    }
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
                ", and {} mean shared experts and layers without experts, which get no LoRA there (they are \
                 saved as target_parameters, which PEFT reads)",
                only_experts.join(", ")
            ));
        }
        Some(told)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::spec::LinearInfo;
    use super::*;
    use crate::llm::card::ModelIdentity;
    use crate::llm::config::Naming;

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
    fn a_shared_expert_is_named_by_its_parameter() {
        let layers =
            ["self_attn.q_proj", "mlp.shared_experts.up_proj", "mlp.shared_experts.down_proj"]
                .map(|name| format!("model.layers.1.{name}"));
        let infos: Vec<LinearInfo> = layers
            .iter()
            .map(|name| LinearInfo { name: name.clone(), outputs: 4, inputs: 4 })
            .collect();
        let spec = LoraSpec {
            target_modules: vec!["all-linear".to_owned()],
            rank_pattern: vec![("up_proj".to_owned(), 3.0)],
            ..LoraSpec::default()
        };
        let made = |spec: &LoraSpec| PeftConfig::from_spec(spec, &infos, Naming::Llama, None);
        let mut config = made(&spec);
        config.spare_experts("deepseek_v2", &layers, &spec).unwrap();
        let json = config.to_json(&ModelIdentity::default());
        assert_eq!(json["target_modules"], json!(["q_proj"]));
        let by_parameter =
            &layers[1..].iter().map(|name| format!("{name}.weight")).collect::<Vec<_>>();
        assert_eq!(json["target_parameters"], json!(by_parameter));
        let ranks =
            json!({ r"model\.layers\.1\.mlp\.shared_experts\.up_proj\.weight": 3, "up_proj": 3 });
        assert_eq!(json["rank_pattern"], ranks);
        // Where nothing else is left, no name is.
        let mut config = made(&spec);
        config.target_modules = TargetModules::Names(vec!["up_proj".to_owned()]);
        config.spare_experts("deepseek_v2", &layers[1..2], &spec).unwrap();
        assert!(config.to_json(&ModelIdentity::default())["target_modules"].is_null());
        // Elsewhere a name is what it says; and PEFT has no DoRA for parameters.
        let mut config = made(&spec);
        config.spare_experts("qwen2_moe", &layers, &spec).unwrap();
        assert_eq!(config, made(&spec));
        let dora = LoraSpec { use_dora: true, ..spec };
        assert_eq!(made(&dora).spare_experts("qwen3_next", &layers, &dora), Err("use_dora"));
        assert_eq!(made(&dora).spare_experts("qwen3_next", &layers[..1], &dora), Ok(()));
    }

    #[test]
    fn the_difference_is_one_sentence() {
        assert_eq!(of("gpt_oss", &["all-linear"]).told(), None);
        let told = of("olmoe", &["all-linear"]).told().unwrap();
        assert!(told.contains("the experts and the router"), "{told}");
        assert!(told.contains("gate_proj, up_proj, down_proj"), "{told}");
    }
}
