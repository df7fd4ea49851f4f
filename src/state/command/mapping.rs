//! What the question for the columns of a file is answered with.

use crate::state::mapping::Wanted;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MappingCommand {
    /// Ask for the columns of the file that is in use.
    Change(Wanted),

    /// Read the file with the columns that were chosen.
    Use,
    Cancel,
}
