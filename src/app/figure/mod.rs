//! What the window shows as files for a paper or a slide: SVG, PNG at twice the size, CSV.

pub mod curves;
pub mod exported;
mod font;
mod items;
mod maps;
mod sheet;
pub mod sweep;
pub mod table;
pub mod views;
