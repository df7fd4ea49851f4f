//! What a mixture of experts is, whatever family it is of.

/// A mixture of experts in place of a layer's MLP.
#[expect(clippy::struct_excessive_bools, reason = "each is a part that a file has or has not")]
#[derive(Clone, Debug, PartialEq)]
pub struct ExpertsConfig {
    pub count: usize,

    /// Experts that a token goes through.
    pub chosen: usize,

    /// What an expert has for an MLP's width.
    pub width: usize,
    pub routing: Routing,

    /// Experts are only chosen from the best of these.
    pub groups: Option<ExpertGroups>,

    /// Weights are multiplied by this at last.
    pub scale: f32,
    pub gate: ExpertGate,
    pub router_bias: bool,

    /// They stand beside the layer's MLP, each behind norms of its own, and the router reads what no
    /// norm has seen (Gemma 4).
    pub beside_mlp: bool,

    /// Each expert has a number that is added to its score where it is chosen (LFM2).
    pub correction: bool,
    pub bias: bool,
    pub packing: Packing,
    pub shared: Option<SharedExpertConfig>,
}

impl ExpertsConfig {
    /// As most families have them: whatever only some have is off.
    pub(super) fn plain(count: usize, chosen: usize, width: usize, routing: Routing) -> Self {
        Self {
            count,
            chosen,
            width,
            routing,
            groups: None,
            scale: 1.0,
            gate: ExpertGate::Activation,
            router_bias: false,
            beside_mlp: false,
            correction: false,
            bias: false,
            packing: Packing::Halves,
            shared: None,
        }
    }
}

/// How a token's scores become the weights of its experts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Routing {
    /// A softmax over all experts; `normalised`: the weights of those that are chosen sum to 1.
    Softmax { normalised: bool },

    /// A sigmoid of each. `little` is added to the sum that weights are divided by.
    Sigmoid { normalised: bool, little: f32 },

    /// Phi 3.5's, of two experts.
    SparseMixer { jitter: f32 },
}

/// Groups of experts, of which the best are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExpertGroups {
    pub count: usize,
    pub kept: usize,

    /// A group is as good as this many of its best together.
    pub by_best: usize,
}

/// How gate and up meet in an expert.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ExpertGate {
    /// act(gate) · up
    Activation,

    /// (up + 1) · gate · sigmoid(`slope` · gate), both within `limit` (gpt-oss).
    Clamped { slope: f32, limit: f32 },
}

/// How the tensors of experts are stored where they are not one by one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packing {
    /// (experts, outputs, inputs), the rows of the gate before those of up.
    Halves,

    /// (experts, inputs, outputs), gate and up in turn (gpt-oss).
    InTurn,
}

/// An expert that every token goes through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SharedExpertConfig {
    pub width: usize,

    /// It is what other layers have for an MLP, also by name (Granite 4).
    pub is_mlp: bool,

    /// Through a gate of its own (Qwen).
    pub gated: bool,
}
