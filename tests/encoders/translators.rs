//! mBART-50, NLLB, M2M100, Marian, Pegasus and `BigBird` with SentencePiece's file alone, against transformers
//! (`tests/reference/make_translators.py`).

use std::path::{Path, PathBuf};

use serde::Deserialize;
use tuning_fork_engine::encoder::{self, Encoder, EncoderModel, Scores, Tokens};
use tuning_fork_engine::jobs::Quiet;
use tuning_fork_engine::llm::Tokenizer;
use tuning_fork_engine::llm::card::{ModelSource, Purpose};
use tuning_fork_engine::llm::generate::sampling::SamplingParams;
use tuning_fork_engine::seq2seq::{BeamSettings, EarlyStopping, Seq2Seq, WriteRequest};

use crate::support::until;

#[derive(Deserialize)]
struct Row {
    text: String,
    ids: Vec<u32>,
    #[serde(default)]
    decoder_ids: Vec<u32>,

    /// The first scores of each row.
    logits: Vec<Vec<f32>>,
    #[serde(default)]
    greedy: Vec<u32>,

    /// How far the scores are from those in double precision.
    #[serde(default)]
    noise: f32,
    #[serde(default)]
    beams: Vec<u32>,
    #[serde(default)]
    answer: String,
}

fn reference(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/reference").join(name)
}

fn read(folder: &Path) -> Vec<Row> {
    let rows = std::fs::read(folder.join("expected.json")).unwrap();
    serde_json::from_slice(&rows).unwrap()
}

fn are_close(ours: &[f32], theirs: &[Vec<f32>], noise: f32, what: &str) {
    let width = ours.len() / theirs.len();
    for (row, theirs) in ours.chunks_exact(width).zip(theirs) {
        let most = theirs.iter().fold(1.0_f32, |most, value| most.max(value.abs()));
        for (one, other) in row.iter().zip(theirs) {
            assert!((one - other).abs() <= 1e-4 * most + 8.0 * noise, "{what}: {one} {other}");
        }
    }
}

/// All that `make_translators.py` has asked transformers about a folder.
fn as_transformers(folder: &Path) {
    let facts = encoder::inspect(&ModelSource::Folder(folder.to_owned())).unwrap();
    assert_eq!(facts.unsupported, None);
    if facts.purpose != Purpose::SequenceToSequence {
        return reads_as_transformers(folder);
    }
    let model = Seq2Seq::load(folder).unwrap();
    for row in read(folder) {
        let what = format!("{}: {:?}", folder.display(), row.text);
        assert_eq!(model.encode(&row.text).unwrap().0, row.ids, "{what}");
        let memory = model.read(Tokens::plain(&row.ids), &mut |_| {}).unwrap();
        let pass = model.follow(&memory, &row.decoder_ids, 0..0, &mut |_| {}).unwrap();
        are_close(&pass.logits, &row.logits, row.noise, &what);
        let sampling = SamplingParams::likeliest();
        let request = WriteRequest { sampling: sampling.clone(), max_new_tokens: 10, seed: 0 };
        let written = model.write(&row.ids, &request, &Quiet).unwrap();
        let end = model.ends()[0];
        let of = |ids: &[u32]| until(&ids[1..], end);
        assert_eq!(until(&written.ids, end), of(&row.greedy), "{what}");
        let tokenizer = model.tokenizer().unwrap();
        assert_eq!(tokenizer.decode(&written.ids, true), row.answer, "{what}");
        let settings = BeamSettings {
            beams: 3,
            length_penalty: 1.0,
            early_stopping: EarlyStopping::default(),
            max_new_tokens: 10,
            sampling,
        };
        let beams = model.search(&memory, &settings, &Quiet).unwrap();
        assert_eq!(until(&beams[0].ids, end), of(&row.beams), "{what}");
    }
}

fn reads_as_transformers(folder: &Path) {
    let model = EncoderModel::load(folder).unwrap();
    let tokenizer = Tokenizer::from_folder(folder).unwrap();
    for row in read(folder) {
        assert_eq!(tokenizer.encode(&row.text, true).unwrap(), row.ids, "{:?}", row.text);
        let scores = model.look(Tokens::plain(&row.ids), &mut |_, _| {}).unwrap();
        let Scores::Words(scores) = scores else { panic!("it guesses words") };
        are_close(&scores, &row.logits, row.noise, &format!("{}: {}", folder.display(), row.text));
    }
}

#[test]
fn a_translators_answers_are_those_of_transformers() {
    for name in ["mbart50", "nllb", "pegasus", "marian", "marian_apart", "m2m100"] {
        as_transformers(&reference("seq2seq").join(name));
    }
}

/// `TRANSLATORS`: a folder of `make_translators.py OUT COUNT SEED`.
#[test]
#[ignore = "needs folders that are made for it"]
fn random_translators_are_those_of_transformers() {
    let root = std::env::var_os("TRANSLATORS").expect("TRANSLATORS names a folder");
    let (mut count, mut wrong) = (0, Vec::new());
    for entry in std::fs::read_dir(root).unwrap().flatten() {
        let folder = entry.path();
        let ran = std::panic::catch_unwind(|| as_transformers(&folder));
        count += 1;
        wrong.extend(ran.is_err().then_some(folder));
    }
    assert!(count > 0 && wrong.is_empty(), "{} of {count}: {wrong:?}", wrong.len());
}

/// As `tokenizer.src_lang` and `forced_bos_token_id` change them in transformers.
#[test]
fn languages_are_those_that_are_asked_for() {
    let folder = reference("seq2seq/nllb");
    let rows = read(&folder);
    let mut model = Seq2Seq::load(&folder).unwrap();
    let tokenizer = Tokenizer::from_folder(&folder).unwrap();
    let id = |code: &str| tokenizer.special_id(code).unwrap();
    model.set_languages(Some("zul_Latn"), Some("eng_Latn")).unwrap();
    let ids = model.encode(&rows[0].text).unwrap().0;
    assert_eq!((ids[0], &ids[1..]), (id("zul_Latn"), &rows[0].ids[1..]));
    let sampling = SamplingParams::likeliest();
    let request = WriteRequest { sampling, max_new_tokens: 3, seed: 0 };
    assert_eq!(model.write(&ids, &request, &Quiet).unwrap().ids[0], id("eng_Latn"));
    let said = model.set_languages(None, Some("english")).unwrap_err().to_string();
    assert!(said.contains("the language english") && said.contains("deu_Latn"), "{said}");
    let mut model = Seq2Seq::load(&reference("seq2seq/pegasus")).unwrap();
    let said = model.set_languages(None, Some("eng_Latn")).unwrap_err().to_string();
    assert!(said.contains("no tokens for languages"), "{said}");
}

#[test]
fn a_big_bird_reads_as_transformers_as_far_as_its_attention_is_full() {
    let folder = reference("encoder/big_bird");
    as_transformers(&folder);
    let facts = encoder::inspect(&ModelSource::Folder(folder.clone())).unwrap();
    assert!(facts.warnings.iter().any(|warning| warning.contains("after 36 tokens")), "{facts:?}");
    let encoder = Encoder::load(&folder).unwrap();
    let long = encoder.embed(&["village ".repeat(80)], &Quiet).unwrap();
    assert_eq!((long[0].token_count, long[0].is_cut), (36, true));
}
