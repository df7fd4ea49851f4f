//! A view of Look inside as files: its figure, its numbers.

use std::io;
use std::path::{Path, PathBuf};

use super::drawing::{
    COOL, GREEN, GREY, INK, MOST, MUTED, SMALL, WARM, WIDTH, flow, mixed, pair, pixels, visible,
};
use super::exported::Exported;
use super::sheet::{MARGIN, Sheet};
use super::{font, items, machine, maps, mask, models, pair_set, table, token_sides, words};
use crate::explore::attention::AttentionView;
use crate::explore::leave_one_out::LeaveOneOutView;
use crate::explore::lens::LensView;
use crate::files;

/// A map with more rows than that is drawn without words.
const MOST_ROWS: usize = 64;

/// Writes CSV, SVG and PNG into a folder and returns it.
pub fn export(exported: &Exported, title: &str, folder: &Path) -> io::Result<PathBuf> {
    font::use_bundled()?;
    files::folders::make(folder)?;
    let sheet = sheet(exported, title);
    let path = |ending: &str| folder.join(format!("{}.{ending}", exported.name()));
    files::write_atomic(&path("csv"), &table::csv(exported))?;
    files::write_atomic(&path("svg"), sheet.svg()?.as_bytes())?;
    files::write_atomic(&path("png"), &sheet.png()?)?;
    Ok(folder.to_owned())
}

fn sheet(exported: &Exported, title: &str) -> Sheet {
    let mut sheet = Sheet::new(WIDTH);
    let mut top = MARGIN;
    if !title.is_empty() {
        sheet.text((MARGIN, top), 20, INK, title);
        top += 36;
    }
    match exported {
        Exported::Tokens(view) => {
            let chips = view.pieces.iter().enumerate().map(|(at, piece)| {
                let ground = mixed([COOL, GREEN, WARM, MUTED][at % 4], 0.2);
                (visible(&piece.token), piece.id.to_string(), ground)
            });
            flow(&mut sheet, top, &chips.collect::<Vec<_>>());
        }
        Exported::Tokenizers { sides, part } => {
            token_sides::tokenizers(&mut sheet, top, sides, *part);
        }
        Exported::Surprise { view, is_hidden } => {
            let chips = view.tokens.iter().enumerate().map(|(at, token)| {
                let bits = view.surprisal[at];
                let caption = bits.map(|bits| format!("{bits:.1}")).unwrap_or_default();
                let ground = mixed(WARM, bits.unwrap_or(0.0) / 12.0 * MOST);
                let is_hidden = is_hidden.as_ref().is_some_and(|hidden| hidden[at]);
                let words = if is_hidden { "____".to_owned() } else { visible(token) };
                (words, caption, ground)
            });
            flow(&mut sheet, top, &chips.collect::<Vec<_>>());
        }
        Exported::Filled(figure) => mask::filled(&mut sheet, top, figure),
        Exported::Fit(fitted) => mask::fit(&mut sheet, top, fitted),
        Exported::PairSet(results) => pair_set::pair_set(&mut sheet, top, results),
        Exported::Compare { names, view } => models::two_models(&mut sheet, top, names, view),
        Exported::Pair { prompts, view } => pair(&mut sheet, top, prompts, view),
        Exported::LeaveOneOut(view) => left_out(&mut sheet, top, view),
        Exported::Machine { machine, before, times } => {
            machine::machine(&mut sheet, top, machine, (*before, times.as_ref()));
        }
        Exported::Attention { view, tokens, head, .. } => {
            attention(&mut sheet, top, view, tokens, *head);
        }
        Exported::Lens(view) => lens(&mut sheet, top, view),
        Exported::Words(view) => words::words(&mut sheet, top, view),
        Exported::Map(figure) => maps::map(&mut sheet, top, figure),
        Exported::Clusters { groups, .. } => maps::clusters(&mut sheet, top, groups),
        Exported::Probe(probed) => maps::probe(&mut sheet, top, probed),
        Exported::Items { found, .. } => items::items(&mut sheet, top, found),
    }
    sheet
}

fn attention(sheet: &mut Sheet, top: i32, view: &AttentionView, tokens: &[String], head: usize) {
    let time = view.time;
    let words = format!("Layer {}, head {head}. A row is a token that looks.", view.layer);
    sheet.text((MARGIN, top), SMALL, MUTED, &words);
    let top = top + 26;
    let has_words = time <= MOST_ROWS;
    let names: Vec<String> = tokens.iter().take(time).map(|token| visible(token)).collect();
    let name_width = if has_words {
        names.iter().map(|name| font::width(name, SMALL)).max().unwrap_or(0).min(240) + 10
    } else {
        0
    };
    let room = WIDTH - 2 * MARGIN - name_width;
    let step = (room / pixels(time.max(1))).clamp(1, 20);
    for (row, weights) in view.head(head).chunks_exact(time.max(1)).enumerate() {
        let y = top + pixels(row) * step;
        if has_words {
            let width = font::width(&names[row], SMALL);
            let x = MARGIN + (name_width - 8 - width).max(0);
            sheet.text((x, y + (step - 13) / 2), SMALL, INK, &names[row]);
        }
        for (column, weight) in weights[..=row].iter().enumerate() {
            let color = mixed(COOL, f64::from(*weight).sqrt());
            let x = MARGIN + name_width + pixels(column) * step;
            sheet.rect((x, y), (step, step), color);
        }
    }
}

fn lens(sheet: &mut Sheet, top: i32, view: &LensView) {
    let count = view.positions.len();
    let name_width = 70;
    let column = ((WIDTH - 2 * MARGIN - name_width) / pixels(count.max(1))).max(90);
    sheet.width = (2 * MARGIN + name_width + column * pixels(count)).max(WIDTH);
    let step = 22;
    for (row, layer) in (0..view.top.len()).rev().enumerate() {
        let y = top + pixels(row) * step;
        let name = match layer {
            0 => "input".to_owned(),
            layer if layer + 1 == view.top.len() => "output".to_owned(),
            layer => format!("layer {layer}"),
        };
        sheet.text((MARGIN, y + 4), SMALL, MUTED, &name);
        for (at, candidates) in view.top[layer].iter().enumerate() {
            let Some(best) = candidates.first() else { continue };
            let x = MARGIN + name_width + pixels(at) * column;
            sheet.rect((x, y), (column - 2, step - 2), mixed(COOL, best.probability * MOST));
            let number = format!("{:.0} %", best.probability * 100.0);
            let number_width = font::width(&number, SMALL);
            let name = font::shortened(&visible(&best.token), SMALL, column - number_width - 16);
            sheet.text((x + 4, y + 4), SMALL, INK, &name);
            sheet.text((x + column - number_width - 6, y + 4), SMALL, INK, &number);
        }
    }
    let y = top + pixels(view.top.len()) * step + 6;
    sheet.rect((MARGIN, y - 4), (name_width + column * pixels(count), 1), GREY);
    sheet.text((MARGIN, y), SMALL, INK, "after");
    for (at, position) in view.positions.clone().enumerate() {
        let name = font::shortened(&visible(&view.tokens[position]), SMALL, column - 8);
        sheet.text((MARGIN + name_width + pixels(at) * column + 4, y), SMALL, INK, &name);
    }
}

/// The text with what each part adds under its first token; the answer is framed by its name.
fn left_out(sheet: &mut Sheet, top: i32, view: &LeaveOneOutView) {
    let part_of = |at: usize| view.parts.iter().find(|part| part.tokens.contains(&at));
    let chips = view.tokens.iter().enumerate().map(|(at, token)| {
        if view.answer.contains(&at) {
            let caption = if at == view.answer.start { "answer" } else { "" };
            return (visible(token), caption.to_owned(), GREY);
        }
        let part = part_of(at);
        let bits = part.and_then(|part| part.difference).map(|nats| nats / std::f64::consts::LN_2);
        let is_first = part.is_some_and(|part| part.tokens.start == at);
        let caption = bits.filter(|_| is_first).map(|bits| format!("{bits:+.1}"));
        let bits = bits.unwrap_or(0.0);
        let ink = if bits < 0.0 { WARM } else { GREEN };
        (visible(token), caption.unwrap_or_default(), mixed(ink, bits.abs() / 3.0 * MOST))
    });
    flow(sheet, top, &chips.collect::<Vec<_>>());
}

#[cfg(test)]
mod tests {
    use std::f64::consts::LN_2;

    use super::*;
    use crate::explore::predictions::Candidate;
    use crate::explore::surprise::SurpriseView;

    fn text(exported: &Exported) -> String {
        String::from_utf8(table::csv(exported)).unwrap()
    }

    fn surprise() -> SurpriseView {
        let candidate = |id: u32, probability: f64| Candidate {
            id,
            token: format!(" t{id}"),
            logprob: probability.ln(),
            probability,
        };
        SurpriseView {
            ids: vec![5, 6, 7],
            tokens: ["The", " \"old\",", " tower"].map(str::to_owned).into(),
            logprobs: vec![None, Some(-LN_2), Some(-12.0 * LN_2)],
            surprisal: vec![None, Some(1.0), Some(12.0)],
            entropy: vec![1.5, 2.5, 0.1],
            top: vec![vec![candidate(6, 0.5), candidate(8, 0.25)]; 3],
            perplexity: Some(22.6),
        }
    }

    #[test]
    fn a_view_becomes_a_table_and_two_pictures_with_the_same_numbers() {
        let folder = tempfile::tempdir().unwrap();
        let view = surprise();
        let json = serde_json::to_value(&view).unwrap();
        let exported = Exported::Surprise { view, is_hidden: None };
        export(&exported, "What surprises the model?", folder.path()).unwrap();
        let mut table = csv::Reader::from_path(folder.path().join("surprise.csv")).unwrap();
        let names = table.headers().unwrap().clone();
        let rows: Vec<csv::StringRecord> = table.records().map(Result::unwrap).collect();
        assert_eq!(rows.len(), 3);
        for (at, row) in rows.iter().enumerate() {
            let of = |name: &str| &row[names.iter().position(|other| other == name).unwrap()];
            assert_eq!(of("token"), json["tokens"][at].as_str().unwrap(), "whole, with its space");
            for name in ["logprob", "surprisal", "entropy"] {
                let list = if name == "logprob" { "logprobs" } else { name };
                let same = json[list][at].as_f64().map(|value| value.to_string());
                assert_eq!(of(name), same.unwrap_or_default(), "{name}");
            }
            assert_eq!(of("top_2_token"), " t8");
        }
        let svg = std::fs::read_to_string(folder.path().join("surprise.svg")).unwrap();
        for words in ["What surprises the model?", "\u{b7}tower", "12.0"] {
            assert!(svg.contains(words), "{words}");
        }
        let file = std::fs::File::open(folder.path().join("surprise.png")).unwrap();
        let reader = png::Decoder::new(io::BufReader::new(file)).read_info().unwrap();
        assert_eq!(reader.info().width, 2 * WIDTH as u32);
    }

    #[test]
    fn a_hidden_word_is_not_told_by_the_figure_and_is_by_the_table() {
        let is_hidden = Some(vec![false, false, true]);
        let exported = Exported::Surprise { view: surprise(), is_hidden };
        font::use_bundled().unwrap();
        let svg = sheet(&exported, "").svg().unwrap();
        assert!(!svg.contains("tower") && svg.contains("____"));
        assert!(text(&exported).contains("\" tower\""));
    }

    #[test]
    fn every_view_has_a_figure() {
        font::use_bundled().unwrap();
        let tokens = vec!["a".to_owned(), " b".to_owned()];
        let view = AttentionView {
            layer: 1,
            heads: 1,
            time: 2,
            weights: vec![1.0, 0.0, 0.25, 0.75],
            scores: Vec::new(),
        };
        let attention =
            Exported::Attention { view, ids: vec![1, 2], tokens: tokens.clone(), head: 0 };
        assert!(text(&attention).ends_with("1,0,1,2,\" b\",1,2,\" b\",0.75\n"));
        assert!(sheet(&attention, "").svg().unwrap().contains("Layer 1, head 0"));
        let best = vec![Candidate { id: 3, token: "x".into(), logprob: -0.5, probability: 0.6 }];
        let lens = Exported::Lens(LensView {
            ids: vec![1, 2],
            tokens,
            positions: 1..2,
            top: vec![vec![best]; 3],
            entropy: vec![vec![1.0]; 3],
            followed: None,
        });
        assert_eq!(text(&lens).lines().count(), 4);
        let svg = sheet(&lens, "").svg().unwrap();
        assert!(svg.contains("layer 1") && svg.contains("output") && svg.contains("60 %"));
        assert_eq!(font::shortened("abcdefghijklmnopqrstuvwxyz", SMALL, 0), "");
    }
}
