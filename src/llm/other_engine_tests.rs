//! Another engine behind a model: candle's own Llama, which nobody here wrote, driven through everything that
//! asks a model something.

use std::collections::HashMap;

use candle_core::{DType, Device, Tensor};
use candle_nn::VarBuilder;
use candle_transformers::models::llama;

use super::*;
use crate::jobs::Quiet;
use crate::llm::adapter::spec::LoraSpec;
use crate::llm::generate::sampling::SamplingParams;
use crate::llm::generate::score::score;
use crate::llm::generate::{AdapterMode, GenerateRequest, Lane, Prompt, generate};
use crate::llm::net::infer::Witness;
use crate::llm::net::tree::SortedTree;

/// Our kernels and candle's add up in other orders.
const TOLERANCE: f32 = 2e-4;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../sample_data/tiny_model")
}

struct CandleLlama {
    llama: llama::Llama,
    config: llama::Config,

    /// (width, vocabulary)
    head: Tensor,
}

impl CandleLlama {
    fn load() -> Self {
        let folder = folder();
        let config = std::fs::read_to_string(folder.join("config.json")).unwrap();
        let config: llama::LlamaConfig = serde_json::from_str(&config).unwrap();
        let mut config = config.into_config(false);
        let weights = folder.join("model.safetensors");
        let mut tensors: HashMap<String, Tensor> =
            candle_core::safetensors::load(weights, &Device::Cpu).unwrap();
        let head = tensors["model.embed_tokens.weight"].t().unwrap().contiguous().unwrap();
        // It shows scores alone, and with a head that changes nothing these are the hidden states.
        let (width, vocabulary) = (config.hidden_size, config.vocab_size);
        let same = Tensor::eye(width, DType::F32, &Device::Cpu).unwrap();
        let same = same.pad_with_zeros(0, 0, vocabulary - width).unwrap();
        tensors.insert("lm_head.weight".to_owned(), same);
        config.tie_word_embeddings = false;
        let weights = VarBuilder::from_tensors(tensors, DType::F32, &Device::Cpu);
        Self { llama: llama::Llama::load(weights, &config).unwrap(), config, head }
    }
}

impl Decoder for CandleLlama {
    fn name(&self) -> &'static str {
        "candle"
    }

    fn new_cache(&self, _config: &Config, _numbers: Option<CacheNumbers>) -> KvCache {
        KvCache::of_engine()
    }

    fn run(
        &self,
        config: &Config,
        Following { ids, adapter, wanted }: Following<'_>,
        cache: &mut KvCache,
        witness: Option<Witness<'_>>,
    ) -> Result<Vec<f32>, Error> {
        assert!(adapter.is_none(), "no adapter can be made for it");
        if witness.is_some() {
            return Err(self.cannot("show what is between its layers"));
        }
        let mut theirs = match cache.theirs::<llama::Cache>() {
            Some(theirs) => theirs.clone(),
            None => llama::Cache::new(true, DType::F32, &self.config, &Device::Cpu)?,
        };
        let mut hidden = Vec::with_capacity(wanted.len() * config.width);
        for (at, id) in ids.iter().enumerate() {
            let id = Tensor::new(&[[*id]], &Device::Cpu)?;
            let states = self.llama.forward(&id, cache.done() + at, &mut theirs)?; // (1, vocabulary)
            if wanted.contains(&at) {
                hidden.extend(&states.flatten_all()?.to_vec1::<f32>()?[..config.width]);
            }
        }
        cache.keep_theirs(theirs, ids.len());
        Ok(hidden)
    }

    fn score_into(
        &self,
        config: &Config,
        hidden: &[f32],
        _adapter: Option<&Adapter>,
        scores: &mut Vec<f32>,
    ) -> Result<(), Error> {
        let rows = hidden.len() / config.width;
        let hidden = Tensor::from_slice(hidden, (rows, config.width), &Device::Cpu)?;
        *scores = hidden.matmul(&self.head)?.flatten_all()?.to_vec1()?;
        Ok(())
    }
}

/// The sample model, computed by us and by candle.
fn both() -> [Model; 2] {
    let load = || {
        let source = ModelSource::Folder(folder());
        Model::load(&source, &LoadOptions::default(), &Quiet).unwrap()
    };
    [load(), Model { decoder: Box::new(CandleLlama::load()), ..load() }]
}

const IDS: [u32; 7] = [1, 17, 200, 3, 44, 301, 9];

fn values(tensor: &Tensor) -> Vec<f32> {
    tensor.flatten_all().unwrap().to_vec1().unwrap()
}

/// Both say the same of `what`.
fn same(what: &str, models: &[Model; 2], of: impl Fn(&Model) -> Vec<f32>) {
    let [ours, theirs] = models.each_ref().map(of);
    assert_eq!(ours.len(), theirs.len(), "{what}");
    assert!(ours.len() > 5 && ours.iter().any(|value| value.abs() > 0.01), "{what}");
    for (ours, theirs) in ours.iter().zip(theirs) {
        assert!((ours - theirs).abs() < TOLERANCE, "{what}: {ours}, not {theirs}");
    }
}

#[test]
fn scores_and_states_are_the_same_whoever_computes_them() {
    let models = both();
    same("all scores", &models, |model| {
        values(&model.logits(&IDS, &mut model.new_cache(), None, Positions::All).unwrap())
    });
    same("hidden states", &models, |model| {
        model.normed_states(&IDS, &mut model.new_cache(), None, 2..6).unwrap()
    });
    same("surprise", &models, |model| {
        score(model, None, &IDS, &Quiet).unwrap().into_iter().flatten().collect()
    });
    same("some scores", &models, |model| {
        values(&model.logits_at(&IDS, &mut model.new_cache(), None, &[5, 2]).unwrap())
    });
}

#[test]
fn a_cache_goes_on_forks_and_goes_back_whoever_keeps_it() {
    let models = both();
    same("in two pieces", &models, |model| {
        let mut cache = model.new_answer_cache();
        model.logits(&IDS[..4], &mut cache, None, Positions::Last).unwrap();
        assert_eq!(cache.len(), 4);
        values(&model.logits(&IDS[4..], &mut cache, None, Positions::Last).unwrap())
    });
    same("after going back", &models, |model| {
        let mut cache = model.new_cache();
        model.logits(&[1, 17, 200, 90, 91], &mut cache, None, Positions::Last).unwrap();
        let mut other = cache.clone();
        cache.truncate(3);
        assert_eq!((cache.len(), other.len()), (3, 5));
        let mut scores =
            values(&model.logits(&IDS[3..], &mut cache, None, Positions::All).unwrap());
        // The fork has not gone back.
        scores.extend(values(&model.logits(&[7], &mut other, None, Positions::Last).unwrap()));
        scores
    });
    same("a piece that is put back", &models, |model| {
        let mut cache = model.new_cache();
        model.logits(&IDS[..3], &mut cache, None, Positions::Last).unwrap();
        let first = cache.piece(0);
        model.logits(&IDS[3..5], &mut cache, None, Positions::Last).unwrap();
        let second = cache.piece(3);
        model.logits(&[90, 91], &mut cache, None, Positions::Last).unwrap();
        cache.put_back(&[&first, &second]);
        assert_eq!(cache.len(), 5);
        values(&model.logits(&IDS[5..], &mut cache, None, Positions::Last).unwrap())
    });
}

#[test]
fn lanes_and_trees_are_the_same_one_after_the_other() {
    let models = both();
    same("lanes", &models, |model| {
        let mut caches = [model.new_cache(), model.new_cache()];
        model.logits(&IDS[..5], &mut caches[0], None, Positions::Last).unwrap();
        model.logits(&IDS[..2], &mut caches[1], None, Positions::Last).unwrap();
        model.lane_logits(&[8, 9], &mut caches, None).unwrap()
    });
    let tree = SortedTree::new(&[vec![44, 301], vec![44, 9, 12], vec![5]]);
    let rows: Vec<usize> = (0..tree.tree().len()).collect();
    same("a tree", &models, |model| {
        let mut cache = model.new_cache();
        model.logits(&IDS[..4], &mut cache, None, Positions::Last).unwrap();
        let mut scores = values(&model.tree_logits(&tree, &mut cache, None, &rows).unwrap());
        assert_eq!(cache.len(), 4);
        scores.extend(values(&model.logits(&[9], &mut cache, None, Positions::Last).unwrap()));
        scores
    });
}

#[test]
fn an_answer_is_the_same_whoever_writes_it() {
    let request = GenerateRequest {
        prompt: Prompt::Raw("The".to_owned()),
        sampling: SamplingParams { greedy: true, ..SamplingParams::default() },
        max_new_tokens: 12,
        stop_strings: Vec::new(),
        lanes: vec![Lane { seed: 1, adapter: AdapterMode::Off }; 2],
    };
    let [ours, theirs] = both().map(|model| {
        let answers = generate(&model, None, &request, &Quiet).unwrap();
        answers.into_iter().map(|answer| answer.ids).collect::<Vec<_>>()
    });
    assert_eq!(ours, theirs);
    assert!(ours[0].len() > 3 && ours[0] == ours[1]);
}

#[test]
fn what_needs_our_own_layers_is_refused_in_words() {
    let [_, model] = both();
    let of = |result: Result<(), Error>| result.unwrap_err().to_string();
    let to_layers = "this model is computed by candle, which cannot give its layers to an adapter, to training or \
         to a file";
    assert_eq!(of(Adapter::init(&model, &LoraSpec::default(), 1).map(drop)), to_layers);
    assert_eq!(of(model.check_trainable()), to_layers);
    assert!(of(model.attention_weights(&IDS, 0, None).map(drop)).ends_with("attend to"));
    assert!(of(model.hidden_states(&IDS, None).map(drop)).ends_with("between its layers"));
    assert!(model.linear_layers().is_empty());
}
