//! What an adapter changes that is run and scored, and does not learn here: whole layers in place of the
//! model's, and low-rank changes of a mixture's experts and router.

use std::collections::BTreeMap;

use tuning_fork_kernels::QMatrix;

use super::low_rank::LowRank;

/// Everything of the kind that one adapter has.
#[derive(Clone, Default)]
pub struct Laid {
    /// By module path.
    pub layers: BTreeMap<String, LaidLayer>,

    /// By the module paths of the mixtures' routers.
    pub mixtures: BTreeMap<String, LaidMixture>,

    /// How many numbers the file has for them.
    pub numbers: u64,
}

/// What stands in place of a layer's own, once the adapter is worked in.
#[derive(Clone, Default)]
pub struct LaidLayer {
    /// (outputs, inputs)
    pub weight: Option<QMatrix>,

    /// Also where the model's layer has no bias.
    pub bias: Option<Vec<f32>>,
}

/// What comes on top of a mixture's weights. B is scaled already.
#[derive(Clone, Default)]
pub struct LaidMixture {
    pub router: Option<LowRank>,

    /// Of each expert.
    pub experts: Vec<LaidExpert>,
}

#[derive(Clone, Default)]
pub struct LaidExpert {
    pub gate: Option<LowRank>,
    pub up: Option<LowRank>,
    pub down: Option<LowRank>,
}

impl Laid {
    pub fn is_empty(&self) -> bool {
        self.layers.is_empty() && self.mixtures.is_empty()
    }
}
