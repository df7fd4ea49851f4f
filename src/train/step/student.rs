//! What learns in a run: an adapter beside a model that stands still, or the model's own weights.

use std::path::Path;

use serde_json::{Value, json};

use super::adapter;
use crate::llm::Own;
use crate::llm::adapter::learned::{Learned, Slot};
use crate::llm::adapter::lora::Adapter;
use crate::llm::adapter_files::classifier::Body;
use crate::llm::adapter_files::{classifier, whole};
use crate::llm::model::Model;
use crate::train::config::Method;
use crate::train::error::Error;
use crate::train::record;

/// A model and what of it or beside it learns. All tensors that learn are one list, whatever they are of.
pub struct Student<'a> {
    base: &'a Model,

    /// The model with weights of its own, where they learn.
    own: Option<(Box<Model>, Own)>,
    adapter: Adapter,
    learned: Vec<Learned>,
}

impl<'a> Student<'a> {
    /// `adapter` is empty where the model's own weights learn.
    pub fn new(base: &'a Model, method: Method, adapter: Adapter) -> Result<Self, Error> {
        let own = match method.own() {
            None => None,
            Some(own) => Some((Box::new(base.with_own(own)?), own)),
        };
        let mut student = Self { base, own, adapter, learned: Vec::new() };
        student.learned = student.tensors().into_iter().map(|(learned, _)| learned).collect();
        student.settle()?;
        if student.learned.is_empty() {
            return Err(Error::NothingLearns);
        }
        Ok(student)
    }

    /// As it stands now.
    pub fn model(&self) -> &Model {
        self.own.as_ref().map_or(self.base, |(own, _)| own)
    }

    /// As it was before the run.
    pub fn base(&self) -> &'a Model {
        self.base
    }

    pub fn adapter(&self) -> &Adapter {
        &self.adapter
    }

    /// Every tensor that learns, in their order.
    pub fn learned(&self) -> &[Learned] {
        &self.learned
    }

    /// Where they are kept, in the same order. After a change, [`Self::settle`] is to be called.
    pub fn slots(&mut self) -> Vec<Slot<'_>> {
        self.tensors().into_iter().map(|(_, slot)| slot).collect()
    }

    fn tensors(&mut self) -> Vec<(Learned, Slot<'_>)> {
        let Self { own, adapter, .. } = self;
        let own = own.iter_mut().flat_map(|(model, own)| model.own_tensors(*own));
        let mut tensors: Vec<(Learned, Slot<'_>)> =
            own.map(|(learned, values)| (learned, Slot::Own(values))).collect();
        let of_adapter = adapter.learned();
        tensors.extend(of_adapter.into_iter().zip(adapter.slots()));
        tensors
    }

    /// After [`Self::slots`], where nothing was changed.
    pub fn restore(&mut self) {
        if let Some((own, _)) = &mut self.own {
            own.settle();
        }
    }

    /// What follows from the tensors as they stand.
    pub fn settle(&mut self) -> Result<(), Error> {
        self.restore();
        Ok(self.adapter.measure_lengths(self.base)?)
    }

    /// Writes what a person takes from the run as it stands now: the adapter in PEFT's format, or the model
    /// as a transformers folder in `model/`.
    pub fn save(&self, folder: &Path) -> Result<(), Error> {
        match &self.own {
            None => adapter::save(&self.adapter, self.base, folder),
            Some((own, _)) => {
                let to = folder.join(record::MODEL_FOLDER);
                let saved = match self.adapter.score_head() {
                    None => whole::save(own, &to),
                    // A reward model: its head learns beside the weights of the model.
                    Some(head) => classifier::save(own, (head, Body::Own), &reward(), &to),
                };
                saved.map_err(|err| match err {
                    crate::llm::Error::Write { path, source } => Error::Write { path, source },
                    other => Error::Model(other),
                })
            }
        }
    }

    /// Whether saving it takes so long that it is done at the end alone. What is needed to resume is in the
    /// checkpoint.
    pub fn is_large(&self) -> bool {
        self.own.is_some()
    }
}

/// What transformers calls the one output of a reward model, which TRL gives no name either.
fn reward() -> Value {
    json!({ "id2label": { "0": "LABEL_0" }, "label2id": { "LABEL_0": 0 }, "problem_type": null })
}
