"""What the scripts about tokenizers train on and try."""

CORPUS = [
    "Once upon a time there was a small village, and nobody knew why it was there.",
    "The people of the village didn't know; they'd say: \"we'll see what comes of it.\"",
    "In 1234567 ways, 3.14159 is not 22/7. Born in 12345678, I'M here (again).",
    "def main(args):\n    return [x for x in args if x != 'none']\n\n\tif True:\n\t\tpass\n",
    "Schöne Grüße aus München! Das naïve Café, déjà vu, ça va? Ñandú.",
    "你好，世界。こんにちは世界。안녕하세요 세계. Привет, мир! مرحبا بالعالم",
    "user assistant system the answer is 42 and the question is not known",
    "HTTPServer camelCase snake_case kebab-case UPPER lower MiXeD",
]
PIECES = [
    "Once", "upon", "the village", "didn't", "WE'LL", "1234567", "3.14", " ", "  ", "\n", "\n\n",
    "\t", "\r\n", "café", "cafe\u0301", "你好", "世界，", "안녕", "🙂", "👩‍🔬", "\u00a0", "\u200b", "ﬁ", "ＡＢＣ",
    "!", "?", " .", " ,", " 's", " ' ", "n't", "x", "Hello", "HELLO world", "</", "<", ">", "|", "\0",
    "#", "'", "▁", "Ġ", "<0x41>", "[CLS]", "<s>", "</s>", "<unk>", "<pad>", "<|endoftext|>", "[UNK]",
    "straße", "İstanbul", "\ufeff", "e", "of it.", "answer is", "_", "--", "…", "“quoted”",
]
