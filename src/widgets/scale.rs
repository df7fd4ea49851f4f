//! Colours that stand for a number: amount by lightness in one hue, sign by two hues that nobody
//! confuses. Text stays readable on every one of them; a test computes the contrast.

use eframe::egui::{Color32, Ui};

use super::theme::{self, Look, Palette};

/// The scales of a look.
#[derive(Clone, Copy, Debug)]
pub struct Scale {
    palette: Palette,

    /// How far a ground may go from the card towards the ink of its hue, for text to be read on it.
    most: f32,
}

/// From so many bits on a token is as surprising as the scale can say: 1 in 4,096.
pub const MOST_BITS: f32 = 12.0;

impl Scale {
    pub fn of(look: Look) -> Self {
        let most = match look {
            Look::Light => 0.55,
            Look::Dark => 0.4,
            Look::Projector => 0.48,
        };
        Self { palette: Palette::of(look), most }
    }

    /// Of the look in force.
    pub fn here(ui: &Ui) -> Self {
        Self::of(theme::look(ui.ctx()))
    }

    /// Behind a token of so many bits of surprise: the more, the further from the card.
    pub fn surprise(&self, bits: f32) -> Color32 {
        self.towards(self.palette.rejected, bits / MOST_BITS)
    }

    /// Behind text, for a share of 1.
    pub fn share(&self, share: f32) -> Color32 {
        self.towards(self.palette.accent, share)
    }

    /// Behind text, from -1 to 1.
    pub fn difference(&self, signed: f32) -> Color32 {
        let ink = if signed < 0.0 { self.palette.rejected } else { self.palette.chosen };
        self.towards(ink, signed.abs())
    }

    /// For a share of 1 where nothing is written: as far as the hue goes.
    pub fn weight(&self, share: f32) -> Color32 {
        self.palette.card.lerp_to_gamma(self.palette.accent, share.clamp(0.0, 1.0))
    }

    /// One of a few grounds that only tell neighbours apart.
    pub fn piece(&self, index: usize) -> Color32 {
        let p = &self.palette;
        [p.accent_soft, p.chosen_soft, p.rejected_soft, p.info_soft][index % 4]
    }

    fn towards(&self, ink: Color32, share: f32) -> Color32 {
        let share = if share.is_nan() { 0.0 } else { share.clamp(0.0, 1.0) };
        self.palette.card.lerp_to_gamma(ink, share * self.most)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_readable_on_every_shade() {
        for look in [Look::Light, Look::Dark, Look::Projector] {
            let (scale, p) = (Scale::of(look), Palette::of(look));
            // The stage asks for 7:1.
            let least = if look == Look::Projector { 7.0 } else { 4.5 };
            for step in 0..=20 {
                let share = step as f32 / 20.0;
                let grounds = [
                    scale.surprise(share * MOST_BITS),
                    scale.share(share),
                    scale.difference(share),
                    scale.difference(-share),
                ];
                for ground in grounds {
                    let ratio = theme::contrast(p.text, ground);
                    assert!(ratio >= least, "{look:?} at {share}: {ratio:.2} on {ground:?}");
                }
            }
        }
    }

    #[test]
    fn a_scale_goes_one_way_in_lightness() {
        for look in [Look::Light, Look::Dark, Look::Projector] {
            let scale = Scale::of(look);
            let card = Palette::of(look).card;
            let shades: Vec<f64> = (0..=10)
                .map(|step| theme::contrast(scale.weight(step as f32 / 10.0), card))
                .collect();
            assert!(shades.windows(2).all(|pair| pair[0] < pair[1]), "{look:?}: {shades:?}");
        }
    }

    #[test]
    fn what_is_no_number_is_not_coloured() {
        let scale = Scale::of(Look::Light);
        assert_eq!(scale.surprise(f32::NAN), scale.surprise(0.0));
        assert_eq!(scale.surprise(f32::INFINITY), scale.surprise(MOST_BITS));
    }
}
