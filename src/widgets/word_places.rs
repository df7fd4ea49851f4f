//! Where the words of a map stand: beside their dots, and off each other.

use eframe::egui::{Pos2, Rect, Vec2, vec2};

/// How large things are.
#[derive(Clone, Copy, Debug)]
pub struct Sizes {
    /// The height of a line.
    pub line: f32,

    /// Between a dot and a word beside it.
    pub gap: f32,

    /// The side of the square that a dot keeps for itself.
    pub dot: f32,
}

/// Of each dot with the size of its word the place of the word: above, below or beside it, and where all of
/// that is taken, further and further away.
pub fn word_places(room: Rect, words: &[(Pos2, Vec2)], sizes: Sizes) -> Vec<Rect> {
    let Sizes { line, gap, dot } = sizes;
    let mut taken: Vec<Rect> = Vec::new();
    let mut places = Vec::with_capacity(words.len());
    for (at, size) in words {
        let near = |offset: f32, side: f32| {
            let center = *at + vec2(side * (size.x / 2.0 + gap), offset);
            Rect::from_center_size(center, *size)
        };
        let tries = (0..24).map(|step| {
            let away = line * (0.75 + 0.5 * (step / 4) as f32);
            match step % 4 {
                0 => near(-away, 0.0),
                1 => near(away, 0.0),
                2 => near(-away + line * 0.75, 1.0),
                _ => near(away - line * 0.75, -1.0),
            }
        });
        let is_free = |rect: &Rect| {
            room.contains_rect(*rect) && taken.iter().all(|other| !other.intersects(*rect))
        };
        let tries: Vec<Rect> = tries.collect();
        let rect = tries.iter().copied().find(is_free).unwrap_or(tries[0]);
        taken.push(rect);
        taken.push(Rect::from_center_size(*at, vec2(dot, dot)));
        places.push(rect);
    }
    places
}

/// Whether a word is so far from its dot that a line has to lead to it.
pub fn is_far(place: Rect, dot: Pos2, line: f32) -> bool {
    (place.center() - dot).length() > line * 1.5
}

#[cfg(test)]
mod tests {
    use eframe::egui::pos2;

    use super::*;

    #[test]
    fn words_of_one_place_do_not_cover_each_other_and_stay_in_the_room() {
        let room = Rect::from_min_size(Pos2::ZERO, vec2(400.0, 200.0));
        let words = [(pos2(200.0, 100.0), vec2(60.0, 20.0)); 4];
        let places = word_places(room, &words, Sizes { line: 20.0, gap: 8.0, dot: 6.0 });
        for (at, place) in places.iter().enumerate() {
            assert!(room.contains_rect(*place), "{place:?}");
            assert!(places[..at].iter().all(|other| !other.intersects(*place)), "{at}");
        }
        assert!(!is_far(places[0], words[0].0, 20.0) && is_far(places[3], words[3].0, 20.0));
    }
}
