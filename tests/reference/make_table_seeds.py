"""Small tables of every format: `python tests/reference/make_table_seeds.py tests/reference/tables`.

The same few rows throughout, so that a test can hold every reader to one list of them, and so that
the fuzzer (`tests/tables`) has something of each format to damage. `old.xls` needs xlwt.
"""

import bz2
import datetime
import decimal
import gzip
import io
import json
import lzma
import sys
import zipfile
from pathlib import Path
from xml.sax.saxutils import escape

import openpyxl
import pandas
import pyarrow
import pyarrow.parquet
import zstandard

ROWS = [
    {"prompt": "Größe, in m?", "chosen": " 12 “Meter”.", "rejected": " No;\nnot so."},
    {"prompt": "Why?", "chosen": ' Because "so".', "rejected": " NA"},
    {"prompt": "How naïve?", "chosen": " 007", "rejected": " None"},
]


def nested():
    message = pyarrow.struct([("role", pyarrow.string()), ("content", pyarrow.string())])
    dialogues = [
        [{"role": "user", "content": row["prompt"]}, {"role": "assistant", "content": row["chosen"]}]
        for row in ROWS
    ]
    return pyarrow.table(
        {
            "prompt": pyarrow.array([row["prompt"] for row in ROWS]),
            "messages": pyarrow.array(dialogues, pyarrow.list_(message)),
            "image": pyarrow.array([b"\xff\xd8\x00", None, b"\x89PNG\xff"]),
            "votes": pyarrow.array([3, None, -1], pyarrow.int16()),
            "price": pyarrow.array([decimal.Decimal("1.50"), None, decimal.Decimal("-0.05")]),
            "when": pyarrow.array([datetime.datetime(2024, 2, 29, 12), None, datetime.datetime(1969, 12, 31)], pyarrow.timestamp("us")),
            "kind": pyarrow.array(["a", "b", "a"]).dictionary_encode(),
            "scores": pyarrow.array([[("x", 0.5)], [], None], pyarrow.map_(pyarrow.string(), pyarrow.float64())),
        }
    )


def repeated():
    """A workbook as LibreOffice writes it: cells that are the same, and all that are empty, stand there once."""
    def cell(words):
        words = escape(words.replace("\n", " "))
        words = f"<text:s/>{words[1:]}" if words.startswith(" ") else words
        return f'<table:table-cell office:value-type="string"><text:p>{words}</text:p></table:table-cell>'

    rest = '<table:table-cell table:number-columns-repeated="16379"/>'
    head = "".join(cell(name) for name in [*ROWS[0], "x", "y"])
    rows = [f"<table:table-row>{head}{rest}</table:table-row>"]
    for row in ROWS:
        number = '<table:table-cell table:number-columns-repeated="2" office:value-type="float" office:value="2"/>'
        rows.append(f"<table:table-row>{''.join(map(cell, row.values()))}{number}{rest}</table:table-row>")
    rows.append(
        '<table:table-row table:number-rows-repeated="1048572"><table:table-cell table:number-columns-repeated="16384"/>'
        "</table:table-row>"
    )
    spaces = " ".join(
        f'xmlns:{name}="urn:oasis:names:tc:opendocument:xmlns:{name}:1.0"' for name in ["office", "table", "text"]
    )
    kind = "application/vnd.oasis.opendocument.spreadsheet"
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr(zipfile.ZipInfo("mimetype"), kind)
        archive.writestr(
            zipfile.ZipInfo("META-INF/manifest.xml"),
            '<manifest:manifest xmlns:manifest="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0"><manifest:file-entry '
            f'manifest:full-path="/" manifest:media-type="{kind}"/><manifest:file-entry manifest:full-path="content.xml" '
            'manifest:media-type="text/xml"/></manifest:manifest>',
        )
        archive.writestr(
            zipfile.ZipInfo("content.xml"),
            f"<office:document-content {spaces}><office:body><office:spreadsheet>"
            f'<table:table table:name="Paare">{"".join(rows)}</table:table></office:spreadsheet></office:body>'
            "</office:document-content>",
        )
    return out.getvalue()


def main(folder):
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)

    def put(name, data):
        (folder / name).write_bytes(data if isinstance(data, bytes) else data.encode())

    lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in ROWS)
    frame = pandas.DataFrame(ROWS)
    comma, semicolon = frame.to_csv(index=False), frame.to_csv(index=False, sep=";")
    put("pairs.jsonl", lines)
    put("array.json", json.dumps(ROWS, indent=2))
    put("objects.json", "".join(json.dumps(row, indent=1) for row in ROWS))
    put("columns.json", frame.to_json())
    put("lists.json", json.dumps(frame.to_dict("list"), indent=2))
    put("split.json", frame.to_json(orient="split"))
    put("wrapped.json", json.dumps({"version": 1, "data": ROWS}))
    put("pairs.csv", comma)
    put("marked.csv", b"\xef\xbb\xbf" + comma.replace("\n", "\r\n").encode())
    put("western.csv", semicolon.encode("cp1252"))
    put("wide.tsv", frame.to_csv(index=False, sep="\t").encode("utf-16"))
    put("said.csv", "sep=|\n" + frame.to_csv(index=False, sep="|"))
    put("wide.jsonl", lines.encode("utf-16-be"))
    put("packed.jsonl.gz", gzip.compress(lines.encode(), mtime=0))
    put("packed.csv.zst", zstandard.ZstdCompressor().compress(comma.encode()))
    # Both may be several streams, one after the other, as pbzip2 and xz -T write them.
    put("packed.csv.bz2", bz2.compress(comma.encode()[:40]) + bz2.compress(comma.encode()[40:]))
    put("packed.jsonl.xz", lzma.compress(lines.encode()[:60]) + lzma.compress(lines.encode()[60:], check=lzma.CHECK_CRC32))
    put("prose.txt", "\n".join(row["prompt"] for row in ROWS).encode("cp1252"))
    for codec in ["none", "snappy", "gzip", "zstd", "brotli", "lz4"]:
        for pages in ["1.0", "2.0"]:
            out = io.BytesIO()
            pyarrow.parquet.write_table(nested(), out, compression=codec, data_page_version=pages, store_schema=False)
            put(f"{codec}-{pages[0]}.parquet", out.getvalue())
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.title = "Paare"
    extra = [12, 0.5, None]
    days = [datetime.datetime(2024, 2, 29), datetime.datetime(2024, 2, 29, 12, 30), None]
    sheet.append([*ROWS[0], "votes", "when", "failed"])
    for row, votes, day in zip(ROWS, extra, days):
        sheet.append([*row.values(), votes, day, "#N/A" if votes == 12 else None])
    book.create_sheet("Notizen").append(["nothing"])
    out = io.BytesIO()
    book.save(out)
    put("pairs.xlsx", out.getvalue())
    out = io.BytesIO()
    frame.replace("\n", " ", regex=True).to_excel(out, engine="odf", index=False)
    put("pairs.ods", out.getvalue())
    put("repeated.ods", repeated())
    try:
        import xlwt
    except ImportError:
        return
    book = xlwt.Workbook()
    sheet = book.add_sheet("Paare")
    for index, values in enumerate([list(ROWS[0]), *[list(row.values()) for row in ROWS]]):
        for column, item in enumerate(values):
            sheet.write(index, column, item)
    out = io.BytesIO()
    book.save(out)
    put("old.xls", out.getvalue())


if __name__ == "__main__":
    main(*sys.argv[1:])
