//! An encoder-decoder in the real window: the tiny T5 of the reference, from the list of models to its
//! beams, its cross-attention and the hidden spans.

use std::path::Path;

use crate::steps;
use crate::window::key;

pub fn read_and_write(home: &Path) {
    steps::put_model(home, "tiny-t5", "tests/reference/encoders/s2s_t5");
    let mut window = steps::open(home);
    window.sees("It is an encoder-decoder", 20);
    window.shot("encoder-decoder-in-models");
    window.click("Load tiny-t5", 10);
    window.sees("Loaded", 20);
    key("ctrl+2");
    window.fill("Max new tokens, number", "24");
    key("Return");
    window.fill("Text", "small course so most answer trained?");
    key("ctrl+Return");
    window.sees("Under each token how likely it was", 60);
    window.shot("encoder-decoder-answer");
    window.click("Cross-attention", 5);
    window.sees("Map of the cross-attention", 30);
    window.shot("encoder-decoder-cross-attention");
    window.click("Beams", 5);
    window.click("Search", 5);
    window.sees("Answers, the best first", 60);
    window.shot("encoder-decoder-beams");
    window.click("Hidden spans", 5);
    window.click("Fill in", 5);
    window.sees("Written: ", 60);
    window.click("Show the hidden words", 5);
    window.shot("encoder-decoder-hidden-spans");
    key("ctrl+3");
    window.sees("not available for it", 10);
    window.shot("encoder-decoder-look-inside");
    window.kill();
}
