//! The List pattern as a backend implements it: pushes and pops, and the interfaces that a backend may serve besides.

mod basic;
mod batch;
mod blocking;
mod indexing;
mod range;
mod reserve;
mod scan;

pub use basic::{End, List};
pub use batch::{Filling, ListBatch, Pushed};
pub use blocking::ListBlocking;
pub use indexing::ListIndexing;
pub use range::{ListRange, Values, indices};
pub use reserve::{DeliveryLimit, ListReserve, Reservation, Reserved, ReservedValue};
pub use scan::ListScan;
