//! A tree from left to right: boxes of given sizes, and edges as thick as likely.

use eframe::egui::epaint::CubicBezierShape;
use eframe::egui::{Color32, Pos2, Rect, Stroke, Ui, Vec2, vec2};

/// A box.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TreeBox {
    /// Another box, before this one in the list. `None`: the root.
    pub parent: Option<usize>,
    pub size: Vec2,
}

/// Where everything lies, from the upper left corner of the tree.
#[derive(Clone, Debug, PartialEq)]
pub struct TreePlan {
    pub root: Rect,
    pub boxes: Vec<Rect>,
    pub size: Vec2,
}

/// An edge of the likeliest token is so thick, in points.
const THICKEST: f32 = 14.0;

/// Lays the tree out. Boxes of one generation begin at the same x; a parent is level with the middle
/// of its children.
pub fn plan(root: Vec2, boxes: &[TreeBox], gap: Vec2) -> TreePlan {
    let mut generation = vec![0_usize; boxes.len()];
    let mut widths: Vec<f32> = Vec::new();
    let mut children: Vec<Vec<usize>> = vec![Vec::new(); boxes.len()];
    let mut first = Vec::new();
    for (index, one) in boxes.iter().enumerate() {
        match one.parent {
            Some(parent) => {
                generation[index] = generation[parent] + 1;
                children[parent].push(index);
            }
            None => first.push(index),
        }
        let at = generation[index];
        widths.resize(widths.len().max(at + 1), 0.0);
        widths[at] = widths[at].max(one.size.x);
    }
    // Of a box with all that comes after it.
    let mut heights: Vec<f32> = boxes.iter().map(|one| one.size.y).collect();
    let together = |heights: &[f32], of: &[usize]| {
        let sum: f32 = of.iter().map(|child| heights[*child]).sum();
        sum + gap.y * of.len().saturating_sub(1) as f32
    };
    for index in (0..boxes.len()).rev() {
        heights[index] = heights[index].max(together(&heights, &children[index]));
    }
    let lefts: Vec<f32> = widths
        .iter()
        .scan(root.x + gap.x, |left, width| {
            let here = *left;
            *left += width + gap.x;
            Some(here)
        })
        .collect();
    let height = root.y.max(together(&heights, &first));
    let mut rects = vec![Rect::ZERO; boxes.len()];
    let mut open: Vec<(usize, f32)> = Vec::new();
    let place = |of: &[usize], top: f32, room: f32, open: &mut Vec<(usize, f32)>| {
        let mut top = top + (room - together(&heights, of)) / 2.0;
        for child in of {
            open.push((*child, top));
            top += heights[*child] + gap.y;
        }
    };
    place(&first, 0.0, height, &mut open);
    while let Some((index, top)) = open.pop() {
        let size = boxes[index].size;
        let middle = top + heights[index] / 2.0;
        let min = Pos2::new(lefts[generation[index]], middle - size.y / 2.0);
        rects[index] = Rect::from_min_size(min, size);
        place(&children[index], top, heights[index], &mut open);
    }
    let root = Rect::from_min_size(Pos2::new(0.0, (height - root.y) / 2.0), root);
    let right = rects.iter().map(|rect| rect.right()).fold(root.right(), f32::max);
    TreePlan { root, boxes: rects, size: vec2(right, height) }
}

/// Draws an edge from the right of one box to the left of another.
pub fn edge(ui: &Ui, from: Rect, to: Rect, probability: f32, color: Color32) {
    let (start, end) = (from.right_center(), to.left_center());
    let bend = vec2((end.x - start.x) / 2.0, 0.0);
    let width = (THICKEST * probability).max(1.0);
    let points = [start, start + bend, end - bend, end];
    let stroke = Stroke::new(width, color);
    ui.painter().add(CubicBezierShape::from_points_stroke(
        points,
        false,
        Color32::TRANSPARENT,
        stroke,
    ));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parent_is_level_with_its_children_and_nothing_overlaps() {
        let one = |parent| TreeBox { parent, size: vec2(50.0, 20.0) };
        let boxes = [one(None), one(Some(0)), one(Some(0)), one(Some(0)), one(None)];
        let plan = plan(vec2(40.0, 30.0), &boxes, vec2(10.0, 5.0));
        assert_eq!(plan.boxes[0].center().y, plan.boxes[2].center().y);
        assert_eq!(plan.boxes[0].left(), 50.0);
        assert_eq!(plan.boxes[1].left(), 110.0);
        // Three leaves and the other branch, with three gaps.
        assert_eq!(plan.size, vec2(160.0, 4.0 * 20.0 + 3.0 * 5.0));
        assert_eq!(plan.root.center().y, plan.size.y / 2.0);
        for (at, rect) in plan.boxes.iter().enumerate() {
            assert!(plan.boxes[at + 1..].iter().all(|other| !rect.intersects(*other)));
        }
    }

    #[test]
    fn a_tree_of_nothing_is_its_root() {
        let plan = plan(vec2(40.0, 30.0), &[], vec2(10.0, 5.0));
        assert_eq!(plan.size, vec2(40.0, 30.0));
    }
}
