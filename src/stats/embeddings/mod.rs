//! Vectors of texts: similarity, axes, groups, classifiers.

pub mod clusters;
pub mod cosine;
pub mod kmeans;
pub mod logistic;
pub mod principal;
