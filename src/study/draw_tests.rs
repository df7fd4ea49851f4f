//! Every item has the probability with which it is drawn.

use proptest::prelude::*;

use super::*;
use crate::examples::items;

/// Items with a group (`big` for 8 of 10) and a probability.
fn grouped(count: usize) -> Vec<Item> {
    let mut list = items(count);
    for (place, item) in list.iter_mut().enumerate() {
        let group = if place % 5 == 0 { "small" } else { "big" };
        item.more.insert("group".to_owned(), group.into());
        item.more.insert("p".to_owned(), (place as f64 / count as f64).into());
    }
    list
}

fn stratified(count: usize, equal: bool) -> Sampling {
    Sampling::Stratified { column: "group".to_owned(), count, equal }
}

fn uncertain(count: usize, random_share: f64) -> Sampling {
    Sampling::Uncertain { columns: vec!["p".to_owned()], each: false, count, random_share }
}

#[test]
fn the_same_seed_draws_the_same_items_and_another_seed_others() {
    let ids = |seed| -> Vec<String> {
        let drawn = draw(grouped(50), &Sampling::Random { count: 10 }, seed).unwrap();
        drawn.into_iter().map(|item| item.id).collect()
    };
    assert_eq!(ids(1), ids(1));
    assert_ne!(ids(1), ids(2));
}

#[test]
fn an_item_is_drawn_as_often_as_its_probability_says() {
    for sampling in [
        Sampling::Random { count: 6 },
        stratified(6, false),
        stratified(6, true),
        uncertain(6, 0.5),
    ] {
        let mut times = BTreeMap::<String, (f64, f64)>::new();
        let draws = 2000;
        for seed in 0..draws {
            for item in draw(grouped(20), &sampling, seed).unwrap() {
                let entry = times.entry(item.id.clone()).or_default();
                *entry = (entry.0 + 1.0, item.inclusion.unwrap());
            }
        }
        for (id, (count, inclusion)) in times {
            let error = (count / draws as f64 - inclusion).abs();
            // Four standard errors of a share of 2,000.
            let allowed = 4.0 * (inclusion * (1.0 - inclusion) / draws as f64).sqrt() + 1e-9;
            assert!(error <= allowed, "{sampling:?} {id}: off by {error}");
        }
    }
}

#[test]
fn horvitz_and_thompson_get_the_size_of_the_table_back() {
    // Σ 1 / π over the drawn items estimates N; in strata of known size it is N exactly.
    for (sampling, exact) in [
        (Sampling::All, true),
        (Sampling::Random { count: 7 }, true),
        (stratified(9, false), true),
        (stratified(9, true), true),
        (uncertain(10, 0.4), true),
    ] {
        let drawn = draw(grouped(40), &sampling, 3).unwrap();
        let sum: f64 = drawn.iter().map(|item| 1.0 / item.inclusion.unwrap()).sum();
        assert!(exact && (sum - 40.0).abs() < 1e-9, "{sampling:?}: {sum}");
    }
}

#[test]
fn the_least_certain_items_come_first_and_surely() {
    let drawn = draw(grouped(40), &uncertain(10, 0.5), 1).unwrap();
    let p: Vec<f64> = drawn.iter().map(|item| item.more["p"].as_f64().unwrap()).collect();
    let distance = |p: &f64| (p - 0.5).abs();
    assert!(p.windows(2).all(|two| distance(&two[0]) <= distance(&two[1]) + 1e-12), "{p:?}");
    assert!(drawn[..5].iter().all(|item| item.inclusion == Some(1.0)));
    assert!(drawn[5..].iter().all(|item| item.inclusion == Some(5.0 / 35.0)));
}

#[test]
fn pairs_that_a_model_hardly_tells_apart_come_first() {
    let mut list = items(6);
    for (item, second) in list.iter_mut().zip([-9.0, -4.0, -3.5, -1.0, -3.1, -6.0]) {
        item.more.insert("one".to_owned(), (-3.0).into());
        item.more.insert("other".to_owned(), second.into());
    }
    let columns = ["one", "other"].map(str::to_owned);
    let sampling = Sampling::Closest { columns, count: 4, random_share: 0.5 };
    let drawn = draw(list, &sampling, 1).unwrap();
    let ids: Vec<&str> = drawn.iter().map(|item| item.id.as_str()).collect();
    // Surely the two with differences of 0.1 and 0.5, then two of the other four.
    assert_eq!(ids[..2], ["i5", "i3"]);
    let inclusion: Vec<_> = drawn.iter().map(|item| item.inclusion).collect();
    assert_eq!(inclusion, [Some(1.0), Some(1.0), Some(0.5), Some(0.5)]);
    let said = draw(items(6), &sampling, 1).unwrap_err();
    assert!(said.contains("no log-probability in the column “one”"), "{said}");
}

#[test]
fn what_cannot_be_drawn_is_said() {
    for (sampling, words) in [
        (Sampling::Random { count: 0 }, "no items are asked for"),
        (Sampling::Random { count: 11 }, "the table has 10"),
        (stratified(1, false), "has 2 values"),
        (uncertain(2, 1.5), "0 to 1 is expected"),
        (
            Sampling::Uncertain {
                columns: vec!["q".to_owned()],
                each: false,
                count: 2,
                random_share: 0.5,
            },
            "no probability in the column “q”",
        ),
        (
            Sampling::Stratified { column: "year".to_owned(), count: 4, equal: false },
            "nothing in the column “year”",
        ),
    ] {
        let said = draw(grouped(10), &sampling, 0).unwrap_err();
        assert!(said.contains(words), "{said}");
    }
}

proptest! {
    #[test]
    fn parts_add_up_and_fit(sizes in prop::collection::vec(1usize..30, 1..8), share in 0.0f64..1.0) {
        let all: usize = sizes.iter().sum();
        let count = ((all as f64 * share) as usize).max(sizes.len());
        for parts in [in_proportion(&sizes, count), equal_parts(&sizes, count)] {
            prop_assert_eq!(parts.iter().sum::<usize>(), count);
            prop_assert!(parts.iter().zip(&sizes).all(|(part, size)| (1..=*size).contains(part)));
        }
    }
}
