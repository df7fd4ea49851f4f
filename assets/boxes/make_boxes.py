#!/usr/bin/env python3
"""Fonts of boxes, for scripts from right to left that no font of a system shows.

  make_boxes.py         writes hebrew.ttf and arabic.ttf beside this file

egui shapes what one font shows in one go. Letters without a font are taken together with the Latin
words around them, which would then run backwards. With a box of its own for each letter they stay
apart. Needs Python's fontTools.
"""

import unicodedata
from pathlib import Path

from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen

HERE = Path(__file__).parent
SCRIPTS = {
    "hebrew": [(0x590, 0x5FF), (0xFB1D, 0xFB4F)],
    "arabic": [(0x600, 0x6FF), (0x750, 0x77F), (0x870, 0x8FF), (0xFB50, 0xFDFF), (0xFE70, 0xFEFC)],
}


def draw(pen, left, bottom, right, top):
    pen.moveTo((left, bottom))
    for corner in [(left, top), (right, top), (right, bottom)]:
        pen.lineTo(corner)
    pen.closePath()


def make(name, ranges):
    letters = [letter for first, last in ranges for letter in range(first, last + 1)]
    # Marks stay with their letter, and have no box of their own.
    letters = [letter for letter in letters if unicodedata.category(chr(letter))[0] in "LNPS"]
    builder = FontBuilder(1000, isTTF=True)
    builder.setupGlyphOrder([".notdef", "box"])
    builder.setupCharacterMap({letter: "box" for letter in letters})
    pen = TTGlyphPen(None)
    draw(pen, 60, 0, 540, 700)
    # The other way round: a hole.
    draw(pen, 490, 50, 110, 650)
    box = pen.glyph()
    builder.setupGlyf({".notdef": box, "box": box})
    builder.setupHorizontalMetrics({".notdef": (600, 60), "box": (600, 60)})
    builder.setupHorizontalHeader(ascent=800, descent=-200)
    builder.setupNameTable({"familyName": f"Boxes for {name}", "styleName": "Regular"})
    builder.setupOS2(sTypoAscender=800, sTypoDescender=-200, usWinAscent=800, usWinDescent=200)
    builder.setupPost(keepGlyphNames=False)
    # Not the time at which it was made: the same script gives the same bytes.
    builder.font["head"].created = builder.font["head"].modified = 0
    builder.font.recalcTimestamp = False
    builder.save(HERE / f"{name}.ttf")
    print(f"{name}: {len(letters)} letters, {(HERE / f'{name}.ttf').stat().st_size} bytes")


for name, ranges in SCRIPTS.items():
    make(name, ranges)
