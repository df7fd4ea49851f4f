"""Random chat templates, filled in by Jinja2 as transformers runs it and by Tuning Fork.

    python jinja_random.py make OUT.jsonl [--count 20000] [--seed 16]
    TEMPLATES=OUT.jsonl TEMPLATES_OUT=OURS.jsonl cargo test --lib jinja_in_bulk -- --ignored
    python jinja_random.py compare OUT.jsonl OURS.jsonl

`make` writes a template, its variables and what transformers' environment makes of it (a text, or
the class and words of an error) a line. `compare` prints every row that differs. An error is the
same as any other error, but for `raise_exception`, whose words have to be the same.

`sample OUT.jsonl SAMPLE.jsonl` keeps the small part that the repository's own test holds.

Left out, each for a reason, by what `make` draws from:
- addresses of objects (`{{ 'x'.upper }}`, a generator that is printed): another one each time;
- `random`, `lipsum`: chance;
- whole numbers beyond 38 digits, lone surrogates, complex numbers: refused here by name;
- `urlize`, `translate`, `encode`: refused here by name;
- names of filters and tests that do not exist, in code that Jinja2 finds out to be dead;
- `{% filter length %}` and the like, which give no text: Jinja2 fails, but only at its end;
- `is sameas` of equal texts and numbers: whether Python keeps one of them is its own affair.
"""

import argparse
import datetime
import json
import random
import re
import signal
import sys

import transformers.utils.chat_template_utils as utils

NOW = datetime.datetime(2026, 11, 5, 9, 7, 3)


class Clock(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return NOW


utils.datetime = Clock

TOOL = {"type": "function", "function": {"name": "get_weather", "description": "The <weather> & \"more\"", "parameters": {
    "type": "object", "properties": {"city": {"type": "string", "description": "Ort, z. B. Köln"}, "days": {"type": "integer", "enum": [1, 2.5, None, True]}}, "required": ["city"]}}}

VARIABLES = {
    "messages": [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "  Hi there \n"},
        {"role": "assistant", "content": "", "reasoning_content": "hm\nhm", "tool_calls": [
            {"type": "function", "id": "c1", "function": {"name": "get_weather", "arguments": {"city": "Köln", "days": 2}}}]},
        {"role": "tool", "content": "{\"sun\": true}", "tool_call_id": "c1"},
        {"role": "assistant", "content": [{"type": "text", "text": "It's <sunny> & \"warm\""}, {"type": "image"}]},
    ],
    "tools": [TOOL],
    "documents": None,
    "add_generation_prompt": True,
    "bos_token": "<s>",
    "eos_token": "</s>",
    "n": 3, "zero": 0, "neg": -7, "big": 12345678901, "x": 2.5, "tiny": 1e-7, "huge": 1e16, "third": 0.1 + 0.2,
    "t": True, "f": False, "none": None, "nothing": None,
    "s": "Hello, World", "empty": "", "u": "ßÄé 🙂\tΣΑΣ", "w": " a  b\n c ", "q": "it's \"q\"", "num": " 42 ", "fl": "3.70", "csv": "b,a,,C", "long": "A well-known x--y semi-auto-matic word, thatisratherlong and co-op e-mail. " * 3,
    "xs": [3, 1, 2], "names": ["bob", "Al", "cid", "al"], "mixed": [1, "a", None, 2.5, True], "nested": [[1, 2], [3], []], "none_list": [], "objs": [
        {"k": "b", "v": 2, "d": {"z": 1}}, {"k": "A", "v": 1, "d": {"z": 3}}, {"k": "b", "v": 0}],
    "d": {"b": 1, "a": 2, "C": None}, "dd": {"x": {"y": [10, 20]}, "items": 5, "1": "one"}, "no_dict": {},
}

R = random.Random()


def pick(*options):
    return R.choice(options)


NAMES = [n for n in VARIABLES if n not in ("none",)]
STRINGS = ["s", "long", "empty", "u", "w", "q", "num", "fl", "csv", "bos_token"]
NUMBERS = ["n", "zero", "neg", "big", "x", "tiny", "huge", "third", "t", "f"]
LISTS = ["xs", "names", "mixed", "nested", "none_list", "objs", "messages", "tools"]
DICTS = ["d", "dd", "no_dict", "messages[0]", "messages[2]", "tools[0]", "objs[0]"]
LITERAL_STRINGS = ["''", "'a'", '"b\\n"', "'<|im_start|>'", "'\\t'", "'é'", "'\\u00e9'", "'\\x41'", "'\\U0001F642'", "'it\\'s'", "'%s'", "' '", "','", "'{}'",
                   "'{% x %}'", "'{{ y }}'", "'\\101'", "'\\d'", "'a' 'b'", "'\\\\'", "'a\nb'", "'\\é'", "'A b-c (d'", "'%'", "'x y  z'"]


def number(depth):
    if depth <= 0 or R.random() < 0.4:
        return pick(*NUMBERS, str(R.randint(0, 12)), str(R.randint(0, 12)), "1.5", "0.1", "1e3", "2.0", "100000", "1_000", "0x1f", "0b11", "0o17", "007" if R.random() < 0.05 else "7", "1e16", "1.0e-5", "123456.789")
    kind = R.random()
    a, b = number(depth - 1), number(depth - 1)
    if kind < 0.45:
        return f"{a} {pick('+', '-', '*', '/', '//', '%')} {b}"
    if kind < 0.5:
        return f"({a}) ** {pick('2', '0', '3', '0.5', '-1', '1')}"
    if kind < 0.6:
        return f"({a})|{pick('abs', 'int', 'float', 'round', 'round(1)', 'round(2)', 'round(0, chr)' if R.random() < 0.02 else 'round(1, %r)' % pick('ceil', 'floor', 'common'), 'round(-1)', 'round(precision=2)')}"
    if kind < 0.7:
        return f"{pick(*LISTS, *STRINGS, *DICTS)}|{pick('length', 'count')}"
    if kind < 0.76:
        return f"({string(depth - 1)})|{pick('int', 'float', 'int(5)', 'int(default=-1)', 'int(0, 16)', 'float(1.5)', 'wordcount', 'length', 'int(base=0)')}"
    if kind < 0.82:
        return f"{sequence(depth - 1)}|{pick('sum', 'max', 'min', 'first', 'last', 'length')}"
    if kind < 0.86:
        return f"{string(depth - 1, True)}.{pick('find', 'count', 'index', 'rfind')}({string(0)}{pick('', '', ', 1', ', -3', ', 0, 4')})"
    if kind < 0.92:
        return f"-{pick(a, '(%s)' % a)}"
    return f"({a})"


FILTERS_TEXT = ["upper", "lower", "title", "capitalize", "trim", "string", "reverse", "e", "escape", "safe", "forceescape", "striptags", "urlencode", "tojson", "center(9)", "center", "indent",
                "indent(2, true)", "indent(first=true, width=1)", "indent('> ', blank=true)", "truncate(5)", "truncate(6, true)", "truncate(5, false, '…', 0)", "truncate(length=9, end='')", "replace('a', 'b')", "replace('l', '<', 1)", "trim('H')", "default('z')",
                "default('z', true)", "d('q', boolean=true)", "default(boolean=true)", "list", "first", "last", "join('-')", "pprint", "wordwrap(7)", "wordwrap(5, false)", "wordwrap(12, wrapstring='|', break_on_hyphens=false)", "format(1)", "wordcount", "xmlattr", "tojson(indent=2)", "tojson(ensure_ascii=true)", "list|tojson", "list|join(', ')", "length", "map('upper')|join", "unique|join",
                "batch(2)|list", "select|list", "sort|join", "int", "float", "filesizeformat", "slice(2)|list", "items|list", "upper|lower", "abs"]
FILTERS_ANY = ["string", "tojson", "default('D')", "default('D', true)", "default(default_value=1, boolean=true)", "list", "length", "first", "last", "join", "join(',')", "tojson(2)", "tojson(indent=4)", "tojson(sort_keys=true)", "tojson(separators=(',', ':'))", "tojson(ensure_ascii=true, indent=1)", "e", "upper", "trim", "pprint", "int", "float", "reverse|list", "sort|list", "unique|list", "sum", "max", "min", "dictsort", "dictsort(true)", "dictsort(by='value')",
               "dictsort(reverse=true)", "items|list", "map(attribute='role')|list", "map(attribute='k', default='?')|join(';')", "selectattr('k')|list", "rejectattr('v')|list", "selectattr('role', 'equalto', 'user')|list|length", "select('string')|list", "reject('none')|list", "map('string')|join('|')", "batch(2, 'x')|list",
               "slice(2)|list", "slice(3, 'x')|list", "groupby('k')|list", "groupby('k', default='', case_sensitive=true)", "sort(attribute='k')|map(attribute='k')|join", "sort(attribute='k,v', reverse=true)|list", "sort(case_sensitive=true)|join(' ')", "sum(attribute='v')", "sum(start=10)", "map('upper')|list", "map('default', '-')|join", "max(attribute='v')", "min(case_sensitive=true)", "unique(attribute='k')|list", "select('>', 1)|list", "select('in', [1, 2, 'a'])|list", "reject('odd')|list", "filesizeformat", "filesizeformat(true)", "urlencode", "xmlattr", "abs", "round", "round(1)", "wordcount", "count", "map('int')|sum", "map(attribute='d.z')|list", "map(attribute=0)|list", "random|default(1)|string|length * 0" if False else "list|length", "striptags"]
TESTS = ["defined", "undefined", "none", "string", "number", "mapping", "sequence", "iterable", "callable", "boolean", "integer", "float", "true", "false", "odd", "even", "divisibleby(3)", "divisibleby 2", "lower", "upper", "eq(3)", "equalto 'a'", "ne(1)", "gt 1", "lt(2)", "ge 3", "le(0)", "in [1, 2, 3]", "in 'abc'", "escaped", "filter", "test", "sameas none", "sameas(true)", "greaterthan(1)", "lessthan 1"]
METHODS = ["upper()", "lower()", "strip()", "lstrip()", "rstrip()", "strip('H d')", "rstrip('\\n')", "title()", "capitalize()", "swapcase()", "casefold()", "split()", "split(',')", "split(' ', 1)", "rsplit(maxsplit=1)", "rsplit(',', 1)", "split(None, 1)", "splitlines()", "splitlines(true)", "replace('l', 'L')", "replace('l', '', 1)", "replace('', '-')", "startswith('H')", "startswith(('a', 'H'))", "endswith('d')", "endswith('', 2)", "find('o')", "rfind('o')", "index('l')", "count('l')", "count('')", "join(['a', 'b'])", "join(names)", "join(xs)", "partition(',')", "rpartition(' ')", "zfill(6)", "ljust(14, '.')", "rjust(14)", "center(15, '*')", "removeprefix('He')", "removesuffix('ld')", "isdigit()", "isalpha()", "isalnum()", "isspace()", "isupper()", "islower()", "istitle()", "isnumeric()", "isdecimal()", "isascii()", "isidentifier()", "isprintable()", "expandtabs(4)", "format(1, a=2)", "encode" if False else "upper().lower()", "strip(1)", "nosuch()", "nosuch", "__class__", "zfill('a')"]


def string(depth, simple=False):
    if depth <= 0 or R.random() < 0.35:
        return pick(*STRINGS, *LITERAL_STRINGS) if not simple else pick(*STRINGS, "'abcabc'", "'Hello'")
    kind = R.random()
    if kind < 0.2:
        return f"({string(depth - 1)} {pick('+', '~', '~')} {pick(string(depth - 1), string(depth - 1), number(0))})"
    if kind < 0.45:
        return f"{string(0, True)}.{pick(*METHODS)}"
    if kind < 0.65:
        return f"{pick(string(depth - 1, True), '(%s)' % string(depth - 1))}|{pick(*FILTERS_TEXT)}"
    if kind < 0.72:
        return f"{string(0, True)}[{slice_(depth)}]"
    if kind < 0.82:
        spec = pick("%s", "%d", "%5d", "%-5s|", "%05.1f", "%x", "%X", "%o", "%#x", "%e", "%g", "%G", "%r", "%a", "%c", "%%", "%+d", "% d", "%.2s", "%s %s", "%(b)s", "%.3f", "%5.2e", "%i%%", "%08.3f", "%#o", "%.0f", "%s and %r", "%*d", "%z", "%")
        value = pick(number(0), string(0), "(%s, %s)" % (number(0), string(0)), "xs", "d", "none", "nosuch", "(1,)", "()", "(5, 42)")
        return f"({spec!r} % {value})"
    if kind < 0.92:
        spec = pick("{}", "{0}", "{1}{0}", "{a}", "{:>8}", "{:<8}|", "{:^9}", "{:*^9}", "{:05d}", "{:.2f}", "{:,}", "{:+}", "{:x}", "{:#b}", "{!r}", "{!s:>6}", "{:e}", "{:g}", "{:%}", "{0[0]}", "{0.real}", "{{}}", "{:{a}}", "{", "}", "{:_}", "{:10,.3f}", "{:.3}", "{:08}", "{: }", "{:c}", "{:n}", "{:<08}", "{:.1%}", "{:X}", "{:s}", "{:d}", "{0}{}", "{b}", "{:=+8}", "{:#x}", "{:0>5}", "{:G}", "{:.0f}", "{:,d}", "{:.10}", "{:.1}")
        return f"{spec!r}.format({pick(number(0), string(0), 'xs', 'none', 'd', number(1))}, {pick(number(0), string(0))}, a={pick('7', string(0))})"
    return f"({string(depth - 1)} if {condition(depth - 1)}{pick('', ' else ' + string(depth - 1))})"


def slice_(depth):
    bound = lambda: pick("", "", "0", "1", "2", "-1", "-2", "100", "n", "none", number(0))
    return pick(f"{bound()}:{bound()}", f"{bound()}:{bound()}:{pick('', '1', '2', '-1', '-2', '0')}", "::-1", "0", "-1", "1", "99", "'a'", "n", "x", "none", "nosuch")


def sequence(depth):
    if depth <= 0 or R.random() < 0.4:
        return pick(*LISTS, "[1, 2, 3]", "['a', 'B']", "(1, 2)", "()", "[]", "range(3)", "range(5, 0, -2)", "range(n)", "d", "d.items()", "d.keys()", "d.values()", "dd.x.y", "'abc'", "[none, 1]", "range(1, 6)", "(n,)", "range(200000)" if R.random() < 0.05 else "range(2, 2)")
    kind = R.random()
    if kind < 0.2:
        return "[" + ", ".join(any_(depth - 1) for _ in range(R.randint(0, 3))) + "]"
    if kind < 0.3:
        return "(" + "".join(any_(depth - 1) + ", " for _ in range(R.randint(0, 3))) + ")"
    if kind < 0.5:
        return f"{pick(*LISTS, 'range(5)', '(1, 2, 3)')}[{slice_(depth)}]"
    if kind < 0.6:
        return f"({sequence(depth - 1)} + {sequence(depth - 1)})"
    if kind < 0.65:
        return f"{sequence(0)} * {pick('2', '0', '-1', 'n')}"
    if kind < 0.8:
        return f"{sequence(depth - 1)}|{pick('sort', 'list', 'reverse|list', 'unique|list', 'map(%s)|list' % repr(pick('upper', 'string', 'int', 'length', 'tojson', 'abs')), 'select(%s)|list' % repr(pick('odd', 'string', 'none', 'defined', 'number', 'mapping')), 'reject(%s)|list' % repr(pick('even', 'none', 'iterable')), 'batch(2)|list', 'sort(reverse=true)')}"
    if kind < 0.9:
        return string(0, True) + "." + pick("split()", "split(',')", "splitlines()", "partition(' ')")
    return pick("messages[1:]", "messages[::-1]", "messages|map(attribute='role')|list", "messages|selectattr('role', 'eq', 'user')|list", "objs|groupby('k')", "d|dictsort", "d|items|list", "tools|map(attribute='function.name')|list", "nested|sum(start=[])", "dict(a=1).items()|list", "xs.count(1)", "xs.index(2)", "xs.copy()", "d.keys()|list", "xs|map('nosuch')|list", "xs|select('nosuch')|list")


def mapping(depth):
    if depth <= 0 or R.random() < 0.5:
        return pick(*DICTS, "{}", "{'a': 1}", "{1: 'x', 'b': [1, 2]}", "dict(a=1, b='x')", "dict(d, z=1)", "{true: 1, 1: 2}", "{none: 0, 1.5: 1}", "dict([('a', 1)])", "d.copy()", "dict.fromkeys(names, 0)")
    return "{" + ", ".join(f"{pick(string(0), number(0))}: {any_(depth - 1)}" for _ in range(R.randint(1, 3))) + "}"


def condition(depth):
    if depth <= 0:
        return pick("t", "f", "n", "zero", "s", "empty", "xs", "none_list", "nosuch", "none", "n > 2", "loop is defined", "tools", "not tools", "add_generation_prompt", "s == 'Hello, World'")
    kind = R.random()
    if kind < 0.35:
        return f"{any_(depth - 1, True)} is {pick('', '', 'not ')}{pick(*TESTS)}"
    if kind < 0.55:
        return f"{any_(depth - 1, True)} {pick('==', '!=', '<', '<=', '>', '>=')} {any_(depth - 1, True)}"
    if kind < 0.65:
        return f"{any_(depth - 1, True)} {pick('in', 'not in')} {pick(sequence(depth - 1), string(0), mapping(0))}"
    if kind < 0.85:
        return f"{condition(depth - 1)} {pick('and', 'or')} {condition(depth - 1)}"
    if kind < 0.92:
        return f"not {condition(depth - 1)}"
    return f"({condition(depth - 1)})"


def any_(depth, closed=False):
    kind = R.random()
    if kind < 0.25:
        out = string(depth)
    elif kind < 0.45:
        out = number(depth)
    elif kind < 0.6:
        out = sequence(depth)
    elif kind < 0.7:
        out = mapping(depth)
    elif kind < 0.78:
        out = condition(depth)
    elif kind < 0.86:
        out = f"{pick(*NAMES)}|{pick(*FILTERS_ANY)}"
    elif kind < 0.9:
        out = pick("nosuch", "none", "true", "False", "nosuch.attr", "s.nosuch", "d.nosuch", "d.nosuch.more", "d['b']", "d.b", "dd.items is callable", "dd['items']", "messages[0].role", "messages[0]['role']", "messages[9]", "xs.0", "xs[0]", "xs['0']", "messages[2].tool_calls[0].function.arguments.city", "d.get('b')", "d.get('q', 'dflt')", "d.get('q')", "xs.append(1)", "xs.append is defined", "d.update", "d.pop('b')", "none.x", "n.real", "loop.index", "xs[nosuch]", "d[none]", "d[xs]", "(1).bit_length()", "x.is_integer()", "nosuch()", "s()", "joiner", "caller", "varargs", "self", "namespace", "nosuch[0]")
        if out in ("joiner", "namespace"):
            out += " is callable"
    elif kind < 0.95:
        out = f"({any_(depth - 1)})|{pick(*FILTERS_ANY)}" if depth > 0 else pick(*NAMES)
    else:
        out = f"({any_(max(depth - 1, 0))} if {condition(max(depth - 1, 0))} else {any_(max(depth - 1, 0))})"
    return f"({out})" if closed and R.random() < 0.6 else out


def sign():
    return pick("", "", "", "-", "-", "+") if R.random() < 0.6 else ""


def tag(text):
    left, right = sign(), sign()
    space = pick(" ", " ", " ", "", "  ", "\n ")
    if space == "" and (text[0] in "-+" or text[-1] in "-+"):
        space = " "
    return "{%" + left + space + text + space + right + "%}"


def expression(text):
    left, right = pick("", "", "", "-", "+" if R.random() < 0.1 else ""), pick("", "", "", "-")
    return "{{" + left + pick(" ", " ", "") + text + " " + right + "}}"


WORDS = ["a", "b\n", "\n", "  ", "\n\n", " x ", "\n  ", "\t", "<|end|>\n", "line\n   ", "{", "}", "%", "{ {", "# ", "é", "\r\n", "Z"]
TARGETS = ["a", "b", "c", "n", "s", "xs", "item"]


def statement(depth, loops):
    kind = R.random()
    if depth <= 0 or kind < 0.3:
        return expression(any_(2)) if R.random() < 0.75 else "".join(pick(*WORDS) for _ in range(R.randint(1, 3)))
    inner = lambda more=0: body(depth - 1, loops + more)
    if kind < 0.42:
        out = tag("if " + condition(2)) + inner()
        for _ in range(pick(0, 0, 1)):
            out += tag("elif " + condition(1)) + inner()
        if R.random() < 0.5:
            out += tag("else") + inner()
        return out + tag("endif")
    if kind < 0.6:
        target = pick("item", "a", "item", "a, b", "k, v", "message", "(a, b)")
        source = pick(sequence(1), sequence(1), "messages", "d.items()", "d|dictsort", "range(3)", "objs", "nested", "[[1, 2], [3, 4]]", "nosuch", "none", "xs", "s", "tools", mapping(0)) if "," not in target else pick("d.items()", "[[1, 2], [3, 4]]", "d|dictsort", "dd|items", "nested", "[(1, 2)]", "objs|groupby('k')")
        test = "" if R.random() < 0.75 else " if " + pick(condition(1), "item is defined", "a is odd", "loop.index", "ns.n is undefined or ns.n < 3")
        uses = R.random()
        content = inner(1)
        if uses < 0.5:
            content += expression(pick("loop.index", "loop.index0", "loop.first", "loop.last", "loop.length", "loop.revindex", "loop.revindex0", "loop.previtem", "loop.nextitem", "loop.cycle('a', 'b')", "loop.changed(item)", "loop.depth", "loop.depth0", "item", "a", "loop.nosuch", "loop['index']"))
        if R.random() < 0.2:
            content += tag("if " + pick("loop.index > 1", "item == 2", condition(1))) + tag(pick("break", "continue")) + tag("endif") + pick("", "after")
        out = tag(f"for {target} in {source}{test}") + content
        if R.random() < 0.25:
            out += tag("else") + inner()
        return out + tag("endfor")
    if kind < 0.7:
        value = any_(2)
        return tag(f"set {pick(*TARGETS)} = {value}") if R.random() < 0.9 else tag(f"set {pick('a, b', 'a, (b, c)')} = {pick('1, 2', 'xs[:2]', '[1, [2, 3]]', value)}")
    if kind < 0.74:
        return tag("set ns = namespace(n=0, s='')") + tag(f"for item in {pick('xs', 'range(4)', 'names')}") + tag(f"set ns.{pick('n', 'n', 's', 'q')} = {pick('ns.n + 1', 'ns.n + item', 'ns.s ~ item', 'loop.index', any_(1))}") + inner(1) + tag("endfor") + expression(pick("ns.n", "ns.s", "ns.q", "ns", "ns['n']"))
    if kind < 0.78:
        return tag(f"set {pick(*TARGETS)}{pick('', '', ' | upper', ' | trim | length', ' | default(s)')}") + inner() + tag("endset")
    if kind < 0.85:
        name = pick("m", "m2")
        args = pick("", "a", "a, b", "a, b=2", "a=1, b=a", "a='x', s=s", "n=n", "a, n=zero")
        call = pick(f"{name}()", f"{name}(1)", f"{name}(1, 2)", f"{name}(a=5)", f"{name}(s)", f"{name}(1, 2, 3)", f"{name}(b=1, a='q')", f"{name}(*xs)", f"{name}(**d)", f"{name}(xs, none)")
        special = pick("", "", expression("varargs"), expression("kwargs"), expression("caller is defined"), expression("a"))
        out = tag(f"macro {name}({args})") + body(depth - 1, 0) + special + tag("endmacro") + expression(call)
        if R.random() < 0.3:
            out += tag(f"set {pick(*TARGETS)} = {any_(1)}") + expression(f"{name}()")
        return out
    if kind < 0.88:
        return tag("macro wrap(a)") + "[" + expression(pick("caller()", "caller(a)", "caller(1, 2)", "a")) + "]" + tag("endmacro") + tag(f"call{pick('', '', '(b)', '(b=3)')} wrap({pick('', '1', 's')})") + body(depth - 1, 0) + expression(pick("b", "a", "s")) + tag("endcall")
    if kind < 0.91:
        return tag(f"filter {pick('upper', 'trim', 'indent(2)', 'replace(s, n)', 'title|trim', 'e')}") + inner() + tag("endfilter")
    if kind < 0.94:
        return tag(f"with {pick('a = 1', 'a = s, b = a', 'n = n + 1', 'a = xs, item = 3', '')}") + inner() + expression(pick("a", "b", "n", "item")) + tag("endwith")
    if kind < 0.955:
        return tag("generation") + body(depth - 1, 0) + tag("endgeneration")
    if kind < 0.965:
        return "{" + pick("#", "#-", "#+") + pick(" c ", "\n", " {{ x }} ", "") + pick("#", "-#", "+#") + "}" + pick("", "\n", " \n ")
    if kind < 0.975:
        return "{%" + pick("", "-", "+") + " raw " + pick("", "-") + "%}" + pick("{{ x }}", "\n {% if %}\n", " {# #} ", "{% generation %}") + "{%" + pick("", "-", "+") + " endraw " + pick("", "-", "+") + "%}" + pick("", "\n")
    if kind < 0.98:
        return tag(f"for item in {pick('nested', '[[1, [2]], 3]', 'xs')} recursive") + pick("", "<") + expression("loop.depth") + pick(expression("loop(item)") if R.random() < 0.3 else "", tag("if item is iterable and item is not string") + expression("loop(item)") + tag("else") + expression("item") + tag("endif")) + tag("endfor")
    if kind < 0.985:
        return tag("if " + condition(1)) + expression(f"raise_exception({string(1)})") + tag("endif")
    if kind < 0.99:
        return expression("strftime_now(%r)" % pick("%d %b %Y", "%Y-%m-%d", "%B %-d, %Y", "%A %I:%M %p", "%j %U %W %V %G", "%H:%M:%S.%f", "%y%m%d%%", "%e|%k|%l|%P", "%c", "%x %X", "%^a %#B %10Y", "%D %T %R", "%Q %", "%s" if False else "%u %w"))
    if kind < 0.993:
        return tag("autoescape " + pick("true", "false")) + inner() + expression(pick("q", "'<' ~ q", "q|safe", "'<b>'|safe ~ '<'", "q|e", "messages[4].content[0].text")) + tag("endautoescape")
    if kind < 0.996:
        return tag(f"block {pick('one', 'two', 'three')}{R.randint(0, 999)}") + inner() + tag("endblock")
    return tag(pick("print s is nosuchtest", "print s | nosuchfilter", "filter length", "do xs", "include 'x'", "endif", "set loop = 1", "break", "else", "for x in", "if", "unknown", "set 1 = 2", "macro", "set x", "import 'x' as y", "print s, n", "elif t", "set a.b = 1", "extends s"))


def body(depth, loops):
    return "".join(statement(depth, loops) for _ in range(R.randint(1, 3)))


def template():
    if R.random() < 0.35:
        return expression(any_(3))
    return "".join(statement(R.randint(0, 3), 0) + (pick(*WORDS) if R.random() < 0.5 else "") for _ in range(R.randint(1, 4)))


# What is another text each time, or in each Python.
ADDRESS = re.compile(r"0x[0-9a-f]{6,}|<(built-in|bound|function|generator|class|jinja2|list_|tuple|dict_|str_|range_iter|reversed|method|async|Cycler|Joiner|LoopContext|TemplateReference)")


class TooLong(Exception):
    pass


def too_long(*_):
    raise TooLong


def rendered(source, variables):
    signal.signal(signal.SIGALRM, too_long)
    signal.setitimer(signal.ITIMER_REAL, 5)
    try:
        text = utils._cached_compile_jinja_template(source).render(**variables)
        text.encode()
        return {"text": text}
    except TooLong:
        return {"skip": "too long"}
    except Exception as error:
        name = type(error).__name__
        return {"error": name, "words": str(error)}
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def make(path, count, seed):
    R.seed(seed)
    written = 0
    variables = {k: v for k, v in VARIABLES.items() if k != "none"}
    with open(path, "w") as out:
        while written < count:
            source = template()
            row = {"template": source, "variables": variables, **rendered(source, variables)}
            if "skip" in row or ADDRESS.search(row.get("text", "")):
                continue
            # Many things can go wrong in a long template, and then the rest of it is not compared.
            if row.get("error", "TemplateError") != "TemplateError" and R.random() < 0.85:
                continue
            out.write(json.dumps(row, ensure_ascii=False) + "\n")
            written += 1


def same(theirs, ours):
    if "text" in theirs:
        return ours.get("text") == theirs["text"]
    if "error" not in ours:
        return False
    if theirs["error"] == "TemplateError":
        return theirs["words"] in ours["error"]
    return True


def compare(theirs_path, ours_path, show):
    rows = differing = refused = errors = raised = 0
    for theirs, ours in zip(open(theirs_path), open(ours_path), strict=True):
        theirs, ours = json.loads(theirs), json.loads(ours)
        rows += 1
        errors += "error" in theirs
        raised += theirs.get("error") == "TemplateError"
        if same(theirs, ours):
            continue
        if ours.get("kind") == "Unsupported":
            refused += 1
            if show > 1:
                print("REFUSED", ours["error"])
            continue
        differing += 1
        if differing <= show:
            print(json.dumps(theirs["template"], ensure_ascii=False))
            print("   theirs", {k: v for k, v in theirs.items() if k not in ("template", "variables")})
            print("   ours  ", ours)
    print(f"{rows} templates ({errors} errors in both or one, {raised} by raise_exception): {differing} differ, {refused} refused by name")
    return differing


def sample(path, out, count):
    """Short rows, as many as possible of them different in kind."""
    rows = [json.loads(line) for line in open(path)]
    for row in rows:
        del row["variables"]
        row.pop("words", None) if row.get("error") != "TemplateError" else None
    rows = [row for row in rows if len(row["template"]) < 160 and len(row.get("text", "")) < 300]
    texts = [row for row in rows if row.get("text", "").strip()]
    failing = [row for row in rows if "error" in row]
    R.seed(1)
    kept = R.sample(texts, min(len(texts), count * 4 // 5)) + R.sample(failing, min(len(failing), count // 5))
    variables = {k: v for k, v in VARIABLES.items() if k != "none"}
    with open(out, "w") as file:
        file.write(json.dumps({"variables": variables}, ensure_ascii=False) + "\n")
        for row in kept:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("do", choices=["make", "compare", "sample"])
    parser.add_argument("paths", nargs="+")
    parser.add_argument("--count", type=int, default=20000)
    parser.add_argument("--seed", type=int, default=16)
    parser.add_argument("--show", type=int, default=20)
    asked = parser.parse_args()
    if asked.do == "make":
        make(asked.paths[0], asked.count, asked.seed)
    elif asked.do == "sample":
        sample(asked.paths[0], asked.paths[1], asked.count)
    else:
        sys.exit(compare(asked.paths[0], asked.paths[1], asked.show) > 0)
