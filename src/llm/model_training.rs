//! A model as training uses it: a tree of tokens forward and backward, and weights of its own that learn.

use super::adapter::lora::{Adapter, HEAD};
use super::backward::differentiable::{Keep, TreePass};
use super::backward::dropout::Dropout;
use super::backward::gradients::Gradients;
use super::backward::pass::Pass;
use super::card::ModelSource;
use super::error::Error;
use super::files::safetensors_files::SafetensorsFiles;
use super::model::{Model, Scores};
use super::net::own::{Own, OwnTensor};
use super::net::tree::TokenTree;
use crate::jobs;

impl Model {
    /// Runs a tree of tokens for training: all rows at once, in f32 whatever the weights are kept
    /// as. `keep` says whether [`TreePass::backward`] is to follow, and at what price.
    pub fn run_tree<'a>(
        &'a self,
        tree: &'a TokenTree,
        adapter: Option<&'a Adapter>,
        dropout: Option<&'a Dropout>,
        keep: Keep,
    ) -> Result<TreePass<'a>, Error> {
        self.check_trainable()?;
        self.check_reads(tree.ids(), tree.depth(), adapter)?;
        let pass = Pass::new(&self.config, tree, adapter, dropout)?.padding(self.padding_id);
        Ok(TreePass::run(self.transformer()?, pass, keep)?)
    }

    /// Hidden rows of a tree, (n, width), to scores, (n, vocabulary), with the final soft-cap.
    pub fn tree_scores(&self, hidden: &[f32], adapter: Option<&Adapter>) -> Result<Scores, Error> {
        self.check_writes()?;
        let transformer = self.transformer()?;
        Ok(Scores(jobs::in_pool(|| transformer.scores(&self.config, hidden, adapter))?))
    }

    /// From the gradient by [`Self::tree_scores`], which is used up, to the one by the hidden rows.
    /// `scores` are only looked at where the model caps them.
    pub fn tree_scores_backward(
        &self,
        scores: &[f32],
        grad: &mut [f32],
        adapter: Option<&Adapter>,
    ) -> Result<Vec<f32>, Error> {
        let transformer = self.transformer()?;
        Ok(jobs::in_pool(|| transformer.scores_backward(&self.config, scores, grad, adapter))?)
    }

    /// Whether the head itself learns.
    pub fn head_learns(&self, gradients: &Gradients) -> bool {
        gradients.learns(HEAD)
    }

    /// From the gradient by [`Self::tree_scores`], which is used up, to what the head itself learns.
    /// `hidden`: what the scores were computed from.
    pub fn tree_head_backward(
        &self,
        (hidden, scores): (&[f32], &[f32]),
        grad: &mut [f32],
        adapter: Option<&Adapter>,
        gradients: &mut Gradients,
    ) -> Result<(), Error> {
        let (transformer, config) = (self.transformer()?, &self.config);
        let seen = (hidden, scores);
        jobs::in_pool(|| transformer.head_backward(config, seen, grad, adapter, gradients))?;
        Ok(())
    }

    /// Fails where the backward pass through a part of this model is not written yet: before a run
    /// starts, not in its first step.
    pub fn check_trainable(&self) -> Result<(), Error> {
        self.transformer()?;
        match self.config.untrainable() {
            None => Ok(()),
            Some(part) => {
                let architecture = self.config.architecture.clone();
                Err(Error::NotTrainable { architecture, part })
            }
        }
    }

    /// This model with weights of its own, in f32, which learn: see `own_tensors`. Fails where
    /// a part of it could only stand still.
    pub fn with_own(&self, own: Own) -> Result<Self, Error> {
        self.check_ownable()?;
        let transformer = self.transformer()?;
        Ok(Self {
            card: self.card.clone(),
            config: self.config.clone(),
            decoder: Box::new(jobs::in_pool(|| transformer.with_own(own))),
            chat: self.chat.clone(),
            stop_ids: self.stop_ids.clone(),
            start_id: self.start_id,
            asked: self.asked.clone(),
            unused: self.unused.clone(),
            kept: self.kept,
            lacks_head: self.lacks_head,
            padding_id: self.padding_id,
            answer_cache: self.answer_cache,
            watched: self.watched.clone(),
        })
    }

    /// Fails where only an adapter can be trained.
    pub fn check_ownable(&self) -> Result<(), Error> {
        self.check_trainable()?;
        let is_packed = match &self.card.source {
            ModelSource::Folder(folder) => SafetensorsFiles::are_packed(folder),
            ModelSource::Gguf(_) => false,
        };
        let packed = is_packed.then_some("weights that are packed (FP8, GPTQ or AWQ)");
        match self.config.fixed().or(packed) {
            None => Ok(()),
            Some(part) => {
                let architecture = self.config.architecture.clone();
                Err(Error::NotOwnable { architecture, part })
            }
        }
    }

    /// The tensors that learn of a model with weights of its own, to be changed; then [`Self::settle`] is
    /// to be called.
    pub(crate) fn own_tensors(&mut self, own: Own) -> Vec<OwnTensor<'_>> {
        let Self { decoder, config, .. } = self;
        let transformer = decoder.own_mut().expect("`with_own` has made it of our own transformer");
        transformer.own_tensors(config, own)
    }

    /// After a change of [`Self::own_tensors`].
    pub(crate) fn settle(&mut self) {
        if let Some(transformer) = self.decoder.own_mut() {
            transformer.settle();
        }
    }
}
