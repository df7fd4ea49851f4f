//! Fill the mask, as a figure and as a table.

use super::cells::{cell, header, maybe};
use super::drawing::{
    COOL, GREEN, GREY, INK, MOST, MUTED, SMALL, WARM, WIDTH, flow, mixed, pixels, visible,
};
use super::exported::FilledFigure;
use super::font;
use super::sheet::{MARGIN, Sheet};
use crate::explore::fit::{Fit, Fitted};
use crate::explore::mask::{Guessed, Side};

/// Guesses that are drawn for each mask.
const ROWS: usize = 5;

/// Both models, with where they look from.
fn sides(figure: &FilledFigure) -> [(&'static str, Option<&Side>); 2] {
    [("both sides", figure.both.as_ref()), ("the left", figure.left.as_ref())]
}

/// The text with its masks, and under it what each model guesses there.
pub(super) fn filled(sheet: &mut Sheet, top: i32, figure: &FilledFigure) {
    let mut number = 0;
    let chips = figure.pieces.iter().map(|(text, is_chosen)| {
        if !is_chosen {
            return (visible(text), String::new(), mixed(GREY, 0.0));
        }
        let is_told = figure.told.get(number).copied().unwrap_or(true);
        number += 1;
        let words = if is_told { visible(text) } else { "____".to_owned() };
        (words, number.to_string(), mixed(COOL, 0.25))
    });
    flow(sheet, top, &chips.collect::<Vec<_>>());
    let mut y = sheet.height;
    let half = (WIDTH - 2 * MARGIN) / 2;
    for (at, (name, side)) in sides(figure).into_iter().enumerate() {
        let words = side.map_or_else(
            || format!("From {name}: no model"),
            |side| format!("From {name}: {}", side.model),
        );
        let words = font::shortened(&words, SMALL, half - 16);
        sheet.text((MARGIN + pixels(at) * half, y), SMALL, INK, &words);
    }
    y += 26;
    for (number, word) in figure.words.iter().enumerate() {
        if !figure.told.get(number).copied().unwrap_or(true) {
            sheet.text((MARGIN, y), SMALL, MUTED, &format!("{}: hidden", number + 1));
            y += 26;
            continue;
        }
        let mut bottom = y;
        for (at, (_, side)) in sides(figure).into_iter().enumerate() {
            let Some(place) = side.and_then(|side| side.at(&word.characters)) else { continue };
            let left = MARGIN + pixels(at) * half;
            sheet.text((left, y), SMALL, MUTED, &format!("{}: {}", number + 1, own_words(place)));
            bottom = bottom.max(bars(sheet, (left, y + 20), half - 24, place));
        }
        y = bottom.max(y + 20) + 12;
    }
}

/// `door: 12.3 %, number 4`
fn own_words(place: &Guessed) -> String {
    let word = place.word.as_deref().unwrap_or("[MASK]");
    let share = place.probability.map(|share| format!(": {:.1} %", share * 100.0));
    let rank = place.rank().map(|rank| format!(", number {rank}"));
    let tokens = match place.tokens.len() {
        0 => ": nothing stands before it".to_owned(),
        1 => String::new(),
        count => format!(", {count} tokens"),
    };
    format!("{word}{}{}{tokens}", share.unwrap_or_default(), rank.unwrap_or_default())
}

/// The likeliest at its first token. Where the next thing can be drawn.
fn bars(sheet: &mut Sheet, (left, top): (i32, i32), width: i32, place: &Guessed) -> i32 {
    let Some(token) = place.tokens.first() else { return top };
    let (name, number, step) = (150, 56, 20);
    let most = token.top.first().map_or(1.0, |best| best.probability).max(1e-9);
    for (row, guess) in token.top.iter().take(ROWS).enumerate() {
        let y = top + pixels(row) * step;
        let words = font::shortened(&visible(&guess.token), SMALL, name - 8);
        sheet.text((left, y + 2), SMALL, INK, &words);
        let room = f64::from(width - name - number);
        let length = ((room * guess.probability / most).round() as i32).max(1);
        let is_own = token.own.as_ref().is_some_and(|own| own.id == guess.id);
        let ink = if is_own { GREEN } else { COOL };
        sheet.rect((left + name, y + 1), (length, step - 6), mixed(ink, MOST));
        let words = format!("{:.1} %", guess.probability * 100.0);
        sheet.text((left + width - number + 4, y + 2), SMALL, INK, &words);
    }
    top + pixels(token.top.len().min(ROWS)) * step
}

/// A line a guess; what stands in the text is told beside each.
pub(super) fn filled_rows(figure: &FilledFigure) -> Vec<Vec<String>> {
    let mut names =
        header(&["mask", "from", "to", "word", "guessed_from", "model", "token", "position"]);
    names.extend(header(&["entropy", "own_id", "own_token", "own_logprob", "own_probability"]));
    names.extend(header(&["own_rank", "place", "id", "guess", "logprob", "probability"]));
    let mut rows = vec![names];
    for (number, word) in figure.words.iter().enumerate() {
        for (name, side) in sides(figure) {
            let Some(side) = side else { continue };
            let Some(place) = side.at(&word.characters) else { continue };
            for (token_at, token) in place.tokens.iter().enumerate() {
                let own = token.own.as_ref();
                for (place_at, guess) in token.top.iter().enumerate() {
                    rows.push(vec![
                        (number + 1).to_string(),
                        place.characters.start.to_string(),
                        place.characters.end.to_string(),
                        cell(place.word.as_deref().unwrap_or_default()),
                        name.to_owned(),
                        cell(&side.model),
                        (token_at + 1).to_string(),
                        token.position.to_string(),
                        token.entropy.to_string(),
                        maybe(own.map(|own| own.id)),
                        own.map(|own| cell(&own.token)).unwrap_or_default(),
                        maybe(own.map(|own| own.logprob)),
                        maybe(own.map(|own| own.probability)),
                        maybe(own.map(|own| own.rank)),
                        (place_at + 1).to_string(),
                        guess.id.to_string(),
                        cell(&guess.token),
                        guess.logprob.to_string(),
                        guess.probability.to_string(),
                    ]);
                }
            }
        }
    }
    rows
}

/// Each text with the surprise of its tokens; of two texts the second with its difference too.
pub(super) fn fit(sheet: &mut Sheet, top: i32, fitted: &Fitted) {
    let mut y = top;
    for fit in fitted.texts() {
        let words = format!(
            "Pseudo-log-likelihood {:.3} over {} tokens; under each token its surprise in bits",
            fit.pseudo_log_likelihood, fit.guessed_tokens
        );
        sheet.text((MARGIN, y), SMALL, MUTED, &words);
        let chips = fit.tokens.iter().zip(&fit.logprobs).map(|(token, logprob)| {
            let bits = logprob.map(|nats| -nats / std::f64::consts::LN_2);
            let caption = bits.map(|bits| format!("{bits:.1}")).unwrap_or_default();
            (visible(token), caption, mixed(WARM, bits.unwrap_or(0.0) / 12.0 * MOST))
        });
        flow(sheet, y + 24, &chips.collect::<Vec<_>>());
        y = sheet.height + 8;
    }
    if let Fitted::Pair(pair) = fitted {
        let words = format!(
            "The first text fits better by {:+.3}; over the {} tokens that both have by {:+.3}",
            pair.difference,
            pair.shared.len(),
            pair.shared_difference
        );
        sheet.text((MARGIN, y), SMALL, INK, &words);
    }
}

/// A line a token.
pub(super) fn fit_rows(fitted: &Fitted) -> Vec<Vec<String>> {
    let mut rows = vec![header(&["text", "position", "id", "token", "logprob", "difference"])];
    // By how much a token that both have is likelier in the first text.
    let difference = |text: usize, at: usize| match fitted {
        Fitted::One(_) => None,
        Fitted::Pair(pair) => {
            let place = |it: &&crate::explore::fit::SharedToken| [it.a, it.b][text] == at;
            pair.shared.iter().find(place).map(|it| it.difference)
        }
    };
    for (text, fit) in fitted.texts().into_iter().enumerate() {
        let Fit { ids, tokens, logprobs, .. } = fit;
        for (at, ((id, token), logprob)) in ids.iter().zip(tokens).zip(logprobs).enumerate() {
            rows.push(vec![
                (text + 1).to_string(),
                at.to_string(),
                id.to_string(),
                cell(token),
                maybe(*logprob),
                maybe(difference(text, at)),
            ]);
        }
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::figure::exported::Exported;
    use crate::app::figure::table::csv;
    use crate::explore::mask::{GuessedToken, OwnToken};
    use crate::explore::mask_words::words;
    use crate::explore::predictions::Candidate;

    fn figure(told: bool) -> FilledFigure {
        let candidate = |id: u32, token: &str, probability: f64| Candidate {
            id,
            token: token.to_owned(),
            logprob: probability.ln(),
            probability,
        };
        let own = OwnToken {
            id: 8,
            token: "door".to_owned(),
            logprob: 0.25_f64.ln(),
            probability: 0.25,
            rank: 2,
        };
        let token = GuessedToken {
            position: 2,
            entropy: 1.5,
            top: vec![candidate(7, "gate", 0.5), candidate(8, "door", 0.25)],
            own: Some(own),
        };
        let place = Guessed {
            characters: 4..8,
            word: Some("door".to_owned()),
            tokens: vec![token],
            logprob: Some(0.25_f64.ln()),
            probability: Some(0.25),
        };
        let side = |name: &str| Side {
            model: name.to_owned(),
            ids: vec![1, 2, 4],
            tokens: ["[CLS]", "the", "[MASK]"].map(str::to_owned).into(),
            is_cut: false,
            places: vec![place.clone()],
        };
        FilledFigure {
            pieces: vec![("The".to_owned(), false), (" door".to_owned(), true)],
            words: words("The door").split_off(1),
            told: vec![told],
            both: Some(side("bert")),
            left: Some(side("gpt")),
        }
    }

    #[test]
    fn the_table_has_every_guess_and_the_figure_tells_nothing_that_is_hidden() {
        font::use_bundled().unwrap();
        let text = String::from_utf8(csv(&Exported::Filled(figure(true)))).unwrap();
        assert_eq!(text.lines().count(), 5, "two guesses from each side: {text}");
        assert!(text.contains("1,4,8,door,both sides,bert,1,2,1.5,8,door,"), "{text}");
        let drawn = |told| {
            let mut sheet = Sheet::new(WIDTH);
            filled(&mut sheet, MARGIN, &figure(told));
            sheet.svg().unwrap()
        };
        let told = drawn(true);
        for words in ["door: 25.0 %, number 2", "gate", "From the left: gpt", "50.0 %"] {
            assert!(told.contains(words), "{words}");
        }
        let hidden = drawn(false);
        assert!(!hidden.contains("door") && !hidden.contains("gate") && hidden.contains("____"));
    }
}
