"""Every answer fits its schema, says the `jsonschema` package (pip install jsonschema).

    EXTRACTED=answers.jsonl SCHEMAS=1000 cargo test --test engine every_answer_fits
    python tests/reference/check_extracted.py answers.jsonl
"""

import importlib.metadata
import json
import sys

import jsonschema

count = 0
for number, line in enumerate(open(sys.argv[1], encoding="utf-8"), 1):
    row = json.loads(line)
    schema = row["schema"]
    jsonschema.Draft202012Validator.check_schema(schema)
    try:
        jsonschema.Draft202012Validator(schema).validate(json.loads(row["answer"]))
    except (ValueError, jsonschema.ValidationError) as error:
        sys.exit(f"line {number}: {error}")
    count += 1
print(f"{count} answers fit their schemas (jsonschema {importlib.metadata.version('jsonschema')})")
