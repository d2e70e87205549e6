//! Which step starts next. Pure: names, needs and guesses of their cost in, an order out.
//!
//! The step at the head of the longest chain of work starts first: what starts last decides how long processors stand idle
//! at the end.

use std::collections::{BTreeMap, BTreeSet};

/// One step as the schedule sees it.
pub struct Item {
    pub name: String,
    /// Steps of this schedule that must end before.
    pub needs: Vec<String>,
    /// CPU milliseconds that it may take.
    pub cost: u64,
}

/// The steps that have not started yet.
pub struct Schedule {
    /// The most urgent first.
    waiting: Vec<Item>,
    unfinished: BTreeSet<String>,
}

impl Schedule {
    /// `items` in the order of the plan, which decides between steps of the same rank.
    pub fn new(mut items: Vec<Item>) -> Schedule {
        let ranks = ranks(&items);
        let unfinished = items.iter().map(|item| item.name.clone()).collect();
        items.sort_by_key(|item| std::cmp::Reverse(ranks[&item.name]));
        Schedule { waiting: items, unfinished }
    }

    /// How many steps could start now.
    pub fn ready(&self) -> usize {
        self.waiting.iter().filter(|item| self.is_ready(item)).count()
    }

    /// Takes the most urgent step that can start.
    pub fn start(&mut self) -> Option<String> {
        let at = self.waiting.iter().position(|item| self.is_ready(item))?;
        Some(self.waiting.remove(at).name)
    }

    pub fn ended(&mut self, name: &str) {
        self.unfinished.remove(name);
    }

    fn is_ready(&self, item: &Item) -> bool {
        item.needs.iter().all(|need| !self.unfinished.contains(need))
    }
}

/// For each step the cost of the longest chain that it heads.
fn ranks(items: &[Item]) -> BTreeMap<String, u64> {
    let mut ranks: BTreeMap<String, u64> = BTreeMap::new();
    // The plan has each step after those that it needs, so those that need it come first in reverse.
    for item in items.iter().rev() {
        let users = items.iter().filter(|user| user.needs.contains(&item.name));
        let after = users.filter_map(|user| ranks.get(&user.name)).max().copied().unwrap_or(0);
        ranks.insert(item.name.clone(), after + item.cost);
    }
    ranks
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(name: &str, needs: &[&str], cost: u64) -> Item {
        Item { name: name.to_owned(), needs: needs.iter().map(|need| (*need).to_owned()).collect(), cost }
    }

    /// The order in which steps start when each ends before the next one starts.
    fn order(items: Vec<Item>) -> Vec<String> {
        let mut schedule = Schedule::new(items);
        let mut order = Vec::new();
        while let Some(name) = schedule.start() {
            schedule.ended(&name);
            order.push(name);
        }
        order
    }

    #[test]
    fn the_longest_chain_starts_first_and_the_plan_decides_between_equals() {
        assert_eq!(order(vec![item("a", &[], 5), item("b", &[], 7), item("c", &["a"], 4)]), ["a", "b", "c"]);
        assert_eq!(
            order(vec![item("docs", &[], 7), item("tools", &[], 110), item("xen", &[], 116)]),
            ["xen", "tools", "docs"]
        );
        assert_eq!(order(vec![item("z", &[], 1), item("y", &[], 1), item("x", &[], 1)]), ["z", "y", "x"]);
    }

    #[test]
    fn a_step_waits_for_what_it_needs() {
        let mut schedule = Schedule::new(vec![item("a", &[], 1), item("b", &["a"], 1)]);
        assert_eq!((schedule.ready(), schedule.start().as_deref()), (1, Some("a")));
        assert_eq!((schedule.ready(), schedule.start()), (0, None));
        schedule.ended("a");
        assert_eq!((schedule.ready(), schedule.start().as_deref()), (1, Some("b")));
    }
}
