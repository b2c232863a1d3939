//! Bad requests are refused with the documented codes and change nothing: a table of them against one running server, races
//! for a pass, and random bytes on the listener.
//!
//! `cfg(test)` is always true here; it tells the lints that helpers of tests may unwrap.

#[cfg(test)]
#[path = "refusals/access.rs"]
mod access;
#[cfg(test)]
#[path = "refusals/orders.rs"]
mod orders;
#[cfg(test)]
#[path = "refusals/pages.rs"]
mod pages;
#[cfg(test)]
#[path = "refusals/panics.rs"]
mod panics;
#[cfg(test)]
#[path = "refusals/races.rs"]
mod races;
#[cfg(test)]
#[path = "refusals/random.rs"]
mod random;
#[cfg(test)]
#[path = "refusals/row.rs"]
mod row;
#[cfg(test)]
#[path = "refusals/seller.rs"]
mod seller;
#[cfg(test)]
#[path = "refusals/shop.rs"]
mod shop;
#[cfg(test)]
#[path = "refusals/waiting_room.rs"]
mod waiting_room;
#[cfg(test)]
#[path = "refusals/world.rs"]
mod world;

#[cfg(test)]
mod table {
    use crate::{access, orders, pages, races, row::run, seller, waiting_room, world::World};

    /// One server for all of them: whatever one row broke, the next ones would see.
    #[test]
    fn what_is_asked_wrongly_is_refused_and_nothing_changes() {
        let world = World::new();
        let rows = [
            access::rows(&world),
            waiting_room::rows(&world),
            orders::rows(&world),
            seller::rows(&world),
            pages::rows(&world),
        ]
        .concat();
        let count = rows.len();
        let faults = run(&world, rows);
        assert!(faults.is_empty(), "{} faults in {count} rows:\n{}", faults.len(), faults.join("\n"));
        assert!(count >= 250, "only {count} rows");
        races::one_pass_buys_once(&world);
        races::one_key_is_one_order(&world);
        races::what_was_refused_is_as_good_as_before(&world);
        println!("{count} rows");
    }
}
