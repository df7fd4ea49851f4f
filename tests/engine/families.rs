//! The families of 2026, and those that research stands on: what transformers computes, in every
//! way in which this program runs a model. Those in `tests/reference/families` always; further ones
//! with `TUNING_FORK_FAMILIES=folder cargo test --test engine families`, where a folder's other
//! spelling of its configuration (`config.hub.json`) and other packing of its weights (`real/`) are
//! read too.

use std::path::{Path, PathBuf};

use candle_core::{DType, Device, Tensor};
use tuning_fork_engine::jobs::Quiet;
use tuning_fork_engine::llm::backward::gradients::Gradients;
use tuning_fork_engine::llm::card::ModelSource;
use tuning_fork_engine::llm::net::tree::{SortedTree, TokenTree};
use tuning_fork_engine::llm::{
    Adapter, Error, Init, Keep, LoadOptions, LoraSpec, Model, Positions, Weights,
};
use tuning_fork_engine::train::objective::logprobs;
use tuning_fork_engine::train::objective::logprobs::Asked;
use tuning_fork_engine::train::rows::sequence::Sequence;

use crate::support;
use crate::support::{argmax, distance, load, reference, tensors, values};

const TOLERANCE: f32 = 2e-4;

/// A model's files, which need not lie together.
struct Case {
    name: String,
    config: PathBuf,
    weights: PathBuf,
    tokenizer: PathBuf,
    expected: PathBuf,
}

fn cases(parent: &Path) -> Vec<Case> {
    let mut cases = Vec::new();
    for entry in std::fs::read_dir(parent).unwrap() {
        let folder = entry.unwrap().path();
        let own = |name: &str| folder.join(name);
        if !own("expected.safetensors").is_file() {
            continue;
        }
        let tokenizer = [own("tokenizer.json"), parent.join("tokenizer.json")];
        let tokenizer = tokenizer.into_iter().find(|path| path.is_file()).unwrap();
        let name = folder.file_name().unwrap().to_string_lossy().into_owned();
        for (more, config, weights) in [
            ("", "config.json", "model.safetensors"),
            (", hub", "config.hub.json", "model.safetensors"),
            (", real", "real/config.json", "real/model.safetensors"),
        ] {
            if own(config).is_file() {
                cases.push(Case {
                    name: format!("{name}{more}"),
                    config: own(config),
                    weights: own(weights),
                    tokenizer: tokenizer.clone(),
                    expected: own("expected.safetensors"),
                });
            }
        }
    }
    cases.sort_by(|one, other| one.name.cmp(&other.name));
    cases
}

impl Case {
    /// The files as one folder.
    fn folder(&self) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (from, name) in [
            (&self.config, "config.json"),
            (&self.weights, "model.safetensors"),
            (&self.tokenizer, "tokenizer.json"),
        ] {
            std::fs::copy(from, folder.path().join(name)).unwrap();
        }
        folder
    }
}

/// The largest differences that were found in a model.
#[derive(Debug, Default)]
struct Found {
    at_once: f32,
    by_token: f32,
    in_pieces: f32,
    after_going_back: f32,
    as_tree: f32,
    hidden: f32,
    with_gradients: Option<f32>,
    greedy: bool,
}

impl Found {
    fn is_right(&self) -> bool {
        let Self { at_once, by_token, in_pieces, after_going_back, as_tree, hidden, .. } = *self;
        let all = [at_once, by_token, in_pieces, after_going_back, as_tree, hidden];
        let trained = self.with_gradients.unwrap_or_default();
        self.greedy && all.into_iter().chain([trained]).all(|value| value <= TOLERANCE)
    }
}

fn check(model: &Model, expected: &Path) -> Found {
    let expected = tensors(expected);
    let whole = |name: &str| expected[name].to_dtype(DType::U32).unwrap().to_vec2::<u32>().unwrap();
    let mut found = Found::default();
    for (row, ids) in whole("input_ids").iter().enumerate() {
        let logits = expected["logits"].get(row).unwrap();
        let all =
            |ids: &[u32], cache: &mut _| model.logits(ids, cache, None, Positions::All).unwrap();
        let at_once = all(ids, &mut model.new_cache());
        found.at_once = found.at_once.max(distance(&at_once, &logits));

        for (len, difference) in [(1, &mut found.by_token), (5, &mut found.in_pieces)] {
            let mut cache = model.new_cache();
            cache.plan(ids.len());
            let parts: Vec<Tensor> = ids.chunks(len).map(|ids| all(ids, &mut cache)).collect();
            *difference = difference.max(distance(&Tensor::cat(&parts, 0).unwrap(), &logits));
        }

        // A fork goes another way and the first goes back: neither disturbs the other.
        let mut cache = model.new_cache();
        cache.plan(ids.len());
        let (middle, back) = (ids.len() * 2 / 3, ids.len() / 3);
        all(&ids[..middle], &mut cache);
        let mut fork = cache.clone();
        all(&[5, 4, 3], &mut fork);
        cache.truncate(back);
        let rest = all(&ids[back..], &mut cache);
        let wanted = logits.narrow(0, back, ids.len() - back).unwrap();
        found.after_going_back = found.after_going_back.max(distance(&rest, &wanted));
        found.as_tree = found.as_tree.max(in_a_tree(model, ids, [back, middle], &wanted));

        let wanted = expected["hidden"].narrow(1, row, 1).unwrap().squeeze(1).unwrap();
        let mut states = model.hidden_states(ids, None).unwrap();
        states.truncate(wanted.dims()[0]); // OPT 350M's last is of another width
        let hidden = Tensor::stack(&states, 0).unwrap();
        found.hidden = found.hidden.max(distance(&hidden, &wanted));
    }
    let greedy = &whole("greedy")[0];
    let ids = &whole("input_ids")[0];
    let prompt = ids.iter().zip(greedy).take_while(|(id, continued)| id == continued).count();
    found.greedy = (1..=prompt.min(12)).any(|prompt| goes_on(model, greedy, prompt));
    if model.check_trainable().is_ok() {
        found.with_gradients = Some(trained(model, &whole("input_ids"), &expected["logits"]));
    }
    found
}

/// By how much the scores are off of a text from `back` on that is one branch of three, and those of
/// a branch that leaves it at `middle`.
fn in_a_tree(model: &Model, ids: &[u32], [back, middle]: [usize; 2], wanted: &Tensor) -> f32 {
    let odd = [5, 4, 3];
    let other = [&ids[back..middle], &odd].concat();
    let tree = SortedTree::new(&[ids[back..].to_vec(), odd.to_vec(), other.clone()]);
    let mut cache = model.new_cache();
    cache.plan(ids.len());
    let all = |ids: &[u32], cache: &mut _| model.logits(ids, cache, None, Positions::All).unwrap();
    all(&ids[..back], &mut cache);
    let mut scores = |sequence: usize| {
        let rows: Vec<usize> = tree.rows(sequence).iter().map(|row| *row as usize).collect();
        model.tree_logits(&tree, &mut cache, None, &rows).unwrap()
    };
    let (first, third) = (scores(0), scores(2));
    assert_eq!(cache.len(), back, "the cache holds what it held");
    let alone = all(&other, &mut cache);
    distance(&first, wanted).max(distance(&third, &alone))
}

/// Whether the model continues the first ids with the others.
fn goes_on(model: &Model, ids: &[u32], prompt: usize) -> bool {
    let mut cache = model.new_cache();
    let mut next = ids[..prompt].to_vec();
    ids[prompt..].iter().all(|expected| {
        let scores = model.logits(&next, &mut cache, None, Positions::Last).unwrap();
        next = vec![argmax(&values(&scores))];
        next[0] == *expected
    })
}

/// By how much the pass with gradients is off, with an adapter that changes nothing.
fn trained(model: &Model, ids: &[Vec<u32>], logits: &Tensor) -> f32 {
    let tree = TokenTree::new(ids.iter().map(Vec::as_slice));
    let adapter = Adapter::init(model, &everywhere(), 1).unwrap();
    let pass = model.run_tree(&tree, Some(&adapter), None, Keep::Nothing).unwrap();
    let scores = model.tree_scores(pass.hidden(), None).unwrap();
    let shape = (tree.len(), model.config().vocab_size);
    let scores = Tensor::from_slice(&scores, shape, &Device::Cpu).unwrap();
    let of = |sequence: usize| {
        let rows = Tensor::new(tree.rows(sequence), &Device::Cpu).unwrap();
        distance(&scores.index_select(&rows, 0).unwrap(), &logits.get(sequence).unwrap())
    };
    (0..ids.len()).map(of).fold(0.0, f32::max)
}

fn everywhere() -> LoraSpec {
    LoraSpec {
        r: 2,
        lora_alpha: 8.0,
        lora_dropout: 0.0,
        use_rslora: false,
        target_modules: vec!["all-linear".to_owned()],
        ..LoraSpec::default()
    }
}

fn all_cases() -> Vec<Case> {
    let mut all = cases(&reference("families"));
    assert!(all.len() > 20, "the committed models are gone");
    if let Ok(folder) = std::env::var("TUNING_FORK_FAMILIES") {
        all.extend(cases(Path::new(&folder)));
    }
    all
}

#[test]
fn families_compute_what_transformers_computes() {
    let mut wrong = Vec::new();
    for case in all_cases() {
        let folder = case.folder();
        for weights in [Weights::AsStored, Weights::F32] {
            let name = &case.name;
            let found =
                std::panic::catch_unwind(|| check(&load(folder.path(), weights), &case.expected));
            println!("{name}, {weights:?}: {found:?}");
            if !found.is_ok_and(|found| found.is_right()) {
                wrong.push(format!("{name}, {weights:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "not what transformers computes: {wrong:#?}");
}

/// Three sequences, of which two share some of their tokens.
fn sequences() -> Vec<Sequence> {
    let ids: Vec<u32> = (0..20).map(|at| (at * 37 + 11) % 290).collect();
    let other = [&ids[..5], &[7, 200, 41, 7, 3]].concat();
    let all = [(ids[..10].to_vec(), 0), (other, 5), (ids[10..].to_vec(), 3)];
    all.map(|(ids, completion_start)| Sequence::new(ids, completion_start)).to_vec()
}

const SLOPES: [f64; 3] = [-0.2, 0.5, -0.3];

fn loss_and_gradients(model: &Model, adapter: &Adapter) -> (f64, Gradients) {
    let sequences = sequences();
    let sequences: Vec<&Sequence> = sequences.iter().collect();
    let tree = logprobs::tree(&sequences);
    let scored =
        logprobs::score(model, adapter, &tree, &sequences, &Asked::default(), None).unwrap();
    let loss = scored.stats.iter().zip(SLOPES).map(|(stats, slope)| stats.logp * slope).sum();
    let mut gradients = Gradients::none(adapter);
    scored.backward(&SLOPES, &mut gradients).unwrap();
    (loss, gradients)
}

/// The gradient of every tensor of an adapter against the slope of the loss itself; a family that
/// cannot be trained says so.
#[test]
fn families_are_trained_by_the_slopes_of_the_loss_or_refused() {
    let mut wrong = Vec::new();
    for case in cases(&reference("families")) {
        if let Err(panic) = std::panic::catch_unwind(|| trains_or_refuses(&case)) {
            println!("{}: {:?}", case.name, panic.downcast_ref::<String>());
            wrong.push(case.name);
        }
    }
    assert!(wrong.is_empty(), "neither trained nor refused: {wrong:#?}");
}

fn trains_or_refuses(case: &Case) {
    let (folder, name) = (case.folder(), &case.name);
    let model = load(folder.path(), Weights::F32);
    let adapter = support::lively(&model, &everywhere());
    if let Err(error) = model.check_trainable() {
        let tree = TokenTree::new([&[1, 2, 3][..]]);
        let refused = model.run_tree(&tree, Some(&adapter), None, Keep::Everything);
        assert!(matches!(refused.err(), Some(Error::NotTrainable { .. })), "{name}: {error}");
        return;
    }
    let (_, gradients) = loss_and_gradients(&model, &adapter);
    for (index, (tensor, var)) in adapter.vars().into_iter().enumerate() {
        let gradient = gradients.get(index).unwrap().to_vec();
        // Along the gradient the loss rises by |gradient|² a unit.
        let square: f64 = gradient.iter().map(|value| f64::from(value * value)).sum();
        assert!(square > 0.0, "{name}: {tensor} has no gradient");
        let gradient = Tensor::from_vec(gradient, var.shape(), &Device::Cpu).unwrap();
        let before = var.as_tensor().copy().unwrap();
        let at = |scale: f64| {
            var.set(&(&before + (&gradient * scale).unwrap()).unwrap()).unwrap();
            loss_and_gradients(&model, &adapter).0
        };
        // Short steps drown in rounding where a gradient is small, and long ones bend. Where a token changes
        // its experts the loss jumps, which no gradient tells: of the two sides of a step the one without a
        // jump counts. A right gradient fits one of them.
        let here = at(0.0);
        let steps = [1e-3, 3e-3, 1e-2, 3e-2, 1e-1].map(|step| step / square.sqrt());
        let slopes: Vec<f64> = steps
            .into_iter()
            .flat_map(|step| {
                let (forth, back) = (at(step), at(-step));
                let both = (forth - back) / (2.0 * step);
                [both, (forth - here) / step, (here - back) / step]
            })
            .collect();
        var.set(&before).unwrap();
        let nearest = slopes.iter().map(|slope| (slope / square - 1.0).abs());
        let nearest = nearest.fold(f64::INFINITY, f64::min);
        assert!(nearest < 0.02, "{name}: {tensor}: slopes {slopes:?}, gradient² {square}");
    }
}

/// Gemma 4 multiplies an expert's weight by a learned number, which may be zero.
#[test]
fn experts_whose_scale_is_zero_are_trained_by_the_slopes_of_the_loss() {
    let all = cases(&reference("families"));
    let case = all.into_iter().find(|case| case.name == "gemma4_moe").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut weights = tensors(&case.weights);
    let scales = weights.iter_mut().filter(|(name, _)| name.ends_with("per_expert_scale"));
    let mut count = 0;
    for (_, scale) in scales {
        *scale = Tensor::new(&[0_f32, 0.7, 0.0, -0.4, 0.0], &Device::Cpu).unwrap();
        count += 1;
    }
    assert_eq!(count, 2, "one of each layer");
    let changed = folder.path().join("model.safetensors");
    candle_core::safetensors::save(&weights, &changed).unwrap();
    let case = Case { name: "gemma4_moe with zeros".to_owned(), weights: changed, ..case };
    let home = case.folder();
    load(home.path(), Weights::F32).check_trainable().unwrap(); // or nothing is compared
    trains_or_refuses(&case);
}

#[test]
fn routers_and_experts_are_no_targets_and_that_is_said() {
    for (name, target) in [("olmoe", "gate_proj"), ("gpt_oss", "router"), ("qwen3_next", "gate")] {
        let folder = tempfile::tempdir().unwrap();
        support::family_into(name, folder.path());
        let model = load(folder.path(), Weights::F32);
        let targets = |target: &str| LoraSpec {
            target_modules: vec!["q_proj".to_owned(), target.to_owned()],
            ..LoraSpec::default()
        };
        Adapter::init(&model, &targets("v_proj"), 1).unwrap();
        // In these classes of transformers they are bare parameters. PEFT 0.21 takes some by these names.
        let said = Adapter::init(&model, &targets(target), 1).err().unwrap().to_string();
        assert!(said.contains(&format!("no layer of the model is called {target}")), "{said}");
        assert!(said.contains("its routers and experts get no LoRA"), "{said}");
    }
}

#[test]
fn what_peft_could_not_read_is_refused_by_its_setting() {
    let init = |folder: &Path, spec: &LoraSpec| {
        Adapter::init(&load(folder, Weights::F32), spec, 1).err().map(|error| error.to_string())
    };
    let spec = |targets: &[&str]| LoraSpec {
        target_modules: targets.iter().map(|name| (*name).to_owned()).collect(),
        ..LoraSpec::default()
    };
    // A name of its experts, which a shared expert has too: saved by its parameter, for which there is no DoRA.
    let folder = tempfile::tempdir().unwrap();
    support::family_into("deepseek_v2", folder.path());
    assert_eq!(init(folder.path(), &spec(&["o_proj", "up_proj"])), None);
    let dora = |targets: &[&str]| LoraSpec { use_dora: true, ..spec(targets) };
    assert_eq!(init(folder.path(), &dora(&["o_proj"])), None);
    let said = init(folder.path(), &dora(&["o_proj", "up_proj"])).unwrap();
    assert!(said.contains("use_dora cannot be set for gate_proj, up_proj and down_proj"), "{said}");
    // A head that has a bias.
    let folder = tempfile::tempdir().unwrap();
    support::family_into("phimoe", folder.path());
    let whole = LoraSpec { modules_to_save: vec!["lm_head".to_owned()], ..spec(&["q_proj"]) };
    let said = init(folder.path(), &whole).unwrap();
    assert!(said.contains("the head of this model has a bias"), "{said}");
    // Layers that are stored the other way around.
    let olora = LoraSpec { init: Init::Olora, ..spec(&["c_attn"]) };
    let said = init(&reference("models/gpt2"), &olora).unwrap();
    assert!(said.contains("init_lora_weights is olora"), "{said}");
    let pissa = LoraSpec { init: Init::Pissa, ..olora };
    assert_eq!(init(&reference("models/gpt2"), &pissa), None);
}

/// Of a mixture as `DeepSeek` V3 has it, and of a decoder with several hidden states.
#[test]
fn missing_tensors_and_those_of_another_size_are_named_with_both_shapes() {
    let refused = |name: &str, tensor: &str, rows: Option<usize>| {
        let folder = tempfile::tempdir().unwrap();
        support::family_into(name, folder.path());
        let path = folder.path().join("model.safetensors");
        let mut all = tensors(&path);
        let taken = all.remove(tensor).unwrap_or_else(|| panic!("{name} has no {tensor}"));
        if let Some(rows) = rows {
            let narrowed = taken.narrow(0, 0, rows).unwrap().contiguous().unwrap();
            all.insert(tensor.to_owned(), narrowed);
        }
        std::fs::remove_file(&path).unwrap();
        candle_core::safetensors::save(&all, &path).unwrap();
        let source = ModelSource::at(folder.path());
        Model::load(&source, &LoadOptions::default(), &Quiet).err().unwrap().to_string()
    };
    for (name, layer) in [("deepseek_v3", 1), ("glm4_moe", 1), ("glm4_moe_lite", 2)] {
        let mlp = format!("model.layers.{layer}.mlp");
        let expert = format!("{mlp}.experts.3.up_proj.weight");
        let said = refused(name, &expert, None);
        assert!(said.contains(&format!("lacks tensors that its configuration asks for: {expert}")));
        for (tensor, rows, shapes) in [
            ("gate.weight", 5, ["[5, 16]", "[6, 16]"]),
            ("gate.e_score_correction_bias", 4, ["[4]", "[6]"]),
            ("shared_experts.up_proj.weight", 8, ["[8, 16]", "[16, 16]"]),
        ] {
            let tensor = format!("{mlp}.{tensor}");
            let said = refused(name, &tensor, Some(rows));
            let all = shapes.iter().all(|shape| said.contains(shape));
            assert!(said.contains(&tensor) && all, "{said}");
        }
    }
    let said = refused("gemma3n", "model.layers.1.altup.prediction_coefs.weight", Some(4));
    assert!(said.contains("[4, 3]") && said.contains("[9, 3]"), "{said}");
    let said = refused("gemma3n", "model.altup_projections.1.weight", None);
    assert!(said.contains("model.altup_projections.1.weight"), "{said}");
}

/// What PEFT 0.21 adapts with `all-linear` (`make_all_linear.py`), and what is said where it is not the same.
#[test]
fn all_linear_means_what_it_means_in_peft_or_the_difference_is_said() {
    use std::collections::BTreeSet;
    use tuning_fork_engine::llm::adapter::peft_mixtures::beyond;
    let text = std::fs::read_to_string(reference("families/all_linear.json")).unwrap();
    let all: serde_json::Value = serde_json::from_str(&text).unwrap();
    let targets = ["all-linear".to_owned()];
    let mut said = Vec::new();
    for (family, theirs) in all.as_object().unwrap() {
        // Its embedding's projections: it is run and not trained here.
        if family == "opt_350m" {
            continue;
        }
        let home = tempfile::tempdir().unwrap();
        support::family_into(family, home.path());
        let model = load(home.path(), Weights::F32);
        let list = |key: &str| -> BTreeSet<String> {
            let names = theirs[key].as_array().unwrap().iter();
            names.map(|name| name.as_str().unwrap().to_owned()).collect()
        };
        let (modules, parameters) = (list("modules"), list("parameters"));
        let spec = LoraSpec { target_modules: targets.to_vec(), ..LoraSpec::default() };
        let adapter = Adapter::init(&model, &spec, 1).unwrap();
        let own = adapter.vars().into_iter().filter_map(|(name, _)| {
            let module = name.strip_prefix("base_model.model.")?.strip_suffix(".lora_A.weight")?;
            // transformers' class has another name for it than its files.
            Some(module.replace("self_attn.gate_proj", "self_attn.g_proj"))
        });
        let own: BTreeSet<String> = own.collect();
        let found = beyond(&model.config().architecture, &targets);
        let is_router = |name: &&String| {
            ["gate.weight", "router.proj", "mlp.router", "gate.wg"]
                .iter()
                .any(|end| name.ends_with(end))
        };
        assert_eq!(
            found.experts,
            parameters.iter().any(|name| name.contains("experts")),
            "{family}"
        );
        let routers = parameters.iter().chain(&modules).filter(is_router).count();
        // That of Gemma 4 is said with every mixture: routers stand still.
        assert_eq!(found.router, routers > 0 && family != "gemma4_moe", "{family}");
        // A note of the run says so.
        let is_said = |name: &&String| {
            name.starts_with("model.altup_")
                || name.ends_with(".correction_coefs")
                || *name == "model.per_layer_model_projection"
        };
        let missing: Vec<&String> =
            modules.difference(&own).filter(|name| !is_router(name) && !is_said(name)).collect();
        assert!(missing.is_empty(), "{family}: {missing:?}");
        let more = own.difference(&modules);
        let more: Vec<&String> =
            more.filter(|name| !found.only_experts.iter().any(|end| name.ends_with(end))).collect();
        assert!(more.is_empty(), "{family}: {more:?}");
        if found.told().is_some() {
            said.push(family.as_str());
        }
    }
    let expected = [
        "deepseek_v2",
        "deepseek_v2_groups",
        "deepseek_v3",
        "deepseek_v3_halves",
        "ernie4_5_moe",
        "glm4_moe",
        "glm4_moe_lite",
        "hunyuan_moe",
        "mixtral",
        "moonlight",
        "olmoe",
        "olmoe_clipped",
        "phimoe",
        "qwen3_moe",
        "qwen3_next",
    ];
    assert_eq!(said, expected);
}
