"""Tables as people bring them, made after public reports, and what pandas and pyarrow read in them.

    python tests/reference/make_wild_tables.py

Writes the files into `wild/` beside this script, and `wild/expected.json`: for each file the `rows` that
the reference reads (what it has to be told for that stands in its call here), words of the `notes` that
a person should see, or words of the `error` where there is nothing to read. `tests/tables/main.rs` holds
the one reader of tables to it. What is null is left out of a row, and so is an empty field of CSV.
"""

import datetime
import decimal
import io
import json
import uuid
import zipfile
from pathlib import Path

import openpyxl
import pandas
import pyarrow
import pyarrow.parquet

OUT = Path(__file__).parent / "wild"
EXPECTED = {}


def without_nothing(rows):
    return [{key: item for key, item in row.items() if item is not None and item != ""} for row in rows]


def put(name, data, rows=None, notes=(), error=None):
    (OUT / name).write_bytes(data.encode() if isinstance(data, str) else data)
    EXPECTED[name] = {"error": error} if error else {"rows": without_nothing(rows), "notes": list(notes)}


def text(name, data, notes=(), **told):
    """CSV as pandas reads it, once it is told what it has to be."""
    data = data.encode() if isinstance(data, str) else data
    frame = pandas.read_csv(io.BytesIO(data), dtype=str, keep_default_na=False, **told)
    put(name, data, frame.to_dict("records"), notes)


def cell(item):
    if pandas.isna(item):
        return None
    if isinstance(item, float) and item == int(item):
        return int(item)
    return item


def sheet(name, build, notes=(), **told):
    book = openpyxl.Workbook()
    build(book.active, book)
    out = io.BytesIO()
    book.save(out)
    frame = pandas.read_excel(io.BytesIO(out.getvalue()), dtype=object, keep_default_na=False, **told)
    rows = [{str(key): cell(item) for key, item in row.items()} for row in frame.to_dict("records")]
    put(name, out.getvalue(), rows, notes)


def rows_of(*rows):
    return lambda page, _: [page.append(row) for row in rows]


def archive(*files):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, data in files:
            packed.writestr(zipfile.ZipInfo(name, (2024, 1, 1, 0, 0, 0)), data, zipfile.ZIP_DEFLATED)
    return out.getvalue()


def parquet(name, table, notes=(), **how):
    pyarrow.parquet.write_table(table, OUT / name, **how)

    def plain(item):
        return str(item) if isinstance(item, (decimal.Decimal, uuid.UUID, datetime.datetime)) else item

    rows = pyarrow.parquet.read_table(OUT / name).to_pylist()
    rows = [{key: plain(item) for key, item in row.items()} for row in rows]
    put(name, (OUT / name).read_bytes(), rows, notes)


def tables_of_text():
    text("escaped.csv", 'text,label\n"say \\"hi\\", ok",a\n"C:\\\\x",b\n', ["Spark and MySQL"], escapechar="\\")
    text("no_escape.csv", 'text,label\n"C:\\",a\n"ends ""so"" \\",b\n')
    text("spaced.csv", 'text, label\n"hello", "a"\n"x", "b"\n', ["stands behind a space"])
    EXPECTED["spaced.csv"]["rows"] = [{"text": "hello", "label": ' "a"'}, {"text": "x", "label": ' "b"'}]
    # R's write.table: numbers before the rows, and no name for them. pandas makes an index of them.
    numbered = 'text,label\n1,hello,a\n2,world,b\n'
    frame = pandas.read_csv(io.StringIO(numbered), dtype=str)
    rows = [{"Unnamed: 0": str(index), **row} for index, row in zip(frame.index, frame.to_dict("records"))]
    put("row_numbers.csv", numbered, rows, ["column 1 has no name"])
    put("title.csv", "Report of 2024\n\ntext,label\nhello,a\nworld,b\n", error="from line 3 on there are 2")
    put("comment.csv", "# exported\ntext;label\nhello, you;a\nworld;b\n", error="from line 2 on there are 2")
    qualtrics = (
        'StartDate,ResponseId,Q1\nStart Date,Response ID,"What do you think, really?"\n'
        '"{""ImportId"":""startDate"",""timeZone"":""Europe/Berlin""}","{""ImportId"":""_recordId""}",'
        '"{""ImportId"":""QID1_TEXT""}"\n2024-01-01 10:00:00,R_1,"I like it, a lot"\n2024-01-01 10:05:00,R_2,No\n'
    )
    text("qualtrics.csv", qualtrics, ["lines 2, 3: it describes the questions"], skiprows=[1, 2])
    text("caret.csv", "text^label\nhello, you^a\nworld; x^b\n", sep="^")
    text("hive.csv", "id\x01text\x01label\n1\x01hello\x01a\n2\x01world\x01b\n", sep="\x01")
    twice = "\ufeff\ufefftext,label\nhello,a\nworld,b\n"
    put("marked_twice.csv", twice, [{"text": "hello", "label": "a"}, {"text": "world", "label": "b"}])
    text("nul.csv", "text,label\nhel\0lo world and all of you,a\nworld,b\n", ["(NUL)"])
    put("padded.jsonl", b'{"text": "a"}\n' + b"\0" * 64, error="behind line 1 it has nothing but zeros")
    put("header.csv", "text,label\n", error='has no rows under its header "text", "label"')
    text("japanese.csv", "text,label\n今日はとても良い天気ですね,良い\n明日は雨が降るでしょう,悪い\n".encode("shift_jis"), encoding="shift_jis")
    text("one_line.csv", '"text,label"\n"hello,a"\n"world,b"\n', ["the header is one name between quotation marks"])


def json_forms():
    put("parts.json", '{"train": [{"text": "a"}], "test": [{"text": "b"}]}', error='several lists of rows: "train" (1), "test" (1)')
    named = '{"q1": {"text": "a", "label": "x"}, "q2": {"text": "b", "label": "y"}}'
    frame = pandas.read_json(io.StringIO(named), orient="index").reset_index(names="id")
    put("named.json", named, frame.to_dict("records"), ["under a name of its own"])
    sequence = '\x1e{"text": "a", "n": 1}\n\x1e{"text": "b", "n": 2}\n'
    put("sequence.json", sequence, [json.loads(line) for line in sequence.replace("\x1e", "").splitlines()])
    places = '{"type": "FeatureCollection", "features": [{"type": "Feature", "properties": {"text": "a"}}]}'
    put("places.geojson", places, json.loads(places)["features"], ['from under "features"'])


def packed():
    rows = [{"text": "hello", "label": "a"}, {"text": "world", "label": "b"}]
    table = pandas.DataFrame(rows).to_csv(index=False)
    data = archive(("data.csv", table))
    (OUT / "one.csv.zip").write_bytes(data)
    put("one.csv.zip", data, pandas.read_csv(OUT / "one.csv.zip", dtype=str).to_dict("records"))
    put("mac.zip", archive(("data.jsonl", '{"text": "hello"}\n'), ("__MACOSX/._data.jsonl", "x")), [{"text": "hello"}])
    damaged = bytearray(data)
    damaged[damaged.index(b"data.csv") + 12] ^= 1
    put("damaged.csv.zip", bytes(damaged), error="damaged")
    put("two.zip", archive(("a.csv", table), ("b.csv", table)), error="archive of 2 files")


def other_kinds():
    for name, data, error in [
        ("survey.sav", b"$FL2@(#) SPSS DATA FILE", "SPSS"),
        ("survey.dta", b"<stata_dta><header>", "Stata"),
        ("survey.rds", b"X\n\0\0\0\3\0\4\2\0", "data file of R"),
        ("survey.RData", b"RDX3\nX\n\0\0\0\3", "data file of R"),
        ("files.tar", b"a.csv".ljust(257, b"\0") + b"ustar\x0000".ljust(255, b"\0"), "tar archive"),
        ("pointer.parquet", b"version https://git-lfs.example/spec/v1\noid sha256:00\nsize 3\n", "git lfs pull"),
        ("web.xls", b"<table><tr><th>text</th></tr><tr><td>a</td></tr></table>", "save it as .xlsx or CSV"),
        ("old.xml", b'<?xml version="1.0"?>\n<Workbook xmlns="urn:schemas-microsoft-com:office:spreadsheet"/>', "Excel 2003"),
    ]:
        put(name, data, error=error)


def workbooks():
    sheet("formula.xlsx", rows_of(["text", "n", "sum"], ["a", 1, "=B2+1"], ["b", 2, "=B3+1"]), ["no program has computed it"])

    def merged(page, _):
        rows_of(["group", "text"], ["g1", "a"], [None, "b"], ["g2", "c"])(page, None)
        page.merge_cells("A2:A3")

    sheet("merged.xlsx", merged, ['column "group", row 2: its cell is merged'])

    def second(page, book):
        page.title = "Read me"
        page.append(["This file holds data"])
        rows_of(["text", "label"], ["a", "b"])(book.create_sheet("Data"), None)

    sheet("second.xlsx", second, ["the workbook has 1 more: “Read me”"], sheet_name="Data")


def columns():
    decimals = [decimal.Decimal("5"), decimal.Decimal("-7"), None]
    words = pyarrow.array(["a", "b", None])
    parquet("whole_decimals.parquet", pyarrow.table({"d": pyarrow.array(decimals, pyarrow.decimal256(50, 0)), "text": words}))
    ids = [uuid.UUID(int=0), uuid.UUID(int=0x00112233445566778899AABBCCDDEEFF), None]
    ids = pyarrow.array([key.bytes if key else None for key in ids], pyarrow.uuid())
    parquet("ids.parquet", pyarrow.table({"id": ids, "text": words}))
    moment = datetime.datetime(2024, 1, 31, 12, 0, 0, 7000)
    times = pyarrow.array([moment] * 3, pyarrow.timestamp("ns"))
    table = pyarrow.table({"at": times, "text": words})
    parquet("int96.parquet", table, ["INT96"], use_deprecated_int96_timestamps=True)


OUT.mkdir(exist_ok=True)
for file in OUT.iterdir():
    file.unlink()
tables_of_text()
json_forms()
packed()
other_kinds()
workbooks()
columns()
(OUT / "expected.json").write_text(json.dumps(EXPECTED, ensure_ascii=False, indent=1) + "\n")
