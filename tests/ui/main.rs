//! The panels as a person uses them: clicks, keys, and what is on the screen; state in, commands
//! out. No GPU, no threads, no model.

#![expect(clippy::format_push_string, clippy::unwrap_used, reason = "a test fails where it is")]

mod annotate;
mod away;
mod choices;
mod codes;
mod evaluate;
mod evaluate_pages;
mod evaluate_texts;
mod hub;
mod hub_app;
mod hub_loopback;
mod keyboard;
mod layout_newer;
mod layout_states;
mod layouts;
mod lectures;
mod look_inside;
mod look_meaning;
mod look_models;
mod look_parts;
mod low_windows;
mod map;
mod mapping;
mod mask;
mod mixed;
mod models;
mod pair_study;
mod playground;
mod playground_views;
mod prompts;
mod remote;
mod rewards;
mod room;
mod rounds;
mod scaling;
mod seq2seq;
mod support;
mod sweep;
mod tasks;
mod train;
mod whole_app;
mod window;
