//! Which families of encoders are computed here, and where each is described.

use super::description::Family;
use super::families::{albert, bert, big_bird, distilbert, electra, mpnet, roberta};
use super::families_newer::{deberta, modernbert};
use super::nomic::nomic_bert;
use crate::llm;
use crate::llm::config::config_keys::Keys;

/// transformers' `model_type`s that are computed here.
pub const FAMILIES: [&str; 12] = [
    "bert",
    "distilbert",
    "roberta",
    "xlm-roberta",
    "camembert",
    "mpnet",
    "albert",
    "electra",
    "modernbert",
    "deberta-v2",
    "nomic_bert",
    "big_bird",
];

/// `keys` are those of a `config.json` whose `model_type` is one of [`FAMILIES`].
pub(crate) fn describe(keys: &Keys<'_>) -> Result<Family, llm::Error> {
    let family = match keys.text("model_type").unwrap_or_default() {
        "bert" => bert(keys),
        "distilbert" => distilbert(keys),
        "roberta" | "xlm-roberta" | "camembert" => roberta(keys),
        "mpnet" => mpnet(keys),
        "albert" => albert(keys),
        "electra" => electra(keys),
        "modernbert" => modernbert(keys),
        "deberta-v2" => deberta(keys),
        "nomic_bert" => nomic_bert(keys),
        "big_bird" => big_bird(keys),
        _ => Err(keys.refuse("model_type", format!("computed here are {}", FAMILIES.join(", ")))),
    }?;
    if keys.flag("is_decoder", false)? {
        let expected = "its tokens see those before them alone, and encoders whose tokens see each other are \
                        computed here: false was expected";
        return Err(keys.refuse("is_decoder", expected));
    }
    let position = keys.text("position_embedding_type").unwrap_or("absolute");
    if position != "absolute" {
        return Err(keys.refuse("position_embedding_type", "computed here is \"absolute\""));
    }
    Ok(family)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use serde_json::json;

    use super::*;

    #[test]
    fn an_encoder_that_is_to_write_is_refused_for_that() {
        let config = json!({ "model_type": "bert", "is_decoder": true });
        let said = describe(&Keys::new(&config, Path::new("config.json"))).unwrap_err().to_string();
        assert!(
            said.contains("is_decoder = true") && said.contains("false was expected"),
            "{said}"
        );
    }
}
