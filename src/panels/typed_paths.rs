//! What is typed into the palette beside the names of commands: a path, so that a file is opened without a
//! dialog, and the name of a coder.

use std::path::PathBuf;

use super::keys::Action;
use crate::state::AppState;
use crate::state::codes::{AnnotateView, Front};
use crate::state::command::{AnnotateCommand, CodesCommand, Command, MapCommand};
use crate::state::prefs::PanelId;
use crate::study::forms::export::Export;

/// In front of a coder's name.
const CODE_AS: &str = "code as ";

/// What makes sense with a path that begins at the root or a drive, and with `code as Ada`.
pub(super) fn actions(state: &AppState, query: &str) -> Vec<Action> {
    let lower = query.trim_start().to_lowercase();
    if lower.starts_with(CODE_AS) && state.codes.session.is_none() {
        let name = query.trim_start().get(CODE_AS.len()..).unwrap_or_default().trim();
        if !name.is_empty() {
            return vec![Action {
                words: format!("Code as {name}"),
                shortcut: None,
                commands: vec![CodesCommand::CodeAs(name.to_owned()).into()],
            }];
        }
    }
    let path = query.trim().trim_matches('"');
    let mut letters = path.chars();
    let has_drive = letters.next().is_some_and(|letter| letter.is_ascii_alphabetic())
        && letters.next() == Some(':');
    if path.len() < 2 || !(path.starts_with(['/', '\\']) || has_drive) {
        return Vec::new();
    }
    let file = PathBuf::from(path);
    let action = |words: &str, command: Command| Action {
        words: format!("{words} {path}"),
        shortcut: None,
        commands: vec![command],
    };
    let coding = state.codes.session.is_some();
    let mut actions = Vec::new();
    if coding {
        let export = |form| CodesCommand::ExportTo(form, file.clone()).into();
        actions.push(action("Export the codes, a row a code, to", export(Export::Long)));
        actions.push(action("Export the codes, a row an item, to", export(Export::Wide)));
        let merge = CodesCommand::MergeFile(file.clone()).into();
        actions.push(action("Merge the codes of a colleague from", merge));
    } else {
        let table = CodesCommand::UseTable(file.clone()).into();
        actions.push(action("Code the texts of", table));
        if state.codes.view == AnnotateView::Codes && state.codes.front == Front::Setup {
            let codebook = CodesCommand::UseCodebook(file.clone()).into();
            actions.push(action("Use the codebook", codebook));
            if file.extension().is_some_and(|end| end == "toml" || end == "json" || end == "md") {
                actions.rotate_right(1);
            }
        }
    }
    actions
        .push(action("Compare the answers of", AnnotateCommand::UseAnswers(file.clone()).into()));
    let prompts = AnnotateCommand::UseFile(file.clone()).into();
    actions.push(action("Label answers to the prompts of", prompts));
    actions.push(action("Map the texts of", MapCommand::UseTable(file).into()));
    if state.prefs.panel == PanelId::LookInside {
        actions.rotate_right(1);
    }
    actions
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_coder_is_named_and_a_codebook_comes_first_where_it_is_wanted() {
        let mut state = AppState::default();
        assert_eq!(actions(&state, "code as Ada Lovelace")[0].words, "Code as Ada Lovelace");
        assert!(actions(&state, "code as ").is_empty());
        (state.codes.view, state.codes.front) = (AnnotateView::Codes, Front::Setup);
        assert_eq!(actions(&state, "/a/book.toml")[0].words, "Use the codebook /a/book.toml");
        assert_eq!(actions(&state, "/a/texts.csv")[0].words, "Code the texts of /a/texts.csv");
        state.prefs.panel = PanelId::LookInside;
        assert_eq!(actions(&state, "/a/texts.csv")[0].words, "Map the texts of /a/texts.csv");
    }

    #[test]
    fn only_a_whole_path_is_a_file() {
        let state = AppState::default();
        assert!(actions(&state, "export").is_empty() && actions(&state, "/").is_empty());
        for path in ["/home/ada/texts.csv", "C:\\texts.csv", "\"/a b/c.csv\""] {
            let words = actions(&state, path).remove(0).words;
            assert_eq!(words, format!("Code the texts of {}", path.trim_matches('"')));
        }
    }
}
