//! GGUF files of encoders and of T5 (`tests/reference/make_gguf_encoders.py`) compute what the same weights in
//! a folder of transformers compute.

use std::path::{Path, PathBuf};

use tuning_fork_engine::encoder::{self, Encoder, EncoderModel, Pooling, Poolings, Scores, Tokens};
use tuning_fork_engine::jobs::Quiet;
use tuning_fork_engine::llm::card::{ModelSource, Purpose};
use tuning_fork_engine::llm::generate::sampling::SamplingParams;
use tuning_fork_engine::seq2seq::{Seq2Seq, WriteRequest, is_pair_model};

use crate::support::{Reference, assert_close};

fn file(name: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/reference/gguf_encoders");
    root.join(format!("{name}.gguf"))
}

const TEXTS: [&str; 4] = [
    "the report reads well",
    "People agree on the labels, do they not?",
    "(unreadable) zebra 42",
    "",
];

fn states(model: &EncoderModel, ids: &[u32], kinds: Option<&[u32]>) -> Vec<f32> {
    let mut all = Vec::new();
    let text = Tokens { kinds, ..Tokens::plain(ids) };
    let scores = model.look(text, &mut |_, layer| all.extend_from_slice(layer)).unwrap();
    drop(scores);
    all
}

#[test]
fn encoders_read_the_same_ids_and_compute_the_same_states() {
    for (name, folder) in
        [("bert", "mlm_bert"), ("distilbert", "mlm_distilbert"), ("roberta", "mlm_roberta")]
    {
        let reference = Reference::open(folder);
        let ours = EncoderModel::load(&file(name)).unwrap();
        let theirs = EncoderModel::load(&reference.folder).unwrap();
        let (own, other) = (ours.tokenizer().unwrap(), theirs.tokenizer().unwrap());
        for text in TEXTS {
            for second in [None, Some("the sample of the reader")] {
                let ids = own.encode_pair(text, second, None).unwrap();
                assert_eq!(ids, other.encode_pair(text, second, None).unwrap(), "{name}: {text:?}");
            }
            let ids = own.encode(text, true).unwrap();
            assert_close(&states(&ours, &ids, None), &states(&theirs, &ids, None), name);
        }
        // And those of transformers itself.
        for row in 0..reference.size("input_ids", 0) {
            let ids = reference.row_ids(row);
            let found = states(&ours, &ids, None);
            let first = reference.values("hidden", &[0, row]);
            if !reference.has("token_type_ids") {
                assert_close(&found[..ids.len() * 32], &first[..ids.len() * 32], name);
            }
        }
        let facts = encoder::inspect(&ModelSource::Gguf(file(name))).unwrap();
        assert_eq!((facts.purpose, facts.unsupported), (Purpose::Encode, None), "{name}");
        assert!(facts.vocab_size >= 300 && facts.layer_count == 2, "{name}");
    }
}

#[test]
fn vectors_are_pooled_as_the_file_says_and_halves_are_close() {
    let texts: Vec<String> = TEXTS[..3].iter().map(|text| (*text).to_owned()).collect();
    let of = |path: &Path| Encoder::load(path).unwrap();
    let bert = of(&file("bert"));
    assert_eq!(bert.card().pooling, Poolings::one(Pooling::Cls));
    assert_eq!(of(&file("roberta")).card().pooling, Poolings::one(Pooling::Mean));
    let folder = Reference::open("mlm_bert").folder;
    let theirs = of(&folder).pooled(Pooling::Cls).embed(&texts, &Quiet).unwrap();
    for (ours, theirs) in bert.embed(&texts, &Quiet).unwrap().iter().zip(&theirs) {
        assert_close(&ours.values, &theirs.values, "bert");
    }
    let theirs = of(&folder).embed(&texts, &Quiet).unwrap();
    for (ours, theirs) in of(&file("bert_f16")).embed(&texts, &Quiet).unwrap().iter().zip(&theirs) {
        let off = ours.values.iter().zip(&theirs.values).map(|(one, other)| (one - other).abs());
        assert!(off.fold(0.0, f32::max) < 2e-2, "f16 has eleven bits");
    }
}

#[test]
fn t5_in_a_file_reads_and_writes_as_its_folder_does() {
    for (name, folder) in [("t5", "s2s_t5"), ("flan", "s2s_flan")] {
        let reference = Reference::open(folder);
        assert!(is_pair_model(&file(name)));
        let model = Seq2Seq::load(&file(name)).unwrap();
        for row in 0..reference.size("input_ids", 0) {
            let (ids, _) = model.encode(&reference.texts(row).0).unwrap();
            assert_eq!(ids, reference.row_ids(row), "{name}");
            let memory = model.read(Tokens::plain(&ids), &mut |_| {}).unwrap();
            let written = reference.ids("decoder_input_ids", &[row]);
            let pass = model.follow(&memory, &written, 0..0, &mut |_| {}).unwrap();
            assert_close(&pass.logits, &reference.values("logits", &[row]), name);
            let sampling = SamplingParams {
                greedy: true,
                repetition_penalty: 1.0,
                ..SamplingParams::default()
            };
            let request = WriteRequest { sampling, max_new_tokens: 16, seed: 0 };
            let found = model.write(&ids, &request, &Quiet).unwrap();
            let expected = reference.ids("greedy", &[row]);
            assert_eq!(found.ids, crate::support::until(&expected[1..], 1), "{name}");
        }
        let (_, card) = Seq2Seq::load_with_card(&ModelSource::Gguf(file(name)), &Quiet).unwrap();
        assert_eq!(card.facts.purpose, Purpose::SequenceToSequence);
        assert_eq!((card.facts.vocab_size, card.facts.context_length), (300, 512));
    }
}

#[test]
fn a_quantised_t5_is_close_and_takes_an_adapter() {
    let exact = Seq2Seq::load(&file("t5")).unwrap();
    let (ids, _) = exact.encode("people agree on the labels").unwrap();
    let logits = |model: &Seq2Seq| {
        let memory = model.read(Tokens::plain(&ids), &mut |_| {}).unwrap();
        model.follow(&memory, &[0, 5, 9], 0..0, &mut |_| {}).unwrap().logits
    };
    let rounded = Seq2Seq::load(&file("t5_q8_0")).unwrap();
    let (one, other) = (logits(&exact), logits(&rounded));
    let largest = one.iter().map(|it| it.abs()).fold(0.0, f32::max);
    let off = one.iter().zip(&other).map(|(one, other)| (one - other).abs()).fold(0.0, f32::max);
    assert!(off > 0.0 && off < 0.05 * largest, "{off} of {largest}");
    // As laid over the folder's weights.
    let adapter =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/reference/seq2seq/t5_lora");
    let (in_file, _) = exact.laid_over(&adapter).unwrap();
    let folder = Seq2Seq::load(&Reference::open("s2s_t5").folder).unwrap();
    let (in_folder, _) = folder.laid_over(&adapter).unwrap();
    assert_close(&logits(&in_file), &logits(&in_folder), "adapter");
}

#[test]
fn the_reading_half_of_a_t5_alone_makes_vectors() {
    let path = file("t5encoder");
    assert!(!is_pair_model(&path) && encoder::is_encoder_model(&path));
    let facts = encoder::inspect(&ModelSource::Gguf(path.clone())).unwrap();
    assert_eq!((facts.purpose, facts.unsupported), (Purpose::Encode, None));
    let half = EncoderModel::load(&path).unwrap();
    let reference = Reference::open("s2s_t5");
    for row in 0..reference.size("input_ids", 0) {
        let ids = reference.row_ids(row);
        let mut layers: Vec<Vec<f32>> = Vec::new();
        let scores = half.look(Tokens::plain(&ids), &mut |_, states| layers.push(states.to_vec()));
        assert_eq!(scores.unwrap(), Scores::Nothing);
        for (layer, states) in layers.iter().enumerate() {
            let expected = reference.values("encoder_hidden", &[layer, row]);
            assert_close(states, &expected[..states.len()], &format!("layer {layer}"));
        }
    }
}

#[test]
fn what_is_not_computed_from_a_file_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = std::fs::read(file("bert")).unwrap();
    // Another architecture of the same length.
    let at = bytes.windows(12).position(|part| part == b"\x04\0\0\0\0\0\0\0bert").unwrap();
    let mut other = bytes.clone();
    other[at + 8..at + 12].copy_from_slice(b"clip");
    let path = folder.path().join("other.gguf");
    tuning_fork_engine::files::write_atomic(&path, &other).unwrap();
    let said = EncoderModel::load(&path).err().unwrap().to_string();
    assert!(said.contains("GGUF files of encoders are bert, t5, t5encoder"), "{said}");
    // A cut file is an error and no panic.
    let path = folder.path().join("cut.gguf");
    tuning_fork_engine::files::write_atomic(&path, &bytes[..bytes.len() / 2]).unwrap();
    assert!(
        EncoderModel::load(&path).is_err() && encoder::inspect(&ModelSource::Gguf(path)).is_err()
    );
}
