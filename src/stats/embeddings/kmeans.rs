//! k-means by Lloyd's algorithm (1982) from given centres.

/// Lloyd's steps end by themselves; this is for rounding that goes round in a circle.
const MOST_STEPS: usize = 10_000;

#[derive(Clone, Debug)]
pub struct Clusters {
    /// The sum of squared distances before the first step.
    pub initial_inertia: f64,

    /// The number of each row's centre.
    pub labels: Vec<usize>,
    pub centres: Vec<Vec<f64>>,

    /// The sum of squared distances to the centres.
    pub inertia: f64,
}

/// Until no row changes its centre. The nearest centre, the first of several; a centre without a
/// row stays where it is. At least one centre.
pub fn kmeans(rows: &[Vec<f64>], initial: &[Vec<f64>]) -> Clusters {
    let mut centres = initial.to_vec();
    let (mut labels, initial_inertia) = assign(rows, &centres);
    let mut inertia = initial_inertia;
    for _ in 0..MOST_STEPS {
        move_centres(rows, &labels, &mut centres);
        let (next, next_inertia) = assign(rows, &centres);
        inertia = next_inertia;
        if next == labels {
            break;
        }
        labels = next;
    }
    Clusters { initial_inertia, labels, centres, inertia }
}

fn assign(rows: &[Vec<f64>], centres: &[Vec<f64>]) -> (Vec<usize>, f64) {
    let mut inertia = 0.0;
    let labels = rows
        .iter()
        .map(|row| {
            let distance = |centre: &Vec<f64>| -> f64 {
                row.iter().zip(centre).map(|(a, b)| (a - b) * (a - b)).sum()
            };
            let (mut best, mut least) = (0, f64::INFINITY);
            for (number, centre) in centres.iter().enumerate() {
                let distance = distance(centre);
                if distance < least {
                    (best, least) = (number, distance);
                }
            }
            inertia += least;
            best
        })
        .collect();
    (labels, inertia)
}

fn move_centres(rows: &[Vec<f64>], labels: &[usize], centres: &mut [Vec<f64>]) {
    for (number, centre) in centres.iter_mut().enumerate() {
        let own: Vec<&Vec<f64>> = rows
            .iter()
            .zip(labels)
            .filter(|(_, label)| **label == number)
            .map(|(row, _)| row)
            .collect();
        if own.is_empty() {
            continue;
        }
        for (j, value) in centre.iter_mut().enumerate() {
            *value = own.iter().map(|row| row[j]).sum::<f64>() / own.len() as f64;
        }
    }
}
