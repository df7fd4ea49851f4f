//! Reusable pieces of the window: the theme, cards, rows, bars. They know none of our state, so
//! that every panel can use them and a test can draw one alone.

pub mod branch_tree;
pub mod button;
pub mod candidate_bars;
pub mod card;
pub mod count_cell;
pub mod dot_plot;
pub mod empty_state;
pub mod error_card;
pub mod format;
pub mod icons;
pub mod interval_bars;
pub mod layout;
pub mod log_plot;
pub mod loss_plot;
pub mod markdown;
pub mod mirrored_bars;
pub mod one_line;
pub mod pipeline_bars;
pub mod pixel_map;
pub mod plot_numbers;
pub mod point_map;
pub mod progress_row;
pub mod qr_code;
pub mod range_plot;
pub mod right_to_left;
pub mod scale;
pub mod scatter;
pub mod slider_row;
pub mod switch;
pub mod theme;
pub mod token_bars;
pub mod token_curve;
pub mod token_flow;
pub mod token_ribbon;
pub mod word_places;
