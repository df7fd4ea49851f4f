//! The list of a coder's items, to go to any of them. What it holds is found when it opens: of a hundred
//! thousand items no frame has time to look at each.

/// Which items are listed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Which {
    #[default]
    All,
    Open,
    Flagged,
    Unknown,
}

/// See the module.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ItemList {
    pub which: Which,

    /// Places in the plan.
    pub rows: Vec<usize>,
}
