"""Random tables as people's programs write them, and what pandas and pyarrow read in them.

    python tests/reference/make_tables.py FOLDER [COUNT] [SEED] [KIND]

Writes COUNT files (2,000) of every format, or of the one that is named, into FOLDER, and beside each `NAME.rows.json`: the rows
that the reference reads in it, or `null` where it refuses the file or takes part of it for something
else than rows. `tests/tables.rs` then compares:

    TUNING_FORK_TABLES=FOLDER cargo test --test tables -- --ignored

Texts of CSV are compared as they are written (`dtype=str, keep_default_na=False`): a workbench must
not turn the answer "NA" into nothing, or "007" into 7. An empty field is no value, as in pandas.
"""

import csv
import datetime
import decimal
import gzip
import io
import json
import math
import random
import sys
import zipfile
from pathlib import Path
from xml.sax.saxutils import escape

import numpy
import openpyxl
import pandas
import pyarrow
import pyarrow.parquet
import zstandard

WORDS = (
    "the a of river tree answer question because why how Größe naïve café Straße façade niño "
    "data model text Über 12 3.5 yes no NA None null True – “quoted” €"
).split()
WESTERN = [word for word in WORDS if word.encode("cp1252", "ignore").decode("cp1252") == word]
WIDE = ["日本語", "😀", "👩‍🔬", "Привет", "مرحبا", "é", "\u200b", "ﬁ"]
AWKWARD = [",", ";", "\t", "|", '"', "'", "\n", "\r\n", " ", "  ", '""', "\\", "\\n", "[1]", "{", "}", "#", "="]
NAMES = ["prompt", "chosen", "rejected", "text", "id", "label", "Größe", "a b", "notes", "x;y", "p,q", "score"]


def text(rng, western=False, awkward=True, longest=12):
    words = WESTERN if western else WORDS + WIDE
    parts = []
    for _ in range(rng.randrange(longest)):
        parts.append(rng.choice(words))
        if awkward and rng.random() < 0.25:
            parts.append(rng.choice(AWKWARD))
        parts.append(" ")
    return "".join(parts[:-1])


def names(rng, count):
    return rng.sample(NAMES, count)


def scalar(rng):
    return rng.choice(
        [
            lambda: text(rng),
            lambda: text(rng),
            lambda: rng.randrange(-(10**6), 10**6),
            lambda: rng.randrange(-(2**63), 2**63),
            lambda: rng.uniform(-1e6, 1e6),
            lambda: rng.uniform(-1, 1) * 10 ** rng.randrange(-300, 300),
            lambda: rng.random() < 0.5,
            lambda: None,
            lambda: "",
        ]
    )()


def value(rng, depth=0):
    kind = rng.random()
    if depth > 3 or kind < 0.7:
        return scalar(rng)
    if kind < 0.85:
        return [value(rng, depth + 1) for _ in range(rng.randrange(4))]
    return {rng.choice(NAMES): value(rng, depth + 1) for _ in range(rng.randrange(4))}


def pack(rng, name, data):
    """Bytes as they are, or packed; with the name that goes with it."""
    kind = rng.random()
    if kind < 0.8:
        return name, data
    bare = rng.random() < 0.3  # the name does not say so
    if kind < 0.9:
        half = len(data) // 2
        packed = gzip.compress(data[:half], mtime=0) + gzip.compress(data[half:], mtime=0)
        return name if bare else name + ".gz", packed
    level = rng.randrange(1, 20)
    packed = zstandard.ZstdCompressor(level=level, write_checksum=rng.random() < 0.5).compress(data)
    return name if bare else name + ".zst", packed


def encodings(western):
    both = ["utf-8", "utf-8", "utf-8-sig", "utf-16", "utf-16-le-bom", "utf-16-be-bom"]
    return both + (["cp1252"] * 2 if western else [])


def encode(words, encoding):
    if encoding.endswith("-bom"):
        return ("\ufeff" + words).encode(encoding[:-4])
    return words.encode(encoding)


def without_nulls(rows):
    def is_null(item):
        return item is None or (isinstance(item, float) and math.isnan(item))

    return [{key: item for key, item in row.items() if not is_null(item)} for row in rows]


def delimited(rng, name):
    western = rng.random() < 0.5
    columns = names(rng, rng.randrange(1, 6))
    if len(columns) == 1:
        columns = ["prompt"]  # a separator in an only name could be anything
    if rng.random() < 0.1:
        columns.append(rng.choice(columns))
    if rng.random() < 0.1:
        columns[rng.randrange(len(columns))] = ""
    awkward = rng.random() < 0.7
    rows = [
        [text(rng, western, awkward) if rng.random() < 0.9 else "" for _ in columns]
        for _ in range(rng.randrange(1, 30))
    ]
    separator = rng.choice([",", ",", ",", ";", "\t", "|"])
    end = rng.choice(["\n", "\r\n", "\n", "\r"])
    out = io.StringIO(newline="")
    quoting = rng.choice([csv.QUOTE_MINIMAL, csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC])
    writer = csv.writer(out, delimiter=separator, quoting=quoting, lineterminator=end)
    writer.writerow(columns)
    for row in rows:
        if end == "\r":
            # pandas loses an empty first field after a bare carriage return.
            row[0] = row[0] or "x"
        if rng.random() < 0.02:
            row = row[: rng.randrange(1, len(row) + 1)]
        if rng.random() < 0.01:
            row = row + ["x" + text(rng, western)]
        writer.writerow(row)
        if rng.random() < 0.02:
            out.write(end)
    words = out.getvalue()
    if rng.random() < 0.03:  # a quotation mark that nobody closes
        words += f'{separator.join(["x"] * (len(columns) - 1) + [chr(34) + "open"])}{end}y{end}'
    if rng.random() < 0.3:
        words = words.rstrip("\r\n")
    said = rng.random() < 0.1
    encoding = rng.choice(encodings(western))
    try:
        frame = read_csv(words, separator)
        if not isinstance(frame.index, pandas.RangeIndex):
            expected = None  # part of a row became its name
        else:
            # A field that is not there comes as NaN, an empty one as "".
            expected = [
                {column.strip(): item for column, item in zip(frame.columns, row) if item != ""}
                for row in frame.itertuples(index=False, name=None)
            ]
            expected = without_nulls(expected)
    except (pandas.errors.ParserError, pandas.errors.EmptyDataError):
        expected = None
    if expected == []:
        expected = None
    if said:
        words = f"sep={separator}{end}{words}"
    suffix = {",": "csv", ";": "csv", "\t": "tsv", "|": "csv"}[separator]
    return *pack(rng, f"{name}.{suffix}", encode(words, encoding)), expected


def read_csv(words, separator):
    arguments = {"dtype": str, "keep_default_na": False}
    try:
        return pandas.read_csv(io.StringIO(words, newline=""), sep=separator, **arguments)
    except pandas.errors.ParserError:
        # One column has no separator: another one reads what the texts hold.
        header = words.splitlines()[0]
        for other in ",;\t|":
            if separator in header or other in header:
                continue
            try:
                return pandas.read_csv(io.StringIO(words, newline=""), sep=other, **arguments)
            except pandas.errors.ParserError:
                pass
        raise


def from_pandas(rng, name):
    count = rng.randrange(1, 40)
    columns = {}
    for column in names(rng, rng.randrange(1, 6)):
        kind = rng.randrange(4)
        if kind == 0:
            columns[column] = [text(rng) for _ in range(count)]
        elif kind == 1:
            columns[column] = [rng.randrange(1000) for _ in range(count)]
        elif kind == 2:
            columns[column] = [rng.choice([None, rng.uniform(-9, 9)]) for _ in range(count)]
        else:
            columns[column] = [rng.random() < 0.5 for _ in range(count)]
    frame = pandas.DataFrame(columns)
    form = rng.choice(["csv", "records", "lines", "columns", "index", "split", "table"])
    if form == "csv":
        words = frame.to_csv(index=rng.random() < 0.5)
        read = pandas.read_csv(io.StringIO(words), dtype=str, keep_default_na=False)
        expected = [
            {column: item for column, item in row.items() if item != ""}
            for row in read.to_dict("records")
        ]
        return *pack(rng, f"{name}.csv", words.encode()), without_nulls(expected)
    if form == "lines":
        words = frame.to_json(orient="records", lines=True, force_ascii=rng.random() < 0.5)
        rows = [json.loads(line) for line in words.splitlines() if line]
    else:
        indent = rng.choice([None, 0, 2])
        words = frame.to_json(orient=form, force_ascii=rng.random() < 0.5, indent=indent)
        rows = json.loads(frame.to_json(orient="records"))
        if form == "table":
            rows = [{"index": index, **row} for index, row in enumerate(rows)]
    suffix = rng.choice(["json", "jsonl"])
    return *pack(rng, f"{name}.{suffix}", words.encode()), without_nulls(rows)


def from_json(rng, name):
    columns = names(rng, rng.randrange(1, 6))
    rows = [{column: value(rng) for column in columns} for _ in range(rng.randrange(2, 20))]
    if rng.random() < 0.3:
        for row in rows:
            if len(row) > 1 and rng.random() < 0.3:
                del row[rng.choice(list(row))]
    ascii_only = rng.random() < 0.5
    form = rng.randrange(5)
    dump = lambda item, **more: json.dumps(item, ensure_ascii=ascii_only, **more)
    if form == 0:
        words = "\n".join(dump(row) for row in rows) + rng.choice(["", "\n"])
    elif form == 1:
        words = dump(rows, indent=rng.choice([None, 1, 4, "\t"]))
    elif form == 2:
        words = rng.choice(["", " ", "\n\n"]).join(dump(row) for row in rows)
    elif form == 3:
        words = "\n".join(dump(row, indent=2) for row in rows)
    else:
        words = "\r\n".join(dump(row, separators=(",", ":")) for row in rows)
    encoding = rng.choice(encodings(False))
    suffix = rng.choice(["json", "jsonl", "jsonl", "ndjson"])
    if rng.random() < 0.05:
        # Cut off: an error, or rows that are whole.
        words = words[: rng.randrange(1, len(words))]
        try:
            rows = [json.loads(line) for line in words.split("\n") if line.strip()]
            if not rows or not all(isinstance(row, dict) for row in rows):
                rows = None
            rows = rows if form in (0, 4) else None
        except ValueError:
            rows = None
    rows = rows if rows is None else without_nulls(json.loads(json.dumps(rows)))
    return *pack(rng, f"{name}.{suffix}", encode(words, encoding)), rows


SCALARS = [
    lambda rng: (pyarrow.string(), lambda: text(rng)),
    lambda rng: (pyarrow.string(), lambda: text(rng)),
    lambda rng: (pyarrow.large_string(), lambda: text(rng)),
    lambda rng: (pyarrow.int64(), lambda: rng.randrange(-(2**63), 2**63)),
    lambda rng: (pyarrow.int32(), lambda: rng.randrange(-(2**31), 2**31)),
    lambda rng: (pyarrow.int8(), lambda: rng.randrange(-128, 128)),
    lambda rng: (pyarrow.uint16(), lambda: rng.randrange(2**16)),
    lambda rng: (pyarrow.uint64(), lambda: rng.randrange(2**64)),
    lambda rng: (pyarrow.float64(), lambda: rng.uniform(-1e9, 1e9)),
    lambda rng: (pyarrow.float32(), lambda: float(numpy.float32(rng.uniform(-9, 9)))),
    lambda rng: (pyarrow.float16(), lambda: numpy.float16(rng.uniform(-9, 9))),
    lambda rng: (pyarrow.bool_(), lambda: rng.random() < 0.5),
    lambda rng: (pyarrow.date32(), lambda: datetime.date(1970, 1, 1) + datetime.timedelta(rng.randrange(-30000, 30000))),
    lambda rng: (pyarrow.decimal128(18, 4), lambda: decimal.Decimal(rng.randrange(-(10**17), 10**17)).scaleb(-4)),
    lambda rng: (pyarrow.decimal128(7, 2), lambda: decimal.Decimal(rng.randrange(-(10**6), 10**6)).scaleb(-2)),
    lambda rng: (pyarrow.time32("ms"), lambda: datetime.time(rng.randrange(24), rng.randrange(60), rng.randrange(60), 1000 * rng.randrange(1000))),
    lambda rng: (pyarrow.time64("us"), lambda: datetime.time(rng.randrange(24), rng.randrange(60), rng.randrange(60), rng.randrange(10**6))),
    lambda rng: (pyarrow.timestamp("ms"), lambda: moment(rng, 1000)),
    lambda rng: (pyarrow.timestamp("us"), lambda: moment(rng, 1)),
    lambda rng: (pyarrow.timestamp("ns"), lambda: moment(rng, 1)),
    lambda rng: (pyarrow.timestamp("us", tz="UTC"), lambda: moment(rng, 1)),
    lambda rng: (pyarrow.dictionary(pyarrow.int32(), pyarrow.string()), lambda: rng.choice(WORDS)),
    lambda rng: (pyarrow.null(), lambda: None),
    lambda rng: (pyarrow.binary(), lambda: rng.choice(WORDS).encode()),
]


def moment(rng, step):
    micros = rng.randrange(-(10**15), 2 * 10**15) // step * step
    return datetime.datetime(1970, 1, 1) + datetime.timedelta(microseconds=micros)


def arrow_type(rng, depth=0):
    """A type, and a function that makes a value of it."""
    kind = rng.random()
    if depth > 2 or kind < 0.6:
        return rng.choice(SCALARS)(rng)
    if kind < 0.78:
        inner, make = arrow_type(rng, depth + 1)
        if pyarrow.types.is_dictionary(inner) or pyarrow.types.is_null(inner):
            inner, make = SCALARS[0](rng)
        return pyarrow.list_(inner), lambda: [maybe(rng, make) for _ in range(rng.randrange(4))]
    if kind < 0.93:
        fields = [(name, *arrow_type(rng, depth + 1)) for name in names(rng, rng.randrange(1, 4))]
        return (
            pyarrow.struct([(name, inner) for name, inner, _ in fields]),
            lambda: {name: maybe(rng, make) for name, _, make in fields},
        )
    inner, make = SCALARS[rng.choice([0, 3, 8])](rng)
    return (
        pyarrow.map_(pyarrow.string(), inner),
        lambda: list({rng.choice(WORDS): maybe(rng, make) for _ in range(rng.randrange(3))}.items()),
    )


def maybe(rng, make):
    return None if rng.random() < 0.1 else make()


def as_json(item, kind):
    """As our reader writes it: times as pandas prints them, decimals as their digits."""
    if item is None:
        return None
    if pyarrow.types.is_dictionary(kind):
        kind = kind.value_type
    if pyarrow.types.is_list(kind):
        return [as_json(inner, kind.value_type) for inner in item]
    if pyarrow.types.is_struct(kind):
        return {field.name: as_json(item[field.name], field.type) for field in kind}
    if pyarrow.types.is_map(kind):
        return {key: as_json(inner, kind.item_type) for key, inner in item}
    if pyarrow.types.is_timestamp(kind):
        item = pandas.Timestamp(item)
        return str(item)
    if pyarrow.types.is_temporal(kind):
        return item.isoformat()
    if pyarrow.types.is_decimal(kind):
        return f"{item:f}"
    if isinstance(item, bytes):
        return item.decode()
    if isinstance(item, float) and math.isnan(item):
        return None
    return float(item) if isinstance(item, numpy.floating) else item


def parquet(rng, name):
    count = rng.randrange(1, 60)
    columns = {}
    for column in names(rng, rng.randrange(1, 6)):
        kind, make = arrow_type(rng)
        columns[column] = pyarrow.array([maybe(rng, make) for _ in range(count)], kind)
    table = pyarrow.table(columns)
    out = io.BytesIO()
    pyarrow.parquet.write_table(
        table,
        out,
        compression=rng.choice(["none", "snappy", "gzip", "zstd", "zstd", "brotli", "lz4"]),
        version=rng.choice(["1.0", "2.4", "2.6"]),
        data_page_version=rng.choice(["1.0", "2.0"]),
        use_dictionary=rng.random() < 0.5,
        row_group_size=rng.choice([5, 1000]),
        data_page_size=rng.choice([100, 1 << 20]),
        write_page_index=rng.random() < 0.3,
        coerce_timestamps=None,
    )
    data = out.getvalue()
    read = pyarrow.parquet.read_table(io.BytesIO(data))
    rows = [
        {column: as_json(row[column], read.schema.field(column).type) for column in read.column_names}
        for row in read.to_pylist()
    ]
    suffix = rng.choice(["parquet", "parquet", "parquet", "jsonl"])
    return *pack(rng, f"{name}.{suffix}", data), without_nulls(rows)


def cell(rng):
    return rng.choice(
        [
            lambda: text(rng, longest=6).strip(),
            lambda: text(rng, longest=6).strip(),
            lambda: rng.randrange(-(10**9), 10**9),
            lambda: round(rng.uniform(-1e6, 1e6), 4),
            lambda: rng.random() < 0.5,
            lambda: datetime.datetime(2024, 1, 1) + datetime.timedelta(seconds=rng.randrange(10**8)),
            lambda: datetime.date(2024, 1, 1) + datetime.timedelta(rng.randrange(1000)),
            lambda: None,
        ]
    )()


def of_cell(item):
    if isinstance(item, datetime.datetime):
        words = str(item)
        return words.removesuffix(" 00:00:00")
    if isinstance(item, (datetime.date, datetime.time)):
        return str(item)
    if isinstance(item, float) and item.is_integer():
        return int(item)
    return item


def excel(rng, name):
    book = openpyxl.Workbook()
    sheet = book.active
    columns = names(rng, rng.randrange(1, 6))
    top = rng.choice([0, 0, 0, 2])
    for _ in range(top):
        sheet.append([])
    sheet.append(columns)
    for _ in range(rng.randrange(1, 30)):
        sheet.append([cell(rng) for _ in columns])
    if rng.random() < 0.2:
        book.create_sheet("more").append(["other"])
    out = io.BytesIO()
    book.save(out)
    read = list(openpyxl.load_workbook(io.BytesIO(out.getvalue()), data_only=True).worksheets[0].values)
    read = [row for row in read if any(item is not None for item in row)]
    rows = [{column: of_cell(item) for column, item in zip(read[0], row)} for row in read[1:]]
    rows = [row for row in without_nulls(rows) if row] or None
    return f"{name}.xlsx", out.getvalue(), rows


def open_document(rng, name):
    count = rng.randrange(1, 20)
    columns = names(rng, rng.randrange(1, 5))
    plain = lambda: " ".join(text(rng, awkward=False, longest=6).split()) or None
    frame = pandas.DataFrame(
        {column: [rng.choice([plain, plain, lambda: rng.randrange(1000)])() for _ in range(count)] for column in columns},
        dtype=object,
    )
    out = io.BytesIO()
    frame.to_excel(out, engine="odf", index=False)
    rows = frame.to_dict("records")
    rows = [row for row in without_nulls(rows) if row] or None
    return f"{name}.ods", out.getvalue(), rows


def lines(rng, name):
    western = rng.random() < 0.5
    rows = [text(rng, western, awkward=False) for _ in range(rng.randrange(1, 30))]
    rows = [" ".join(row.split()) for row in rows]
    # A first line that could be anything else.
    rows[0] = ("What is a table? " + rows[0]).strip()
    words = rng.choice(["\n", "\r\n", "\r"]).join(rows)
    encoding = rng.choice(encodings(western))
    rows = [{"text": row} for row in rows if row]
    return *pack(rng, f"{name}.txt", encode(words, encoding)), rows


def paragraphs(rng):
    """A text as LibreOffice writes it: paragraphs, runs of spaces, words set in another way, a comment."""
    parts = []
    if rng.random() < 0.1:
        parts.append("<office:annotation><dc:date>2024-01-01</dc:date><text:p>a comment</text:p></office:annotation>")
    for _ in range(rng.choice([1, 1, 1, 2, 3])):
        words = []
        for word in text(rng, awkward=False, longest=5).split():
            words.append(escape(word))
            if rng.random() < 0.1:
                words[-1] = f'<text:span text:style-name="T1">{words[-1]}</text:span>'
            words.append(rng.choice([" ", " ", " ", '<text:s text:c="3"/>', " <text:s/>", "<text:line-break/>", "&#x9;"]))
        around = rng.choice(["", "", "\n"])
        parts.append(f"<text:p>{around}{''.join(words[:-1])}{around}</text:p>")
    return rng.choice(["", "\n"]).join(parts)


def element(rng, kind="table-cell"):
    count = rng.choice([1, 1, 1, 1, 2, 3, 5])
    repeated = f' table:number-columns-repeated="{count}"' if count > 1 else ""
    values = [
        lambda: (f'office:value-type="float" office:value="{rng.randrange(-(10**9), 10**9)}"', "<text:p>shown</text:p>"),
        lambda: (f'office:value-type="float" office:value="{rng.uniform(-1e6, 1e6)!r}"', "<text:p>shown</text:p>"),
        lambda: ('office:value-type="percentage" office:value="0.125"', "<text:p>12.5 %</text:p>"),
        lambda: ('office:value-type="currency" office:currency="EUR" office:value="3.5"', "<text:p>3,50 €</text:p>"),
        lambda: ('office:value-type="boolean" office:boolean-value="true"', "<text:p>TRUE</text:p>"),
        lambda: ('office:value-type="boolean" office:boolean-value="false"', "<text:p>FALSE</text:p>"),
        lambda: ('office:value-type="date" office:date-value="2024-02-29"', "<text:p>29.02.24</text:p>"),
        lambda: ('office:value-type="date" office:date-value="2024-02-29T12:30:00"', "<text:p>29.02.24</text:p>"),
        lambda: ('office:value-type="time" office:time-value="PT01H30M05S"', "<text:p>01:30:05</text:p>"),
        lambda: ("", ""),
        lambda: ("", ""),
    ]
    words = lambda: ('office:value-type="string" calcext:value-type="string"', paragraphs(rng))
    said, inside = rng.choice([*values, words, words, words, words, words])()
    end = f">{inside}</table:{kind}>" if inside else "/>"
    return f"<table:{kind}{repeated} {said}{end}"


def spreadsheet(rng, name):
    """With cells and rows that stand for several, as LibreOffice writes them."""
    rest = lambda: f'<table:table-cell table:number-columns-repeated="{rng.choice([2, 1000, 16384])}"/>'
    blank = lambda: f'<table:table-row table:number-rows-repeated="{rng.choice([1, 7, 300])}">{rest()}</table:table-row>'
    before = rng.choice([0, 0, 0, 2])
    columns = names(rng, rng.randrange(1, 6))
    gap = f'<table:table-cell table:number-columns-repeated="{before}"/>' if before else ""
    head = "".join(
        f'<table:table-cell office:value-type="string"><text:p>{column}</text:p></table:table-cell>' for column in columns
    )
    rows = [blank()] if rng.random() < 0.3 else []
    head = f"<table:table-row>{gap}{head}{rest()}</table:table-row>"
    rows.append(rng.choice([head, f"<table:table-header-rows>{head}</table:table-header-rows>"]))
    for _ in range(rng.randrange(1, 15)):
        count = rng.choice([1, 1, 1, 2, 40])
        repeated = f' table:number-rows-repeated="{count}"' if count > 1 else ""
        cells = []
        for _ in range(rng.randrange(len(columns) + 1)):
            cells.append(element(rng, rng.choice(["table-cell"] * 9 + ["covered-table-cell"])))
        row = f"<table:table-row{repeated}>{gap}{''.join(cells)}{rng.choice(['', rest()])}</table:table-row>"
        rows.append(rng.choice([row, row, f"<table:table-row-group>{row}</table:table-row-group>"]))
        if rng.random() < 0.1:
            rows.append(blank())
    rows.append(f'<table:table-row table:number-rows-repeated="1048{rng.randrange(100, 576)}">{rest()}</table:table-row>')
    spaces = {
        "office": "office:1.0", "table": "table:1.0", "text": "text:1.0", "style": "style:1.0",
    }
    spaces = " ".join(f'xmlns:{short}="urn:oasis:names:tc:opendocument:xmlns:{long}"' for short, long in spaces.items())
    spaces += ' xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:calcext="urn:org:documentfoundation:names:experimental:calc:xmlns:calcext:1.0"'
    content = (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<office:document-content {spaces} office:version="1.3"><office:body>'
        f'<office:spreadsheet><table:table table:name="Data"><table:table-column table:number-columns-repeated="16384"/>'
        f"{''.join(rows)}</table:table><table:named-expressions/></office:spreadsheet></office:body></office:document-content>"
    )
    kind = "application/vnd.oasis.opendocument.spreadsheet"
    manifest = (
        '<?xml version="1.0"?><manifest:manifest xmlns:manifest="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0">'
        f'<manifest:file-entry manifest:full-path="/" manifest:media-type="{kind}"/><manifest:file-entry '
        'manifest:full-path="content.xml" manifest:media-type="text/xml"/></manifest:manifest>'
    )
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("mimetype", kind, zipfile.ZIP_STORED)
        archive.writestr("content.xml", content)
        archive.writestr("META-INF/manifest.xml", manifest)
    frame = pandas.read_excel(
        io.BytesIO(out.getvalue()), engine="odf", header=None, dtype=object, keep_default_na=False, na_values=[]
    )
    read = [[None if item == "" else of_cell(item) for item in row] for row in frame.values.tolist()]
    read = [row for row in read if any(item is not None for item in row)]
    named = [item or f"Unnamed: {index}" for index, item in enumerate(read[0])]
    rows = [dict(zip(named, row)) for row in read[1:]]
    rows = [row for row in without_nulls(rows) if row] or None
    return f"{name}.ods", out.getvalue(), rows


KINDS = [delimited] * 7 + [from_pandas] * 3 + [from_json] * 4 + [parquet] * 5 + [excel] * 2 + [open_document, lines, spreadsheet]


def main(folder, count=2000, seed=16, kind=None):
    kinds = [make for make in KINDS if kind in (None, make.__name__)]
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(int(count)):
        rng = random.Random(f"{seed}-{number}")
        make = kinds[number % len(kinds)]
        name, data, rows = make(rng, f"{number:04}-{make.__name__}")
        (folder / name).write_bytes(data)
        expected = json.dumps({"file": name, "rows": rows}, ensure_ascii=False)
        (folder / f"{number:04}.rows.json").write_text(expected, encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
