#!/usr/bin/env python3
"""The order in which rows of mixed directions are seen, by FriBidi.

  make_bidi.py          writes tests/reference/bidi/rows.json

Needs `fribidi` (Debian: libfribidi-bin).
"""

import json
import subprocess
from pathlib import Path

OUT = Path(__file__).parent / "bidi"

ROWS = [
    "שלום עולם",
    "מה שלומך היום?",
    "שלום (עולם) 123!",
    "המודל GPT נכון ב-95% מהמקרים",
    "The word שלום means peace.",
    "He said שלום עולם (hello) twice",
    "مرحبا بالعالم",
    "ما هي عاصمة فرنسا؟",
    "مرحبا، كيف حالك؟",
    "النموذج يحتوي على ١٢٣ طبقة",
    "النموذج Qwen3 (0.6B) سريع",
    "عام 2026: 17 نوفمبر",
    "Die Antwort ist نعم, nicht لا.",
    "file_قائمة_1.txt",
    "C:/ملفات/سؤال.txt",
    "a [ب] c [د ه] f",
    "1. ראשון 2. שני",
    "$5 עולה 3-4 שקלים",
    "price: 25 ₪ בלבד",
    "«نعم» أو «لا»",
    "ص١٢ من ٣٠٠",
    "abc 123 def",
    "שלום\tעולם",
    "❤ אהבה ❤",
]


def run(*options):
    text = "\n".join(ROWS) + "\n"
    command = ["fribidi", "--nobreak", "--nopad", *options]
    return subprocess.run(command, input=text, capture_output=True, text=True, check=True).stdout.splitlines()


def seen(text, order, drawn, levels):
    """As FriBidi draws it, but with the letters themselves, not their joined forms."""
    def letter(place, at):
        # A bracket that is read leftwards is drawn as its counterpart.
        return text[at] if levels[at] == "0" or text[at].isalpha() else drawn[place]

    return "".join(letter(place, int(at)) for place, at in enumerate(order.split()))


def main():
    OUT.mkdir(exist_ok=True)
    directions = [line.split()[-1] for line in run("--novisual", "--basedir")]
    orders = run("--novisual", "--vtol")
    # The level of each letter: those of an odd one are read leftwards.
    levels = ["".join(line.split()) for line in run("--novisual", "--levels")]
    rows = [
        {"text": text, "is_right_to_left": direction == "R", "seen": seen(text, *of_row)}
        for text, direction, *of_row in zip(ROWS, directions, orders, run(), levels, strict=True)
    ]
    (OUT / "rows.json").write_text(json.dumps(rows, ensure_ascii=False, indent=1) + "\n")
    print(f"{len(rows)} rows")


main()
