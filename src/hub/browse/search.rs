//! Looking for models and datasets on the Hub: a question, and its answers page by page. What is
//! inside one of them: see [`super::details`].

use serde_json::Value;

pub use super::found::{Found, Gate, Parameters};
use super::found::{expand, found};
use crate::hub::cache::local;
use crate::hub::error::Error;
use crate::hub::protocol::address::encode;
use crate::hub::protocol::client::Client;
use crate::hub::protocol::repository::RepoKind;
use crate::jobs::Progress;

/// Rows that are asked for at a time.
pub const PAGE_ROWS: usize = 100;

/// More rows than anybody scrolls through; a list that goes on is not asked for more.
pub const MOST_ROWS: usize = 20_000;

/// What a model is for, as the Hub names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Task {
    TextGeneration,
    FeatureExtraction,
    FillMask,
}

impl Task {
    pub const ALL: [Self; 3] = [Self::TextGeneration, Self::FeatureExtraction, Self::FillMask];

    /// `text-generation`
    pub fn tag(self) -> &'static str {
        match self {
            Self::TextGeneration => "text-generation",
            Self::FeatureExtraction => "feature-extraction",
            Self::FillMask => "fill-mask",
        }
    }
}

/// How the weights are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Safetensors,
    Gguf,
}

impl Format {
    pub const ALL: [Self; 2] = [Self::Safetensors, Self::Gguf];

    /// `gguf`
    pub fn tag(self) -> &'static str {
        match self {
            Self::Safetensors => "safetensors",
            Self::Gguf => "gguf",
        }
    }
}

/// How many parameters, in millions: from, up to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SizeRange {
    pub from_millions: u32,

    /// `None`: without an upper end.
    pub up_to_millions: Option<u32>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sort {
    #[default]
    Downloads,
    Likes,
    Trending,
    Updated,
}

impl Sort {
    pub const ALL: [Self; 4] = [Self::Downloads, Self::Likes, Self::Trending, Self::Updated];

    fn key(self) -> &'static str {
        match self {
            Self::Downloads => "downloads",
            Self::Likes => "likes",
            Self::Trending => "trendingScore",
            Self::Updated => "lastModified",
        }
    }
}

/// A question to the Hub.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    pub kind: RepoKind,
    pub words: String,
    pub task: Option<Task>,
    pub format: Option<Format>,

    /// transformers' `model_type`, which the Hub keeps as a tag.
    pub family: Option<&'static str>,
    pub size: Option<SizeRange>,

    /// `apache-2.0`
    pub licence: Option<&'static str>,
    pub sort: Sort,
}

impl Default for Query {
    fn default() -> Self {
        Self {
            kind: RepoKind::Model,
            words: String::new(),
            task: None,
            format: None,
            family: None,
            size: None,
            licence: None,
            sort: Sort::default(),
        }
    }
}

impl Query {
    /// Whether nothing is asked for but the order.
    pub fn is_empty(&self) -> bool {
        let Self { kind: _, words, task, format, family, size, licence, sort: _ } = self;
        words.trim().is_empty()
            && task.is_none()
            && format.is_none()
            && family.is_none()
            && size.is_none()
            && licence.is_none()
    }

    /// `/api/models?search=…`, as `huggingface_hub` asks it.
    pub fn path(&self) -> String {
        let mut pairs: Vec<(&str, String)> = Vec::new();
        let is_model = self.kind == RepoKind::Model;
        let words = repo_in_address(self.words.trim());
        let mut words = words.split_whitespace().collect::<Vec<_>>().join(" ");
        let by_tag = self.format != Some(Format::Gguf);
        if let Some(family) = self.family.filter(|_| is_model && !by_tag) {
            // A GGUF repository has no tag for its architecture, but it is in the name.
            words = format!("{words} {}", family_word(family)).trim().to_owned();
        }
        if !words.is_empty() {
            pairs.push(("search", words));
        }
        if is_model {
            if let Some(task) = self.task {
                pairs.push(("pipeline_tag", task.tag().to_owned()));
            }
            if let Some(format) = self.format {
                pairs.push(("filter", format.tag().to_owned()));
            }
            if let Some(family) = self.family.filter(|_| by_tag) {
                pairs.push(("filter", family.to_owned()));
            }
            if let Some(SizeRange { from_millions, up_to_millions }) = self.size {
                let up_to = up_to_millions.map_or(String::new(), |most| format!(",max:{most}M"));
                pairs.push(("num_parameters", format!("min:{from_millions}M{up_to}")));
            }
        }
        if let Some(licence) = self.licence {
            pairs.push(("filter", format!("license:{licence}")));
        }
        pairs.push(("sort", self.sort.key().to_owned()));
        pairs.push(("limit", PAGE_ROWS.to_string()));
        pairs.extend(expand(self.kind));
        let pairs = pairs.iter().map(|(key, value)| format!("{key}={}", encode(value, false)));
        let pairs = pairs.collect::<Vec<_>>().join("&");
        format!("/api/{}?{pairs}", self.kind.plural())
    }
}

/// `https://huggingface.co/ada/small/tree/main` is `ada/small`; other words stay as they are.
fn repo_in_address(words: &str) -> String {
    let rest = words.strip_prefix("https://").or_else(|| words.strip_prefix("http://"));
    let Some((_host, path)) = rest.and_then(|rest| rest.split_once('/')) else {
        return words.to_owned();
    };
    let path = path.strip_prefix("datasets/").unwrap_or(path);
    let path = path.split(['?', '#']).next().unwrap_or(path);
    path.split('/').filter(|part| !part.is_empty()).take(2).collect::<Vec<_>>().join("/")
}

/// What people write for a family in the name of a repository.
fn family_word(family: &str) -> &str {
    match family {
        "gemma3_text" => "gemma-3",
        "gemma2" => "gemma-2",
        "phi3" => "phi-3",
        "olmo2" => "olmo-2",
        other => other,
    }
}

/// Some rows, and where the next ones are.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Page {
    pub rows: Vec<Found>,
    pub next: Option<String>,
}

/// Asks the Hub. `next`: a page that follows, by the address that the one before gave.
pub fn search<E>(
    client: &Client,
    query: &Query,
    next: Option<&str>,
    progress: &dyn Progress<E>,
) -> Result<Page, Error> {
    progress.check()?;
    let what = format!("the list of {}", query.kind.plural());
    let (rows, next): (Vec<Value>, _) = match next {
        Some(address) => client.page(address, &what)?,
        None => client.api(&query.path(), &what)?,
    };
    progress.check()?;
    let rows = rows.into_iter().filter_map(|row| found(row, query.kind)).collect();
    Ok(Page { rows, next })
}

/// Ids that `words` could have been meant for, nearest first: what the named owner has, and what
/// is found by parts of the name.
pub fn suggest<E>(
    client: &Client,
    kind: RepoKind,
    words: &str,
    progress: &dyn Progress<E>,
) -> Result<Vec<String>, Error> {
    let words = words.trim();
    let (owner, name) = words.split_once('/').unwrap_or(("", words));
    let mut parts: Vec<&str> =
        name.split(['-', '_', '.', ' ']).filter(|part| part.chars().count() >= 3).collect();
    parts.sort_by_key(|part| std::cmp::Reverse(part.chars().count()));
    let mut paths = Vec::new();
    let base = format!("/api/{}?sort=downloads&limit={PAGE_ROWS}", kind.plural());
    if !owner.is_empty() {
        paths.push(format!("{base}&author={}", encode(owner, false)));
    }
    paths.extend(parts.iter().take(3).map(|part| format!("{base}&search={}", encode(part, false))));
    let mut ids = std::collections::BTreeSet::new();
    for path in paths {
        progress.check()?;
        let (rows, _): (Vec<Value>, _) = client.api(&path, "the list of near names")?;
        let row_ids = rows.into_iter().filter_map(|row| found(row, kind)).map(|row| row.id);
        ids.extend(row_ids);
    }
    Ok(local::near_matches(words, ids.iter().map(String::as_str)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_is_asked_as_python_asks_it() {
        let query = Query {
            words: "  tiny   stories ".to_owned(),
            task: Some(Task::TextGeneration),
            format: Some(Format::Safetensors),
            family: Some("llama"),
            size: Some(SizeRange { from_millions: 500, up_to_millions: Some(1500) }),
            licence: Some("apache-2.0"),
            sort: Sort::Trending,
            ..Query::default()
        };
        let path = query.path();
        let start = "/api/models?search=tiny%20stories&pipeline_tag=text-generation\
                     &filter=safetensors&filter=llama&num_parameters=min%3A500M%2Cmax%3A1500M\
                     &filter=license%3Aapache-2.0&sort=trendingScore&limit=100&expand=";
        assert!(path.starts_with(start), "{path}");
        let datasets = Query { kind: RepoKind::Dataset, ..query }.path();
        let start = "/api/datasets?search=tiny%20stories&filter=license%3Aapache-2.0&sort=";
        assert!(datasets.starts_with(start), "{datasets}");
    }

    #[test]
    fn an_address_from_the_browser_is_a_name() {
        let cases = [
            ("https://huggingface.co/ada/small", "ada/small"),
            ("https://huggingface.co/datasets/ada/small/tree/main?x=1", "ada/small"),
            ("https://huggingface.co/gpt2#readme", "gpt2"),
            ("ada/small", "ada/small"),
            ("two words", "two words"),
        ];
        for (words, expected) in cases {
            assert_eq!(repo_in_address(words), expected);
        }
    }

    #[test]
    fn a_family_of_gguf_files_is_looked_for_by_name() {
        let format = Some(Format::Gguf);
        let query = Query { family: Some("gemma3_text"), format, ..Query::default() };
        assert!(query.path().starts_with("/api/models?search=gemma-3&filter=gguf&sort="));
    }
}
