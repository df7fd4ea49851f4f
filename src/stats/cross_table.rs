//! A table of two codings of the same items: what agreement and classification start from.

/// How often the first coding gave label r and the second gave label c.
#[derive(Clone, Debug)]
pub struct CrossTable {
    /// Sums of weights, or counts: `cells[r][c]`.
    pub cells: Vec<Vec<f64>>,

    /// Items that both codings label.
    pub items: usize,

    /// Labels that occur at all, whatever their items weigh: in rows, in columns.
    pub occurs: (Vec<bool>, Vec<bool>),
}

impl CrossTable {
    /// Counts pairs of label indices below `labels`; an item that either leaves open is left out.
    /// Items weigh 1 without `weights`; an item whose weight is missing is left out.
    pub fn new(
        rows: &[Option<usize>],
        columns: &[Option<usize>],
        weights: Option<&[Option<f64>]>,
        labels: usize,
    ) -> Self {
        let mut cells = vec![vec![0.0; labels]; labels];
        let mut occurs = (vec![false; labels], vec![false; labels]);
        let mut items = 0;
        for (item, pair) in rows.iter().zip(columns).enumerate() {
            let weight = weights.map_or(Some(1.0), |weights| weights[item]);
            if let ((Some(row), Some(column)), Some(weight)) = (pair, weight) {
                cells[*row][*column] += weight;
                occurs.0[*row] = true;
                occurs.1[*column] = true;
                items += 1;
            }
        }
        Self { cells, items, occurs }
    }

    pub fn labels(&self) -> usize {
        self.cells.len()
    }

    pub fn row_totals(&self) -> Vec<f64> {
        self.cells.iter().map(|row| row.iter().sum()).collect()
    }

    pub fn column_totals(&self) -> Vec<f64> {
        (0..self.labels()).map(|column| self.cells.iter().map(|row| row[column]).sum()).collect()
    }

    pub fn diagonal(&self) -> f64 {
        (0..self.labels()).map(|label| self.cells[label][label]).sum()
    }

    pub fn total(&self) -> f64 {
        self.row_totals().iter().sum()
    }
}
