//! Numbers in a rectangle as a picture: a point a number. Made once, and kept on the graphics card.

use eframe::egui::{Color32, ColorImage, Id, TextureHandle, TextureOptions, Ui};

use super::scale::Scale;
use super::theme::{self, Look};

/// What the picture shows: it is made anew only when this changes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PictureKey {
    pub version: u64,
    pub part: usize,
    pub variant: usize,
}

#[derive(Clone)]
struct Kept {
    key: PictureKey,
    look: Look,
    texture: TextureHandle,
}

/// The picture of `side` times `side` shares of 1, row by row. The colour goes by the square root,
/// so that small shares are seen too. `id`: one place on the screen.
pub fn square_texture(
    ui: &Ui,
    id: Id,
    key: PictureKey,
    side: usize,
    shares: impl FnOnce() -> Vec<f32>,
) -> TextureHandle {
    texture(ui, id, key, [side, side], shares)
}

/// The same of a rectangle, of so many columns and rows.
pub fn texture(
    ui: &Ui,
    id: Id,
    key: PictureKey,
    size: [usize; 2],
    shares: impl FnOnce() -> Vec<f32>,
) -> TextureHandle {
    let look = theme::look(ui.ctx());
    let kept: Option<Kept> = ui.data(|data| data.get_temp(id));
    if let Some(kept) = kept.filter(|kept| kept.key == key && kept.look == look) {
        return kept.texture;
    }
    let scale = Scale::of(look);
    let shades: Vec<Color32> = (0..=255).map(|step| scale.weight(step as f32 / 255.0)).collect();
    let shade = |share: f32| shades[(share.clamp(0.0, 1.0).sqrt() * 255.0) as usize];
    let pixels = shares().into_iter().map(shade).collect();
    let image = ColorImage::new(size, pixels);
    // A large picture is shown small, a small one large with its points as squares.
    let options = TextureOptions {
        minification: eframe::egui::TextureFilter::Linear,
        ..TextureOptions::NEAREST
    };
    let texture = ui.ctx().load_texture("shares", image, options);
    let kept = Kept { key, look, texture: texture.clone() };
    ui.data_mut(|data| data.insert_temp(id, kept));
    texture
}
