//! What the Playground is asked for.

use std::path::PathBuf;

#[derive(Clone, Debug, PartialEq)]
pub enum PlaygroundCommand {
    Generate,
    Stop,
    ChooseAdapter,
    LoadAdapter(PathBuf),
    UnloadAdapter,
}
