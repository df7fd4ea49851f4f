//! What the Look inside panel is asked for.

#[derive(Clone, Debug, PartialEq)]
pub enum LookInsideCommand {
    /// Computes what the view in front shows.
    Renew,

    /// Shows the Playground's last answer, with its prompt.
    TakeAnswer,
    Stop,

    /// Writes the view in front as PNG, SVG and CSV into the project.
    Export,
}
