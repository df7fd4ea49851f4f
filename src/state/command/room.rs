//! What the room is asked for: the phones of the audience.

use crate::state::room::ItemKey;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RoomCommand {
    /// Looks for the addresses of this computer.
    FindAddresses,

    /// Serves the page at the chosen address, with a new code.
    Open,

    /// Serves nothing more. The votes are kept.
    Close,

    /// Puts the two answers of Annotate to the room.
    AskPair,

    /// Closes the vote on them and shows the counts.
    RevealPair,

    /// Takes them off the phones.
    TakePairAway,

    /// Puts the text of a study to the room, with one of its questions.
    AskItem(ItemKey),

    /// Closes the vote on it, shows the counts, and takes the votes into the study.
    RevealItem,
    TakeItemAway,
}
