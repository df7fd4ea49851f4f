//! The map of a table's texts: what is asked for, what was found, what is pointed at.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use super::super::models::FoundModel;
use super::items::ItemsState;
use super::slot::Slot;
use crate::explore::vectors::groups::{Against, Groups, against};
use crate::explore::vectors::layout::{Map, Method};
use crate::explore::vectors::matrix::Vectors;
use crate::explore::vectors::neighbours::Near;
use crate::explore::vectors::probe::Probed;
use crate::explore::vectors::texts::Texts;
use crate::explore::vectors::worked::Worked;
use crate::llm::card::Purpose;

/// What makes the vectors.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MapModel {
    Encoder {
        name: String,
        folder: PathBuf,
    },

    /// The last layer of the model in memory, the mean over tokens.
    Loaded,
}

/// What a map is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MapRequest {
    pub table: PathBuf,
    pub column: String,
    pub model: MapModel,
    pub method: Method,
}

/// Texts with their vectors, on a map.
#[derive(Clone, Debug, PartialEq)]
pub struct Mapped {
    pub request: MapRequest,
    pub texts: Texts,

    /// What made the vectors: `Source::way`.
    pub way: Option<String>,
    pub vectors: Vectors,

    /// The same, each of length 1.
    pub units: Vectors,
    pub map: Map,
}

/// What is looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Part {
    #[default]
    Map,
    Clusters,
    Probe,

    /// The texts as items of a questionnaire.
    Items,
}

/// What dragging on the map does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tool {
    #[default]
    Move,
    Lasso,
}

/// What gives the points their colours and shapes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Coloring {
    #[default]
    None,
    Column(String),
    Clusters,
}

/// What the list beside the map shows.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Listed {
    #[default]
    Nothing,

    /// The nearest to a point.
    NearPoint(usize, Vec<Near>),

    /// The nearest to a sentence.
    NearSentence(String, Vec<Near>),

    /// What was drawn around.
    Picked(Vec<usize>),
}

/// How clusters are found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClusterForm {
    /// As many as HDBSCAN finds; else a fixed number by k-means.
    pub finds_number: bool,
    pub clusters: usize,
    pub least: usize,
}

/// What a column is predicted by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProbeForm {
    pub column: String,
    pub is_number: bool,
    pub folds: usize,
}

#[derive(Debug)]
pub struct MapState {
    pub models: Vec<MapModel>,
    pub model: Option<MapModel>,
    pub table: Option<PathBuf>,

    /// The table's columns, once it was read.
    pub columns: Vec<String>,
    pub column: String,
    pub reading: bool,
    pub method: Method,
    pub made: Slot<Arc<Mapped>>,

    /// How far the work is that is under way.
    pub at: Option<Worked>,

    /// Counts the maps, their colours and what is picked: pictures are kept by it.
    pub version: u64,
    pub part: Part,
    pub tool: Tool,
    pub coloring: Coloring,

    /// Of each point, which of `legend` it is.
    pub labels: Vec<Option<usize>>,
    pub legend: Vec<String>,

    /// The centre of what is seen, and how far it is enlarged.
    pub centre: [f32; 2],
    pub zoom: f32,
    pub sentence: String,

    /// The encoder that stays in memory for the next search.
    pub kept: Option<PathBuf>,

    /// What each encoder takes in memory, in bytes.
    pub sizes: BTreeMap<PathBuf, u64>,
    pub listed: Listed,
    pub seeking: bool,
    pub cluster_form: ClusterForm,
    pub groups: Slot<Groups>,
    pub against_column: Option<String>,
    pub against: Option<Against>,
    pub probe_form: ProbeForm,
    pub probed: Slot<Probed>,
    pub items: ItemsState,
}

impl Default for MapState {
    fn default() -> Self {
        Self {
            models: vec![MapModel::Loaded],
            model: None,
            table: None,
            columns: Vec::new(),
            column: String::new(),
            reading: false,
            method: Method::Umap,
            made: Slot::Empty,
            at: None,
            version: 0,
            part: Part::Map,
            tool: Tool::Move,
            coloring: Coloring::None,
            labels: Vec::new(),
            legend: Vec::new(),
            centre: [0.0; 2],
            zoom: 1.0,
            sentence: String::new(),
            kept: None,
            sizes: BTreeMap::new(),
            listed: Listed::Nothing,
            seeking: false,
            cluster_form: ClusterForm { finds_number: false, clusters: 8, least: 15 },
            groups: Slot::Empty,
            against_column: None,
            against: None,
            probe_form: ProbeForm { column: String::new(), is_number: false, folds: 5 },
            probed: Slot::Empty,
            items: ItemsState::default(),
        }
    }
}

impl MapState {
    /// The models on the disk were looked through anew.
    pub fn set_found(&mut self, found: &[FoundModel]) {
        let encoder = |model: &FoundModel| {
            let facts = model.facts.as_ref().ok().filter(|facts| facts.unsupported.is_none())?;
            let is_encoder = facts.makes_vectors
                || matches!(facts.purpose, Purpose::Encode | Purpose::FillMask | Purpose::Classify);
            // A decoder as a GGUF file has no pooling; it gives no labels either.
            let (name, folder) = (model.local.name.clone(), model.local.path.clone());
            is_encoder.then_some(MapModel::Encoder { name, folder })
        };
        self.models = found.iter().filter_map(encoder).collect();
        let size = |model: &FoundModel| {
            let facts = model.facts.as_ref().ok()?;
            Some((model.local.path.clone(), facts.memory_bytes))
        };
        self.sizes = found.iter().filter_map(size).collect();
        self.models.push(MapModel::Loaded);
        let is_gone = self.model.as_ref().is_none_or(|model| !self.models.contains(model));
        if is_gone {
            self.model = self.models.first().filter(|model| **model != MapModel::Loaded).cloned();
        }
    }

    /// A map was made or searched with this: an encoder stays in memory.
    pub fn keep(&mut self, model: &MapModel) {
        if let MapModel::Encoder { folder, .. } = model {
            self.kept = Some(folder.clone());
        }
    }

    /// The encoder that stays in memory: its name, and what it takes, where that is known.
    pub fn kept(&self) -> Option<(&str, Option<u64>)> {
        let kept = self.kept.as_ref()?;
        let known = self.models.iter().find_map(|model| match model {
            MapModel::Encoder { name, folder } if folder == kept => Some(name.as_str()),
            _ => None,
        });
        let own = kept.file_name().and_then(|name| name.to_str());
        Some((known.or(own)?, self.sizes.get(kept).copied()))
    }

    /// The encoders on the disk: name and folder.
    pub fn encoders(&self) -> Vec<(String, PathBuf)> {
        let encoders = self.models.iter().filter_map(|model| match model {
            MapModel::Encoder { name, folder } => Some((name.clone(), folder.clone())),
            MapModel::Loaded => None,
        });
        encoders.collect()
    }

    /// The table was read: the column "text" holds the texts, or else the one with the `longest` of them.
    pub fn set_columns(&mut self, table: PathBuf, columns: Vec<String>, longest: Option<&str>) {
        self.reading = false;
        let text = columns.iter().map(String::as_str).find(|name| *name == "text").or(longest);
        self.column = text.unwrap_or_default().to_owned();
        (self.table, self.columns) = (Some(table), columns);
    }

    /// What a map would be made of. `Err`: what is missing.
    pub fn request(&self, has_loaded: bool) -> Result<MapRequest, &'static str> {
        let table = self.table.clone().ok_or("Choose a table first")?;
        let model = self.model.clone().ok_or("Choose a model first")?;
        if model == MapModel::Loaded && !has_loaded {
            return Err("Load a model first, or choose an encoder");
        }
        Ok(MapRequest { table, column: self.column.clone(), model, method: self.method })
    }

    /// A new map is there.
    pub fn made(&mut self, mapped: Mapped) {
        self.listed = Listed::Nothing;
        self.groups = Slot::Empty;
        self.against = None;
        self.probed = Slot::Empty;
        self.items.follow(&mapped.texts.columns, &mapped.request.column);
        self.made = Slot::Ready(Arc::new(mapped));
        let kept = self.has_column(&self.probe_form.column);
        if !kept {
            self.probe_form.column = self.other_column();
        }
        if let Coloring::Column(name) = &self.coloring
            && !self.has_column(name)
        {
            self.coloring = Coloring::None;
        }
        if self.against_column.as_ref().is_some_and(|name| !self.has_column(name)) {
            self.against_column = None;
        }
        self.see_all();
        self.recolor();
    }

    fn has_column(&self, name: &str) -> bool {
        let made = self.made.ready();
        made.is_some_and(|made| made.texts.columns.iter().any(|column| column == name))
    }

    /// A column that does not hold the texts.
    fn other_column(&self) -> String {
        let Some(made) = self.made.ready() else { return String::new() };
        let mut columns = made.texts.columns.iter();
        columns.find(|column| **column != made.request.column).cloned().unwrap_or_default()
    }

    /// Everything is seen.
    pub fn see_all(&mut self) {
        (self.centre, self.zoom) = ([0.5, 0.5], 1.0);
        self.version += 1;
    }

    /// Gives the points the colours that are asked for.
    pub fn recolor(&mut self) {
        self.version += 1;
        let Some(made) = self.made.ready() else { return };
        (self.legend, self.labels) = match &self.coloring {
            Coloring::None => (Vec::new(), Vec::new()),
            Coloring::Column(name) => made.texts.labels(name).unwrap_or_default(),
            Coloring::Clusters => match self.groups.ready() {
                Some(found) => {
                    let names = found.groups.iter().map(|group| group.name.clone());
                    (names.collect(), found.labels.clone())
                }
                None => (Vec::new(), Vec::new()),
            },
        };
    }

    /// Clusters were found: they give the colours.
    pub fn grouped(&mut self, groups: Groups) {
        self.groups = Slot::Ready(groups);
        self.compare();
        self.coloring = Coloring::Clusters;
        self.recolor();
    }

    /// Compares the clusters with the column that is chosen for that.
    pub fn compare(&mut self) {
        let (Some(made), Some(groups)) = (self.made.ready(), self.groups.ready()) else { return };
        let known = self.against_column.as_ref().and_then(|name| made.texts.labels(name).ok());
        self.against = known.and_then(|(_, known)| against(groups, &known));
    }

    pub fn is_running(&self) -> bool {
        self.made.is_running()
            || self.groups.is_running()
            || self.probed.is_running()
            || self.items.found.is_running()
            || self.seeking
    }

    /// Whether the part in front is there, and can be written as files.
    pub fn has_part(&self) -> bool {
        match self.part {
            Part::Map => self.made.ready().is_some(),
            Part::Clusters => self.groups.ready().is_some(),
            Part::Probe => self.probed.ready().is_some(),
            Part::Items => self.items.found.ready().is_some(),
        }
    }

    /// Closes what is in front. False: there is nothing.
    pub fn close_topmost(&mut self) -> bool {
        if self.listed == Listed::Nothing {
            return false;
        }
        self.listed = Listed::Nothing;
        self.version += 1;
        true
    }

    /// The places within a line that was drawn around them, in map units.
    pub fn pick(&mut self, around: &[[f32; 2]]) {
        let Some(made) = self.made.ready() else { return };
        let points = made.map.points.iter().enumerate();
        let inside = points.filter(|(_, point)| is_inside(**point, around));
        self.listed = Listed::Picked(inside.map(|(place, _)| place).collect());
        self.version += 1;
    }
}

/// Whether a point lies within a closed line: a ray from it crosses the line an odd number of times.
pub fn is_inside([x, y]: [f32; 2], around: &[[f32; 2]]) -> bool {
    let mut inside = false;
    for (at, [ax, ay]) in around.iter().enumerate() {
        let [bx, by] = around[(at + 1) % around.len()];
        if (*ay > y) != (by > y) && x < (bx - ax) * (y - ay) / (by - ay) + ax {
            inside = !inside;
        }
    }
    inside
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_drawn_around_is_inside() {
        let square = [[0.0, 0.0], [2.0, 0.0], [2.0, 2.0], [0.0, 2.0]];
        assert!(is_inside([1.0, 1.0], &square) && !is_inside([3.0, 1.0], &square));
        assert!(!is_inside([1.0, 1.0], &[]));
    }

    #[test]
    fn what_is_missing_for_a_map_is_said() {
        let mut state = MapState::default();
        assert_eq!(state.request(true), Err("Choose a table first"));
        state.set_columns(PathBuf::from("t.csv"), vec!["id".to_owned(), "text".to_owned()], None);
        assert_eq!(state.column, "text");
        assert_eq!(state.request(true), Err("Choose a model first"));
        state.model = Some(MapModel::Loaded);
        assert!(state.request(false).unwrap_err().starts_with("Load a model first"));
        assert_eq!(state.request(true).unwrap().column, "text");
        // The items of a questionnaire stand under another name.
        let columns = ["id", "question"].map(str::to_owned).to_vec();
        state.set_columns(PathBuf::from("t.csv"), columns, Some("question"));
        assert_eq!(state.column, "question");
    }
}
