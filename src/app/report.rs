//! What a report of a fault says: the program, the system, the model's header, the last errors. No
//! names of files, no texts, no answers.

use std::env::consts;

use tuning_fork_kernels as kernels;

use super::Workbench;
use crate::llm::card::ModelCard;
use crate::logging;
use crate::program;
use crate::state::notice::{Notice, Severity};

/// So many notices at most, the newest.
const MOST_NOTICES: usize = 5;

impl Workbench {
    /// As plain text, to be pasted into an e-mail or an issue.
    pub(super) fn report(&mut self) -> String {
        let (free, all) = self.host.memory();
        let gigabytes = |bytes: u64| bytes as f64 / 1e9;
        let mut lines = vec![
            format!("Tuning Fork {}", program::VERSION_WITH_COMMIT),
            format!("System: {}, {} ({})", system_name(), consts::ARCH, consts::OS),
            format!(
                "Processor: {} threads, {}",
                rayon::current_num_threads(),
                kernels::instructions()
            ),
            format!("Memory: {:.1} GB free of {:.1} GB", gigabytes(free), gigabytes(all)),
            format!("Panel: {}", self.state.prefs.panel.name()),
            match self.state.model.in_memory() {
                Some(card) => model(card),
                None => "Model: none".to_owned(),
            },
        ];
        if let Some(adapter) = self.state.adapter.ready() {
            lines.push(format!("Adapter: rank {}, alpha {}", adapter.rank, adapter.alpha));
        }
        // Whole, since they may have spaces in them.
        let known = self.state.prefs.opened_models.iter().chain(&self.state.prefs.project);
        let known: Vec<String> = known
            .chain([&self.state.project])
            .map(|path| path.display().to_string())
            .filter(|path| path.len() > 1)
            .collect();
        let redacted = |text: &str| {
            let text = known.iter().fold(text.to_owned(), |text, path| text.replace(path, "…"));
            redacted(&text)
        };
        let running: Vec<String> =
            self.state.activities.iter().map(|activity| redacted(&activity.what)).collect();
        if !running.is_empty() {
            lines.push(format!("Running: {}", running.join("; ")));
        }
        let told = self.state.notices.newest(MOST_NOTICES);
        let told = told.filter(|notice| notice.severity != Severity::Info);
        let told: Vec<String> = told.map(|notice| problem(notice, &redacted)).collect();
        lines.push(if told.is_empty() {
            "Problems on the screen: none".to_owned()
        } else {
            format!("Problems on the screen:\n{}", told.join("\n"))
        });
        let logged = logging::last_warnings();
        if !logged.is_empty() {
            let logged: Vec<String> =
                logged.iter().map(|line| format!("  {}", redacted(line))).collect();
            lines.push(format!("Last warnings in the log:\n{}", logged.join("\n")));
        }
        lines.push("What I did, and what I expected:".to_owned());
        lines.join("\n")
    }
}

fn system_name() -> String {
    let name = sysinfo::System::long_os_version().unwrap_or_else(|_| consts::OS.to_owned());
    match sysinfo::System::kernel_version() {
        Ok(kernel) => format!("{name}, kernel {kernel}"),
        Err(_) => name,
    }
}

/// What its header says; its name only where the Hub has it, since a file may be called anything.
fn model(card: &ModelCard) -> String {
    let facts = &card.facts;
    let name = match (&card.identity.repo, &card.identity.commit) {
        (Some(repo), Some(commit)) => format!("{repo}@{commit}"),
        (Some(repo), None) => repo.clone(),
        (None, _) => "a file of this computer".to_owned(),
    };
    format!(
        "Model: {name}; {} {}, {} parameters, {} layers, context {}, vocabulary {}, chat template: {}, \
         SHA-256 {}",
        facts.architecture,
        facts.precision,
        facts.parameter_count,
        facts.layer_count,
        facts.context_length,
        facts.vocab_size,
        if facts.has_chat_template { "yes" } else { "no" },
        card.identity.sha256
    )
}

fn problem(notice: &Notice, redacted: &impl Fn(&str) -> String) -> String {
    let mut line = format!("  {}: {}", notice.place.name(), redacted(&notice.summary));
    for cause in &notice.causes {
        line.push_str(&format!("\n    because {}", redacted(cause)));
    }
    line
}

/// Without what is the person's: quoted text, paths and names of files become `…`.
///
/// `"no thanks" is in /home/ada/Interviews/ben.csv` becomes `"…" is in ….csv`.
fn redacted(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(start) = rest.find(['"', '“', '`', '«']) {
        let open = rest[start..].chars().next().expect("it was found");
        let close = match open {
            '“' => '”',
            '«' => '»',
            same => same,
        };
        let inside = &rest[start + open.len_utf8()..];
        // A quotation that does not end is all that is left.
        let end = inside.find(close).unwrap_or(inside.len());
        out.push_str(&without_paths(&rest[..start]));
        out.push(open);
        out.push('…');
        out.push(close);
        rest = inside.get(end + close.len_utf8()..).unwrap_or("");
    }
    out.push_str(&without_paths(rest));
    out
}

fn without_paths(text: &str) -> String {
    let is_break = |letter: char| letter.is_whitespace() || "()[]{},;".contains(letter);
    // Words and what is between them, in turn.
    let mut pieces: Vec<&str> = Vec::new();
    let mut begin = 0;
    let mut was_break = false;
    for (at, letter) in text.char_indices() {
        if is_break(letter) != was_break {
            pieces.push(&text[begin..at]);
            (begin, was_break) = (at, !was_break);
        }
    }
    pieces.push(&text[begin..]);
    // A folder's name may have spaces in it: what stands between two parts of a path is of it.
    let paths: Vec<usize> = (0..pieces.len()).filter(|at| is_path(pieces[*at])).collect();
    let between = |at: usize| {
        let before = paths.iter().rev().find(|path| **path <= at);
        let after = paths.iter().find(|path| **path >= at);
        before.zip(after).is_some_and(|(before, after)| after - before <= 8)
    };
    let kept = pieces.iter().enumerate().map(|(at, piece)| {
        let is_word = !piece.starts_with(is_break);
        if is_word && (is_file(piece) || between(at)) {
            shortened(piece)
        } else {
            (*piece).to_owned()
        }
    });
    kept.collect()
}

fn bare(word: &str) -> &str {
    word.trim_end_matches([':', '.', '!', '?'])
}

fn is_address(word: &str) -> bool {
    word.starts_with("http://") || word.starts_with("https://")
}

fn is_path(word: &str) -> bool {
    !is_address(word) && word.contains(['/', '\\'])
}

fn is_file(word: &str) -> bool {
    is_address(word) || ending(bare(word)).is_some()
}

fn ending(word: &str) -> Option<&str> {
    word.rsplit_once('.').map(|(_, ending)| ending).filter(|ending| is_ending(ending))
}

/// Of an address the server, of a file its ending, of a path nothing.
fn shortened(word: &str) -> String {
    let name = bare(word);
    let mark = &word[name.len()..];
    if is_address(name) {
        return format!("{}{mark}", name.split('/').take(3).collect::<Vec<_>>().join("/"));
    }
    match ending(name) {
        Some(ending) => format!("….{ending}{mark}"),
        None => format!("…{mark}"),
    }
}

/// Of a file: letters, at most eight of them, and a digit or two.
fn is_ending(ending: &str) -> bool {
    (1..=11).contains(&ending.len())
        && ending.starts_with(|letter: char| letter.is_ascii_alphabetic())
        && ending.chars().all(|letter| letter.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests {
    use super::redacted;

    #[test]
    fn a_report_has_nothing_of_the_persons() {
        for (said, kept) in [
            ("\"no thanks\" is in /home/ada/Interviews/ben.csv", "\"…\" is in ….csv"),
            ("interview-ben.csv could not be read", "….csv could not be read"),
            ("row 3: “Ich war's” is no label", "row 3: “…” is no label"),
            ("C:\\Users\\Ada\\ben.xlsx: access denied", "….xlsx: access denied"),
            ("no such file (os error 2): /home/ada/My Texts/ben", "no such file (os error 2): … …"),
            ("My study in /home/ada/My Texts/ben is open", "My study in … … is open"),
            ("a quotation \"that never ends", "a quotation \"…\""),
            (
                "WARN tuning_fork::hub: https://huggingface.co/ada/secret answered 500",
                "WARN tuning_fork::hub: https://huggingface.co answered 500",
            ),
            ("12 of 200 rows were cut at 512 tokens", "12 of 200 rows were cut at 512 tokens"),
            ("version 0.1.0 and 3.5 s", "version 0.1.0 and 3.5 s"),
        ] {
            assert_eq!(redacted(said), kept);
        }
    }
}
