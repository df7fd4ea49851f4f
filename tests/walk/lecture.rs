//! The lecture of `sample_data`: as the guided tour, and computed with the model, by keys only.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::steps::wait_for;
use crate::window::{Window, key};

/// The scenes of the tour.
const SCENES: usize = 15;

/// On the first screen, before anything was downloaded: every scene, with the keys of a remote only.
pub fn take_the_tour(window: &mut Window) {
    window.click("Take the guided tour", 20);
    window.sees("All 15 scenes are ready", 20);
    window.shot("tour");
    window.click("Start with notes", 5);
    window.sees("Next: What is inside?", 10);
    window.shot("tour-with-notes");
    key("Escape");
    window.click("Start", 10);
    give(window, "tour", Duration::from_secs(2));
    window.click("All lectures", 10);
    key("ctrl+1");
}

/// The same lecture from a file of the project, computed with the model.
pub fn give_a_lecture(window: &mut Window, project: &Path) {
    key("ctrl+7");
    window.click("Copy it, to change it", 10);
    window.sees("starter: here", 20);
    // The first scene is there at once, whatever is computed behind it.
    window.click("Start", 10);
    window.sees("1 / 15", 5);
    key("Escape");
    window.sees("All 15 scenes are ready", 120);
    window.click("Start", 10);
    give(window, "lecture", Duration::from_millis(1500));
    window.click("Save a recording", 10);
    let file = project.join("lectures").join("how-a-language-model-writes.recording.json");
    wait_for("the recording", 10, || file.is_file());
    let text = std::fs::read_to_string(&file).expect("readable");
    let recording: Value = serde_json::from_str(&text).expect("it is JSON");
    assert_eq!(recording["scenes"].as_array().map(Vec::len), Some(SCENES - 2));
    let carried =
        include_str!("../../sample_data/lectures/how-a-language-model-writes.recording.json");
    let carried: Value = serde_json::from_str(carried).expect("it is JSON");
    differ("scenes", &carried["scenes"], &recording["scenes"]);
    window.click("All lectures", 10);
}

/// Fails where the recording that the program carries shows something else than the model does.
fn differ(place: &str, carried: &Value, computed: &Value) {
    match (carried, computed) {
        (Value::Array(one), Value::Array(other)) if one.len() == other.len() => {
            for (at, (one, other)) in one.iter().zip(other).enumerate() {
                differ(&format!("{place}.{at}"), one, other);
            }
        }
        (Value::Object(one), Value::Object(other)) => {
            for (key, value) in one.iter().filter(|(key, _)| *key != "name") {
                differ(&format!("{place}.{key}"), value, &other[key]);
            }
        }
        (Value::Number(one), Value::Number(other)) => {
            let (one, other) = (one.as_f64().unwrap_or(0.0), other.as_f64().unwrap_or(0.0));
            let near = (one - other).abs() <= 2e-3 * one.abs().max(1.0);
            assert!(near, "{place}: {one} is carried, {other} computed");
        }
        _ => assert_eq!(carried, computed, "{place}"),
    }
}

/// From the first scene to the last, R in each; a page is turned within `limit`, the walk's own
/// looking among it.
fn give(window: &mut Window, name: &str, limit: Duration) {
    for scene in 1..=SCENES {
        let turned = Instant::now();
        window.sees(&format!("{scene} / {SCENES}"), 10);
        assert!(turned.elapsed() < limit, "scene {scene}: {:?}", turned.elapsed());
        for _ in 0..3 {
            key("r");
        }
        window.shot(&format!("{name}-{scene}"));
        key("Next");
    }
    key("b");
    window.sees("The screen is dark", 5);
    key("b");
    key("Prior");
    window.sees(&format!("{} / {SCENES}", SCENES - 1), 5);
    key("Escape");
    window.sees("Start with notes", 10);
}
