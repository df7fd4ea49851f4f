//! The map of Look inside: what is asked of it starts here.

use std::path::PathBuf;
use std::sync::Arc;

use crate::app::Workbench;
use crate::app::figure::exported::{Exported, MapFigure};
use crate::app::host::Ask;
use crate::app::tasks::compare_items::CompareItems;
use crate::app::tasks::export_view::{ExportView, ViewToExport};
use crate::app::tasks::find_near::{FindNear, NearTo};
use crate::app::tasks::group_texts::GroupTexts;
use crate::app::tasks::make_map::MakeMap;
use crate::app::tasks::probe_column::ProbeColumn;
use crate::app::tasks::read_table::{MapTexts, ReadMapTable, ReadTable};
use crate::explore::vectors::groups::{Method, REDUCED_TO};
use crate::explore::vectors::hdbscan::HdbscanSettings;
use crate::explore::vectors::kmeans::KmeansSettings;
use crate::state::command::{MapCommand, ViewCommand};
use crate::state::look_inside::map::{ClusterForm, Listed, MapState, Part};
use crate::state::look_inside::slot::Slot;
use crate::state::look_inside::view::View;
use crate::state::prefs::PanelId;

impl Workbench {
    pub(super) fn handle_map(&mut self, command: &MapCommand) {
        match command {
            MapCommand::ChooseTable => self.ask(Ask::MapTable),
            MapCommand::UseTable(path) => {
                self.handle(ViewCommand::ShowPanel(PanelId::LookInside));
                self.use_map_table(path.clone());
            }
            MapCommand::Make => self.make_map(),
            MapCommand::NearPoint(place) => self.find_near(NearTo::Point(*place)),
            MapCommand::NearSentence => {
                let sentence = self.state.look_inside.map.sentence.trim().to_owned();
                if !sentence.is_empty() {
                    self.find_near(NearTo::Sentence(sentence));
                }
            }
            MapCommand::Group => self.group_texts(),
            MapCommand::Probe => self.probe_column(),
            MapCommand::CompareItems => self.compare_items(),
            MapCommand::ChooseAnswers => self.ask(Ask::ItemAnswers),
            MapCommand::UseAnswers(path) => {
                self.state.look_inside.map.items.form.answers = Some(path.clone());
            }
            MapCommand::SavePicked => self.save_picked(),
            MapCommand::ForgetEncoder => self.forget_encoder(),
        }
    }

    /// The memory of the encoder that searches by meaning is given back; the next search loads it again.
    pub(in crate::app) fn forget_encoder(&mut self) {
        self.engine.unload_encoder();
        self.state.look_inside.map.kept = None;
    }

    /// A table was picked or dropped.
    pub(super) fn use_map_table(&mut self, path: PathBuf) {
        self.state.notices.clear(PanelId::LookInside);
        let look = &mut self.state.look_inside;
        look.view = View::Map;
        look.map.reading = true;
        self.start_instead(ReadTable::new(MapTexts { path: path.clone() }, &path), path);
    }

    fn make_map(&mut self) {
        let has_loaded = self.state.model.ready().is_some();
        let map = &mut self.state.look_inside.map;
        let Ok(request) = map.request(has_loaded) else { return };
        map.made.begin();
        map.groups = Slot::Empty;
        map.probed = Slot::Empty;
        map.items.found = Slot::Empty;
        map.listed = Listed::Nothing;
        self.state.notices.clear(PanelId::LookInside);
        // They belong to the map before.
        self.tasks.drop_all::<GroupTexts>();
        self.tasks.drop_all::<ProbeColumn>();
        self.tasks.drop_all::<CompareItems>();
        self.tasks.drop_all::<FindNear>();
        self.start_instead(MakeMap, request);
    }

    fn find_near(&mut self, to: NearTo) {
        let map = &mut self.state.look_inside.map;
        let Some(mapped) = map.made.ready().cloned() else { return };
        map.seeking = true;
        let model = mapped.request.model.clone();
        self.start_instead(FindNear { to: to.clone(), model }, (mapped, to));
    }

    fn group_texts(&mut self) {
        let map = &mut self.state.look_inside.map;
        let Some(mapped) = map.made.ready().cloned() else { return };
        let ClusterForm { finds_number, clusters, least } = map.cluster_form;
        let method = if finds_number {
            let settings = HdbscanSettings { least, samples: None };
            Method::Hdbscan { settings, reduced_to: Some(REDUCED_TO), seed: 0 }
        } else {
            Method::Kmeans(KmeansSettings { clusters, ..KmeansSettings::default() })
        };
        map.groups.begin();
        self.state.notices.clear(PanelId::LookInside);
        self.start_instead(GroupTexts, (mapped, method));
    }

    fn probe_column(&mut self) {
        let map = &mut self.state.look_inside.map;
        let Some(mapped) = map.made.ready().cloned() else { return };
        map.probed.begin();
        let form = map.probe_form.clone();
        self.state.notices.clear(PanelId::LookInside);
        self.start_instead(ProbeColumn, (mapped, form));
    }

    fn compare_items(&mut self) {
        let map = &mut self.state.look_inside.map;
        let Some(mapped) = map.made.ready().cloned() else { return };
        map.items.found.begin();
        let form = map.items.form.clone();
        self.state.notices.clear(PanelId::LookInside);
        self.start_instead(CompareItems, (mapped, form));
    }

    /// What was drawn around, as a table and a picture in the project.
    fn save_picked(&mut self) {
        let map = &self.state.look_inside.map;
        let (Some(figure), Listed::Picked(picked)) = (figure(map), &map.listed) else { return };
        let picked = picked.clone();
        self.write_view(Exported::Map(MapFigure { picked: Some(picked), ..figure }));
    }

    /// Writes something as files, into a folder of its own: an older one is never written over.
    pub(super) fn write_view(&mut self, exported: Exported) {
        if self.tasks.has::<ExportView>() {
            return; // its folder may not be there yet, and both would have the same number
        }
        let panel = self.state.prefs.panel;
        let sentence = "What is exported needs a project to lie in";
        let Some(project) = self.project_for(panel, sentence) else { return };
        let exports = project.join("exports");
        let names = (1..).map(|number| exports.join(format!("{}-{number}", exported.name())));
        let mut free = names.filter(|folder| !folder.exists());
        let folder = free.next().expect("there is no end of numbers");
        let question = self.state.look_inside.view.question();
        let model = self.state.model.ready().map(|card| card.identity.name.clone());
        // The figures of these say themselves whose they are.
        let is_own = !matches!(self.state.look_inside.view, View::Map | View::Mask);
        let title = match model.filter(|_| is_own) {
            Some(name) => format!("{question} {name}"),
            None => question.to_owned(),
        };
        self.start(ExportView, ViewToExport { exported, title, folder });
    }

    /// Esc, or the button: what is made of vectors stops.
    pub(super) fn stop_mapping(&self) {
        self.tasks.stop::<ReadMapTable>();
        self.tasks.stop::<MakeMap>();
        self.tasks.stop::<FindNear>();
        self.tasks.stop::<GroupTexts>();
        self.tasks.stop::<ProbeColumn>();
        self.tasks.stop::<CompareItems>();
    }
}

/// The points with their colours, as they are written.
fn figure(map: &MapState) -> Option<MapFigure> {
    Some(MapFigure {
        mapped: map.made.ready()?.clone(),
        labels: map.labels.clone(),
        legend: map.legend.clone(),
        groups: map.groups.ready().cloned(),
        picked: None,
    })
}

/// What the part in front shows, as it is written.
pub(super) fn exported(map: &MapState) -> Option<Exported> {
    Some(match map.part {
        Part::Map => Exported::Map(figure(map)?),
        Part::Clusters => Exported::Clusters {
            mapped: map.made.ready()?.clone(),
            groups: map.groups.ready()?.clone(),
        },
        Part::Probe => Exported::Probe(map.probed.ready()?.clone()),
        Part::Items => Exported::Items {
            mapped: map.made.ready()?.clone(),
            found: Arc::clone(map.items.found.ready()?),
        },
    })
}
