//! The page About, while it is open.

use std::path::PathBuf;

/// What it shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AboutPage {
    #[default]
    Program,
    Licences,
    Report,
}

/// What was found out when it was opened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AboutState {
    pub page: AboutPage,

    /// What lies where: what it is, and its folder or file.
    pub places: Vec<(&'static str, PathBuf)>,

    /// What a report of a fault says.
    pub report: String,
}
