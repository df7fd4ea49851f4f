//! A figure of rectangles and words, written as SVG and as PNG.

use std::io;

use plotters::coord::Shift;
use plotters::prelude::{
    BitMapBackend, Color as _, DrawingArea, DrawingBackend, IntoDrawingArea as _, RGBColor,
    Rectangle, SVGBackend, WHITE,
};
use plotters::style::IntoTextStyle as _;

use super::font;

/// Pixels of the PNG for one of the SVG.
const PNG_SCALE: u32 = 2;

/// Between the figure and its edge.
pub const MARGIN: i32 = 16;

/// One thing that is drawn, in pixels of the SVG.
pub enum Mark {
    Box { x: i32, y: i32, width: i32, height: i32, color: RGBColor },
    Text { x: i32, y: i32, size: u32, color: RGBColor, text: String },
}

/// A figure.
pub struct Sheet {
    pub width: i32,
    pub height: i32,
    marks: Vec<Mark>,
}

impl Sheet {
    pub fn new(width: i32) -> Self {
        Self { width, height: MARGIN, marks: Vec::new() }
    }

    pub fn rect(&mut self, (x, y): (i32, i32), (width, height): (i32, i32), color: RGBColor) {
        self.height = self.height.max(y + height + MARGIN);
        self.marks.push(Mark::Box { x, y, width, height, color });
    }

    /// Words from their upper left corner. How wide they are.
    pub fn text(&mut self, (x, y): (i32, i32), size: u32, color: RGBColor, text: &str) -> i32 {
        self.height = self.height.max(y + size.cast_signed() + MARGIN);
        self.marks.push(Mark::Text { x, y, size, color, text: text.to_owned() });
        font::width(text, size)
    }

    pub fn svg(&self) -> io::Result<String> {
        let mut text = String::new();
        let size = (self.width as u32, self.height as u32);
        let area = SVGBackend::with_string(&mut text, size).into_drawing_area();
        self.draw(&area, 1)?;
        drop(area);
        Ok(text)
    }

    pub fn png(&self) -> io::Result<Vec<u8>> {
        let (width, height) = (self.width as u32 * PNG_SCALE, self.height as u32 * PNG_SCALE);
        let mut pixels = vec![0; (width * height * 3) as usize];
        let area = BitMapBackend::with_buffer(&mut pixels, (width, height)).into_drawing_area();
        self.draw(&area, PNG_SCALE)?;
        drop(area);
        png_file(&pixels, width, height)
    }

    fn draw<B: DrawingBackend>(&self, area: &DrawingArea<B, Shift>, scale: u32) -> io::Result<()> {
        let by = scale.cast_signed();
        let drawn = area.fill(&WHITE).and_then(|()| {
            for mark in &self.marks {
                match mark {
                    Mark::Box { x, y, width, height, color } => {
                        let corners = [(x * by, y * by), ((x + width) * by, (y + height) * by)];
                        area.draw(&Rectangle::new(corners, color.filled()))?;
                    }
                    Mark::Text { x, y, size, color, text } => {
                        let style = (font::NAME, size * scale).into_text_style(area).color(color);
                        area.draw_text(text, &style, (x * by, y * by))?;
                    }
                }
            }
            area.present()
        });
        drawn.map_err(|err| io::Error::other(err.to_string()))
    }
}

/// Rows of red, green and blue as a PNG file.
pub fn png_file(pixels: &[u8], width: u32, height: u32) -> io::Result<Vec<u8>> {
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, width, height);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(pixels)?;
    writer.finish()?;
    Ok(file)
}
