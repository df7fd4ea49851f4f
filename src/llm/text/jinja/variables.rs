//! Where the values of a function's variables are, while it runs.

use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;

use super::syntax::Slot;

/// The variables of one call of a function, with values of the type `V`.
pub struct Variables<V> {
    slots: RefCell<Vec<Option<V>>>,
    parent: Option<Rc<Self>>,
}

impl<V> fmt::Debug for Variables<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("variables")
    }
}

impl<V: Clone> Variables<V> {
    pub fn new(slots: usize, parent: Option<Rc<Self>>) -> Rc<Self> {
        Rc::new(Self { slots: RefCell::new(vec![None; slots]), parent })
    }

    fn outward(&self, count: u32) -> &Self {
        let mut variables = self;
        for _ in 0..count {
            match &variables.parent {
                Some(parent) => variables = parent,
                None => break,
            }
        }
        variables
    }

    pub fn get(&self, slot: Slot) -> Option<V> {
        self.outward(slot.outward).slots.borrow().get(slot.index as usize).cloned().flatten()
    }

    pub fn set(&self, slot: Slot, value: Option<V>) {
        if let Some(place) =
            self.outward(slot.outward).slots.borrow_mut().get_mut(slot.index as usize)
        {
            *place = value;
        }
    }
}
