//! "Look inside" against what transformers computes: `tests/reference/views`, made by
//! `make_views.py`.

use std::path::PathBuf;
use std::sync::Arc;

use candle_core::{DType, Tensor};
use tuning_fork_engine::explore::attention;
use tuning_fork_engine::explore::compare;
use tuning_fork_engine::explore::compare::Divergence;
use tuning_fork_engine::explore::compare_words;
use tuning_fork_engine::explore::compare_words::WordDifference;
use tuning_fork_engine::explore::error::Error;
use tuning_fork_engine::explore::leave_one_out;
use tuning_fork_engine::explore::leave_one_out::Unit;
use tuning_fork_engine::explore::lens;
use tuning_fork_engine::explore::lens::{LensRequest, LensView};
use tuning_fork_engine::explore::meaning;
use tuning_fork_engine::explore::meaning::Pooled;
use tuning_fork_engine::explore::next_token;
use tuning_fork_engine::explore::next_token::Side;
use tuning_fork_engine::explore::subject::{Looked, Subject};
use tuning_fork_engine::explore::surprise;
use tuning_fork_engine::explore::tree::{ROOT, Tree};
use tuning_fork_engine::explore::two_models;
use tuning_fork_engine::jobs::{Quiet, Recorder};
use tuning_fork_engine::llm::{Adapter, Model, Positions, Weights};

use crate::support::{load, reference, tensors, values};

const ATTENTION: f64 = 1e-5;
const TOLERANCE: f64 = 2e-4;

/// A model's folder, with the tokenizer that lies beside the families.
fn model(name: &str) -> Model {
    let own = reference("models").join(name);
    if own.is_dir() {
        return load(&own, Weights::AsStored);
    }
    let (families, folder) = (reference("families"), tempfile::tempdir().unwrap());
    for (from, to) in [
        (families.join(name).join("config.json"), "config.json"),
        (families.join(name).join("model.safetensors"), "model.safetensors"),
        (families.join("tokenizer.json"), "tokenizer.json"),
    ] {
        std::fs::copy(from, folder.path().join(to)).unwrap();
    }
    load(folder.path(), Weights::AsStored)
}

fn folder(name: &str) -> PathBuf {
    let own = reference("models").join(name);
    if own.is_dir() { own } else { reference("families").join(name) }
}

fn rows(name: &str) -> Vec<Vec<u32>> {
    let ids = &tensors(&folder(name).join("expected.safetensors"))["input_ids"];
    ids.to_dtype(DType::U32).unwrap().to_vec2().unwrap()
}

fn names() -> Vec<String> {
    let files = std::fs::read_dir(reference("views")).unwrap();
    let name = |path: PathBuf| path.file_stem().unwrap().to_string_lossy().into_owned();
    let mut names: Vec<String> = files.map(|file| name(file.unwrap().path())).collect();
    names.retain(|name| name != "compare");
    names.sort();
    assert!(names.len() > 50, "the committed views are gone");
    names
}

/// The largest difference; not a number where one of them is none.
fn apart(found: impl IntoIterator<Item = f64>, expected: &Tensor) -> f64 {
    let (found, expected): (Vec<f64>, _) = (found.into_iter().collect(), values(expected));
    assert_eq!(found.len(), expected.len());
    let pairs = found.iter().zip(&expected).map(|(found, value)| (found - f64::from(*value)).abs());
    pairs.fold(0.0, |most, value| if value > most || value.is_nan() { value } else { most })
}

fn five(divergence: &Divergence) -> [f64; 5] {
    let Divergence { kl_ab, kl_ba, total_variation, same_top_1, top_10_overlap } = *divergence;
    [kl_ab, kl_ba, total_variation, f64::from(u8::from(same_top_1)), top_10_overlap]
}

#[derive(Debug, Default)]
struct Found {
    attention: f64,
    lens: f64,
    surprise: f64,
    entropy: f64,
    leave_one_out: f64,
    next: f64,
    meaning: f64,
    tree: f64,
}

impl Found {
    fn is_right(&self) -> bool {
        let Self { attention, lens, surprise, entropy, leave_one_out, next, meaning, tree } = *self;
        let all = [lens, surprise, entropy, leave_one_out, next, meaning, tree];
        attention <= ATTENTION && all.into_iter().all(|value| value <= TOLERANCE)
    }
}

fn check(name: &str) -> Found {
    let (model, rows) = (Arc::new(model(name)), rows(name));
    let (subject, ids) = (Subject::new(&model, None), rows[0].as_slice());
    let expected = tensors(&reference("views").join(format!("{name}.safetensors")));
    let mut found = Found::default();

    let layers = attention::layers_with_attention(subject);
    let wanted = expected.keys().filter(|name| name.starts_with("attention")).count();
    assert_eq!(layers.len(), wanted, "{name}: layers with attention");
    attention::attention_of::<Error>(subject, ids, &layers, &Quiet, &mut |view| {
        let rows = [1, ids.len() / 2, ids.len() - 1];
        let heads = (0..view.heads).flat_map(|head| rows.map(|row| (head, row)));
        let weights = heads.flat_map(|(head, row)| {
            view.head(head)[row * ids.len()..][..ids.len()].iter().map(|it| f64::from(*it))
        });
        let expected = &expected[&format!("attention.{}", view.layer)];
        found.attention = found.attention.max(apart(weights, expected));
        Ok(())
    })
    .unwrap();

    let request = |last| LensRequest { last, top: 3, follow: Some(ids[0]) };
    let whole = lens::lens(subject, ids, &request(None), &Quiet).unwrap();
    let places = || whole.top.iter().flatten().flatten();
    found.lens = apart(places().map(|it| it.logprob), &expected["lens.logprobs"]);
    // Two that are as likely may come in either order.
    let ids_expected = expected["lens.ids"].to_dtype(DType::U32).unwrap();
    let ids_expected: Vec<u32> = ids_expected.flatten_all().unwrap().to_vec1().unwrap();
    let others = places().zip(&ids_expected).filter(|(ours, theirs)| ours.id != **theirs).count();
    assert!(others * 100 <= ids_expected.len(), "{name}: {others} other tokens");
    let few = lens::lens(subject, ids, &request(Some(5)), &Quiet).unwrap();
    assert_eq!(few.positions, ids.len() - 5..ids.len());
    let followed = (whole.followed.as_ref().unwrap(), few.followed.as_ref().unwrap());
    for layer in 0..whole.top.len() {
        for at in 0..5 {
            let place = ids.len() - 5 + at;
            let same = (whole.entropy[layer][place] - few.entropy[layer][at]).abs();
            let one = followed.0.logprobs[layer][place] - followed.1.logprobs[layer][at];
            found.lens = found.lens.max(same).max(one.abs());
        }
    }

    let view = surprise::surprise(subject, ids, 3, &Quiet).unwrap();
    let bits = view.surprisal[1..].iter().map(|bits| bits.unwrap());
    found.surprise = apart(bits, &expected["surprisal"]);
    found.entropy = apart(view.entropy.iter().copied(), &expected["entropy"]);
    assert_eq!(view.top[0].len(), 3);

    let parts = leave_one_out::parts(&view.tokens[..ids.len() - 1], Unit::Token);
    let last = ids.len() - 1;
    let left = leave_one_out::leave_one_out(subject, ids, last, &parts, &Quiet).unwrap();
    let differences = left.parts.iter().map(|part| part.difference.unwrap());
    // Dynamic rope in transformers keeps the frequencies of the longest text that it has seen: what it
    // says of the shorter texts here depends on what was run before them.
    if name != "tiny_llama_dynamic" {
        found.leave_one_out = apart(differences, &expected["leave_one_out"]);
    }

    let side = |ids| Side { subject, ids };
    let next = next_token::next_token(side(ids), side(&rows[1]), 10, &Quiet).unwrap();
    found.next = apart(five(&next.divergence), &expected["next"]);

    found.meaning = vectors(name, subject, &rows);
    found.tree = branches(&model, None, ids);
    found
}

/// By how much the means of hidden states are off, of every layer.
fn vectors(name: &str, subject: Subject<'_>, rows: &[Vec<u32>]) -> f64 {
    let hidden = &tensors(&folder(name).join("expected.safetensors"))["hidden"];
    let mut off = 0.0_f64;
    for layer in 0..hidden.dims()[0] {
        let found = meaning::vectors_of_layer(subject, rows, layer, Pooled::Mean, &Quiet).unwrap();
        let expected = hidden.get(layer).unwrap().mean(1).unwrap();
        off = off.max(apart(found.concat().into_iter().map(f64::from), &expected));
    }
    off
}

/// By how much branches that are looked at criss-cross are off from answers that go the same way.
fn branches(model: &Arc<Model>, adapter: Option<&Arc<Adapter>>, ids: &[u32]) -> f64 {
    let prompt = &ids[..ids.len() / 2];
    let mut tree = Tree::plant(Arc::clone(model), adapter.cloned(), prompt, &Quiet).unwrap();
    let mut leaves = vec![ROOT];
    for turn in 0..4_u32 {
        let mut next = Vec::new();
        for leaf in leaves.iter().rev().take(3) {
            let best = tree.candidates(*leaf, 2).unwrap();
            next.extend(best.iter().map(|it| tree.branch(*leaf, it.id).unwrap()));
            next.push(tree.branch(*leaf, 7 + turn).unwrap()); // an unlikely one
        }
        leaves = next;
    }
    tree.go_on_greedily(&leaves[..2], 2, &Quiet).unwrap();
    let nodes: Vec<_> = tree.nodes().cloned().collect();
    assert!(nodes.len() > 20);
    let mut off = 0.0_f64;
    for node in nodes.iter().step_by(5) {
        let ids = tree.ids_to(node.node);
        // As an answer is generated, with a cache of its own.
        let mut cache = model.new_cache();
        let mut read = |ids: &[u32]| {
            let scores = model.logits(ids, &mut cache, adapter.map(Arc::as_ref), Positions::Last);
            let scores: Vec<f64> = values(&scores.unwrap()).into_iter().map(f64::from).collect();
            let sum = scores.iter().map(|score| score.exp()).sum::<f64>().ln();
            scores.into_iter().map(|score| score - sum).collect::<Vec<f64>>()
        };
        let (mut next, mut path) = (read(prompt), 0.0);
        let mut last = 0.0;
        for id in &ids[prompt.len()..] {
            last = next[*id as usize];
            path += last;
            next = read(&[*id]);
        }
        let entropy = next.iter().map(|it| -it * it.exp()).sum::<f64>() / std::f64::consts::LN_2;
        off = off.max((node.logprob - last).abs()).max((node.path_logprob - path).abs());
        off = off.max((tree.entropy(node.node).unwrap() - entropy).abs());
    }
    off
}

#[test]
fn every_family_shows_what_transformers_computes() {
    let mut wrong = Vec::new();
    for name in names() {
        let found = std::panic::catch_unwind(|| check(&name));
        println!("{name}: {found:?}");
        if !found.is_ok_and(|found| found.is_right()) {
            wrong.push(name);
        }
    }
    assert!(wrong.is_empty(), "not what transformers computes: {wrong:#?}");
}

#[test]
fn two_models_are_as_far_apart_as_transformers_says() {
    let (a, b) = (model("llama"), model("qwen2"));
    let expected = tensors(&reference("views/compare.safetensors"));
    let ids = &rows("llama")[0];
    let (a, b) = (Subject::new(&a, None), Subject::new(&b, None));
    let found = compare::on_text(a, b, ids, &Quiet).unwrap();
    let all = found.next.iter().flat_map(five);
    assert!(apart(all, &expected["apart"]) <= TOLERANCE);
    let given = found.logprobs_a[1..].iter().chain(&found.logprobs_b[1..]).map(|it| it.unwrap());
    assert!(apart(given, &expected["logprobs"]) <= TOLERANCE);
    let mean = found.difference[1..].iter().map(|it| it.unwrap()).sum::<f64>() / 39.0;
    assert!((found.summary.mean_difference.unwrap() - mean).abs() < 1e-12);

    let itself = compare::on_text(a, a, ids, &Quiet).unwrap().summary;
    assert_eq!((itself.mean_kl_ab, itself.mean_total_variation), (0.0, 0.0));
    assert_eq!((itself.top_1_agreement, itself.top_10_agreement), (1.0, 1.0));
}

#[test]
fn two_models_with_what_they_take_are_compared_as_by_themselves() {
    let (whole, coarse) = (model("llama"), load(&reference("models/llama"), Weights::Q4_0));
    let (a, b) = (Subject::new(&whole, None), Subject::new(&coarse, None));
    let ids = &rows("llama")[0];
    let found = two_models::two_models(a, b, (ids, ""), &Quiet).unwrap();
    let two_models::Found::Tokens { text, next } = &found.found else { panic!("one vocabulary") };
    assert_eq!(*text, compare::on_text(a, b, ids, &Quiet).unwrap());
    assert_eq!(next.len(), ids.len());
    for at in [0, 7, ids.len() - 1] {
        let side = |subject| Side { subject, ids: &ids[..=at] };
        let alone = next_token::next_token(side(a), side(b), compare::TOP, &Quiet).unwrap();
        // The same but for how many tokens were run together, which rounds nothing here.
        assert_eq!(next[at], alone);
        assert_eq!(text.next[at], alone.divergence);
    }
    assert_eq!(found.a.weights, "F32");
    assert_eq!(found.b.weights, "Q4_0");
    assert!(found.b.memory_bytes < found.a.memory_bytes / 3);
    assert_eq!(found.a.disk_bytes, found.b.disk_bytes);
    for side in [&found.a, &found.b] {
        assert!(side.reads_a_second.unwrap() > 0.0 && side.writes_a_second.unwrap() > 0.0);
    }

    let other = model("tiny_smollm3");
    let c = Subject::new(&other, None);
    let text = "Which answer is better?";
    let ids = a.encode(text).unwrap();
    let found = two_models::two_models(a, c, (&ids, text), &Quiet).unwrap();
    let two_models::Found::Words(words) = found.found else { panic!("different vocabularies") };
    assert_eq!(words, compare_words::on_text(a, c, text, &Quiet).unwrap());
}

#[test]
fn models_with_different_vocabularies_are_compared_by_words() {
    let (llama, other) = (model("llama"), model("tiny_smollm3"));
    let (a, b) = (Subject::new(&llama, None), Subject::new(&other, None));
    assert!(!compare::same_vocabulary(a.model, b.model));
    let text = "Which answer is better?  一个词, and one more";
    let found = compare_words::on_text(a, b, text, &Quiet).unwrap();
    let words: Vec<&str> = found.words.iter().map(|word| word.word.as_str()).collect();
    assert_eq!(words.join(" "), "Which answer is better? 一个词, and one more");
    for (subject, side) in [(a, 0), (b, 1)] {
        let ids = subject.encode(text).unwrap();
        let read = surprise::surprise(subject, &ids, 0, &Quiet).unwrap();
        let places = subject.model.tokenizer().encode_with_places(text, true).unwrap();
        let own = places.iter().filter(|(_, place)| place.is_some()).count();
        let of = |word: &WordDifference| match side {
            0 => (word.tokens_a, word.logprob_a),
            _ => (word.tokens_b, word.logprob_b),
        };
        assert_eq!(found.words.iter().map(|word| of(word).0).sum::<usize>(), own);
        // All but the first word, which may have nothing before it, together are all their tokens.
        let first = places.len() - own + of(&found.words[0]).0;
        let rest: f64 = read.logprobs[first..].iter().map(|it| it.unwrap()).sum();
        let summed: f64 = found.words[1..].iter().map(|word| of(word).1.unwrap()).sum();
        assert!((rest - summed).abs() < 1e-9, "{rest} {summed}");
    }
}

/// A text of several passes, whose layers are asked in several products.
#[test]
fn the_lens_of_a_long_text_says_of_its_end_what_it_says_of_the_whole() {
    let model = model("llama");
    let subject = Subject::new(&model, None);
    let ids: Vec<u32> = (0..300).map(|at| (at * 37 + 11) % 200).collect();
    let request = |last| LensRequest { last, top: 2, follow: Some(7) };
    let whole = lens::lens(subject, &ids, &request(None), &Quiet).unwrap();
    let progress = Recorder::default();
    let few = lens::lens(subject, &ids, &request(Some(40)), &progress).unwrap();
    let layers = model.config().layer_count() + 1;
    let events: Vec<Looked> = progress.into_events();
    assert!(events.iter().all(|event| event.total == layers * 40), "{events:?}");
    assert_eq!(events.last().map(|event| event.done), Some(layers * 40));
    let of = |view: &LensView| view.followed.clone().unwrap().logprobs;
    for (layer, (whole, few)) in of(&whole).iter().zip(&of(&few)).enumerate() {
        assert_eq!((whole.len(), few.len()), (300, 40));
        for (at, few) in few.iter().enumerate() {
            assert!((whole[260 + at] - few).abs() < 1e-5, "layer {layer}, {at}");
        }
    }
    let read = surprise::surprise(subject, &ids, 2, &Quiet).unwrap();
    let says = whole.top.last().unwrap();
    for (at, (says, read)) in says.iter().zip(&read.top).enumerate() {
        assert!((says[0].logprob - read[0].logprob).abs() < 1e-5, "{at}");
    }
    let stopped = lens::lens(subject, &ids, &request(None), &Recorder::stop_after(2));
    assert!(stopped.unwrap_err().is_stop());
}

#[test]
fn an_adapter_is_looked_at_as_part_of_the_model() {
    let model = Arc::new(model("llama"));
    let adapter = Arc::new(Adapter::load(&reference("adapters/llama"), &model).unwrap());
    let ids = &rows("llama")[0];
    let (base, tuned) = (Subject::new(&model, None), Subject::new(&model, Some(&adapter)));
    let found = compare::on_text(base, tuned, ids, &Quiet).unwrap();
    assert!(found.summary.mean_kl_ab > 1e-6, "{:?}", found.summary);
    let by_itself = surprise::surprise(tuned, ids, 0, &Quiet).unwrap();
    assert_eq!(found.logprobs_b, by_itself.logprobs);
    let request = LensRequest { last: Some(1), top: 1, follow: None };
    let lens = lens::lens(tuned, ids, &request, &Quiet).unwrap();
    let (last, entropy) = (lens.entropy.last().unwrap()[0], *by_itself.entropy.last().unwrap());
    assert!((last - entropy).abs() < 1e-6);
    assert!(branches(&model, Some(&adapter), ids) < 1e-5);
}

#[test]
fn what_cannot_be_shown_is_refused_with_a_reason() {
    let (llama, other) = (model("llama"), model("qwen3_next"));
    let (subject, other) = (Subject::new(&llama, None), Subject::new(&other, None));
    let said = |result: Result<(), Error>| result.unwrap_err().to_string();
    let surprise = |ids: &[u32]| surprise::surprise(subject, ids, 1, &Quiet).map(|_| ());
    assert_eq!(said(surprise(&[])), "the text is empty: there is no token to look at");
    assert!(said(surprise(&[1, 100_000])).contains("token 100000 is outside"));
    let long = vec![5; llama.config().context_length + 1];
    assert!(said(surprise(&long)).contains("the model's context is"));
    let compared = compare::on_text(subject, other, &[1, 2], &Quiet).map(|_| ());
    assert!(said(compared).contains("different vocabularies"));
    let shown = |layer| attention::attention(other, &[1, 2], layer, &Quiet).map(|_| ());
    assert!(said(shown(0)).contains("layer 0, counted from 0, has no attention to show"));
    assert!(said(shown(9)).contains("there is no layer 9"));
    assert!(shown(1).is_ok());
}
