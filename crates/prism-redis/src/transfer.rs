//! Copies of keys and lists: a list is replaced by a script, in one step, and read in pages as large as a message. While a list has pages left,
//! the scripts on it count how far its values move when others come or go at its left end, so that none is left out.

use std::ops::Range;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use prism_plugin::list::{List as _, ListRange as _, Values};
use prism_plugin::transfer::{IfExists, Transfer};
use prism_plugin::types::{Key, Namespace};
use prism_plugin::{Context, Error, ErrorReason};

use crate::answer::{number, parts, value, values};
use crate::command::{Command, Effect};
use crate::fault::Fault;
use crate::lane::Lane;
use crate::leases::{announce, millis};
use crate::resp::Value;
use crate::route::run;
use crate::script::{COPY, REPLACE_LIST};
use crate::store::RedisStore;

/// A page is what a message takes, so that a list which fits into one is read at one moment; and no more values than a server reads without
/// holding up others.
const PAGE_MAX: (usize, usize) = (16 * 1024, 3 * 1024 * 1024);

/// For how long it is counted how far a list moves, from its last page on: an export that takes longer for one is interrupted.
const COUNTED_FOR: Duration = Duration::from_secs(120);

/// What a count may begin with: 16 digits, so that places within a list that is counted are as long as each other. Random, so that a count
/// that was begun anew is not taken for the one before, which is looked for within 10,000,000.
const COUNT_FROM: Range<u64> = 1 << 51..1 << 52;

/// The most values of a list that is stored: Redis before 7.0 takes a command of 1,048,576 arguments at most.
const VALUES_MAX: usize = 1_000_000;

impl Transfer for RedisStore {
    fn list_values(&self, context: &Context, namespace: Namespace, list_key: Key) -> Values {
        let keys = self.shared.companions.of_list(self.list_name(&namespace, &list_key));
        let copying = Copying { store: self.clone(), context: context.clone(), keys, left: Left::All };
        let pages = stream::unfold(copying, async |mut copying| match copying.next_page().await {
            Ok(page) if page.is_empty() => None,
            Ok(page) => Some((Ok(page), copying)),
            Err(error) => {
                copying.left = Left::Nothing;
                Some((Err(error), copying))
            }
        });
        pages.boxed()
    }

    async fn put_list(
        &self,
        context: &Context,
        namespace: Namespace,
        list_key: Key,
        values: Vec<Bytes>,
        if_exists: IfExists,
    ) -> Result<bool, Error> {
        let keeps = if_exists == IfExists::Keep;
        if values.is_empty() {
            if keeps {
                return Ok(self.length(context, namespace, list_key).await? == 0);
            }
            return self.clear(context, namespace, list_key).await.map(|_| true);
        }
        if values.len() > VALUES_MAX {
            return Err(too_many(values.len()));
        }
        let command = self.on_list(&REPLACE_LIST, &namespace, &list_key, Effect::Write);
        let mut command =
            values.iter().fold(command.arg(u8::from(keeps)), |command, value| command.value(value));
        command.lane = Lane::Bulk;
        Ok(number(&run(&self.shared, context, &command).await?)? > 0)
    }
}

/// A list that is copied page by page.
struct Copying {
    store: RedisStore,
    context: Context,
    /// The list, and what belongs to it.
    keys: [String; 4],
    left: Left,
}

/// What is left of it.
enum Left {
    All,
    /// From one index to another, both included, as of a moment at which this was the count of how far the list had moved.
    Part {
        first: i64,
        last: i64,
        count: Bytes,
    },
    Nothing,
}

impl Copying {
    /// The next values; none at the end.
    async fn next_page(&mut self) -> Result<Vec<Bytes>, Error> {
        let mut command = Command::script_on(&COPY, self.keys.clone(), Effect::Read);
        command.lane = Lane::Bulk;
        let command = command.arg(PAGE_MAX.0).arg(PAGE_MAX.1).arg(millis(COUNTED_FOR));
        let command = command.arg(fastrand::u64(COUNT_FROM));
        let command = match &self.left {
            Left::All => command,
            Left::Part { first, last, count } => command.arg(*first).arg(*last).arg(&count[..]),
            Left::Nothing => return Ok(Vec::new()),
        };
        let [first, last, count, page] = parts(run(&self.store.shared, &self.context, &command).await?)?;
        let (Value::Int(first), Value::Int(last)) = (first, last) else {
            return Err(Fault::Unexpected.into());
        };
        let is_first = matches!(self.left, Left::All);
        let count = value(count)?.ok_or(Fault::Unexpected)?;
        self.left = if first > last { Left::Nothing } else { Left::Part { first, last, count } };
        if is_first && first <= last {
            // So that the count does not stay if nobody uses the list any more; it does no harm.
            let announced = announce(&self.store.shared, &self.context, &self.keys[0], COUNTED_FOR).await;
            if let Err(error) = announced {
                tracing::debug!(%error, "a list that is copied is counted for longer");
            }
        }
        Ok(values(page)?)
    }
}

/// MEMORY_LIMIT.
fn too_many(values: usize) -> Error {
    let why = format!(
        "the list has {values} values; Redis stores at most {VALUES_MAX} in one step: leave it out, and push its values instead"
    );
    Error::new(ErrorReason::MemoryLimit, why)
        .with("field", "item.list_part.values")
        .with("limit", VALUES_MAX.to_string())
        .with("size", values.to_string())
}
