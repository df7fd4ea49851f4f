//! What a configuration says that a folder's head is for.

use serde_json::Value;

/// By the class of transformers that the configuration names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Promise {
    Nothing,
    MaskedHead,
    SequenceHead,

    /// A head that is not computed here, and what it does. Its tensors may have the names of those that are.
    Other(&'static str),
}

/// Classes by how their names end, the first that fits.
const ENDS: [(&str, Promise); 8] = [
    ("ForSequenceClassification", Promise::SequenceHead),
    ("ForMaskedLM", Promise::MaskedHead),
    (
        "ElectraForPreTraining",
        Promise::Other("tells words that were replaced from those that were not"),
    ),
    ("ForPreTraining", Promise::MaskedHead),
    ("ForTokenClassification", Promise::Other("gives each token a label")),
    (
        "ForQuestionAnswering",
        Promise::Other("finds where in a text the answer to a question stands"),
    ),
    ("ForMultipleChoice", Promise::Other("chooses between several continuations")),
    ("ForNextSentencePrediction", Promise::Other("says whether a text follows another")),
];

/// What the `architectures` of a configuration promise.
pub(crate) fn promise(config: &Value) -> Promise {
    let class = config["architectures"][0].as_str().unwrap_or_default();
    let found = ENDS.iter().find(|(end, _)| class.ends_with(end));
    found.map_or(Promise::Nothing, |(_, promise)| *promise)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_class_says_what_its_head_is_for() {
        let of = |class: &str| promise(&json!({ "architectures": [class] }));
        assert_eq!(of("BertForPreTraining"), Promise::MaskedHead);
        // The discriminator: its head gives each token one number.
        assert!(matches!(of("ElectraForPreTraining"), Promise::Other(_)));
        assert!(matches!(of("ModernBertForTokenClassification"), Promise::Other(_)));
        assert_eq!(of("DebertaV2ForSequenceClassification"), Promise::SequenceHead);
        assert_eq!((of("BertModel"), promise(&json!({}))), (Promise::Nothing, Promise::Nothing));
    }
}
