//! Every form in which a study's codes or its codebook leave, with the files that each of them has.

use super::data_package::{Table, describe};
use super::{
    argilla, codebook, codebook_markdown, codebook_studio, label_studio, pairs, potato, qdpx,
    tables,
};
use crate::data::pair_forms::{self, PairForm};
use crate::data::record::VerdictRecord;
use crate::study::design::StudyError;
use crate::study::folder::Folder;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Export {
    Long,
    Wide,
    JsonLines,
    LabelStudio,
    LabelStudioMin,
    Argilla,
    Potato,
    Qdpx,
    CodebookJson,
    CodebookCsv,
    CodebookMarkdown,
    CodebookStudio,

    /// Of pairs: what was settled, or what most say, as TRL's preference pairs.
    Trl,

    /// Of pairs: a form that a project's verdicts have too.
    Pairs(PairForm),
}

/// The forms that only a study of pairs has. Alpaca needs a second file with a name of its own: the
/// command line writes it.
const OF_PAIRS: [Export; 8] = [
    Export::Trl,
    Export::Pairs(PairForm::Unpaired),
    Export::Pairs(PairForm::Sft),
    Export::Pairs(PairForm::Csv),
    Export::Pairs(PairForm::LabelStudio),
    Export::Pairs(PairForm::LlmComparator),
    Export::Pairs(PairForm::Argilla),
    Export::Pairs(PairForm::Potato),
];

impl Export {
    /// The forms that make sense of a study: of pairs, or of texts.
    pub fn of(is_of_pairs: bool) -> Vec<Self> {
        // Forms of pairs take the place of those of texts that other programs have for both.
        // CodeBook Studio does not compare answers.
        let of_texts = [
            Self::LabelStudio,
            Self::LabelStudioMin,
            Self::Argilla,
            Self::Potato,
            Self::CodebookStudio,
        ];
        let is_of_both = |form: &Self| !of_texts.contains(form);
        if is_of_pairs {
            OF_PAIRS.into_iter().chain(Self::ALL.into_iter().filter(is_of_both)).collect()
        } else {
            Self::ALL.to_vec()
        }
    }

    pub const ALL: [Self; 12] = [
        Self::Long,
        Self::Wide,
        Self::JsonLines,
        Self::LabelStudio,
        Self::LabelStudioMin,
        Self::Argilla,
        Self::Potato,
        Self::Qdpx,
        Self::CodebookJson,
        Self::CodebookCsv,
        Self::CodebookMarkdown,
        Self::CodebookStudio,
    ];

    /// As a menu names it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Long => "CSV, a row a code",
            Self::Wide => "CSV, a column a coder",
            Self::JsonLines => "JSON Lines",
            Self::LabelStudio => "Label Studio (tasks)",
            Self::LabelStudioMin => "Label Studio (JSON_MIN)",
            Self::Argilla => "Argilla",
            Self::Potato => "Potato",
            Self::Qdpx => "REFI-QDA (.qdpx)",
            Self::CodebookJson => "Codebook (JSON)",
            Self::CodebookCsv => "Codebook (CSV)",
            Self::CodebookMarkdown => "Codebook (Markdown)",
            Self::CodebookStudio => "Codebook (CodeBook Studio)",
            Self::Trl => "TRL, a pair an item: settled, or what most say",
            Self::Pairs(form) => form.words(),
        }
    }

    /// What its file is called at first.
    pub fn file_name(self) -> &'static str {
        match self {
            Self::Long => "codes.csv",
            Self::Wide => "codes-wide.csv",
            Self::JsonLines => "codes.jsonl",
            Self::LabelStudio => "label-studio.json",
            Self::LabelStudioMin => "label-studio-min.json",
            Self::Argilla => "argilla.json",
            Self::Potato => "annotated_instances.jsonl",
            Self::Qdpx => "codes.qdpx",
            Self::CodebookJson | Self::CodebookStudio => "codebook.json",
            Self::CodebookCsv => "codebook.csv",
            Self::CodebookMarkdown => "codebook.md",
            Self::Trl => "preferences.jsonl",
            Self::Pairs(form) => form.file_name(),
        }
    }
}

/// A file beside the one that was asked for has another ending.
pub type Written = (Option<&'static str>, Vec<u8>);

/// What a form has no place for, in sentences.
pub fn lost(folder: &Folder, form: Export) -> Vec<String> {
    match form {
        Export::CodebookStudio => studio(folder).map(|written| written.lost).unwrap_or_default(),
        _ => Vec::new(),
    }
}

fn studio(folder: &Folder) -> Result<codebook_studio::Written, StudyError> {
    codebook_studio::write(&folder.study.codebook)
        .map_err(|problem| StudyError::Unusable { path: folder.path.clone(), problem })
}

/// What is written: the file itself, and what stands beside it under another ending. `name`: of the
/// file itself.
pub fn files_of(folder: &Folder, form: Export, name: &str) -> Result<Vec<Written>, StudyError> {
    let pretty =
        |value: &serde_json::Value| serde_json::to_vec_pretty(value).expect("it is JSON already");
    let described = |table, bytes| {
        let about = describe(folder, &[(table, name)]);
        vec![(None, bytes), (Some("datapackage.json"), pretty(&about))]
    };
    Ok(match form {
        Export::Long => described(Table::Long, tables::long(folder)),
        Export::Wide => described(Table::Wide, tables::wide(folder)),
        Export::JsonLines => vec![(None, tables::json_lines(folder))],
        Export::LabelStudio => vec![
            (None, pretty(&label_studio::tasks(folder))),
            (Some("config.xml"), label_studio::config(&folder.study.codebook).into_bytes()),
        ],
        Export::LabelStudioMin => vec![(None, pretty(&label_studio::min(folder)))],
        Export::Argilla => vec![
            (None, pretty(&argilla::records(folder))),
            (Some("settings.json"), pretty(&argilla::settings(&folder.study.codebook))),
        ],
        Export::Potato => vec![(None, potato::lines(folder))],
        Export::Qdpx => {
            let bytes = qdpx::project(folder).map_err(|err| StudyError::Unusable {
                path: folder.path.clone(),
                problem: format!("the archive could not be made: {err}"),
            })?;
            vec![(None, bytes)]
        }
        Export::CodebookJson => vec![(None, codebook::to_json(&folder.study.codebook))],
        Export::CodebookCsv => described(Table::Codebook, codebook::to_csv(&folder.study.codebook)),
        Export::Trl => {
            let agreed = pairs::agreed(folder);
            let rows = agreed.iter().filter_map(VerdictRecord::own_pair);
            let mut text = String::new();
            for row in rows {
                text.push_str(&serde_json::to_string(&row).expect("texts are valid JSON"));
                text.push('\n');
            }
            if text.is_empty() {
                return Err(StudyError::Foreign(
                    "no pair has a better answer yet: nothing is settled, and no majority says so"
                        .to_owned(),
                ));
            }
            vec![(None, text.into_bytes())]
        }
        Export::Pairs(form) => {
            let (text, _) = pair_forms::text(&pairs::records(folder, form), form)
                .map_err(|source| StudyError::Write { path: folder.path.clone(), source })?;
            vec![(None, text.into_bytes())]
        }
        Export::CodebookStudio => {
            let written = studio(folder)?;
            vec![(None, pretty(&written.file))]
        }
        Export::CodebookMarkdown => {
            vec![(None, codebook_markdown::write(&folder.study.codebook).into_bytes())]
        }
    })
}
