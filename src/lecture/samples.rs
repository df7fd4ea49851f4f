//! The lecture that the program carries: twenty minutes through the views on the starter model. It
//! is the guided tour too.

use super::file;
use super::recording::Recording;
use super::scene::Lecture;

/// `sample_data/lectures/how-a-language-model-writes.toml`, as it is in the repository.
pub const TOUR_TOML: &str =
    include_str!("../../sample_data/lectures/how-a-language-model-writes.toml");

/// What it showed on the starter model, so that the tour needs no download.
const TOUR_RECORDING: &str =
    include_str!("../../sample_data/lectures/how-a-language-model-writes.recording.json");

/// The guided tour.
pub fn tour() -> Lecture {
    file::parse(TOUR_TOML).expect("a test reads the tour")
}

/// Its recording.
pub fn tour_recording() -> Recording {
    Recording::parse(TOUR_RECORDING).expect("a test reads the tour's recording")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lecture::scene::View;

    #[test]
    fn the_tour_goes_through_the_views_in_twenty_minutes() {
        let tour = tour();
        assert_eq!(tour.minutes, Some(20));
        let shown: std::collections::BTreeSet<&str> =
            tour.scenes.iter().map(|scene| scene.view.name()).collect();
        // An adapter, other models, an audience.
        let needs_more = ["adapter", "mask", "tokenizers", "pair_set", "two_models", "ask"];
        for name in View::NAMES.iter().filter(|name| !needs_more.contains(name)) {
            assert!(shown.contains(name), "no scene shows {name}");
        }
        for scene in &tour.scenes {
            assert!(!scene.notes.is_empty(), "{} has no notes", scene.title);
            assert!(scene.title.chars().count() <= 50, "{} is too long a title", scene.title);
        }
    }

    #[test]
    fn the_tour_can_be_given_without_the_model() {
        assert!(tour_recording().covers(&tour()));
    }
}
