//! What the window shows as files for a paper or a slide: SVG, PNG at twice the size, CSV.

mod cells;
pub mod curves;
mod drawing;
pub mod exported;
mod font;
mod items;
mod machine;
mod maps;
mod mask;
mod models;
mod pair_set;
pub mod scaling;
mod sheet;
pub mod sweep;
pub mod table;
mod token_sides;
pub mod views;
mod words;
