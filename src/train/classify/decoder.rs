//! A decoder that learns to give texts labels: with LoRA beside it, with every weight, or with the score
//! head alone. As `AutoModelForSequenceClassification` and PEFT's `SEQ_CLS` have it of decoders.

use std::ops::Range;
use std::path::{Path, PathBuf};

use candle_core::{Device, Tensor};

use super::checkpoint::Counted;
use super::decoder_parts::{name_outputs, with_targets};
use super::student::{Memory, Moment, Read, Slopes, Student};
use crate::encoder;
use crate::encoder::learn::{Learns, labels_json};
use crate::encoder::network::check_ids;
use crate::encoder::{Encoded, Labels};
use crate::jobs;
use crate::jobs::Quiet;
use crate::llm;
use crate::llm::adapter::learned::{Learned, Slot};
use crate::llm::adapter::lora::HEAD;
use crate::llm::adapter::score_head::{SCORE_HEAD, ScoreFacts, ScoreHead};
use crate::llm::adapter_files::classifier::{self, Body};
use crate::llm::adapter_files::score_head::{of_model_files, padding_of_classifier, told_padding};
use crate::llm::backward::dropout::{Dropout, mix};
use crate::llm::backward::gradients::Gradients;
use crate::llm::card::{ModelIdentity, ModelSource};
use crate::llm::net::buffers;
use crate::llm::net::ops::with_f32;
use crate::llm::net::tree::TokenTree;
use crate::llm::{Adapter, Keep, LoadOptions, Model, Own, Tokenizer};
use crate::train::config::{ConfigProblem, TrainConfig};
use crate::train::error::Error;
use crate::train::objective::logprobs::PassSize;
use crate::train::run::checkpoint::{self, RunState};
use crate::train::step::adapter;
use crate::train::step::optim::{AdamSettings, AdamW};

pub(super) struct DecoderStudent {
    scorer: Scorer,
    learned: Vec<Learned>,
    gradients: Gradients,
    state: RunState,
    made: Vec<String>,
}

/// A decoder with its score head.
struct Scorer {
    model: Model,
    way: Way,

    /// With the score head in it; beside that empty where no adapter learns.
    adapter: Adapter,
    labels: Labels,
    config: TrainConfig,
}

/// What learns with the head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Adapter,
    Everything,
    Head,
}

impl DecoderStudent {
    pub fn open(
        path: &Path,
        labels: Labels,
        learns: &Learns,
        config: &TrainConfig,
    ) -> Result<Self, Error> {
        let source = ModelSource::at(path);
        let options = LoadOptions { weights: config.weights(), ..LoadOptions::default() };
        let model = Model::load(&source, &options, &Quiet)?;
        match learns {
            Learns::Everything => model.check_ownable()?,
            _ => model.check_trainable()?,
        }
        let (way, adapter) = match learns {
            Learns::Adapter(folder) => (Way::Adapter, adapter::continued(&model, config, folder)?),
            Learns::Lora(spec) => {
                let spec = with_targets(spec, &model.linear_layers());
                (Way::Adapter, Adapter::init(&model, &spec, config.seed)?)
            }
            Learns::Everything => (Way::Everything, Adapter::empty(&model)),
            Learns::Head | Learns::Nothing | Learns::Laid(_) => (Way::Head, Adapter::empty(&model)),
        };
        let pad_token_id = padding_of_classifier(&model);
        if pad_token_id.is_none() && config.per_device_train_batch_size > 1 {
            let message = "must be 1: neither the model's config.json nor its tokenizer names a padding token \
                           (pad_token_id) or an end-of-sequence token, and transformers refuses larger \
                           batches without one; or write a pad_token_id into config.json"
                .to_owned();
            let field = "per_device_train_batch_size";
            return Err(Error::Config(vec![ConfigProblem { field, message }]));
        }
        let is_new = adapter.score_head().is_none();
        let own = encoder::decoder_labels(path, None)?;
        let has_own = own.is_some_and(|own| own.names.len() == labels.names.len());
        let made = if is_new && !has_own { vec![SCORE_HEAD.to_owned()] } else { Vec::new() };
        let facts = ScoreFacts { pad_token_id, ..ScoreFacts::default() };
        let head = (labels.names.len(), facts);
        let mut adapter = adapter.with_score_head(&model, head, config.seed)?;
        name_outputs(&mut adapter, &labels)?;
        let model = if way == Way::Everything { model.with_own(Own::All)? } else { model };
        let mut scorer = Scorer { model, way, adapter, labels, config: config.clone() };
        let learned: Vec<Learned> =
            scorer.tensors().into_iter().map(|(learned, _)| learned).collect();
        scorer.settle()?;
        let gradients = Gradients::of(&learned);
        let optimizer = AdamW::new(&learned, AdamSettings::of(config));
        let state = RunState { step: 0, num_tokens: 0, optimizer, reference: Vec::new() };
        Ok(Self { scorer, learned, gradients, state, made })
    }
}

impl Scorer {
    /// Everything that learns, with its values. Afterwards [`Self::settle`] is to be called.
    fn tensors(&mut self) -> Vec<(Learned, Slot<'_>)> {
        let Self { model, way, adapter, .. } = self;
        let own = if *way == Way::Everything { model.own_tensors(Own::All) } else { Vec::new() };
        // The head that writes is not part of a classifier.
        let own = own.into_iter().filter(|(learned, _)| learned.module != HEAD);
        let mut all: Vec<(Learned, Slot<'_>)> =
            own.map(|(learned, values)| (learned, Slot::Own(values))).collect();
        all.extend(adapter.learned().into_iter().zip(adapter.slots()));
        all
    }

    /// Where the values are, in the order of the tensors that learn.
    fn slots(&mut self) -> Vec<Slot<'_>> {
        self.tensors().into_iter().map(|(_, slot)| slot).collect()
    }

    /// What follows from the tensors as they stand.
    fn settle(&mut self) -> Result<(), Error> {
        if self.way == Way::Everything {
            self.model.settle();
        }
        Ok(self.adapter.measure_lengths(&self.model)?)
    }

    fn head(&self) -> Result<&ScoreHead, Error> {
        self.adapter.score_head().ok_or(Error::NoScoreHead)
    }

    /// Texts that are run at once.
    fn passes(&self, read: &Read<'_>) -> Vec<Range<usize>> {
        let most = PassSize::of(self.model.config()).rows();
        let (mut passes, mut rows) = (Vec::<Range<usize>>::new(), 0);
        for (at, text) in read.texts.iter().enumerate() {
            match passes.last_mut() {
                Some(last) if rows + text.ids.len() <= most => last.end = at + 1,
                _ => {
                    passes.push(at..at + 1);
                    rows = 0;
                }
            }
            rows += text.ids.len();
        }
        passes
    }

    fn dropout(&self, moment: Option<Moment>, tree: &TokenTree) -> Option<Dropout> {
        let share = self.config.lora.lora_dropout;
        let at = moment.filter(|_| share > 0.0 && self.way == Way::Adapter)?;
        let seed = mix(mix(mix(self.config.seed) ^ at.step as u64) ^ at.batch as u64);
        Some(Dropout::new(share, seed, tree))
    }

    /// The rows of a tree that the head reads.
    fn rows(&self, tree: &TokenTree, read: &Read<'_>) -> Result<Vec<usize>, Error> {
        let head = self.head()?;
        let row = |(at, text): (usize, &encoder::Tokens<'_>)| {
            tree.rows(at)[head.position(text.ids)] as usize
        };
        Ok(read.texts.iter().enumerate().map(row).collect())
    }

    /// Scores of texts that are run at once, and where a backward pass follows, that.
    fn pass(
        &self,
        read: &Read<'_>,
        moment: Option<Moment>,
        back: Option<(Slopes<'_>, &mut Gradients)>,
    ) -> Result<Vec<f32>, Error> {
        let tree = TokenTree::new(read.texts.iter().map(|text| text.ids));
        let dropout = self.dropout(moment, &tree);
        let size = PassSize::of(self.model.config());
        // The head alone asks nothing of the layers below it.
        let is_deep = self.way != Way::Head;
        let keep = if back.is_some() && is_deep { size.keep(&tree) } else { Keep::Nothing };
        buffers::expect_rows(tree.len(), size.rows());
        let pass = self.model.run_tree(&tree, Some(&self.adapter), dropout.as_ref(), keep)?;
        let (width, rows) = (self.model.config().width, self.rows(&tree, read)?);
        let weight = with_f32(self.head()?.weight.as_tensor(), |values| Ok(values.to_vec()))?;
        let hidden = pass.hidden();
        let state = |row: usize| &hidden[row * width..(row + 1) * width];
        let product = |row: usize, weight: &[f32]| -> f32 {
            let terms = state(row).iter().zip(weight);
            terms.map(|(one, other)| f64::from(*one) * f64::from(*other)).sum::<f64>() as f32
        };
        let scores: Vec<f32> = rows
            .iter()
            .flat_map(|row| weight.chunks_exact(width).map(|weight| product(*row, weight)))
            .collect();
        let Some((slopes, gradients)) = back else { return Ok(scores) };
        let slopes = slopes(&scores);
        let labels = weight.len() / width;
        if let Some(sums) = gradients.score_mut() {
            for (row, slopes) in rows.iter().zip(slopes.chunks_exact(labels)) {
                for (slope, sums) in slopes.iter().zip(sums.chunks_exact_mut(width)) {
                    sums.iter_mut().zip(state(*row)).for_each(|(sum, x)| *sum += slope * x);
                }
            }
        }
        if !is_deep {
            return Ok(scores);
        }
        let mut grad = vec![0.0; hidden.len()];
        for (row, slopes) in rows.iter().zip(slopes.chunks_exact(labels)) {
            let by = &mut grad[row * width..(row + 1) * width];
            for (slope, weight) in slopes.iter().zip(weight.chunks_exact(width)) {
                by.iter_mut().zip(weight).for_each(|(sum, weight)| *sum += slope * weight);
            }
        }
        pass.backward(&grad, gradients)?;
        Ok(scores)
    }

    fn part<'a>(read: &Read<'a>, texts: Range<usize>) -> Read<'a> {
        Read::of(read.texts[texts].to_vec())
    }

    fn all_scores(&self, read: &Read<'_>, moment: Option<Moment>) -> Result<Vec<f32>, Error> {
        let mut all = Vec::new();
        for texts in self.passes(read) {
            all.extend(self.pass(&Self::part(read, texts), moment, None)?);
        }
        Ok(all)
    }

    fn learn(
        &self,
        read: &Read<'_>,
        moment: Option<Moment>,
        (slopes, gradients): (Slopes<'_>, &mut Gradients),
    ) -> Result<(), Error> {
        let passes = self.passes(read);
        if passes.len() == 1 {
            return self.pass(read, moment, Some((slopes, gradients))).map(drop);
        }
        // The loss of a batch is one: all its texts are read before any is learned from.
        let known = slopes(&self.all_scores(read, moment)?);
        let labels = self.labels.names.len();
        for texts in passes {
            let own = known[texts.start * labels..texts.end * labels].to_vec();
            let mut slopes = |_: &[f32]| own.clone();
            self.pass(&Self::part(read, texts), moment, Some((&mut slopes, &mut *gradients)))?;
        }
        Ok(())
    }

    /// Takes what learns from a folder that a run has written.
    fn restore(&mut self, folder: &Path) -> Result<(), Error> {
        if self.way == Way::Adapter {
            self.adapter = adapter::load(&self.model, folder)?;
            return self.settle();
        }
        if self.way == Way::Everything {
            let source = ModelSource::Folder(folder.to_owned());
            let model = Model::load(&source, &LoadOptions::default(), &Quiet)?;
            self.model = model.with_own(Own::All)?;
        }
        let (count, width) = (self.labels.names.len(), self.model.config().width);
        let values = of_model_files(folder, [count, width])?.ok_or(Error::NoScoreHead)?;
        self.head()?.weight.set(&Tensor::from_vec(values, (count, width), &Device::Cpu)?)?;
        self.settle()
    }
}

impl Student for DecoderStudent {
    fn tokenizer(&self) -> &Tokenizer {
        self.scorer.model.tokenizer()
    }

    fn longest(&self) -> Option<usize> {
        Some(self.scorer.model.config().context_length)
    }

    fn vocabulary(&self) -> usize {
        self.scorer.model.config().vocab_size
    }

    fn encode(
        &self,
        text: &str,
        second: Option<&str>,
        most: usize,
    ) -> Result<Encoded, encoder::Error> {
        let most = most.min(self.scorer.model.config().context_length);
        let (ids, _, is_cut) = self.tokenizer().encode_pair(text, second, Some(most))?;
        self.check(&ids)?;
        Ok(Encoded { ids, kinds: None, is_cut })
    }

    fn check(&self, ids: &[u32]) -> Result<(), encoder::Error> {
        check_ids(ids, self.vocabulary())
    }

    fn made(&self) -> &[String] {
        &self.made
    }

    fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        let padding = self.scorer.adapter.score_head().and_then(|head| head.facts.pad_token_id);
        if let (None, Some(id)) = (told_padding(&self.scorer.model), padding) {
            let token = self.tokenizer().token(id).unwrap_or_default();
            let place = if self.is_adapter() {
                format!(
                    "in transformers and PEFT, set model.config.pad_token_id = {id} after loading the model"
                )
            } else {
                "config.json of the result says so".to_owned()
            };
            notes.push(format!(
                "the model's config.json has no pad_token_id, which the head needs to find the last token \
                 of a text: {id} ({token}) is taken; {place}"
            ));
        }
        if let Ok(config) = classifier::config_of(&self.scorer.model)
            && classifier::class_of(&config).is_none()
        {
            let kind = config["model_type"].as_str().unwrap_or("this family").to_owned();
            notes.push(format!(
                "transformers has no {kind} class for sequence classification: the result can be loaded \
                 here, and not with AutoModelForSequenceClassification"
            ));
        }
        notes
    }

    /// The only dropout of decoders here is LoRA's.
    fn without_dropout(&mut self) {}

    fn memory(&self, tokens: u64) -> Memory {
        let learned = self.learned.iter().map(|tensor| 4 * tensor.len() as u64).sum::<u64>();
        let config = self.scorer.model.config();
        let rows = tokens.min(PassSize::of(config).rows() as u64);
        let kept =
            if self.scorer.way == Way::Head { 0 } else { rows * llm::bytes_a_row(config) as u64 };
        let own = if self.scorer.way == Way::Everything { learned } else { 0 };
        let weights = self.scorer.model.card().facts.memory_bytes + own;
        Memory { weights, learning: 3 * learned, kept }
    }

    fn is_adapter(&self) -> bool {
        self.scorer.way == Way::Adapter
    }

    fn scores(&self, read: &Read<'_>) -> Result<Vec<f32>, Error> {
        self.scorer.all_scores(read, None)
    }

    fn learn(
        &mut self,
        read: &Read<'_>,
        moment: Option<Moment>,
        slopes: Slopes<'_>,
    ) -> Result<(), Error> {
        let Self { scorer, learned, gradients, .. } = self;
        scorer.learn(read, moment, (slopes, &mut *gradients))?;
        let names = learned.iter().map(|tensor| tensor.name.as_str());
        let missing: Vec<String> =
            gradients.missing(names).into_iter().map(str::to_owned).collect();
        if missing.is_empty() { Ok(()) } else { Err(Error::NoGradient { names: missing }) }
    }

    fn forget(&mut self) {
        self.gradients = Gradients::of(&self.learned);
    }

    fn clip(&mut self, most: f64) -> f64 {
        self.gradients.clip(most)
    }

    fn step(&mut self, rate: f64) -> Result<(), Error> {
        let Self { scorer, learned, gradients, state, .. } = self;
        let slots = scorer.slots();
        let moved = jobs::in_pool(|| state.optimizer.step(slots, gradients, rate));
        *gradients = Gradients::of(learned);
        scorer.settle()?;
        Ok(moved?)
    }

    fn write_checkpoint(&mut self, run_dir: &Path, counted: Counted) -> Result<(), Error> {
        let Self { scorer, learned, state, .. } = self;
        (state.step, state.num_tokens) = (counted.step, counted.num_tokens);
        let slots = scorer.slots();
        let written = checkpoint::write(run_dir, learned, &slots, state);
        drop(slots);
        scorer.settle()?;
        written
    }

    fn read_checkpoint(&mut self, run_dir: &Path) -> Result<Counted, Error> {
        let Self { scorer, learned, state, .. } = self;
        let settings = AdamSettings::of(&scorer.config);
        let read = checkpoint::read(run_dir, learned, scorer.slots(), settings);
        scorer.settle()?;
        *state = read?;
        Ok(Counted { step: state.step, num_tokens: state.num_tokens })
    }

    fn save(&self, to: &Path, base: &ModelIdentity) -> Result<(), Error> {
        match self.scorer.way {
            Way::Adapter => {
                // Where the model is no repository of the Hub, PEFT finds it by its path.
                let name = match (&base.repo, &self.scorer.model.card().source) {
                    (None, ModelSource::Folder(folder)) => absolute(folder).display().to_string(),
                    _ => base.name.clone(),
                };
                self.scorer.adapter.save(to, &ModelIdentity { name, ..base.clone() })?;
            }
            Way::Everything | Way::Head => {
                let body = if self.scorer.way == Way::Head { Body::Untouched } else { Body::Own };
                let told = labels_json(&self.scorer.labels);
                classifier::save(&self.scorer.model, (self.scorer.head()?, body), &told, to)?;
            }
        }
        Ok(())
    }

    fn restore(&mut self, folder: &Path) -> Result<(), Error> {
        self.scorer.restore(folder)
    }
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}
