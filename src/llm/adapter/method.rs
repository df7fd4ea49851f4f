//! PEFT's methods beside LoRA that change linear layers: each is worked into the layer as it is read.
//!
//! (IA)³ multiplies inputs or outputs (Liu et al. 2022); `LoHa` adds a product of two low-rank matrices,
//! number by number (Hyeon-Woo et al. 2022); `LoKr` a Kronecker product (Yeh et al. 2024); `VeRA` two fixed
//! random matrices with a trained factor for each row (Kopiczko et al. 2024).

/// Which.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    Ia3,
    LoHa,
    LoKr,
    Vera,
}

/// All of them.
pub(crate) const METHODS: [Method; 4] = [Method::Ia3, Method::LoHa, Method::LoKr, Method::Vera];

impl Method {
    /// Of a file's `peft_type`. `None`: it is none of them.
    pub fn of(peft_type: &str) -> Option<Self> {
        METHODS.into_iter().find(|method| method.name() == peft_type)
    }

    /// As `peft_type` has it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ia3 => "IA3",
            Self::LoHa => "LOHA",
            Self::LoKr => "LOKR",
            Self::Vera => "VERA",
        }
    }

    /// The key of what its change is multiplied by, times its rank.
    pub(super) fn alpha_key(self) -> &'static str {
        match self {
            Self::LoHa | Self::LoKr => "alpha",
            Self::Ia3 | Self::Vera => "lora_alpha", // they have none
        }
    }

    /// The keys of its `adapter_config.json` that LoRA's does not have. They say what its tensors say, or
    /// count in training only.
    pub(super) fn keys(self) -> &'static [&'static str] {
        match self {
            Self::Ia3 => &["feedforward_modules", "init_ia3_weights"],
            Self::LoHa => LYCORIS,
            Self::LoKr => &[
                "alpha",
                "decompose_both",
                "decompose_factor",
                "init_weights",
                "module_dropout",
                "rank_dropout",
                "rank_dropout_scale",
                "use_effective_conv2d",
            ],
            Self::Vera => &[
                "d_initial",
                "init_weights",
                "projection_prng_key",
                "save_projection",
                "vera_dropout",
            ],
        }
    }

    /// The ends of its tensors' names.
    pub(crate) fn parts(self) -> &'static [&'static str] {
        match self {
            Self::Ia3 => &["ia3_l"],
            Self::LoHa => &["hada_w1_a", "hada_w1_b", "hada_w2_a", "hada_w2_b"],
            Self::LoKr => {
                &["lokr_w1", "lokr_w1_a", "lokr_w1_b", "lokr_w2", "lokr_w2_a", "lokr_w2_b"]
            }
            Self::Vera => &["vera_lambda_b", "vera_lambda_d"],
        }
    }
}

const LYCORIS: &[&str] =
    &["alpha", "init_weights", "module_dropout", "rank_dropout", "use_effective_conv2d"];
