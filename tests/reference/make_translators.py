"""Tiny encoder-decoders of BART's kind with languages (mBART-50, NLLB, M2M100) or computed positions (NLLB, Pegasus, Marian),
and a tiny BigBird, each with SentencePiece's files alone, and what transformers computes with them.

    python make_translators.py    # writes seq2seq/mbart50, nllb, pegasus, marian, marian_apart, m2m100 and encoder/big_bird

    python make_translators.py OUT COUNT SEED    # as many random ones, for the ignored test beside them

The first are the same bytes each time; transformers 5.23, torch 2, sentencepiece 0.2. expected.json: texts with their ids, the
logits after given ids (the first 8 of each row), the greedy answer and the best of 3 beams.
"""

import io
import json
import random
import shutil
import sys
from pathlib import Path

import sentencepiece
import torch
import transformers as t
from tokenizer_texts import CORPUS
from transformers.models.m2m_100.tokenization_m2m_100 import FAIRSEQ_LANGUAGE_CODES

HERE = Path(__file__).parent
TEXTS = ["The people of the village", "Schöne Grüße  aus München!", "你好，世界 12", ""]
SIZES = dict(d_model=12, encoder_ffn_dim=20, decoder_ffn_dim=16, encoder_attention_heads=3, decoder_attention_heads=2,
             encoder_layers=2, decoder_layers=2, max_position_embeddings=40)


M2M = FAIRSEQ_LANGUAGE_CODES["m2m100"]


def words(**symbols):
    out = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(CORPUS * 3), model_writer=out, model_type=symbols.pop("model_type", "unigram"), vocab_size=150,
        hard_vocab_limit=False, minloglevel=2, num_threads=1, normalization_rule_name=symbols.pop("rule", "identity"), **symbols,
    )
    return out.getvalue()


def write(folder, model_class, config, name, spm, settings, forced=None, seed=31, generation=None, target=None):
    # Random ones say beside how far f32 is from f64: weights that are far from trained ones make it far.
    is_random = "tests/reference" not in str(folder)
    double = None
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    if isinstance(spm, bytes):
        spm = {name: spm}
    for name, content in spm.items():
        (folder / name).write_bytes(content)
    (folder / "tokenizer_config.json").write_text(json.dumps(settings) + "\n")
    (folder / "config.json").write_text(json.dumps({"model_type": config.model_type}))
    tokenizer = t.AutoTokenizer.from_pretrained(str(folder))
    config.vocab_size = len(tokenizer) + (108 if config.model_type == "m2m_100" and "Nllb" not in type(tokenizer).__name__ and "__en__" not in tokenizer.get_vocab() else 0)
    if config.model_type == "marian":
        config.decoder_vocab_size = target or config.vocab_size
    torch.manual_seed(seed)
    model = model_class(config).eval()
    with torch.no_grad():
        for key, value in [*model.named_parameters(), *model.named_buffers()]:
            if value.requires_grad or "final_logits_bias" in key:
                value.add_(torch.randn_like(value) * (1.2 if value.dim() > 1 and "shared" not in key else 0.25))
    if forced:
        model.generation_config.forced_bos_token_id = tokenizer.convert_tokens_to_ids(forced)
    for key, value in (generation or {}).items():
        setattr(model.generation_config, key, value)
    model.save_pretrained(folder)
    model = model_class.from_pretrained(folder, attn_implementation="eager").eval()
    if is_random:
        double = model_class.from_pretrained(folder, attn_implementation="eager", dtype=torch.float64).eval()
    rows = []
    for text in TEXTS:
        given = tokenizer(text, return_tensors="pt")
        row = {"text": text, "ids": given["input_ids"][0].tolist()}
        with torch.no_grad():
            if model.config.is_encoder_decoder:
                start = model.generation_config.decoder_start_token_id
                start = model.config.bos_token_id if start is None else start
                row["decoder_ids"] = [start, 7, 9, 30, 11]
                out = model(**given, decoder_input_ids=torch.tensor([row["decoder_ids"]]))
                row["logits"] = [[float(v) for v in line[:8]] for line in out.logits[0]]
                if double:
                    exact = double(**given, decoder_input_ids=torch.tensor([row["decoder_ids"]])).logits
                    row["noise"] = float((out.logits.double() - exact).abs().max())
                row["greedy"] = model.generate(**given, max_new_tokens=10, do_sample=False, num_beams=1)[0].tolist()
                row["beams"] = model.generate(**given, max_new_tokens=10, do_sample=False, num_beams=3)[0].tolist()
                row["answer"] = tokenizer.decode(row["greedy"], skip_special_tokens=True)
            else:
                out = model(**given)
                row["logits"] = [[float(v) for v in line[:8]] for line in out.logits[0]]
        rows.append(row)
    (folder / "expected.json").write_text(json.dumps(rows) + "\n")


def numbered(model, special, last=(), rest=()):
    """A vocab.json: the pieces of SentencePiece's models in another order."""
    found = sentencepiece.SentencePieceProcessor(model_proto=model)
    tokens = sorted({found.id_to_piece(at) for at in range(found.get_piece_size())} | set(rest))
    tokens = [token for token in tokens if token not in ("<s>", "</s>", "<unk>", "<pad>")]
    return json.dumps({token: at for at, token in enumerate([*special, *tokens, *last])}).encode()


def opus(folder, sizes, seed=31, codes=(), apart=False, **more):
    """As the models of Opus-MT are saved: the padding begins an answer and is forbidden in it."""
    source, target = words(rule="nmt_nfkc_cf" if seed % 2 == 0 else "identity", **more), words(model_type="bpe")
    known = sentencepiece.SentencePieceProcessor(model_proto=target)
    theirs = [known.id_to_piece(at) for at in range(known.get_piece_size())]
    vocab = numbered(source, ["</s>", "<unk>"], ["<pad>"], [] if apart else [*theirs, *codes])
    files = {"source.spm": source, "target.spm": target, "vocab.json": vocab}
    settings = {"source_lang": "en", "target_lang": "de"}
    size = None
    if apart:
        # The padding has the same number on both sides.
        count = len(json.loads(vocab)) - 1
        own = [piece for piece in theirs if piece not in ("<s>", "</s>", "<unk>", "<pad>")]
        own += [f"@{at}" for at in range(count - 2 - len(own))]
        own = ["</s>", "<unk>", *own[: count - 2], "<pad>", *own[count - 2:]]
        files["target_vocab.json"] = json.dumps({token: at for at, token in enumerate(own)}).encode()
        settings |= {"separate_vocabs": True, "tokenizer_class": "MarianTokenizer"}
        size = len(own)
        sizes = sizes | dict(share_encoder_decoder_embeddings=False)
    padding = json.loads(vocab)["<pad>"]
    config = t.MarianConfig(**sizes, pad_token_id=padding, decoder_start_token_id=padding, eos_token_id=0, forced_eos_token_id=0)
    asked = dict(bad_words_ids=[[padding]], renormalize_logits=True)
    write(folder, t.MarianMTModel, config, None, files, settings, seed=seed, generation=asked, target=size)


def main():
    opus(HERE / "seq2seq/marian", SIZES | dict(scale_embedding=True, activation_function="swish"), codes=[">>deu<<", ">>fra<<"])
    opus(HERE / "seq2seq/marian_apart", SIZES, seed=33, apart=True)
    m2m = words(model_type="bpe")
    files = {"sentencepiece.bpe.model": m2m, "vocab.json": numbered(m2m, ["<s>", "<pad>", "</s>", "<unk>"])}
    write(HERE / "seq2seq/m2m100", t.M2M100ForConditionalGeneration, t.M2M100Config(**SIZES), None, files,
          {"src_lang": "de", "additional_special_tokens": [f"__{code}__" for code in M2M]}, forced="__fr__")
    mbart = t.MBartConfig(**SIZES, scale_embedding=True, decoder_start_token_id=2)
    write(HERE / "seq2seq/mbart50", t.MBartForConditionalGeneration, mbart, "sentencepiece.bpe.model", words(rule="nmt_nfkc"),
          {"tokenizer_class": "MBart50Tokenizer", "src_lang": "de_DE"}, forced="ro_RO")
    nllb = t.M2M100Config(**SIZES)
    codes = ["eng_Latn", "deu_Latn", "fra_Latn", "zul_Latn"]
    write(HERE / "seq2seq/nllb", t.M2M100ForConditionalGeneration, nllb, "sentencepiece.bpe.model", words(model_type="bpe"),
          {"tokenizer_class": "NllbTokenizer", "src_lang": "deu_Latn", "additional_special_tokens": codes}, forced="fra_Latn")
    pegasus = t.PegasusConfig(**SIZES, scale_embedding=True)
    write(HERE / "seq2seq/pegasus", t.PegasusForConditionalGeneration, pegasus, "spiece.model",
          words(pad_id=0, pad_piece="<pad>", eos_id=1, unk_id=2, bos_id=-1),
          {"tokenizer_class": "PegasusTokenizer", "mask_token": "<mask_2>", "mask_token_sent": "<mask_1>"})
    bird = t.BigBirdConfig(hidden_size=12, num_attention_heads=3, intermediate_size=20, num_hidden_layers=2,
                           max_position_embeddings=60, attention_type="block_sparse", block_size=4, num_random_blocks=2,
                           rescale_embeddings=True)
    write(HERE / "encoder/big_bird", t.BigBirdForMaskedLM, bird, "spiece.model",
          words(pad_id=0, pad_piece="<pad>", eos_id=1, bos_id=2, unk_id=3, user_defined_symbols=["[CLS]", "[SEP]", "[MASK]"]),
          {"tokenizer_class": "BigBirdTokenizer"})


def varied(out, count, seed):
    for at in range(count):
        r = random.Random(seed * 100_000 + at)
        heads = r.choice([(1, 2), (2, 4), (3, 3), (4, 1)])
        sizes = dict(d_model=24, encoder_attention_heads=heads[0], decoder_attention_heads=heads[1],
                     encoder_ffn_dim=r.choice([17, 40]), decoder_ffn_dim=r.choice([17, 40]),
                     encoder_layers=r.choice([1, 2, 3]), decoder_layers=r.choice([1, 2, 3]), max_position_embeddings=50,
                     scale_embedding=r.random() < 0.5, tie_word_embeddings=r.random() < 0.8,
                     activation_function=r.choice(["gelu", "relu", "gelu_new", "silu"]))
        kind = r.choice(["mbart", "mbart50", "nllb", "pegasus", "big_bird", "marian", "marian", "marian", "m2m100", "m2m100"])
        folder = out / f"{at:04}_{kind}"
        if kind == "mbart":
            more = r.choice([{}, {"decoder_start_token_id": 2}])
            write(folder, t.MBartForConditionalGeneration, t.MBartConfig(**sizes, **more), "sentencepiece.bpe.model", words(),
                  {"tokenizer_class": "MBartTokenizer", "src_lang": r.choice(["en_XX", "ro_RO"])}, r.choice([None, "de_DE"]), at)
        elif kind == "mbart50":
            write(folder, t.MBartForConditionalGeneration, t.MBartConfig(**sizes, decoder_start_token_id=2),
                  "sentencepiece.bpe.model", words(rule=r.choice(["identity", "nmt_nfkc"])),
                  {"tokenizer_class": "MBart50Tokenizer", "src_lang": r.choice(["sl_SI", "ja_XX"])}, r.choice([None, "fr_XX"]), at)
        elif kind == "nllb":
            codes = ["eng_Latn", "deu_Latn", "fra_Latn", "zul_Latn"]
            write(folder, t.M2M100ForConditionalGeneration, t.M2M100Config(**sizes), "sentencepiece.bpe.model",
                  words(model_type=r.choice(["bpe", "unigram"])),
                  {"tokenizer_class": "NllbTokenizer", "src_lang": r.choice(codes), "additional_special_tokens": codes,
                   "legacy_behaviour": r.random() < 0.3}, r.choice([None, *codes]), at)
        elif kind == "marian":
            opus(folder, sizes, seed=at, codes=r.choice([[], [">>deu<<"]]), apart=r.random() < 0.3)
        elif kind == "m2m100":
            m2m = words(model_type=r.choice(["bpe", "unigram"]))
            files = {"sentencepiece.bpe.model": m2m, "vocab.json": numbered(m2m, ["<s>", "<pad>", "</s>", "<unk>"])}
            settings = {"src_lang": r.choice(["de", "zu"])}
            if r.random() < 0.7:
                settings["additional_special_tokens"] = [f"__{code}__" for code in M2M]
            write(folder, t.M2M100ForConditionalGeneration, t.M2M100Config(**sizes), None, files, settings,
                  r.choice([None, "__fr__"]), at)
        elif kind == "pegasus":
            write(folder, t.PegasusForConditionalGeneration, t.PegasusConfig(**sizes), "spiece.model",
                  words(pad_id=0, pad_piece="<pad>", eos_id=1, unk_id=2, bos_id=-1), {"tokenizer_class": "PegasusTokenizer"}, seed=at)
        else:
            bird = t.BigBirdConfig(
                hidden_size=24, num_attention_heads=r.choice([1, 2, 3, 4]), intermediate_size=r.choice([17, 40]),
                num_hidden_layers=r.choice([1, 2, 3]), max_position_embeddings=60, block_size=16,
                attention_type=r.choice(["original_full", "block_sparse"]), rescale_embeddings=r.random() < 0.5,
                hidden_act=r.choice(["gelu_new", "relu", "gelu"]), type_vocab_size=r.choice([1, 2]))
            write(folder, t.BigBirdForMaskedLM, bird, "spiece.model",
                  words(pad_id=0, pad_piece="<pad>", eos_id=1, bos_id=2, unk_id=3, user_defined_symbols=["[CLS]", "[SEP]", "[MASK]"]),
                  {"tokenizer_class": "BigBirdTokenizer"}, seed=at)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        varied(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
    else:
        main()
