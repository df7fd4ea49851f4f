//! Everything that a person can ask for, panel by panel.

mod annotate;
mod codes;
mod evaluate;
mod lectures;
mod look_inside;
mod mapping;
mod models;
mod playground;
mod project;
mod room;
mod train;
mod view;
mod window;

pub use annotate::AnnotateCommand;
pub use codes::CodesCommand;
pub use evaluate::EvaluateCommand;
pub use lectures::LecturesCommand;
pub use look_inside::{LookInsideCommand, MapCommand, PairSetCommand};
pub use mapping::MappingCommand;
pub use models::ModelsCommand;
pub use playground::PlaygroundCommand;
pub use project::ProjectCommand;
pub use room::RoomCommand;
pub use train::{AdapterForm, TrainCommand};
pub use view::ViewCommand;
pub use window::WindowCommand;

/// Something asked for by a click, a key or the palette. Carried out at the end of the frame, by
/// `app/handle`.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    View(ViewCommand),
    Window(WindowCommand),
    Project(ProjectCommand),
    Models(ModelsCommand),
    Playground(PlaygroundCommand),
    LookInside(LookInsideCommand),
    Annotate(AnnotateCommand),
    Codes(CodesCommand),
    Evaluate(EvaluateCommand),
    Train(TrainCommand),
    Lectures(LecturesCommand),
    Mapping(MappingCommand),
    Room(RoomCommand),
}

impl From<ViewCommand> for Command {
    fn from(command: ViewCommand) -> Self {
        Self::View(command)
    }
}

impl From<WindowCommand> for Command {
    fn from(command: WindowCommand) -> Self {
        Self::Window(command)
    }
}

impl From<ProjectCommand> for Command {
    fn from(command: ProjectCommand) -> Self {
        Self::Project(command)
    }
}

impl From<ModelsCommand> for Command {
    fn from(command: ModelsCommand) -> Self {
        Self::Models(command)
    }
}

impl From<PlaygroundCommand> for Command {
    fn from(command: PlaygroundCommand) -> Self {
        Self::Playground(command)
    }
}

impl From<MapCommand> for Command {
    fn from(command: MapCommand) -> Self {
        Self::LookInside(LookInsideCommand::Map(command))
    }
}

impl From<PairSetCommand> for Command {
    fn from(command: PairSetCommand) -> Self {
        Self::LookInside(LookInsideCommand::PairSet(command))
    }
}

impl From<LookInsideCommand> for Command {
    fn from(command: LookInsideCommand) -> Self {
        Self::LookInside(command)
    }
}

impl From<AnnotateCommand> for Command {
    fn from(command: AnnotateCommand) -> Self {
        Self::Annotate(command)
    }
}

impl From<CodesCommand> for Command {
    fn from(command: CodesCommand) -> Self {
        Self::Codes(command)
    }
}

impl From<EvaluateCommand> for Command {
    fn from(command: EvaluateCommand) -> Self {
        Self::Evaluate(command)
    }
}

impl From<TrainCommand> for Command {
    fn from(command: TrainCommand) -> Self {
        Self::Train(command)
    }
}

impl From<LecturesCommand> for Command {
    fn from(command: LecturesCommand) -> Self {
        Self::Lectures(command)
    }
}

impl From<RoomCommand> for Command {
    fn from(command: RoomCommand) -> Self {
        Self::Room(command)
    }
}

impl From<MappingCommand> for Command {
    fn from(command: MappingCommand) -> Self {
        Self::Mapping(command)
    }
}

/// What was asked for in this frame, in order.
#[derive(Debug, Default)]
pub struct Commands(Vec<Command>);

impl Commands {
    pub fn push(&mut self, command: impl Into<Command>) {
        self.0.push(command.into());
    }

    pub fn extend(&mut self, commands: impl IntoIterator<Item = Command>) {
        self.0.extend(commands);
    }
}

impl IntoIterator for Commands {
    type Item = Command;
    type IntoIter = std::vec::IntoIter<Command>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}
