//! A scaling series from the ready example, on tiny sizes, and its figures.

use std::path::Path;

use crate::steps::{command_on, of_repository, project, wait_for};
use crate::window::{Window, key};

/// Where the form of a run is.
const FORM: (f64, f64) = (400.0, 400.0);

/// Where the sweep and its plots are.
const RESULTS: (f64, f64) = (900.0, 550.0);

/// What the last plot is called.
const COMPUTE: &str =
    "Held-out loss over compute plot, both axes logarithmic: 1x16x2; 1x32x2; 2x48x4; lowest of all";

pub fn three_sizes_in_a_row(window: &mut Window, home: &Path) {
    key("ctrl+6");
    command_on(window, "Open", &of_repository("sample_data/texts/pretrain.toml"));
    window.sees("A new model", 20);
    window.scroll_to("max_steps", FORM);
    window.fill("max_steps", "30");
    key("Return");
    window.scroll_to("Scaling series…", FORM);
    window.click("Scaling series…", 10);
    window.sees("3 runs", 10);
    window.shot("scaling-form");
    window.fill("Sizes", "1x16x2, 1x32x2, 2x48x4");
    window.sees("Parameters without embeddings: 1x16x2", 10);
    window.scroll_to("Take the settings on the left", RESULTS);
    window.click("Start the sweep", 10);
    window.sees("3 of 3 runs are done", 240);
    window.sees("Scaling series", 10);
    window.shot("scaling-runs");
    window.click("Export", 10);
    let sweeps = project(home).join("sweeps");
    let exported = || {
        let folders = std::fs::read_dir(&sweeps).expect("there is a sweep").flatten();
        folders
            .map(|folder| folder.path().join("export"))
            .find(|to| to.join("scaling.csv").is_file())
    };
    wait_for("the figures", 30, || {
        exported().is_some_and(|to| to.join("scaling-compute.png").is_file())
    });
    let to = exported().expect("it is there");
    for name in ["parameters", "tokens", "chinchilla", "compute"] {
        for ending in ["svg", "png"] {
            assert!(to.join(format!("scaling-{name}.{ending}")).is_file(), "{name}.{ending}");
        }
    }
    let rows = std::fs::read_to_string(to.join("scaling.csv")).expect("readable");
    assert_eq!(rows.lines().count(), 1 + 3, "{rows}");
    window.scroll_to("best", RESULTS);
    window.shot("scaling-law");
    window.scroll_to(COMPUTE, RESULTS);
    window.shot("scaling-plots");
}
