//! What a new adapter is to be, and which of a model's layers are meant.

use std::borrow::Cow;

use tokenizers::utils::SysRegex;

/// What an adapter is to be, under PEFT's names.
#[derive(Clone, Debug, PartialEq)]
pub struct LoraSpec {
    pub r: usize,
    pub lora_alpha: f64,
    pub lora_dropout: f64,
    pub use_rslora: bool,

    /// Last parts of module paths (`q_proj`), whole paths, `all-linear`, or a regular expression for
    /// whole paths.
    pub target_modules: Vec<String>,
    pub use_dora: bool,
    pub init: Init,

    /// Numbers of layers. `None`: all of them.
    pub layers_to_transform: Option<Vec<usize>>,

    /// What stands before the number of a layer. Empty: the first number of a path counts.
    pub layers_pattern: Vec<String>,

    /// Ranks and alphas of their own, by regular expressions for paths or their ends: the first that
    /// fits counts.
    pub rank_pattern: Vec<(String, f64)>,
    pub alpha_pattern: Vec<(String, f64)>,
    pub bias: Bias,

    /// Embedding (`embed_tokens`) and head (`lm_head`), where they learn as a whole.
    pub modules_to_save: Vec<String>,
}

/// Which biases learn beside an adapter: PEFT's `bias`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Bias {
    #[default]
    None,

    /// Those of the layers that have `LoRA`.
    LoraOnly,

    /// Those of every linear layer.
    All,
}

/// Every kind by its name in a run file.
pub const BIASES: [(&str, Bias); 3] =
    [("none", Bias::None), ("lora_only", Bias::LoraOnly), ("all", Bias::All)];

impl Default for LoraSpec {
    /// PEFT's defaults.
    fn default() -> Self {
        Self {
            r: 8,
            lora_alpha: 8.0,
            lora_dropout: 0.0,
            use_rslora: false,
            target_modules: Vec::new(),
            use_dora: false,
            init: Init::Usual,
            layers_to_transform: None,
            layers_pattern: Vec::new(),
            rank_pattern: Vec::new(),
            alpha_pattern: Vec::new(),
            bias: Bias::None,
            modules_to_save: Vec::new(),
        }
    }
}

/// What a new adapter begins with: PEFT's `init_lora_weights`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Init {
    /// `true`: A is drawn evenly, B is zero.
    #[default]
    Usual,

    /// A is drawn from a normal distribution of variance 1 / r², B is zero.
    Gaussian,

    /// The largest singular values of the layer.
    Pissa,

    /// The directions of the layer's first columns.
    Olora,
}

/// Every start by its name in a run file.
pub const INITS: [(&str, Init); 4] = [
    ("true", Init::Usual),
    ("gaussian", Init::Gaussian),
    ("pissa", Init::Pissa),
    ("olora", Init::Olora),
];

impl LoraSpec {
    /// The layers that are meant.
    pub fn targets<'a>(&self, layers: &'a [LinearInfo]) -> Vec<&'a LinearInfo> {
        let mut found = targets(layers, &self.target_modules);
        if let Some(numbers) = &self.layers_to_transform {
            found.retain(|layer| {
                let path = as_class(&layer.name);
                let number = layer_of(&path, &self.layers_pattern);
                // As in PEFT: where the path itself is in the list, its layer does not count.
                self.target_modules.iter().any(|name| *name == path)
                    || number.is_some_and(|number| numbers.contains(&number))
            });
        }
        found
    }

    /// The largest rank of any layer.
    pub fn most_rank(&self) -> usize {
        let others = self.rank_pattern.iter().map(|(_, rank)| *rank as usize);
        others.fold(self.r, usize::max)
    }
}

/// A linear layer that LoRA can target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinearInfo {
    /// `model.layers.0.self_attn.q_proj`
    pub name: String,
    pub outputs: usize,
    pub inputs: usize,
}

/// By how much B A counts.
pub(crate) fn scale(alpha: f64, rank: usize, use_rslora: bool) -> f64 {
    let rank = rank as f64;
    alpha / if use_rslora { rank.sqrt() } else { rank }
}

/// In `target_modules`: every linear layer but the head.
const ALL: &str = "all-linear";

/// Whether a module is an embedding or a head.
pub(crate) fn is_table(module: &str) -> bool {
    let last = module.rsplit('.').next().unwrap_or(module);
    ["embed_tokens", "wte", "embed_in", "word_embeddings", "lm_head", "embed_out"].contains(&last)
}

/// Which of a model's linear layers are meant by a list of names.
pub fn targets<'a>(layers: &'a [LinearInfo], target_modules: &[String]) -> Vec<&'a LinearInfo> {
    let wanted: Vec<Target<'_>> = target_modules.iter().map(|name| Target::of(name)).collect();
    let named = |layer: &LinearInfo| wanted.iter().any(|target| target.is(&as_class(&layer.name)));
    layers.iter().filter(|layer| named(layer)).collect()
}

/// The first entry of `target_modules` that means none of a model's layers.
pub fn stray<'a>(layers: &[LinearInfo], target_modules: &'a [String]) -> Option<&'a String> {
    target_modules.iter().find(|name| {
        let target = Target::of(name);
        !layers.iter().any(|layer| target.is(&as_class(&layer.name)))
    })
}

/// What an entry of `target_modules` means, by PEFT's rules.
enum Target<'a> {
    All,

    /// A whole path, or its last parts.
    Path(&'a str),

    /// Of whole paths. `None`: it is none, and no layer is meant.
    Pattern(Option<SysRegex>),
}

impl<'a> Target<'a> {
    fn of(name: &'a str) -> Self {
        if name == ALL {
            Self::All
        } else if is_pattern(name) {
            Self::Pattern(whole(name))
        } else {
            Self::Path(name)
        }
    }

    fn is(&self, module: &str) -> bool {
        match self {
            Self::All => !is_table(module),
            Self::Path(path) => is_path_or_end(module, path),
            Self::Pattern(regex) => {
                regex.as_ref().is_some_and(|regex| regex.find_iter(module).next().is_some())
            }
        }
    }
}

/// A module that transformers calls otherwise in a model than in its files: what gates LFM3's heads.
pub(super) const IN_FILES: &str = ".self_attn.gate_proj";
pub(super) const IN_CLASSES: &str = ".self_attn.g_proj";

/// What transformers' class calls one of our modules, which are called as in its files.
pub(super) fn as_class(module: &str) -> Cow<'_, str> {
    match module.strip_suffix(IN_FILES) {
        Some(rest) => Cow::Owned(format!("{rest}{IN_CLASSES}")),
        None => Cow::Borrowed(module),
    }
}

/// Whether `path` is a module's path or its last parts.
pub(crate) fn is_path_or_end(module: &str, path: &str) -> bool {
    module == path || module.strip_suffix(path).is_some_and(|rest| rest.ends_with('.'))
}

/// A regular expression for whole texts. `None`: it is none.
pub(super) fn whole(pattern: &str) -> Option<SysRegex> {
    SysRegex::new(&format!(r"\A(?:{pattern})\z")).ok()
}

/// The number of the layer that a module is in: the first numbered part of its path, or the one after
/// the name that a pattern gives.
pub(super) fn layer_of(module: &str, patterns: &[String]) -> Option<usize> {
    if patterns.is_empty() {
        let parts: Vec<&str> = module.split('.').collect();
        let inner = parts.get(2..parts.len().checked_sub(1)?)?;
        return inner.iter().find_map(|part| part.parse().ok());
    }
    patterns.iter().find_map(|pattern| {
        let regex = SysRegex::new(&format!(r"\A(?:.*?\.)??(?:{pattern})\.\d+\.")).ok()?;
        let (start, end) = regex.find_iter(module).next()?;
        module.get(start..end)?.trim_end_matches('.').rsplit('.').next()?.parse().ok()
    })
}

/// Whether an entry of `target_modules` is more than the path of a module.
pub fn is_pattern(name: &str) -> bool {
    !name.chars().all(|letter| letter.is_alphanumeric() || matches!(letter, '.' | '_' | '-'))
}

/// Whether a key of `rank_pattern` is a regular expression.
pub fn is_key(key: &str) -> bool {
    whole(key).is_some()
}

/// `down_proj, gate_proj, …`: what targets are usually called by.
pub(crate) fn last_parts(layers: &[LinearInfo]) -> String {
    let layers = layers.iter().filter(|layer| !is_table(&layer.name));
    let last = |layer: &LinearInfo| Some(as_class(&layer.name).rsplit('.').next()?.to_owned());
    let mut names: Vec<String> = layers.filter_map(last).collect();
    names.sort_unstable();
    names.dedup();
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_linear_layers_are_not_the_embedding_and_the_head() {
        let names = ["model.embed_tokens", "model.layers.0.mlp.up_proj", "lm_head"];
        let layers = names.map(|name| LinearInfo { name: name.to_owned(), outputs: 2, inputs: 2 });
        let found = |wanted: &str| targets(&layers, &[wanted.to_owned()]).len();
        assert_eq!(["all-linear", "lm_head", "embed_tokens"].map(found), [1, 1, 1]);
    }

    /// PEFT 0.21.2's `check_target_module_exists`.
    #[test]
    fn a_layer_that_is_named_by_its_whole_path_is_meant_whatever_its_number() {
        let names = ["model.layers.0.mlp.up_proj", "model.layers.1.mlp.up_proj"];
        let layers = names.map(|name| LinearInfo { name: name.to_owned(), outputs: 2, inputs: 2 });
        let found = |wanted: &str| -> Vec<String> {
            let spec = LoraSpec {
                target_modules: vec![wanted.to_owned()],
                layers_to_transform: Some(vec![0]),
                ..LoraSpec::default()
            };
            spec.targets(&layers).into_iter().map(|layer| layer.name.clone()).collect()
        };
        assert_eq!(found("up_proj"), names[..1]);
        assert_eq!(found("model.layers.1.mlp.up_proj"), names[1..]);
        assert!(found("layers.1.mlp.up_proj").is_empty(), "an end of a path is no whole path");
    }

    #[test]
    fn layers_are_named_by_their_ends_by_their_paths_or_by_a_pattern() {
        let names = ["h.0.attn.q_proj", "h.0.mlp.down_proj", "h.1.attn.q_proj", "h.1.attn.xq_proj"];
        let layers = names.map(|name| LinearInfo { name: name.to_owned(), outputs: 2, inputs: 2 });
        let found = |wanted: &str| {
            let wanted = wanted.split(' ').map(str::to_owned).collect::<Vec<_>>();
            let places = targets(&layers, &wanted).into_iter();
            let of = |name: &str| names.iter().position(|known| *known == name).unwrap();
            places.map(|layer| of(&layer.name)).collect::<Vec<_>>()
        };
        assert_eq!(found("q_proj"), [0, 2]);
        assert_eq!(found("0.attn.q_proj down_proj"), [0, 1]);
        assert_eq!(found("all-linear"), [0, 1, 2, 3]);
        assert_eq!(found(r".*\.1\..*_proj"), [2, 3]);
        assert!(found("1.*").is_empty(), "a pattern is for the whole path");
        assert!(found("[(").is_empty(), "no pattern at all");
        let wanted = ["q_proj", "lm_head"].map(str::to_owned);
        assert_eq!(stray(&layers, &wanted), Some(&wanted[1]));
    }
}
