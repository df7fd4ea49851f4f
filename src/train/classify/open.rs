//! What a run begins with, by what its model is.

use std::path::Path;

use super::decoder::DecoderStudent;
use super::encoder::EncoderStudent;
use super::student::Student;
use crate::encoder;
use crate::encoder::Labels;
use crate::encoder::learn::{self, Learns, Top};
use crate::llm::card::Purpose;
use crate::train::config::{Method, Objective, TrainConfig};
use crate::train::error::Error;

/// Whether a run is of this kind: it reads texts, or its model is an encoder-decoder.
pub fn is_of_texts(config: &TrainConfig, model: &Path) -> bool {
    let is_pair = || encoder::folder_purpose(model) == Some(Purpose::SequenceToSequence);
    config.objective.reads_texts() || (config.objective == Objective::Sft && is_pair())
}

/// Opens what a run begins with.
pub(super) fn open(
    model: &Path,
    top: Top,
    learns: &Learns,
    config: &TrainConfig,
) -> Result<Box<dyn Student>, Error> {
    if encoder::is_encoder_model(model) {
        return Ok(Box::new(EncoderStudent::open(model, top, learns, config)?));
    }
    let Top::Labels(labels) = top else {
        return Err(encoder::Error::NoHead {
            folder: model.to_owned(),
            wanted: "guesses masked words",
            found:
                "it writes from left to right; take an encoder such as distilbert-base-uncased, or \
                    objective = \"pretrain\""
                    .to_owned(),
        }
        .into());
    };
    Ok(Box::new(DecoderStudent::open(model, labels, learns, config)?))
}

/// The labels of a model, or of an adapter over it. `None`: it has no head for labels yet.
pub(super) fn known_labels(model: &Path, adapter: Option<&Path>) -> Result<Option<Labels>, Error> {
    Ok(if encoder::is_encoder_model(model) {
        learn::known_labels(model, adapter)?
    } else {
        encoder::decoder_labels(model, adapter)?
    })
}

/// What learns where nothing is continued.
pub(super) fn learns(config: &TrainConfig) -> Learns {
    match (&config.adapter, config.method) {
        (Some(adapter), _) => Learns::Adapter(adapter.clone()),
        (None, Method::Lora) => Learns::Lora(config.lora.spec()),
        (None, Method::Full) => Learns::Everything,
        // The others are none of texts, which the settings refuse before.
        (None, _) => Learns::Head,
    }
}
