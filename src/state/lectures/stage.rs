//! The stage: which scene is in front, what was revealed, whether the screen is dark.

/// The lecture as it is given.
#[expect(clippy::struct_excessive_bools, reason = "each is a key or a button of its own")]
#[derive(Clone, Debug, PartialEq)]
pub struct Stage {
    /// The scene in front, counted from 0.
    pub at: usize,

    /// How often R was pressed in each scene. It stays as it is when somebody goes back.
    revealed: Vec<usize>,
    pub is_blank: bool,

    /// How to join the room lies over the scene.
    pub shows_join: bool,

    /// Notes, the next scene and the clock are in this window; else the stage is alone.
    pub has_notes: bool,

    /// The stage has a window of its own.
    pub has_window: bool,

    /// When it began, in seconds of the window's clock; 0 until the first frame.
    pub began: f64,
}

impl Stage {
    pub fn new(scene_count: usize) -> Self {
        Self {
            at: 0,
            revealed: vec![0; scene_count],
            is_blank: false,
            shows_join: false,
            has_notes: false,
            has_window: false,
            began: 0.0,
        }
    }

    pub fn go_on(&mut self) {
        self.go_to(self.at + 1);
    }

    pub fn go_back(&mut self) {
        self.go_to(self.at.saturating_sub(1));
    }

    /// Whoever turns the page wants to see it.
    pub fn go_to(&mut self, scene: usize) {
        self.at = scene.min(self.revealed.len().saturating_sub(1));
        self.is_blank = false;
        self.shows_join = false;
    }

    pub fn last(&self) -> usize {
        self.revealed.len().saturating_sub(1)
    }

    /// `most`: how often something can be revealed in this scene.
    pub fn reveal(&mut self, most: usize) {
        if let Some(count) = self.revealed.get_mut(self.at) {
            *count = (*count + 1).min(most);
        }
        self.is_blank = false;
        self.shows_join = false;
    }

    pub fn revealed(&self) -> usize {
        self.revealed.get(self.at).copied().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_stop_at_both_ends_and_what_was_revealed_stays() {
        let mut stage = Stage::new(3);
        stage.go_back();
        assert_eq!(stage.at, 0);
        stage.reveal(1);
        stage.reveal(1);
        assert_eq!(stage.revealed(), 1);
        stage.is_blank = true;
        stage.go_on();
        assert_eq!((stage.at, stage.revealed(), stage.is_blank), (1, 0, false));
        stage.go_to(9);
        assert_eq!(stage.at, 2);
        stage.go_to(0);
        assert_eq!(stage.revealed(), 1);
    }
}
