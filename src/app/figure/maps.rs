//! The map, the clusters and the probe of Look inside, as figures and as tables.

use plotters::prelude::RGBColor;

use super::exported::MapFigure;
use super::font;
use super::sheet::{MARGIN, Sheet};
use crate::explore::vectors::groups::Groups;
use crate::explore::vectors::layout::Method;
use crate::explore::vectors::probe::{Estimate, LabelProbe, NumberProbe, Probed};
use crate::state::look_inside::map::Mapped;
use crate::widgets::point_map::INKS;

const INK: RGBColor = RGBColor(20, 22, 28);
const MUTED: RGBColor = RGBColor(85, 94, 110);
const GROUND: RGBColor = RGBColor(247, 248, 250);
const BAR: RGBColor = RGBColor(0, 114, 178);

const NO_LABEL: RGBColor = RGBColor(190, 194, 200);

const SIDE: i32 = 640;
const SMALL: u32 = 13;

/// Labels that the legend names.
const NAMED: usize = 24;

/// Rows that are drawn of a list.
const MOST_ROWS: usize = 40;

pub(super) fn map(sheet: &mut Sheet, top: i32, figure: &MapFigure) {
    let MapFigure { mapped, labels, legend, picked, .. } = figure;
    let method = match mapped.map.method {
        Method::Pca => {
            let share: f64 = mapped.map.shares.iter().sum();
            format!("PCA: {:.1} % of the variance", 100.0 * share)
        }
        Method::Umap => "UMAP: who is near to whom".to_owned(),
    };
    let words = format!("{} texts. {method}", mapped.texts.texts.len());
    sheet.text((MARGIN, top), SMALL, MUTED, &words);
    let top = top + 24;
    sheet.rect((MARGIN, top), (SIDE, SIDE), GROUND);
    let points = &mapped.map.points;
    let ends = |axis: usize| {
        let values = points.iter().map(|point| point[axis]);
        (values.clone().fold(f32::INFINITY, f32::min), values.fold(f32::NEG_INFINITY, f32::max))
    };
    let [(left, right), (low, high)] = [ends(0), ends(1)];
    let span = (right - left).max(high - low).max(f32::MIN_POSITIVE);
    let side = (SIDE - 24) as f32;
    let middle = [f32::midpoint(left, right), f32::midpoint(low, high)];
    let size = if points.len() > 5000 { 2 } else { 5 };
    let mut is_picked = vec![picked.is_none(); points.len()];
    picked.iter().flatten().for_each(|place| is_picked[*place] = true);
    for over in [false, true] {
        let drawn = points.iter().enumerate().filter(|(place, _)| is_picked[*place] == over);
        for (place, [x, y]) in drawn {
            let x = (x - middle[0]) / span * side;
            let y = (y - middle[1]) / span * side;
            let at = (MARGIN + SIDE / 2 + x as i32, top + SIDE / 2 - y as i32);
            let label = labels.get(place).copied().flatten();
            let ink = match (over, labels.is_empty()) {
                (false, _) => NO_LABEL,
                (true, true) => BAR,
                (true, false) => color(label),
            };
            sheet.rect((at.0 - size / 2, at.1 - size / 2), (size, size), ink);
        }
    }
    let (x, mut y) = (MARGIN + SIDE + 16, top);
    for (number, name) in legend.iter().take(NAMED).enumerate() {
        sheet.rect((x, y + 3), (10, 10), color(Some(number)));
        sheet.text((x + 16, y), SMALL, INK, &short(name, 250));
        y += 20;
    }
    if legend.len() > NAMED {
        let words = format!("and {} more", legend.len() - NAMED);
        sheet.text((x, y), SMALL, MUTED, &words);
    }
}

/// As on the screen.
fn color(label: Option<usize>) -> RGBColor {
    label.map_or(NO_LABEL, |label| {
        let [red, green, blue] = INKS[label % INKS.len()];
        RGBColor(red, green, blue)
    })
}

pub(super) fn clusters(sheet: &mut Sheet, top: i32, groups: &Groups) {
    let most = groups.groups.iter().map(|group| group.size).max().unwrap_or(1).max(1);
    let mut y = top;
    for (number, group) in groups.groups.iter().take(MOST_ROWS).enumerate() {
        let words = format!("{}  {}", number + 1, group.name);
        sheet.text((MARGIN, y), SMALL, INK, &short(&words, 340));
        let width = pixels(480 * group.size / most);
        sheet.rect((MARGIN + 360, y + 1), (width.max(1), 14), BAR);
        sheet.text((MARGIN + 366 + width, y), SMALL, INK, &group.size.to_string());
        y += 22;
    }
    if groups.outside > 0 {
        let words = format!("Texts in no cluster: {}", groups.outside);
        sheet.text((MARGIN, y), SMALL, MUTED, &words);
    }
}

pub(super) fn probe(sheet: &mut Sheet, top: i32, probed: &Probed) {
    match probed {
        Probed::Labels(probe) => labels(sheet, top, probe),
        Probed::Numbers(probe) => numbers(sheet, top, probe),
    }
}

/// A number with its interval.
fn estimate(Estimate { value, low, high }: Estimate) -> String {
    match (value, low, high) {
        (Some(value), Some(low), Some(high)) => format!("{value:.3} ({low:.3} to {high:.3})"),
        (Some(value), _, _) => format!("{value:.3}"),
        _ => "not defined".to_owned(),
    }
}

fn labels(sheet: &mut Sheet, top: i32, probe: &LabelProbe) {
    let words = format!(
        "\"{}\", {} texts in {} folds: accuracy {}, macro F1 {}; the commonest label {:.3}",
        probe.column,
        probe.rows,
        probe.folds,
        estimate(probe.accuracy),
        estimate(probe.macro_f1),
        probe.commonest
    );
    sheet.text((MARGIN, top), SMALL, INK, &words);
    sheet.text((MARGIN, top + 22), SMALL, MUTED, "Rows: the label; columns: the prediction");
    let (step, name_width) = (64, 200);
    let top = top + 48;
    for (row, label) in probe.labels.iter().take(12).enumerate() {
        let y = top + 22 + pixels(row) * 26;
        sheet.text((MARGIN, y + 4), SMALL, INK, &short(&label.label, name_width - 10));
        let x = MARGIN + name_width + pixels(row) * step;
        sheet.text((x + 2, top), SMALL, MUTED, &short(&label.label, step - 4));
        for (column, count) in probe.confusion[row].iter().take(12).enumerate() {
            let x = MARGIN + name_width + pixels(column) * step;
            let share = *count as f64 / label.rows.max(1) as f64;
            let ink = if row == column { BAR } else { color(Some(1)) };
            sheet.rect((x, y), (step - 2, 24), lightened(ink, share * 0.6));
            sheet.text((x + 6, y + 4), SMALL, INK, &count.to_string());
        }
    }
}

fn lightened(ink: RGBColor, share: f64) -> RGBColor {
    let part = |value: u8| (255.0 - (255.0 - f64::from(value)) * share) as u8;
    RGBColor(part(ink.0), part(ink.1), part(ink.2))
}

fn numbers(sheet: &mut Sheet, top: i32, probe: &NumberProbe) {
    let lines = [
        format!("\"{}\", {} texts in {} folds", probe.column, probe.rows, probe.folds),
        format!("r {}", estimate(probe.r)),
        format!("R2 {}", estimate(probe.r_squared)),
        format!("Root mean squared error {:.4}", probe.error),
    ];
    for (at, line) in (0..).zip(lines) {
        sheet.text((MARGIN, top + at * 24), SMALL, INK, &line);
    }
}

fn short(text: &str, room: i32) -> String {
    font::shortened(text, SMALL, room)
}

/// All texts with their places on the map, or those that were picked.
pub(super) fn map_csv(figure: &MapFigure) -> Vec<u8> {
    let MapFigure { mapped, groups, picked, .. } = figure;
    let Mapped { texts, map, .. } = mapped.as_ref();
    let mut extra = Vec::from(map.columns());
    extra.extend(groups.iter().flat_map(Groups::columns));
    let all: Vec<usize> = (0..map.points.len()).collect();
    texts.csv(picked.as_ref().unwrap_or(&all), &extra)
}

/// All texts with their clusters.
pub(super) fn clusters_csv(mapped: &Mapped, groups: &Groups) -> Vec<u8> {
    let all: Vec<usize> = (0..mapped.map.points.len()).collect();
    mapped.texts.csv(&all, &groups.columns())
}

/// What a probe found, a line a label or a number.
pub(super) fn probe_csv(probed: &Probed) -> Vec<u8> {
    let in_memory = "memory takes every line";
    let mut writer = csv::Writer::from_writer(Vec::new());
    let text = |value: Option<f64>| value.map(|value| value.to_string()).unwrap_or_default();
    let mut line = |cells: Vec<String>| writer.write_record(cells).expect(in_memory);
    let of = |name: &str, Estimate { value, low, high }: Estimate| {
        vec![name.to_owned(), text(value), text(low), text(high)]
    };
    let head = |names: [&str; 4]| names.map(str::to_owned).to_vec();
    match probed {
        Probed::Labels(probe) => {
            let names = ["label", "texts", "precision", "recall", "f1"].map(str::to_owned);
            let predicted = probe.labels.iter().map(|label| format!("predicted {}", label.label));
            line(names.into_iter().chain(predicted).collect());
            for (label, row) in probe.labels.iter().zip(&probe.confusion) {
                let scores = [label.precision, label.recall, label.f1];
                let cells = [label.label.clone(), label.rows.to_string()];
                let cells = cells.into_iter().chain(scores.map(|score| score.to_string()));
                line(cells.chain(row.iter().map(ToString::to_string)).collect());
            }
        }
        Probed::Numbers(probe) => {
            line(head(["statistic", "value", "low", "high"]));
            line(of("r", probe.r));
            line(of("r_squared", probe.r_squared));
            line(of(
                "root_mean_squared_error",
                Estimate { value: Some(probe.error), low: None, high: None },
            ));
        }
    }
    writer.into_inner().expect(in_memory)
}

/// A number as a place on the sheet, which is small.
fn pixels(count: usize) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX / 256)
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::sync::Arc;

    use super::*;
    use crate::app::figure::exported::Exported;
    use crate::app::figure::views::export;
    use crate::explore::vectors::groups::named;
    use crate::explore::vectors::layout::Map;
    use crate::explore::vectors::matrix::Vectors;
    use crate::explore::vectors::texts::Texts;
    use crate::state::look_inside::map::{MapModel, MapRequest};

    fn mapped() -> Arc<Mapped> {
        let texts = ["tax, again", "a river", "a tax"].map(str::to_owned).to_vec();
        let vectors = Vectors::new(2, vec![0.0, 1.0, 1.0, 0.0, 0.1, 0.9]);
        let request = MapRequest {
            table: PathBuf::from("t.csv"),
            column: "text".to_owned(),
            model: MapModel::Loaded,
            method: Method::Pca,
        };
        let points = vec![[0.5, 0.0], [-1.0, 0.25], [0.5, 0.1]];
        let rows = texts.iter().map(|text| vec![text.clone()]).collect();
        let columns = vec!["text".to_owned()];
        Arc::new(Mapped {
            request,
            texts: Texts { texts, columns, rows, places: vec![2, 3, 5], empty: 1 },
            way: None,
            units: vectors.unit(),
            vectors,
            map: Map { method: Method::Pca, points, shares: vec![0.8, 0.1] },
        })
    }

    #[test]
    fn a_map_what_was_drawn_around_and_its_clusters_become_pictures_and_tables() {
        let mapped = mapped();
        let labels = vec![Some(0), Some(1), Some(0)];
        let groups = named(&mapped.vectors, &mapped.texts.as_strs(), &labels);
        let figure = MapFigure {
            mapped: mapped.clone(),
            labels,
            legend: vec!["tax".to_owned(), "river".to_owned()],
            groups: Some(groups.clone()),
            picked: None,
        };
        let picked = MapFigure { picked: Some(vec![2]), ..figure.clone() };
        let folder = tempfile::tempdir().unwrap();
        for (exported, name) in [
            (Exported::Map(figure), "map"),
            (Exported::Map(picked), "selection"),
            (Exported::Clusters { mapped, groups }, "clusters"),
        ] {
            export(&exported, "Which texts mean the same?", folder.path()).unwrap();
            for ending in ["png", "svg", "csv"] {
                assert!(
                    folder.path().join(format!("{name}.{ending}")).is_file(),
                    "{name}.{ending}"
                );
            }
        }
        let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
        let selection = read("selection.csv");
        assert_eq!(selection, "row,x,y,cluster,cluster_name,text\n5,0.5,0.1,1,tax,a tax\n");
        assert_eq!(read("map.csv").lines().count(), 4);
        assert!(read("map.svg").contains("PCA: 90.0 % of the variance"));
    }
}
