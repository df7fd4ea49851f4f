//! What a measurement refuses is refused before anything is made or opened: no window is needed for it.

use tuning_fork::files;

use crate::again::call;

#[test]
fn a_project_whose_items_all_have_verdicts_is_refused_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let told = |left: &str, given: &str| {
        files::write_atomic(&folder.join("left.json"), left.as_bytes()).unwrap();
        let args = ["bench", "annotate", "--folder", ".", "--items", "2", "--given", given];
        let ended = call(folder, &args);
        assert!(!ended.status.success(), "{ended:?}");
        String::from_utf8_lossy(&ended.stderr).into_owned()
    };
    let said = told("0", "5");
    assert!(said.contains("has a verdict from an earlier measurement"), "{said}");
    let said = told("3", "5");
    assert!(said.contains("3 items") && said.contains("--given 3"), "{said}");
    assert!(!folder.join("studies").exists(), "nothing was made");
}
