//! What is typed into the palette beside the names of commands: a path, so that a file is opened or written
//! without a dialog, and the name of a coder.

use std::path::{Path, PathBuf};

use super::keys::Action;
use crate::state::AppState;
use crate::state::codes::setup::What;
use crate::state::codes::{AnnotateView, Front};
use crate::state::command::{
    AnnotateCommand, CodesCommand, Command, EvaluateCommand, MapCommand, TrainCommand,
    WindowCommand,
};
use crate::state::look_inside::map::Part;
use crate::state::prefs::PanelId;
use crate::state::slots::ModelSlot;
use crate::study::forms::export::Export;
use crate::study::package;

/// In front of a coder's name.
const CODE_AS: &str = "code as ";

/// What makes sense with a path that begins at the root, a drive or the home folder, and with `code as Ada`.
/// Words before the path choose among it: `open /home/ada/task.toml`.
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
    let Some((said, path)) = split(query) else { return Vec::new() };
    let found = actions_on(state, &path);
    let words: Vec<String> = said.split_whitespace().map(str::to_lowercase).collect();
    let is_meant = |action: &Action| {
        let shown = action.words.to_lowercase();
        words.iter().all(|word| shown.contains(word.as_str()))
    };
    if found.iter().any(is_meant) { found.into_iter().filter(is_meant).collect() } else { found }
}

/// The words before a path, and the path, whole.
fn split(query: &str) -> Option<(&str, String)> {
    let begins = |rest: &str| {
        let rest = rest.trim_start_matches('"');
        let mut letters = rest.chars();
        let first = letters.next()?;
        let second = letters.next()?;
        let is_slash = |letter: char| matches!(letter, '/' | '\\');
        let has_drive =
            first.is_ascii_alphabetic() && second == ':' && letters.next().is_none_or(is_slash);
        let is_home = first == '~' && is_slash(second);
        let is_root = is_slash(first) && !second.is_whitespace();
        (is_root || has_drive || is_home).then_some(is_home)
    };
    let mut starts = std::iter::once(0).chain(query.match_indices(' ').map(|(at, _)| at + 1));
    let (at, is_home) = starts.find_map(|at| Some((at, begins(&query[at..])?)))?;
    let path = query[at..].trim().trim_matches('"');
    let home = if is_home { std::env::home_dir() } else { None };
    let whole = match home {
        Some(home) => home.join(&path[2..]).display().to_string(),
        None => path.to_owned(),
    };
    Some((query[..at].trim(), whole))
}

/// What makes sense with this path.
fn actions_on(state: &AppState, path: &str) -> Vec<Action> {
    let file = PathBuf::from(path);
    let action = |words: &str, command: Command| Action {
        words: format!("{words} {path}"),
        shortcut: None,
        commands: vec![command],
    };
    let is_annotate = state.prefs.panel == PanelId::Annotate;
    let mut actions = Vec::new();
    let mut of_study = Vec::new();
    if let Some(session) = &state.codes.session {
        let name = file.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
        for (words, command) in exports(&name, &file, session.folder.is_of_pairs()) {
            of_study.push(action(&words, command.into()));
        }
        let merge = CodesCommand::MergeFile(file.clone()).into();
        of_study.push(action("Merge the codes of a colleague from", merge));
    } else {
        let table = CodesCommand::UseTable(file.clone()).into();
        let words = if state.codes.setup.what() == What::Pairs {
            "Judge the pairs of"
        } else {
            "Code the texts of"
        };
        actions.push(action(words, table));
        if state.codes.setup.what() == What::Texts {
            let pairs = CodesCommand::UsePairs(file.clone()).into();
            actions.push(action("Make a study of the pairs of", pairs));
        }
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
    actions.push(action("Map the texts of", MapCommand::UseTable(file.clone()).into()));
    if state.prefs.panel == PanelId::LookInside {
        actions.rotate_right(1);
        let map = &state.look_inside.map;
        if map.part == Part::Items && map.made.ready().is_some() {
            let answers = MapCommand::UseAnswers(file.clone()).into();
            actions.insert(0, action("Compare the items with the answers of", answers));
        }
    }
    if state.prefs.panel == PanelId::Evaluate {
        let table = EvaluateCommand::UseTable(file.clone()).into();
        actions.insert(0, action("Ask a model about the rows of", table));
    }
    // A study that is open stays so while other panels are used.
    let place = if is_annotate { 0 } else { actions.len() };
    actions.splice(place..place, of_study);
    let is_train = state.prefs.panel == PanelId::Train;
    if is_train && file.extension().is_none() {
        let bundle = TrainCommand::BundleTo(file.clone()).into();
        let results = TrainCommand::ImportFrom(file.clone()).into();
        let folders = [("Make a bundle in", bundle), ("Import the results of", results)];
        actions.splice(0..0, folders.map(|(words, command)| action(words, command)));
    } else if is_train {
        actions.insert(0, action("Train on", TrainCommand::UseFile(file.clone()).into()));
    }
    if is_train && state.train.rounds.is_open() {
        let prompts = TrainCommand::RoundPrompts(file.clone()).into();
        actions.insert(0, action("Answer the prompts of", prompts));
    }
    let open = action("Open", WindowCommand::OpenPath(file.clone()).into());
    let is_coding = is_annotate && state.codes.session.is_some();
    let is_setup = is_annotate && !is_coding && state.codes.front == Front::Setup;
    let is_one_thing = file.extension().is_some_and(|ending| {
        ["toml", "gguf", "safetensors"].iter().any(|known| ending.eq_ignore_ascii_case(known))
    });
    // A path without an ending is a folder: a model, a project; a bundle only once there is a model.
    let has_model = !matches!(state.model, ModelSlot::Empty);
    let is_folder = file.extension().is_none() && !is_coding && !(is_train && has_model);
    if (is_one_thing || is_folder) && !is_setup {
        actions.insert(0, open);
    } else {
        actions.push(open);
    }
    actions
}

/// What of an open study a file with this ending may hold, the likeliest first.
fn exports(name: &str, file: &Path, is_of_pairs: bool) -> Vec<(String, CodesCommand)> {
    if name.ends_with(package::ENDING) {
        return vec![
            (
                "Export my codes, to send back, to".to_owned(),
                CodesCommand::CodesTo(file.to_owned()),
            ),
            (
                "Export a package for a colleague to".to_owned(),
                CodesCommand::PackageTo(file.to_owned()),
            ),
        ];
    }
    let ending = Path::new(name).extension().unwrap_or_default().to_string_lossy();
    let possible = Export::of(is_of_pairs);
    let of_ending = |form: &Export| {
        let own = Path::new(form.file_name()).extension().unwrap_or_default();
        own.to_string_lossy() == ending
    };
    let mut forms: Vec<Export> = possible.into_iter().filter(of_ending).collect();
    // Codes before the codebook, and what holds all of them before what is made for one program.
    let is_codebook = |form: &Export| {
        matches!(form, Export::CodebookJson | Export::CodebookCsv | Export::CodebookMarkdown)
    };
    let is_all = |form: &Export| matches!(form, Export::Long | Export::Wide | Export::JsonLines);
    forms.sort_by_key(|form| (is_codebook(form), !is_all(form)));
    let words = |form: Export| match form {
        Export::Long => "Export the codes, a row a code, to".to_owned(),
        Export::Wide => "Export the codes, a row an item, to".to_owned(),
        form if is_codebook(&form) => format!("Export the {} to", form.name().to_lowercase()),
        form => format!("Export as {} to", form.name()),
    };
    forms
        .into_iter()
        .map(|form| (words(form), CodesCommand::ExportTo(form, file.to_owned())))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_coder_is_named_and_a_codebook_comes_first_where_it_is_wanted() {
        let mut state = AppState::default();
        assert_eq!(actions(&state, "code as Ada Lovelace")[0].words, "Code as Ada Lovelace");
        assert!(actions(&state, "code as ").is_empty());
        state.prefs.panel = PanelId::Annotate;
        (state.codes.view, state.codes.front) = (AnnotateView::Codes, Front::Setup);
        assert_eq!(actions(&state, "/a/book.toml")[0].words, "Use the codebook /a/book.toml");
        assert_eq!(actions(&state, "/a/texts.csv")[0].words, "Code the texts of /a/texts.csv");
        state.prefs.panel = PanelId::LookInside;
        assert_eq!(actions(&state, "/a/texts.csv")[0].words, "Map the texts of /a/texts.csv");
    }

    #[test]
    fn the_panel_in_front_decides_what_comes_first() {
        let mut state = AppState::default();
        let words = |state: &AppState, path: &str| -> Vec<String> {
            actions(state, path).into_iter().map(|action| action.words).collect()
        };
        assert_eq!(words(&state, "/a/run.toml")[0], "Open /a/run.toml");
        assert_eq!(words(&state, "/a/model.GGUF")[0], "Open /a/model.GGUF");
        assert_eq!(words(&state, "/a/model")[0], "Open /a/model");
        assert_eq!(words(&state, "/a/texts.csv").pop().unwrap(), "Open /a/texts.csv");
        state.prefs.panel = PanelId::Evaluate;
        assert_eq!(words(&state, "/a/task.toml")[0], "Open /a/task.toml");
        assert_eq!(words(&state, "/a/texts.csv")[0], "Ask a model about the rows of /a/texts.csv");
        state.prefs.panel = PanelId::Train;
        assert_eq!(words(&state, "/a/model")[0], "Open /a/model");
        state.model = ModelSlot::Loading { name: "tiny".to_owned() };
        assert_eq!(
            words(&state, "/a/bundle")[..2],
            ["Make a bundle in /a/bundle", "Import the results of /a/bundle"]
        );
        assert_eq!(words(&state, "/a/pairs.jsonl")[0], "Train on /a/pairs.jsonl");
        state.train.rounds.open("first");
        let first = words(&state, "/a/new.jsonl").remove(0);
        assert_eq!(first, "Answer the prompts of /a/new.jsonl");
        assert_eq!(words(&state, "/a/run.toml")[0], "Open /a/run.toml");
        let open = actions(&state, "/a/run.toml").remove(0).commands;
        assert_eq!(open, [WindowCommand::OpenPath(PathBuf::from("/a/run.toml")).into()]);
    }

    #[test]
    fn the_ending_of_a_path_decides_what_is_exported() {
        let of = |name: &str, is_of_pairs| -> Vec<String> {
            let file = PathBuf::from(format!("/a/{name}"));
            exports(name, &file, is_of_pairs).into_iter().map(|(words, _)| words).collect()
        };
        assert_eq!(
            of("codes.csv", false),
            [
                "Export the codes, a row a code, to",
                "Export the codes, a row an item, to",
                "Export the codebook (csv) to"
            ]
        );
        assert_eq!(of("c.jsonl", false), ["Export as JSON Lines to", "Export as Potato to"]);
        assert_eq!(of("c.qdpx", false), ["Export as REFI-QDA (.qdpx) to"]);
        assert_eq!(of("c.json", false)[0], "Export as Label Studio (tasks) to");
        assert_eq!(of("ada.coding.jsonl", false)[0], "Export my codes, to send back, to");
        assert_eq!(
            of("p.jsonl", true)[1],
            "Export as TRL, a pair an item: settled, or what most say to"
        );
        assert!(of("c.docx", false).is_empty());
        let file = PathBuf::from("/a/c.qdpx");
        let (_, command) = exports("c.qdpx", &file, false).remove(0);
        assert_eq!(command, CodesCommand::ExportTo(Export::Qdpx, file));
    }

    #[test]
    fn words_before_a_path_choose_what_is_done_with_it() {
        let state = AppState::default();
        let first = |query: &str| actions(&state, query).remove(0).words;
        assert_eq!(first("open /a/texts.csv"), "Open /a/texts.csv");
        assert_eq!(
            first("  Map the texts of \"/a b/texts.csv\""),
            "Map the texts of /a b/texts.csv"
        );
        // Words that name nothing do not hide what can be done.
        assert_eq!(first("please look at /a/texts.csv"), "Code the texts of /a/texts.csv");
        let home = std::env::home_dir().unwrap().join("texts.csv");
        assert_eq!(first("open ~/texts.csv"), format!("Open {}", home.display()));
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
