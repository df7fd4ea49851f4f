//! The machine: nothing of a model's weights is missing from its parts, and nothing is there twice.

use std::path::Path;

use tuning_fork_engine::explore::machine;
use tuning_fork_engine::explore::machine::{Kind, Machine};
use tuning_fork_engine::llm::Weights;

use crate::support::{load, reference};

/// With the number of layers, and of the parameters that the files hold.
fn machine_of(folder: &Path) -> (Machine, usize, u64) {
    // The families share a tokenizer, which lies beside them.
    let whole = tempfile::tempdir().unwrap();
    for name in ["config.json", "model.safetensors"] {
        std::fs::copy(folder.join(name), whole.path().join(name)).unwrap();
    }
    let own = folder.join("tokenizer.json");
    let shared = reference("families/tokenizer.json");
    let tokenizer = if own.is_file() { own } else { shared };
    std::fs::copy(tokenizer, whole.path().join("tokenizer.json")).unwrap();
    let model = load(whole.path(), Weights::AsStored);
    let in_file = model.card().facts.parameter_count;
    (machine::machine(&model).unwrap(), model.config().layer_count(), in_file)
}

#[test]
fn the_parts_of_every_family_hold_all_of_its_weights() {
    let mut seen = 0;
    let folders = ["models", "families"].map(|name| std::fs::read_dir(reference(name)).unwrap());
    for entry in folders.into_iter().flatten() {
        let folder = entry.unwrap().path();
        if !folder.join("config.json").is_file() {
            continue;
        }
        let name = folder.file_name().unwrap().to_string_lossy().into_owned();
        let (machine, layers, in_file) = machine_of(&folder);
        // These files have a vision tower too, which no text goes through, and this one scales that its
        // `altup_correct_scale` leaves aside.
        if !name.starts_with("tiny_gemma3_") && name != "gemma3n_plain" {
            assert_eq!(machine.parameters, in_file, "{name}: parameters");
        }
        let bytes: u64 = machine.parts.iter().map(|part| part.bytes).sum();
        assert_eq!(bytes, machine.bytes, "{name}: bytes");
        let of = |kind| machine.parts.iter().filter(move |part| part.kind == kind);
        assert_eq!(of(Kind::Embedding).count(), 1, "{name}: embeddings");
        assert_eq!(of(Kind::Head).count(), 1, "{name}: heads");
        assert_eq!(machine.parts.last().unwrap().kind, Kind::Head, "{name}: the head comes last");
        let counted = |kinds: &[Kind]| -> usize {
            let parts = machine.parts.iter().filter(|part| kinds.contains(&part.kind));
            parts.filter_map(|part| part.layers).map(|(_, count)| count).sum()
        };
        assert!(counted(&[Kind::Mlp, Kind::Experts]) >= layers, "{name}: layers without an MLP");
        // Falcon-H1 has both in each.
        let mixers = counted(&[Kind::Attention, Kind::Recurrence]);
        let each = if name.starts_with("falcon_h1") { 2 } else { 1 };
        assert_eq!(mixers, layers * each, "{name}: mixers");
        let shares: f64 = machine.parts.iter().map(|part| machine.share(part, 100)).sum();
        assert!((shares - 1.0).abs() < 1e-12, "{name}: shares add up to {shares}");
        seen += 1;
    }
    assert!(seen > 40, "{seen} models");
}

#[test]
fn a_llama_is_taken_apart_as_its_configuration_says() {
    let (machine, _, _) = machine_of(&reference("models/llama"));
    let json: serde_json::Value = serde_json::from_slice(
        &std::fs::read(reference("models").join("llama/config.json")).unwrap(),
    )
    .unwrap();
    let of = |key: &str| json[key].as_u64().unwrap();
    let (width, layers) = (of("hidden_size"), of("num_hidden_layers"));
    let kinds: Vec<Kind> = machine.parts.iter().map(|part| part.kind).collect();
    let layer = [Kind::Norm, Kind::Attention, Kind::Norm, Kind::Mlp];
    let ends = [Kind::Norm, Kind::Head];
    assert_eq!(kinds, [&[Kind::Embedding][..], &layer, &ends].concat(), "as a token goes through");
    let mlp = machine.parts.iter().find(|part| part.kind == Kind::Mlp).unwrap();
    assert_eq!(mlp.multiplications, layers * 3 * width * of("intermediate_size"));
    assert_eq!(mlp.parameters, mlp.multiplications);
    let attention = machine.parts.iter().find(|part| part.kind == Kind::Attention).unwrap();
    let heads = of("num_attention_heads");
    let head_dim = json["head_dim"].as_u64().unwrap_or(width / heads);
    assert_eq!(attention.multiplications_a_token_before, layers * 2 * heads * head_dim);
    let names: Vec<&str> = attention.tensors.iter().map(|it| it.name.as_str()).collect();
    assert!(names.contains(&"self_attn.q_proj.weight"), "{names:?}");
}
