"""Writes tests/reference/seq2seq: what transformers computes for the Playground's views of an encoder-decoder.

python tests/reference/make_seq2seq_views.py    # torch 2, transformers 5; writes the same bytes each time

For the two T5 models of tests/reference/encoders and a tiny BART of random weights (which is written too): the greedy answer to each text,
the cross-attention of every layer and head for each of its tokens, and each step of two beam searches. transformers gives the processed
log-probabilities of every running beam (`output_scores`); which continuations are taken follows from them by the rule in `steps` below, and
is held against the sequences, scores and beam indices that `generate` returns itself.
"""

import json
import sys
from pathlib import Path

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import AutoModelForSeq2SeqLM, BartConfig, BartForConditionalGeneration, PreTrainedTokenizerFast

HERE = Path(__file__).parent
OUT = HERE / "seq2seq"
LENGTH = 12
WORST = -1e9
SEARCHES = {"plain": dict(num_beams=4, length_penalty=1.0), "short": dict(num_beams=3, length_penalty=-0.5, no_repeat_ngram_size=2, repetition_penalty=1.2)}
BART_TEXTS = ["open data for people", "the model reads a fair report", "bias"]


def make_bart(folder):
    words = "the a model reads writes people open data for fair report bias of and science says".split()
    vocabulary = {word: at for at, word in enumerate(["<s>", "<pad>", "</s>", "<unk>", "<mask>"] + words)}
    made = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    made.post_processor = processors.TemplateProcessing(single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)])
    special = dict(bos_token="<s>", pad_token="<pad>", eos_token="</s>", unk_token="<unk>", mask_token="<mask>")
    PreTrainedTokenizerFast(tokenizer_object=made, **special).save_pretrained(folder)
    torch.manual_seed(7)  # of the first ten, one whose answers differ from text to text
    config = BartConfig(
        vocab_size=len(vocabulary), d_model=24, encoder_layers=2, decoder_layers=3, encoder_attention_heads=2, decoder_attention_heads=3, encoder_ffn_dim=32,
        decoder_ffn_dim=32, max_position_embeddings=32, dropout=0.0, pad_token_id=1, bos_token_id=0, eos_token_id=2, decoder_start_token_id=2,
        forced_eos_token_id=2, scale_embedding=True,
    )
    model = BartForConditionalGeneration(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * (0.1 if len(parameter) == len(vocabulary) else 0.3))
        model.final_logits_bias.add_(torch.randn_like(model.final_logits_bias) * 0.3)
    model.save_pretrained(folder)


def steps(scores, beams, ends, penalty):
    """The candidates of each step, the best first: beam, id, log-probability, sum; and the beams that run on."""
    running = [(0.0, [])] + [(WORST, [])] * (beams - 1)
    told = []
    for length, logprobs in enumerate(scores, 1):
        sums = torch.tensor([total for total, _ in running])[:, None] + logprobs
        best, at = sums.flatten().topk(beams * max(2, 1 + len(ends)))
        candidates = []
        for total, place in zip(best.tolist(), at.tolist()):
            beam, token = divmod(place, logprobs.shape[1])
            candidates.append([beam, token, logprobs[beam, token].item(), total])
        is_last = length == LENGTH
        alive = [(total, running[beam][1] + [token]) for beam, token, _, total in candidates if token not in ends and not is_last]
        running = sorted(alive, key=lambda one: -one[0])[:beams]
        told.append([candidate for candidate in candidates if candidate[3] > WORST / 2])
        if is_last or len(running) < beams:
            break
    return told


def search(model, ids, settings):
    """One text alone, as the program searches."""
    settings = dict(repetition_penalty=1.0, no_repeat_ngram_size=0) | settings
    found = model.generate(
        torch.tensor([ids]), max_new_tokens=LENGTH, do_sample=False, early_stopping=False, num_return_sequences=settings["num_beams"],
        return_dict_in_generate=True, output_scores=True, **settings,
    )
    ends = model.generation_config.eos_token_id
    ends = ends if isinstance(ends, list) else [ends]
    told = steps(found.scores, settings["num_beams"], ends, settings["length_penalty"])
    answers = []
    for at, sequence in enumerate(found.sequences.tolist()):
        tokens = sequence[1:]
        length = int((found.beam_indices[at] >= 0).sum())
        answers.append({"ids": tokens[:length], "score": found.sequences_scores[at].item()})
        # What transformers says of the way of each answer: the beam that each token was taken from.
        for step, (token, beam) in enumerate(zip(tokens[:length], found.beam_indices[at].tolist())):
            ways = [(b, t) for b, t, _, _ in told[step]]
            assert (beam % settings["num_beams"], token) in ways, (at, step, beam, token, ways)
    return {"steps": told, "answers": answers}


def views(name, model, texts, tokenizer, tensors):
    rows = []
    for row, (text, ids) in enumerate(texts):
        ids = ids or tokenizer(text)["input_ids"]
        greedy = model.generate(torch.tensor([ids]), max_new_tokens=LENGTH, do_sample=False, num_beams=1)[0].tolist()
        # Without the start and the token that ends it.
        answer = greedy[1:]
        end = model.generation_config.eos_token_id
        answer = answer[: answer.index(end)] if end in answer else answer
        with torch.no_grad():
            given = torch.tensor([[model.config.decoder_start_token_id] + answer[:-1]])
            out = model(input_ids=torch.tensor([ids]), decoder_input_ids=given, output_attentions=True)
        for layer, weights in enumerate(out.cross_attentions):
            tensors[f"{name}.{row}.{layer}"] = weights[0].contiguous()
        searches = {kind: search(model, ids, settings) for kind, settings in SEARCHES.items()}
        rows.append({"text": text, "ids": ids, "answer": answer, "searches": searches})
    return rows


def main():
    OUT.mkdir(exist_ok=True)
    make_bart(OUT / "bart")
    told, tensors = {}, {}
    for name in ["s2s_t5", "s2s_flan", "bart"]:
        folder = OUT / "bart" if name == "bart" else HERE / "encoders" / name
        model = AutoModelForSeq2SeqLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()
        if name == "bart":
            tokenizer = PreTrainedTokenizerFast.from_pretrained(folder)
            texts = [(text, None) for text in BART_TEXTS]
        else:
            expected = json.loads((folder / "expected.json").read_text())
            tokenizer = None
            texts = [(row["text"], row["input_ids"]) for row in expected["rows"]]
        told[name] = views(name, model, texts, tokenizer, tensors)
    save_file(tensors, OUT / "cross_attention.safetensors")
    (OUT / "views.json").write_text(json.dumps({"length": LENGTH, "searches": SEARCHES, "models": told}, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    sys.exit(main())
