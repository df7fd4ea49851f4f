"""GGUF files with random vocabularies, and the ids that llama.cpp gives for texts.

    python make_gguf_vocabularies.py OUT [COUNT] [SEED]

needs `gguf`, `numpy`, `tokenizers`, `sentencepiece`, and llama.cpp in the package `xllamacpp`
(2026.10.11549 was used). Writes COUNT (40) tiny models below OUT; OUT/expected.jsonl has a line a
file: texts with their ids, with and without special tokens. Compare with

    TUNING_FORK_GGUF_VOCABULARIES=OUT cargo test --lib every_gguf_vocabulary_is_llama_cpps \\
        -- --ignored --nocapture
"""

import json
import random
import sys
import unicodedata
import urllib.request
from pathlib import Path

import gguf
import numpy
import sentencepiece
import xllamacpp
from tokenizer_texts import CORPUS, PIECES
from tokenizers import Tokenizer, models, pre_tokenizers, trainers

# The names whose rules llama.cpp and the models' own files have alike.
PRES = ["default", None, "gpt-2", "smollm", "starcoder", "refact", "command-r", "llama-bpe", "falcon3",
        "falcon", "dbrx", "qwen2", "qwen35", "stablelm2", "tekken", "gpt-4o", "deepseek-v3",
        "deepseek-coder", "mpt", "olmo", "chatglm-bpe", "bloom", "viking", "exaone", "hunyuan",
        "phi-2", "minicpm5", "lfm2", "roberta-bpe"]
MARKERS = ["<|im_start|>", "<|im_end|>", "<|user|>", "<|end|>", "[INST]", "<tool>"]


def byte_level(rng):
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=rng.randint(330, 560), show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )
    tokenizer.train_from_iterator(CORPUS, trainer)
    model = json.loads(tokenizer.to_str())["model"]
    tokens = sorted(model["vocab"], key=model["vocab"].get)
    return tokens, [" ".join(pair) for pair in model["merges"]]


def sentence_piece(path):
    corpus = path.with_suffix(".txt")
    corpus.write_text("\n".join(line.replace("\n", " ") for line in CORPUS * 4), encoding="utf-8")
    sentencepiece.SentencePieceTrainer.train(
        input=str(corpus), model_prefix=str(path), vocab_size=560, model_type="bpe",
        byte_fallback=True, character_coverage=0.98, num_threads=1, hard_vocab_limit=False,
        minloglevel=2, normalization_rule_name="identity",
    )
    model = sentencepiece.SentencePieceProcessor(model_file=str(path.with_suffix(".model")))
    for suffix in (".txt", ".model", ".vocab"):
        path.with_suffix(suffix).unlink()
    size = model.get_piece_size()
    kinds = [2 if model.is_unknown(i) else 3 if model.is_control(i) else 6 if model.is_byte(i) else 1
             for i in range(size)]
    return [model.id_to_piece(i) for i in range(size)], [model.get_score(i) for i in range(size)], kinds


def make(path, rng):
    writer = gguf.GGUFWriter(str(path), "llama")
    is_bytes = rng.random() < 0.7
    if is_bytes:
        tokens, merges = byte_level(rng)
        kinds = [1] * len(tokens)
        pre = rng.choice(PRES)
        about = f"gpt2 {pre}"
    else:
        tokens, scores, kinds = sentence_piece(path.with_suffix(""))
        about = "llama"
    markers = rng.sample(MARKERS, rng.randint(2, 5))
    is_phi3 = not is_bytes and rng.random() < 0.2
    if is_phi3:
        markers.append("<|endoftext|>")
        about = "llama, Phi-3"
    for marker in markers:
        tokens.append(marker)
        kinds.append(rng.choice([3, 3, 4]))
    writer.add_name("Phi-3-mini" if is_phi3 else "tiny")
    writer.add_context_length(64)
    writer.add_embedding_length(32)
    writer.add_block_count(1)
    writer.add_feed_forward_length(32)
    writer.add_head_count(2)
    writer.add_head_count_kv(2)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_tokenizer_model("gpt2" if is_bytes else "llama")
    writer.add_token_list(tokens)
    writer.add_token_types(kinds)
    if is_bytes:
        writer.add_token_merges(merges)
        if pre:
            writer.add_tokenizer_pre(pre)
        writer.add_bos_token_id(tokens.index(markers[0]))
        writer.add_eos_token_id(tokens.index(markers[1]))
    else:
        writer.add_token_scores(scores + [-1000.0] * len(markers))
        if rng.random() < 0.3:
            writer.add_add_space_prefix(rng.random() < 0.5)
        if rng.random() < 0.7:
            writer.add_bos_token_id(rng.choice([1, 99_999]))
    if rng.random() < 0.4:
        writer.add_add_bos_token(rng.random() < 0.5)
    if rng.random() < 0.3:
        writer.add_add_eos_token(rng.random() < 0.5)

    def tensor(name, *shape):
        writer.add_tensor(name, numpy.full(shape, 0.01, dtype=numpy.float32))

    tensor("token_embd.weight", len(tokens), 32)
    for name in ("attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down"):
        tensor(f"blk.0.{name}.weight", 32, 32)
    for name in ("blk.0.attn_norm", "blk.0.ffn_norm", "output_norm"):
        tensor(f"{name}.weight", 32)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return about, markers


def ask(path, rng, markers, about):
    params = xllamacpp.CommonParams()
    params.model.path = str(path)
    params.n_ctx = 64
    params.warmup = False
    server = xllamacpp.Server(params)

    def ids(text, special):
        body = json.dumps({"content": text, "add_special": special, "parse_special": True})
        request = urllib.request.Request(server.listening_address + "/tokenize", body.encode(),
                                         {"Content-Type": "application/json"})
        return json.load(urllib.request.urlopen(request))["tokens"]

    texts = []
    for _ in range(50):
        parts = []
        for _ in range(rng.randint(0, 12)):
            parts.append(rng.choice(markers) if rng.random() < 0.25 else rng.choice(PIECES))
            if rng.random() < 0.4:
                parts.append(" ")
        text = "".join(parts).replace("\0", "")
        if about in ("gpt2 qwen2", "gpt2 qwen35", "gpt2 olmo"):
            # Their own tokenizers compose characters first (NFC), as the program does; llama.cpp not.
            text = unicodedata.normalize("NFC", text)
        texts.append({"text": text, "ids": ids(text, True), "plain": ids(text, False)})
    del server
    return texts


def main():
    out = Path(sys.argv[1])
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 40
    seed = int(sys.argv[3]) if len(sys.argv) > 3 else 1
    out.mkdir(parents=True, exist_ok=True)
    with open(out / "expected.jsonl", "w", encoding="utf-8") as lines:
        for index in range(count):
            rng = random.Random(seed * 100_000 + index)
            path = out / f"{index:03}.gguf"
            about, markers = make(path, rng)
            row = {"file": path.name, "about": about, "texts": ask(path, rng, markers, about)}
            lines.write(json.dumps(row) + "\n")
            lines.flush()


if __name__ == "__main__":
    main()
