//! A vocabulary that takes little memory: its tokens lie one after the other in one text.

use std::hash::{BuildHasher as _, RandomState};
use std::ops::Range;

use hashbrown::HashTable;

/// Tokens with their ids, 0 to one less than their number. Of a token that is there twice, the first
/// id counts.
#[derive(Clone)]
pub struct Tokens {
    text: String,

    /// Where each token ends in `text`.
    ends: Vec<u32>,
    ids: HashTable<u32>,
    hasher: RandomState,
}

impl Tokens {
    pub fn new<'a>(tokens: impl Iterator<Item = &'a str>) -> Self {
        let mut all = Self {
            text: String::new(),
            ends: Vec::new(),
            ids: HashTable::new(),
            hasher: RandomState::new(),
        };
        for token in tokens {
            all.text.push_str(token);
            all.ends.push(all.text.len() as u32);
        }
        all.text.shrink_to_fit();
        all.ends.shrink_to_fit();
        all.ids.reserve(all.ends.len(), |_| 0);
        for id in 0..all.ends.len() as u32 {
            let Self { text, ends, ids, hasher } = &mut all;
            let of = |id: u32| &text[place(ends, id)];
            let hash = hasher.hash_one(of(id));
            if ids.find(hash, |other| of(*other) == of(id)).is_none() {
                ids.insert_unique(hash, id, |other| hasher.hash_one(of(*other)));
            }
        }
        all
    }

    /// # Panics
    ///
    /// If there is no such id.
    pub fn get(&self, id: u32) -> &str {
        &self.text[place(&self.ends, id)]
    }

    pub fn id(&self, token: &str) -> Option<u32> {
        self.ids.find(self.hasher.hash_one(token), |id| self.get(*id) == token).copied()
    }

    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Each once, with the id that counts.
    pub fn with_ids(&self) -> impl Iterator<Item = (&str, u32)> {
        self.ids.iter().map(|id| (self.get(*id), *id))
    }

    /// How many there are, counting those that are there twice once.
    pub fn distinct(&self) -> usize {
        self.ids.len()
    }
}

fn place(ends: &[u32], id: u32) -> Range<usize> {
    let id = id as usize;
    let start = if id == 0 { 0 } else { ends[id - 1] as usize };
    start..ends[id] as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_that_is_there_twice_has_its_first_id() {
        let tokens = Tokens::new(["a", "b", "a", ""].into_iter());
        assert_eq!((tokens.id("a"), tokens.id(""), tokens.id("c")), (Some(0), Some(3), None));
        assert_eq!((tokens.get(2), tokens.len()), ("a", 4));
        assert_eq!(Tokens::new([].into_iter()).id("a"), None);
    }
}
