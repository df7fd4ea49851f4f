//! In which order a coder sees the items: training first, then the items to be coded, with checks
//! strewn in and a share of the items once more.

use rand::RngExt as _;
use rand::SeedableRng as _;
use rand::seq::SliceRandom as _;
use rand_chacha::ChaCha20Rng;
use serde::{Deserialize, Serialize};

use super::item::{Item, Role};
use crate::files;

/// How the items to be coded are ordered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// Drawn anew for each coder, so that tiredness and practice do not meet the same items.
    #[default]
    Random,

    /// The same random order for all coders.
    SameForAll,
    AsGiven,
}

/// One place in a coder's order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Slot {
    /// By its place among the items.
    pub item: usize,

    /// 1, or 2 where the item is shown once more.
    pub pass: u8,
}

/// The order in which `coder` sees the items. `again`: the share of items to be coded that come a
/// second time, at most half of them. The same arguments give the same order on every machine.
pub fn plan(items: &[Item], order: Order, again: f64, seed: u64, coder: &str) -> Vec<Slot> {
    let of = |role| {
        let places = items.iter().enumerate().filter(move |(_, item)| item.role == role);
        places.map(|(place, _)| place).collect::<Vec<usize>>()
    };
    let (training, checks, mut coding) = (of(Role::Training), of(Role::Check), of(Role::Coding));
    let mut random = ChaCha20Rng::seed_from_u64(match order {
        Order::Random => seed_of(seed, coder),
        Order::SameForAll | Order::AsGiven => seed,
    });
    if order != Order::AsGiven {
        coding.shuffle(&mut random);
    }
    let count = coding.len();
    // From the first half, shown in the second in the same order: about half a study lies between.
    let half = count / 2;
    let repeated = ((again.clamp(0.0, 0.5) * count as f64).round() as usize).min(half);
    let mut repeats: Vec<usize> = (0..half).collect();
    repeats.shuffle(&mut random);
    repeats.truncate(repeated);
    repeats.sort_unstable();
    let first = |item: usize| Slot { item, pass: 1 };
    let mut main: Vec<Slot> = coding.iter().map(|item| first(*item)).collect();
    let again: Vec<(usize, Slot)> = repeats
        .iter()
        .map(|place| {
            let behind = (count - half).max(1);
            let at = half + (place * behind) / half.max(1) + random.random_range(0..=2);
            (at.min(count), Slot { item: coding[*place], pass: 2 })
        })
        .collect();
    insert(&mut main, again);
    // One check in each part of equal length, never as the first item.
    let part = main.len() / (checks.len() + 1);
    let strewn: Vec<(usize, Slot)> = checks
        .iter()
        .enumerate()
        .map(|(number, item)| {
            let at = number * part + random.random_range(0..part.max(1)) + 1;
            (at.min(main.len()), first(*item))
        })
        .collect();
    insert(&mut main, strewn);
    training.into_iter().map(first).chain(main).collect()
}

/// Which of its two answers stands on the left at each slot of a coder's order: 0 is the first.
///
/// Counterbalanced within a coder: of every four items two have their first answer on the left, drawn
/// anew for each four, so that the two sides differ by two at most wherever a coder stops. A second
/// look has the answers the other way round: whoever follows the side contradicts themselves.
pub fn sides(items: &[Item], slots: &[Slot], seed: u64, coder: &str) -> Vec<u8> {
    let mut random = ChaCha20Rng::seed_from_u64(seed_of(seed, &format!("{coder}/sides")));
    // Items for training and checks have blocks of their own: what is coded stays balanced.
    let mut blocks: [Vec<u8>; 2] = [Vec::new(), Vec::new()];
    let mut drawn = vec![0; items.len()];
    let mut left = Vec::with_capacity(slots.len());
    for slot in slots {
        if slot.pass == 1 {
            let block = &mut blocks[usize::from(items[slot.item].role != Role::Coding)];
            if block.is_empty() {
                block.extend([0, 0, 1, 1]);
                block.shuffle(&mut random);
            }
            drawn[slot.item] = block.pop().unwrap_or_default();
            left.push(drawn[slot.item]);
        } else {
            left.push(1 - drawn[slot.item]);
        }
    }
    left
}

/// Puts slots before the places that they name.
fn insert(list: &mut Vec<Slot>, mut added: Vec<(usize, Slot)>) {
    added.sort_by_key(|(at, _)| *at);
    let mut merged = Vec::with_capacity(list.len() + added.len());
    let mut added = added.into_iter().peekable();
    for (place, slot) in list.iter().enumerate() {
        while let Some((_, new)) = added.next_if(|(at, _)| *at <= place) {
            merged.push(new);
        }
        merged.push(*slot);
    }
    merged.extend(added.map(|(_, new)| new));
    *list = merged;
}

/// A seed of its own for each coder or item, from the study's.
pub fn seed_of(seed: u64, name: &str) -> u64 {
    let hash = files::sha256_of_bytes(format!("{seed}/{name}").as_bytes());
    u64::from_str_radix(&hash[..16], 16).expect("a hash is hexadecimal")
}

/// Whether an item's suggestion is withheld from a coder, of so large a share of items.
pub fn is_withheld(seed: u64, coder: &str, item: &str, share: f64) -> bool {
    let drawn = seed_of(seed, &format!("{coder}/{item}/suggestion"));
    (drawn >> 11) as f64 / ((1u64 << 53) as f64) < share
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;
    use crate::examples::items;

    fn with_roles(coding: usize, training: usize, checks: usize) -> Vec<Item> {
        let mut list = items(coding + training + checks);
        list[..training].iter_mut().for_each(|item| item.role = Role::Training);
        list[training..training + checks].iter_mut().for_each(|item| item.role = Role::Check);
        list
    }

    #[test]
    fn the_same_seed_gives_a_coder_the_same_order_and_another_coder_another() {
        let list = items(30);
        let of = |order, seed, coder| plan(&list, order, 0.0, seed, coder);
        assert_eq!(of(Order::Random, 1, "Ada"), of(Order::Random, 1, "Ada"));
        assert_ne!(of(Order::Random, 1, "Ada"), of(Order::Random, 1, "Ben"));
        assert_ne!(of(Order::Random, 1, "Ada"), of(Order::Random, 2, "Ada"));
        assert_eq!(of(Order::SameForAll, 1, "Ada"), of(Order::SameForAll, 1, "Ben"));
        let given: Vec<usize> = of(Order::AsGiven, 1, "Ada").iter().map(|slot| slot.item).collect();
        assert_eq!(given, (0..30).collect::<Vec<_>>());
    }

    #[test]
    fn an_order_is_fixed_for_ever() {
        // A study that is resumed with a later version must go on in the same order.
        let order: Vec<(usize, u8)> = plan(&items(8), Order::Random, 0.25, 7, "Ada")
            .iter()
            .map(|slot| (slot.item, slot.pass))
            .collect();
        assert_eq!(order, FIXED);
    }

    const FIXED: [(usize, u8); 10] =
        [(3, 1), (1, 1), (6, 1), (2, 1), (5, 1), (7, 1), (1, 2), (4, 1), (2, 2), (0, 1)];

    #[test]
    fn a_withheld_share_is_about_that_share_and_fixed_for_each_item() {
        let withheld = |coder: &str, item: usize| is_withheld(5, coder, &format!("i{item}"), 0.3);
        let count = (0..2000).filter(|item| withheld("Ada", *item)).count();
        assert!((540..660).contains(&count), "{count}"); // 600, three standard errors
        assert_eq!(withheld("Ada", 7), withheld("Ada", 7));
        assert!(!is_withheld(5, "Ada", "i1", 0.0) && is_withheld(5, "Ada", "i1", 1.0));
    }

    #[test]
    fn sides_are_balanced_wherever_a_coder_stops_and_swapped_at_the_second_look() {
        let list = with_roles(41, 2, 3);
        for coder in ["Ada", "Ben"] {
            let slots = plan(&list, Order::Random, 0.2, 3, coder);
            let left = sides(&list, &slots, 3, coder);
            assert_eq!(left, sides(&list, &slots, 3, coder), "the same on every machine");
            let (mut first, mut all) = (0_i32, 0_i32);
            for (slot, side) in slots.iter().zip(&left) {
                let is_coded = list[slot.item].role == Role::Coding;
                if slot.pass == 2 {
                    let before = slots.iter().position(|one| one.item == slot.item).unwrap();
                    assert_eq!(left[before], 1 - side);
                } else if is_coded {
                    all += 1;
                    first += i32::from(*side == 0);
                    assert!((2 * first - all).abs() <= 2, "{first} of {all}");
                }
            }
            assert_eq!(all, 41);
        }
        let of = |coder| sides(&list, &plan(&list, Order::SameForAll, 0.0, 3, ""), 3, coder);
        assert_ne!(of("Ada"), of("Ben"));
    }

    proptest! {
        #[test]
        fn every_item_comes_once_and_repeats_come_late(
            coding in 1usize..60, training in 0usize..4, checks in 0usize..6,
            again in 0.0f64..0.6, seed in 0u64..50,
        ) {
            let list = with_roles(coding, training, checks);
            let slots = plan(&list, Order::Random, again, seed, "Ada");
            let firsts: BTreeSet<usize> =
                slots.iter().filter(|slot| slot.pass == 1).map(|slot| slot.item).collect();
            prop_assert_eq!(firsts.len(), list.len());
            let repeats = slots.iter().filter(|slot| slot.pass == 2).count();
            prop_assert_eq!(slots.len(), list.len() + repeats);
            prop_assert!(repeats <= coding / 2);
            prop_assert!(slots[..training].iter().all(|slot| list[slot.item].role == Role::Training));
            for (place, slot) in slots.iter().enumerate().filter(|(_, slot)| slot.pass == 2) {
                let first = slots.iter().position(|other| other.item == slot.item).unwrap();
                prop_assert!(place >= first + coding / 4, "{} after {} of {}", place, first, coding);
                prop_assert_eq!(list[slot.item].role, Role::Coding);
            }
        }
    }
}
