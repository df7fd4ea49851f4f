"""Writes tests/reference/parquet: tables as the Hub keeps them, by pyarrow, for src/data/table.rs.

python tests/reference/make_parquet.py    # pyarrow 26; writes the same bytes each time
"""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

FOLDER = Path(__file__).parent / "parquet"

ROWS = [
    {
        "prompt": "Why is the sky blue?",
        "chosen": [
            {"content": "Why is the sky blue?", "role": "user"},
            {"content": "Air scatters short waves most.\n— Rayleigh", "role": "assistant"},
        ],
        "rejected": [
            {"content": "Why is the sky blue?", "role": "user"},
            {"content": "It mirrors the sea.", "role": "assistant"},
        ],
        "score_chosen": 8.5,
        "votes": 12,
        "checked": True,
        "tags": ["physics", "short"],
    },
    {
        "prompt": "Übersetze: good morning",
        "chosen": [
            {"content": "Übersetze: good morning", "role": "user"},
            {"content": "Guten Morgen", "role": "assistant"},
        ],
        "rejected": [
            {"content": "Übersetze: good morning", "role": "user"},
            {"content": "Gute Nacht", "role": "assistant"},
        ],
        "score_chosen": None,
        "votes": 9007199254740993,
        "checked": False,
        "tags": [],
    },
]


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    message = pa.list_(pa.struct([("content", pa.string()), ("role", pa.string())]))
    schema = pa.schema(
        [
            ("prompt", pa.string()),
            ("chosen", message),
            ("rejected", message),
            ("score_chosen", pa.float64()),
            ("votes", pa.int64()),
            ("checked", pa.bool_()),
            ("tags", pa.list_(pa.string())),
        ]
    )
    table = pa.Table.from_pylist(ROWS, schema=schema)
    # A group for each row: rows go on from one group to the next.
    pq.write_table(table, FOLDER / "pairs.parquet", compression="snappy", row_group_size=1)
    pq.write_table(table.select(["prompt"]), FOLDER / "zstd.parquet", compression="zstd")
    with open(FOLDER / "pairs.jsonl", "w", encoding="utf-8") as lines:
        for row in ROWS:
            row = {name: value for name, value in row.items() if value is not None}
            lines.write(json.dumps(row, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
