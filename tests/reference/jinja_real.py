"""Real chat templates in eight conversations each, by transformers and by Tuning Fork.

    python jinja_real.py make TEMPLATES.jsonl OUT.jsonl      # lines with "template" and "where"
    TEMPLATES=OUT.jsonl TEMPLATES_OUT=OURS.jsonl cargo test --lib jinja_in_bulk -- --ignored
    python jinja_random.py compare OUT.jsonl OURS.jsonl

The templates belong to others and are not kept here: collect them from what is installed (packages
such as trl, axolotl, unsloth and xinference hold some two hundred) or from models on a disk.
"""

import datetime
import json
import sys

import jinja_random
import transformers.utils.chat_template_utils as utils

TOOLS = [
    {"type": "function", "function": {"name": "get_weather", "description": "The weather & \"more\" <now>", "parameters": {"type": "object", "properties": {
        "city": {"type": "string", "description": "Ort, z. B. Köln", "enum": ["Köln", "Ulm"]}, "days": {"type": "integer", "default": 1}, "exact": {"type": ["boolean", "null"]}}, "required": ["city"]}, "return": {"type": "string"}}},
    {"type": "function", "function": {"name": "add", "description": "Adds", "parameters": {"type": "object", "properties": {"a": {"type": "number"}, "b": {"type": "number"}}, "required": ["a", "b"]}}},
]
CALL = {"type": "function", "id": "call_0001", "function": {"name": "get_weather", "arguments": {"city": "Köln", "days": 2, "exact": None}}}
SHORT = {"type": "function", "id": "abcdefghi", "function": {"name": "add", "arguments": {"a": 1.0, "b": 2.5}}}
SYSTEM = {"role": "system", "content": "You are brief.\n"}
USER = {"role": "user", "content": "Hi <there> & \"you\" 🙂"}
ANSWER = {"role": "assistant", "content": "Hello!\n\n"}

CONVERSATIONS = {
    "one turn": dict(messages=[USER], add_generation_prompt=True),
    "system, several turns": dict(messages=[SYSTEM, USER, ANSWER, {"role": "user", "content": " And? "}, {"role": "assistant", "content": "So."}], add_generation_prompt=False),
    "several turns, open": dict(messages=[USER, ANSWER, {"role": "user", "content": "Go on"}], add_generation_prompt=True),
    "tools": dict(messages=[SYSTEM, USER], tools=TOOLS, add_generation_prompt=True),
    "tool calls": dict(messages=[USER, {"role": "assistant", "content": "", "tool_calls": [CALL]}, {"role": "tool", "name": "get_weather", "content": "{\"sun\": true}", "tool_call_id": "call_0001"}, {"role": "assistant", "content": "Sunny."}, {"role": "user", "content": "Thanks"}], tools=TOOLS, add_generation_prompt=True),
    "two calls, short ids": dict(messages=[SYSTEM, USER, {"role": "assistant", "tool_calls": [SHORT, dict(SHORT, id="123456789")]}, {"role": "tool", "name": "add", "content": "3.5", "tool_call_id": "abcdefghi"}, {"role": "tool", "name": "add", "content": [{"type": "text", "text": "4"}], "tool_call_id": "123456789"}], tools=TOOLS, add_generation_prompt=True),
    "thinking": dict(messages=[USER, {"role": "assistant", "reasoning_content": "Let me\nsee.", "content": "Yes."}, {"role": "user", "content": "Why?"}, {"role": "assistant", "content": "<think>\nhm\n</think>\n\nBecause."}, {"role": "user", "content": "Sure?"}], add_generation_prompt=True, enable_thinking=True),
    "no thinking, parts": dict(messages=[{"role": "system", "content": [{"type": "text", "text": "Be kind."}]}, {"role": "user", "content": [{"type": "text", "text": "What is this?"}, {"type": "image"}, {"type": "text", "text": "And that?"}]}], add_generation_prompt=True, enable_thinking=False),
}

SPECIAL = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<pad>"}


def make(templates, out):
    with open(out, "w") as file:
        for line in open(templates):
            row = json.loads(line)
            rows = []
            for name, conversation in CONVERSATIONS.items():
                variables = {"tools": None, "documents": None, **SPECIAL, **conversation}
                variables["messages"] = utils._alias_reasoning_fields(variables["messages"])
                result = jinja_random.rendered(row["template"], variables)
                rows.append({"where": row["where"], "conversation": name, "template": row["template"], "variables": variables, **result})
            # A piece of a program, not a chat template.
            if not any(len(row.get("text", "").strip()) > 8 for row in rows):
                continue
            for row in rows:
                file.write(json.dumps(row, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    make(*sys.argv[2:4])
