//! Why something cannot be made of vectors.

use crate::jobs::Cancelled;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(
        "{count} {} not enough for a map: at least {least} texts are needed",
        if *count == 1 { "text is" } else { "texts are" }
    )]
    TooFew { count: usize, least: usize },

    #[error(
        "all vectors are the same, so that there is nothing to compare: check that the column holds \
         different texts"
    )]
    AllTheSame,

    #[error(
        "text {place}, counted from 1, has a vector with values that are not numbers: the model's \
         weights are damaged"
    )]
    NotNumbers { place: usize },

    #[error(
        "{wanted} clusters need at least {wanted} different texts, and there are {found}: choose \
         fewer clusters"
    )]
    TooFewForClusters { wanted: usize, found: usize },

    #[error("a cluster has at least 2 texts, and {given} was asked for: choose 2 or more")]
    ClusterSize { given: usize },

    #[error(
        "{wanted} clusters were asked for: choose a number from 2 to {most}, and fewer than there \
         are texts"
    )]
    ClusterCount { wanted: usize, most: usize },

    #[error(
        "{count} texts of {width} values are too many to compare each with each: have them reduced \
         first (--reduce), or take at most {most} texts"
    )]
    TooManyForClusters { count: usize, width: usize, most: usize },

    #[error(
        "the column \"{column}\" has one label in all rows that have text ({label:?}): a probe needs \
         at least two labels"
    )]
    OneClass { column: String, label: String },

    #[error(
        "the column \"{column}\" has {count} different labels, and a probe takes at most {most}: \
         choose a column with labels, or predict it as a number"
    )]
    TooManyClasses { column: String, count: usize, most: usize },

    #[error(
        "of the labels in \"{column}\", {enough} {} at least {folds} texts, and {folds} folds need two \
         such labels: choose fewer folds, or a column with more texts a label",
        if *enough == 1 { "has" } else { "have" }
    )]
    TooFewForFolds { column: String, enough: usize, folds: usize },

    #[error("{count} rows with a number are too few for {folds} folds: choose fewer folds")]
    TooFewNumbers { count: usize, folds: usize },

    #[error("{folds} folds were asked for: choose 2 to 50")]
    Folds { folds: usize },

    #[error("the strength of regularisation must be above 0, and it is {given}")]
    Strength { given: f64 },

    #[error(
        "\"{value}\" in row {row} of the column \"{column}\" is not a number: choose a column of \
         numbers, or predict it as labels"
    )]
    NotANumber { column: String, value: String, row: usize },

    #[error("the numbers of the column \"{column}\" are all the same: there is nothing to predict")]
    ConstantNumbers { column: String },

    #[error("the table has no column \"{wanted}\"; it has {known}")]
    NoColumn { wanted: String, known: String },

    #[error(
        "no row of the column \"{column}\" has a text: choose the column that holds the texts; the \
         table has {known}"
    )]
    NoTexts { column: String, known: String },

    #[error(
        "{count} texts need {needed_mb} MB for vectors of {width} values, and {free_mb} MB are free: \
         take fewer rows, or end other programs"
    )]
    Memory { count: usize, width: usize, needed_mb: u64, free_mb: u64 },

    #[error("constructs are compared from two on, and the column \"{column}\" has {found}")]
    TooFewConstructs { column: String, found: usize },

    #[error(
        "no two items have the same value in the column \"{column}\", so that none measures what another one \
         measures: choose the column that says what each item is to measure"
    )]
    NoConstructHasTwo { column: String },

    #[error(
        "the table of answers has no column for {missing} of {count} items, such as \"{example}\": \
         its columns must be called as the items in \"{column}\""
    )]
    NoAnswers { missing: usize, count: usize, example: String, column: String },

    #[error(
        "the map was made by another model or adapter than the one that is loaded now: make the map \
         again"
    )]
    AnotherModel,

    #[error(transparent)]
    Cancelled(#[from] Cancelled),
}
