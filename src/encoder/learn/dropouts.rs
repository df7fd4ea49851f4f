//! Which values are dropped while a model learns, as transformers has it for each family.

use crate::llm::config::config_keys::Keys;

/// Shares of values that are dropped, as transformers has them for the family.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Dropouts {
    pub embedding: f64,

    /// Of what queries look at.
    pub shares: f64,
    pub attention_out: f64,

    /// Of what the last matrix of the feed-forward part sees.
    pub inner: f64,
    pub feed_out: f64,

    /// Of DeBERTa's learned distances.
    pub places: f64,

    /// Of what the last norm gives.
    pub last: f64,

    /// Before the head's dense layer, and before its last one.
    pub before_dense: f64,
    pub before_out: f64,
}

impl Dropouts {
    /// As `config.json` and the family say it.
    pub fn read(keys: &Keys<'_>) -> Self {
        let share = |names: &[&str], usual: f64| {
            let found = names.iter().find_map(|name| keys.get(name)?.as_f64());
            found.unwrap_or(usual).clamp(0.0, 0.99)
        };
        let hidden = share(&["hidden_dropout_prob"], 0.1);
        let usual = Self {
            embedding: hidden,
            shares: share(&["attention_probs_dropout_prob"], 0.1),
            attention_out: hidden,
            feed_out: hidden,
            before_out: share(&["classifier_dropout"], hidden),
            ..Self::default()
        };
        match keys.text("model_type").unwrap_or_default() {
            "distilbert" => {
                let hidden = share(&["dropout"], 0.1);
                Self {
                    embedding: hidden,
                    shares: share(&["attention_dropout"], 0.1),
                    attention_out: 0.0,
                    feed_out: hidden,
                    before_out: share(&["seq_classif_dropout"], 0.2),
                    ..usual
                }
            }
            "roberta" | "xlm-roberta" | "camembert" | "electra" => {
                Self { before_dense: usual.before_out, ..usual }
            }
            "mpnet" => Self { before_dense: hidden, before_out: hidden, ..usual },
            "albert" => {
                let hidden = share(&["hidden_dropout_prob"], 0.0);
                Self {
                    embedding: hidden,
                    shares: share(&["attention_probs_dropout_prob"], 0.0),
                    attention_out: hidden,
                    // transformers makes this dropout and does not use it.
                    feed_out: 0.0,
                    before_out: share(&["classifier_dropout_prob"], 0.1),
                    ..usual
                }
            }
            "modernbert" => {
                let shares = share(&["attention_dropout"], 0.0);
                Self {
                    embedding: share(&["embedding_dropout"], 0.0),
                    shares,
                    attention_out: shares,
                    inner: share(&["mlp_dropout"], 0.0),
                    feed_out: 0.0,
                    before_out: share(&["classifier_dropout"], 0.0),
                    ..usual
                }
            }
            "t5" | "mt5" => {
                let rate = share(&["dropout_rate"], 0.1);
                Self {
                    embedding: rate,
                    shares: rate,
                    attention_out: rate,
                    inner: rate,
                    feed_out: rate,
                    last: rate,
                    ..Self::default()
                }
            }
            "bart" => {
                let rate = share(&["dropout"], 0.1);
                Self {
                    embedding: rate,
                    shares: share(&["attention_dropout"], 0.0),
                    attention_out: rate,
                    inner: share(&["activation_dropout"], 0.0),
                    feed_out: rate,
                    ..Self::default()
                }
            }
            "deberta-v2" => Self {
                places: hidden,
                before_dense: share(&["pooler_dropout"], 0.0),
                before_out: share(&["cls_dropout"], hidden),
                ..usual
            },
            _ => usual,
        }
    }
}

/// Kinds of places at which something is dropped.
pub(crate) mod site {
    pub const EMBEDDING: u64 = 1;
    pub const SHARES: u64 = 2;
    pub const ATTENTION_OUT: u64 = 3;
    pub const INNER: u64 = 4;
    pub const FEED_OUT: u64 = 5;
    pub const PLACES: u64 = 6;
    pub const BEFORE_DENSE: u64 = 7;
    pub const BEFORE_OUT: u64 = 8;
    pub const LAST: u64 = 9;
    pub const CROSS_SHARES: u64 = 10;
    pub const CROSS_OUT: u64 = 11;
}
