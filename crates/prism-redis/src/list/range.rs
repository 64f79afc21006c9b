//! Parts of lists.

use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream;
use prism_plugin::list::{ListRange, Values};
use prism_plugin::types::{Key, Namespace};
use prism_plugin::{Context, Error};

use crate::answer::{number, parts, values};
use crate::command::{Command, Effect};
use crate::fault::Fault;
use crate::lane::Lane;
use crate::resp::Value;
use crate::route::run;
use crate::script::{CLEAR, RANGE, TRIM};
use crate::store::RedisStore;

/// The number of values of a page at most, and the size at which it ends, at the latest with the value that reaches it. `LRANGE` knows no
/// size, so a page is a script.
const PAGE_MAX: (usize, usize) = (256, 256 * 1024);

/// A range that is read page by page.
struct Reading {
    store: RedisStore,
    context: Context,
    /// The list, and what belongs to it.
    keys: [String; 4],
    /// The indices that are left, both included; once a page has been read, from the left end.
    first: i64,
    last: i64,
    is_over: bool,
}

impl Reading {
    /// The next values; none at the end.
    async fn next_page(&mut self) -> Result<Vec<Bytes>, Error> {
        let mut command = Command::script_on(&RANGE, self.keys.clone(), Effect::Read);
        command.lane = Lane::Bulk;
        let (values_max, bytes_max) = PAGE_MAX;
        let command = command.arg(self.first).arg(self.last).arg(values_max).arg(bytes_max);
        let [first, last, page] = parts(run(&self.store.shared, &self.context, &command).await?)?;
        let (Value::Int(first), Value::Int(last)) = (first, last) else {
            return Err(Fault::Unexpected.into());
        };
        (self.first, self.last, self.is_over) = (first, last, first > last);
        Ok(values(page)?)
    }
}

impl RedisStore {
    /// The values of a range of a list, page by page.
    fn pages(
        &self,
        context: &Context,
        (namespace, list_key): (&Namespace, &Key),
        (first, last): (i64, i64),
    ) -> Values {
        let keys = self.shared.companions.of_list(self.list_name(namespace, list_key));
        let (store, context) = (self.clone(), context.clone());
        let reading = Reading { store, context, keys, first, last, is_over: false };
        stream::unfold(reading, async |mut reading| {
            if reading.is_over {
                return None;
            }
            match reading.next_page().await {
                Ok(page) if page.is_empty() => None,
                Ok(page) => Some((Ok(page), reading)),
                Err(error) => {
                    reading.is_over = true;
                    Some((Err(error), reading))
                }
            }
        })
        .boxed()
    }
}

impl ListRange for RedisStore {
    fn range(&self, context: &Context, namespace: Namespace, list_key: Key, start: i64, stop: i64) -> Values {
        self.pages(context, (&namespace, &list_key), (start, stop))
    }

    async fn trim(
        &self,
        context: &Context,
        namespace: Namespace,
        list_key: Key,
        start: i64,
        stop: i64,
    ) -> Result<u64, Error> {
        let command = self.on_list(&TRIM, &namespace, &list_key, Effect::Write).arg(start).arg(stop);
        Ok(number(&run(&self.shared, context, &command).await?)?)
    }

    async fn clear(&self, context: &Context, namespace: Namespace, list_key: Key) -> Result<u64, Error> {
        let command = self.on_list(&CLEAR, &namespace, &list_key, Effect::Write);
        Ok(number(&run(&self.shared, context, &command).await?)?)
    }
}
