//! What the window asks of the machine it runs on: the clock, randomness, a folder
//! shown in the file manager. A test's host answers by itself.

use std::path::{Path, PathBuf};
use std::time::Instant;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::data::sheet::form::SheetForm;
use crate::evaluate::task::survey::Beside;
use crate::study::forms::export::Export;

/// What a file dialog is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ask {
    ModelFile,
    ModelFolder,
    AdapterFolder,
    ProjectFolder,
    PromptsFile,
    AnswersFile,
    AnswersFolder,
    Battles,
    TaskFile,
    EvaluationTable,
    MapTable,

    /// A tokenizer to be put beside others.
    TokenizerFolder,

    /// What people answered to the items of a questionnaire.
    ItemAnswers,
    Documents,
    BesideItems(Beside),

    /// Rows that are shown as examples.
    Examples,

    /// Where an evaluation's table goes.
    EvaluationFile(SheetForm),
    Codebook,
    StudyTable,
    StudyFolder,
    StudyCodebook,
    CodingPackage,

    /// What colleagues have sent back.
    SentCodes,
    ExportStudy(StudyFile),
    TrainingData,

    /// A file that is mixed with the training data.
    MixedData,
    RoundPrompts,
    RunFile,

    /// The new folder of a bundle.
    Bundle,

    /// What another engine left.
    Results,
    Lecture,
    SaveElsewhere,
    SaveRunFile,

    /// Where a run's model, with its adapter merged into it, is written.
    MergedFolder {
        run: String,
    },

    /// Where a run's adapter is written for llama.cpp.
    GgufAdapter {
        run: String,
    },

    /// Where the pairs are exported to: messages or plain text.
    ExportPairs {
        conversational: bool,
    },
}

/// What is written of a study.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StudyFile {
    Export(Export),
    Package,

    /// The codes of whoever codes here.
    Codes,
}

impl StudyFile {
    pub fn file_name(self) -> &'static str {
        match self {
            Self::Export(form) => form.file_name(),
            Self::Package => "study.coding.jsonl",
            Self::Codes => "codes.coding.jsonl",
        }
    }
}

pub trait Host {
    /// Seconds since the program started.
    fn seconds(&self) -> f64;

    /// The time of day, in UTC.
    fn now(&self) -> OffsetDateTime;

    /// Now, as RFC 3339 in UTC with milliseconds.
    fn timestamp(&self) -> String {
        let now = self.now();
        let now = now.replace_nanosecond(now.nanosecond() / 1_000_000 * 1_000_000);
        let now = now.expect("rounding down keeps a nanosecond valid");
        now.format(&Rfc3339).expect("the current year has four digits")
    }

    /// A number that nobody can foresee.
    fn random(&mut self) -> u64;

    /// Shows a file or folder in the file manager.
    fn reveal(&mut self, path: &Path) -> std::io::Result<()>;

    /// Bytes of memory that could still be used, and in all.
    fn memory(&mut self) -> (u64, u64);
}

/// The real one.
pub struct Desktop {
    started: Instant,
    /// `None`: this system's memory cannot be asked for.
    system: Option<sysinfo::System>,
}

impl Default for Desktop {
    fn default() -> Self {
        Self { started: Instant::now(), system: sysinfo::System::new().ok() }
    }
}

impl Host for Desktop {
    fn seconds(&self) -> f64 {
        self.started.elapsed().as_secs_f64()
    }

    fn now(&self) -> OffsetDateTime {
        OffsetDateTime::now_utc()
    }

    fn random(&mut self) -> u64 {
        rand::random()
    }

    fn reveal(&mut self, path: &Path) -> std::io::Result<()> {
        let folder = if path.is_dir() { path } else { path.parent().unwrap_or(path) };
        let program = if cfg!(target_os = "windows") {
            "explorer"
        } else if cfg!(target_os = "macos") {
            "open"
        } else {
            "xdg-open"
        };
        std::process::Command::new(program).arg(folder).spawn().map(drop)
    }

    fn memory(&mut self) -> (u64, u64) {
        let Some(system) = &mut self.system else { return (0, 0) };
        system.refresh_memory();
        (system.available_memory(), system.total_memory())
    }
}

/// What is read has these names; what it is, is told by what is in it.
const TABLES: [&str; 16] = [
    "jsonl", "ndjson", "json", "csv", "tsv", "txt", "md", "parquet", "xlsx", "xlsm", "xls", "xlsb",
    "ods", "gz", "zst", "tab",
];

/// Asks for a table of any format.
fn table_dialog(title: &str) -> Option<PathBuf> {
    rfd::FileDialog::new()
        .set_title(title)
        .add_filter("Tables and texts", &TABLES)
        .add_filter("All files", &["*"])
        .pick_file()
}

/// Opens a file dialog, and waits for it.
pub(super) fn show_dialog(ask: &Ask) -> Option<PathBuf> {
    let dialog = rfd::FileDialog::new();
    match ask {
        Ask::ModelFile => dialog
            .set_title("Open a model file")
            .add_filter("GGUF models", &["gguf"])
            .add_filter("All files", &["*"])
            .pick_file(),
        Ask::ModelFolder => dialog.set_title("Open a transformers folder").pick_folder(),
        Ask::TokenizerFolder => {
            dialog.set_title("Open a folder with a tokenizer (tokenizer.json)").pick_folder()
        }
        Ask::AdapterFolder => dialog.set_title("Open a PEFT adapter folder").pick_folder(),
        Ask::ProjectFolder => dialog.set_title("Open a project folder").pick_folder(),
        Ask::PromptsFile => table_dialog("Open prompts"),
        Ask::AnswersFile => table_dialog("Open answers to compare"),
        Ask::AnswersFolder | Ask::StudyFolder => {
            dialog.set_title("Open a folder with a file of answers for each model").pick_folder()
        }
        Ask::Battles => table_dialog("Open comparisons of models"),
        Ask::TaskFile => {
            dialog.set_title("Open a task file").add_filter("Task file", &["toml"]).pick_file()
        }
        Ask::EvaluationTable | Ask::StudyTable | Ask::MapTable => {
            table_dialog("Open a table of texts")
        }
        Ask::ItemAnswers => table_dialog("Open a table of people's answers"),
        Ask::BesideItems(Beside::People) => table_dialog("Open a table of people"),
        Ask::BesideItems(Beside::Marginals) => {
            table_dialog("Open a table of what real people said")
        }
        Ask::Examples => table_dialog("Open a table of examples"),
        Ask::EvaluationFile(form) => dialog
            .set_title("Save the table with the answers")
            .add_filter(form.words(), &[form.ending()])
            .set_file_name(format!("results.{}", form.ending()))
            .save_file(),
        Ask::Documents => dialog.set_title("Open a folder of documents").pick_folder(),
        Ask::Codebook => dialog
            .set_title("Open a codebook")
            .add_filter("Codebook", &["toml", "json"])
            .pick_file(),
        Ask::StudyCodebook => dialog
            .set_title("Open a codebook")
            .add_filter("Codebook", &["toml", "json", "csv", "md", "xlsx"])
            .pick_file(),
        Ask::CodingPackage => dialog
            .set_title("Open a coding package")
            .add_filter("Coding package", &["jsonl"])
            .pick_file(),
        Ask::SentCodes => dialog
            .set_title("Merge codes that were sent back")
            .add_filter("Coding package", &["jsonl"])
            .pick_file(),
        Ask::ExportStudy(file) => {
            dialog.set_title("Export").set_file_name(file.file_name()).save_file()
        }
        Ask::TrainingData => table_dialog("Open training data"),
        Ask::MixedData => table_dialog("Mix in another file"),
        Ask::RoundPrompts => table_dialog("Open prompts for the next round"),
        Ask::Bundle => dialog.set_title("Make a bundle").set_file_name("bundle").save_file(),
        Ask::Results => dialog.set_title("Import results").pick_folder(),
        Ask::RunFile => {
            dialog.set_title("Open a run file").add_filter("Run file", &["toml"]).pick_file()
        }
        Ask::Lecture => {
            dialog.set_title("Open a lecture").add_filter("Lecture", &["toml"]).pick_file()
        }
        Ask::ExportPairs { .. } => dialog
            .set_title("Export the pairs")
            .add_filter("JSON Lines", &["jsonl"])
            .set_file_name("preferences.jsonl")
            .save_file(),
        Ask::SaveElsewhere => dialog
            .set_title("Save the pairs")
            .add_filter("JSON Lines", &["jsonl"])
            .set_file_name("pairs.jsonl")
            .save_file(),
        Ask::MergedFolder { .. } => dialog
            .set_title("Save the merged model as a folder")
            .set_file_name("merged-model")
            .save_file(),
        Ask::GgufAdapter { .. } => dialog
            .set_title("Save the adapter for llama.cpp")
            .add_filter("GGUF adapter", &["gguf"])
            .set_file_name("adapter.gguf")
            .save_file(),
        Ask::SaveRunFile => dialog
            .set_title("Save the run file")
            .add_filter("Run file", &["toml"])
            .set_file_name("run.toml")
            .save_file(),
    }
}
