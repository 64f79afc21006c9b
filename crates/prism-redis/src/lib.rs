//! Prism's backend for Redis and Valkey, 6.2 and later: KeyValue and List on a standalone server, behind Sentinel, or on a
//! cluster.
//!
//! [`open`] makes a [`RedisStore`], which implements [`prism_plugin::KeyValue`], [`prism_plugin::List`], the interfaces beside
//! them, and [`prism_plugin::Usage`]. Opening connects to nothing. Each worker has its own connections, made when it first needs
//! them and made again when they are lost.
//!
//! # Keys
//!
//! A value is the string `kv:NAMESPACE:KEY`, a list the list `li:NAMESPACE:KEY`, each behind an optional prefix. With the
//! layout `raw`, a key is the Redis key behind the prefix, so that data which is there already is served as it is; then
//! the store is for one namespace, and keys and lists share their names.
//!
//! # What it promises
//!
//! Calls on one key take effect one at a time on a standalone server. Behind Sentinel and on a cluster, a failover may lose
//! writes that were acknowledged; `durability` makes each write wait for replicas, which makes that less likely and does
//! not rule it out. Scans return keys in no order, possibly twice, and cost a walk through the whole keyspace, whatever
//! the prefix.
//!
//! # Atomic steps
//!
//! Each call on one key is one command, or one script (`script`) where no command does exactly what the interface says. A script is
//! sent by its hash, and in full to a server that does not know it. It fails before its first write or not at all: what a full
//! server refuses comes first. Each call on a list is a script, which first returns the values of leases that have ended. With the layout `raw`, commands that act on any type (`SET`, `DEL`, `EXISTS`, `PTTL`, `PEXPIRE`) are
//! scripts, too, so that a key of another type is refused as WRONG_TYPE.
//!
//! Batches travel together to each server that has some of their keys (`each`), in parts of at most 1 MiB.
//!
//! # Retries
//!
//! A write of a call under an idempotency key is one step with the record of its answer (`record`): whatever it would do becomes part of a script
//! that first looks for a record, and otherwise writes one. So all verbs have this by their being sent, and no verb says anything about it, except
//! those that take several steps. What is recorded is the server's answer, from which the call's is made again.
//!
//! # Leases
//!
//! A lease lies beside its list with its values (`scripts/leases.lua`). An index of each slot says which lists are due, and one of all slots when each
//! is to be looked at, for `leases`, which returns what nobody asks for.
//!
//! # Pops that wait
//!
//! Nothing is taken for somebody who waits before there is a value, and a waiter to take it: see `dispatch`. A list that is waited for is
//! watched on a connection of its own, at most `max_waiters` of them; its waiters are served in the order in which they came, on
//! whichever worker they are. What was taken for a waiter that has gone meanwhile returns to the end it came from.
//!
//! # Connections
//!
//! Each worker has a few connections to each server, on which the commands of all calls travel together (`resp`): a call writes its command into
//! the connection's output, and whatever has come together while the worker was busy is one write. A command is sent again only if the server
//! refused it unseen: after a lost connection, a write may have been applied. So reconnecting (`link`), redirections (`route`) and the topology
//! (`discover`) are here, too; client libraries repeat what they send, or follow no redirections.
//!
//! On one connection, a small GET waits about 5 ms behind a SET of 4 MiB and 1 to 20 ms behind a GET of 4 MiB, so large values that are sent, and
//! scans, have a connection of their own; a value that is read is known to be large only when it arrives. `connections` spreads the others.
//!
//! | module | owns |
//! |---|---|
//! | [`config`] | options, flags, and the settings that both become |
//! | `address`, `names`, `slots` | addresses of servers; names of Redis keys; sets of slots |
//! | `answer`, `fault` | answers by type; failures, and the errors that callers get |
//! | `access`, `greeting` | how to connect; what a server says about itself |
//! | `resp` | the protocol, and one connection that speaks it |
//! | `connection`, `link`, `lane` | a connection that has introduced itself; one that comes back; which one a command travels on |
//! | `companions`, `record` | names of what belongs to a key; the record of a call's answer |
//! | `progress` | how far a call has come, and what it says when its time is over |
//! | `script`, `command` | scripts; one command for one key |
//! | `durable` | writes that wait for replicas |
//! | `topology`, `worker`, `shared` | who is the primary of what; one worker's connections; what workers share |
//! | `state` | what is known about the servers |
//! | `discover`, `route`, `each` | finding the primaries; sending a command to the one that has its key, and many to many |
//! | `waiters`, `taking`, `dispatch` | who waits for values of a list; what is taken for one of them; serving them |
//! | `retries`, `leases` | whether answers are kept, and which there are; returning the values of leases that nobody asks for |
//! | `position`, `ownership`, `scan` | walking through all keys |
//! | `probe`, `watch` | asking the servers what they are; checking them while nobody calls |
//! | `store`, `keyvalue`, `list`, `transfer`, `usage` | the handle, and the traits |
//! | [`driver`] | stores within another process |
//! | [`app`], `metrics` | wiring and metrics of the plugin |

mod access;
mod address;
mod answer;
pub mod app;
mod command;
mod companions;
pub mod config;
mod connection;
mod discover;
mod dispatch;
pub mod driver;
mod durable;
mod each;
mod fault;
mod greeting;
mod keyvalue;
mod lane;
mod leases;
mod link;
mod list;
mod metrics;
mod names;
mod ownership;
mod position;
mod probe;
mod progress;
mod record;
mod resp;
mod retries;
mod route;
mod scan;
mod script;
mod shared;
mod slots;
mod state;
mod store;
mod taking;
mod topology;
mod transfer;
mod usage;
mod waiters;
mod watch;
mod worker;

pub use driver::RedisDriver;
pub use state::{Found, Persistence, State};
pub use store::{RedisStore, open};
