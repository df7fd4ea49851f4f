//! One place of the text: what stands there, and what else the model would have put there.

use eframe::egui::{Label, Ui};

use crate::explore::predictions::Candidate;
use crate::state::look_inside::reading::Reading;
use crate::widgets::candidate_bars::{CandidateBar, Rows, candidate_bars_ui};
use crate::widgets::format;
use crate::widgets::theme;
use crate::widgets::token_flow::visible_whitespace;

/// The token, its surprise, and its ten rivals.
pub fn place_ui(ui: &mut Ui, reading: &Reading, token: usize) {
    let Some(text) = reading.view.tokens.get(token) else { return };
    let title = format!("Token {}: {}", token + 1, visible_whitespace(text));
    ui.add(Label::new(theme::title(ui, title)).wrap());
    let Some((candidates, entropy)) = reading.view.instead_of(token) else {
        let words = "Nothing stands before it, so that nothing was expected.";
        ui.add(Label::new(theme::muted(ui, words)).wrap());
        return;
    };
    let id = reading.view.ids[token];
    if let (Some(bits), Some(logprob)) =
        (reading.view.surprisal[token], reading.view.logprobs[token])
    {
        let share = format::percent(logprob.exp() as f32);
        let words = format!("{share}, a surprise of {bits:.2} bits");
        ui.add(Label::new(theme::strong(ui, words)).wrap());
    }
    let rank = candidates.iter().position(|candidate| candidate.id == id);
    let rank = match rank {
        Some(0) => "The model expected it most".to_owned(),
        Some(rank) => format!("Number {} of what the model expected", rank + 1),
        None => format!("Not among the {} likeliest", candidates.len()),
    };
    let fork =
        if reading.is_fork[token] { ". A fork: the first two are nearly as likely" } else { "" };
    let words = format!("{rank}; {entropy:.1} bits were open here{fork}");
    ui.add(Label::new(theme::muted(ui, words)).wrap());
    ui.add_space(theme::GAP_SMALL);
    ui.add(Label::new(theme::strong(ui, "What could have stood here")).wrap());
    candidates_ui(ui, candidates, Some(id), "it stands in the text");
}

/// Candidates as bars; the one that is marked says what it is.
pub fn candidates_ui(ui: &mut Ui, candidates: &[Candidate], marked_id: Option<u32>, marked: &str) {
    let bars: Vec<CandidateBar<'_>> = candidates.iter().map(|it| bar(it, marked_id)).collect();
    candidate_bars_ui(ui, &bars, marked, Rows::Shown);
}

pub fn bar(candidate: &Candidate, marked_id: Option<u32>) -> CandidateBar<'_> {
    CandidateBar {
        text: &candidate.token,
        probability: candidate.probability as f32,
        is_marked: Some(candidate.id) == marked_id,
    }
}
