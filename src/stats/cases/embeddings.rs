//! `cosine`, `pca`, `kmeans`, `cluster_scores`, `logistic`.

use serde_json::{Value, json};

use super::input::{Codes, Node, Read};
use super::output::{Got, or_null};
use crate::stats::classification::probabilities::first_largest;
use crate::stats::embeddings::principal::principal_components;
use crate::stats::embeddings::{
    clusters, cosine as angles, kmeans as lloyd, logistic as classifier,
};
use crate::stats::undefined::ratio;

pub fn cosine(input: &Node<'_>) -> Read<Value> {
    let vectors = input.key("vectors")?.matrix()?;
    let similarities = angles::similarities(&vectors);
    let mut got = Got::default();
    let rows = similarities.iter().map(|row| or_null(row.iter().copied()));
    got.set("similarity", rows.collect::<Vec<Value>>());
    if similarities.iter().flatten().any(Option::is_none) {
        got.because("similarity", "a zero vector has no direction (scikit-learn returns 0)");
    }
    if let Some(nearest) = angles::nearest(&similarities) {
        got.set("nearest", json!(nearest));
    }
    Ok(got.finish())
}

pub fn pca(input: &Node<'_>) -> Read<Value> {
    let rows = input.key("x")?.matrix()?;
    let of = principal_components(&rows);
    Ok(json!({
        "components": of.loadings.len(),
        "mean": of.mean,
        "loadings": of.loadings,
        "scores": of.scores,
        "explained_variance": of.explained_variance,
        "explained_variance_ratio": of.explained_variance_ratio,
    }))
}

pub fn kmeans(input: &Node<'_>) -> Read<Value> {
    let rows = input.key("x")?.matrix()?;
    let node = input.key("initial_centres")?;
    let centres = node.matrix()?;
    let (Some(centre), width) = (centres.first(), rows.first().map(Vec::len)) else {
        return Err(node.problem("at least one centre"));
    };
    node.check_length(centre.len(), width.unwrap_or(centre.len()))?;
    let of = lloyd::kmeans(&rows, &centres);
    Ok(json!({
        "inertia_at_the_initial_centres": of.initial_inertia,
        "labels": of.labels,
        "centres": of.centres,
        "inertia": of.inertia,
    }))
}

pub fn cluster_scores(input: &Node<'_>) -> Read<Value> {
    let (gold, predicted) = (input.key("gold")?, input.key("predicted")?);
    let gold_labels = Codes::occurring(&[&gold])?.read_or_missing(&gold)?;
    let predicted_labels = Codes::occurring(&[&predicted])?.read_or_missing(&predicted)?;
    predicted.check_length(predicted_labels.len(), gold_labels.len())?;
    let points = match input.optional("x")? {
        Some(node) => {
            let rows = node.matrix()?;
            node.check_length(rows.len(), gold_labels.len())?;
            Some(rows)
        }
        None => None,
    };
    let both = |i: &usize| gold_labels[*i].is_some() && predicted_labels[*i].is_some();
    let kept: Vec<usize> = (0..gold_labels.len()).filter(both).collect();
    let gold: Vec<usize> = kept.iter().filter_map(|i| gold_labels[*i]).collect();
    let predicted: Vec<usize> = kept.iter().filter_map(|i| predicted_labels[*i]).collect();
    let of = clusters::v_measure(&gold, &predicted);
    let mut got = Got::default();
    got.set("homogeneity", of.homogeneity);
    got.set("completeness", of.completeness);
    got.set("v_measure", of.v_measure);
    got.set("adjusted_rand", clusters::adjusted_rand(&gold, &predicted));
    if let Some(rows) = points {
        let rows: Vec<Vec<f64>> = kept.iter().map(|i| rows[*i].clone()).collect();
        got.put("silhouette", clusters::silhouette(&rows, &predicted));
    }
    Ok(got.finish())
}

pub fn logistic(input: &Node<'_>) -> Read<Value> {
    let (x, y) = (input.key("x")?, input.key("y")?);
    let rows = x.matrix()?;
    let codes = Codes::occurring(&[&y])?;
    let labels = codes.read_or_missing(&y)?;
    y.check_length(labels.len(), rows.len())?;
    let c = input.key("C")?.number_where(|c| c > 0.0, "a number above 0")?;
    let (rows, labels): (Vec<Vec<f64>>, Vec<usize>) =
        rows.into_iter().zip(labels).filter_map(|(row, label)| Some((row, label?))).unzip();
    let fit = classifier::fit(&rows, &labels, codes.len(), c);
    let probabilities = fit
        .clone()
        .map(|of| rows.iter().map(|row| of.probabilities(row)).collect::<Vec<Vec<f64>>>());
    let right = probabilities.clone().and_then(|probabilities| {
        let right = |(p, label): &(&Vec<f64>, &usize)| first_largest(p) == **label;
        let right = probabilities.iter().zip(&labels).filter(right).count();
        ratio(right as f64, labels.len() as f64, "no rows")
    });
    let mut got = Got::default();
    got.set("classes", json!(codes.values));
    got.put_with("coefficients", fit.clone().map(|of| of.coefficients), |rows| json!(rows));
    got.put_list("intercepts", fit.map(|of| of.intercepts));
    got.put_with("probabilities", probabilities, |rows| json!(rows));
    got.put("training_accuracy", right);
    Ok(got.finish())
}
