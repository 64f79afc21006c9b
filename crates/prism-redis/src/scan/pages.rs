//! A scan as a stream of pages.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use futures_util::stream::{self, StreamExt as _};
use prism_plugin::keyvalue::{Page, Pages, Range, Start, resume_invalid};
use prism_plugin::{Context, Error};

use super::{Found, Scan};
use crate::fault::Fault;
use crate::names::Kind;
use crate::position::Position;
use crate::progress::Progress;
use crate::route::within;
use crate::shared::Shared;

/// Reads the next page of a scan; `None` at the end.
pub(crate) type NextPage<T> = for<'a> fn(&'a mut Scan) -> BoxFuture<'a, Result<Option<Found<T>>, Fault>>;

impl Scan {
    /// The pages of a range. After an error there are none.
    pub(crate) fn pages<T: Send + 'static>(
        shared: &Arc<Shared>,
        context: &Context,
        kind: Kind,
        range: &Range,
        next: NextPage<T>,
    ) -> Pages<T> {
        let position = match &range.start {
            // After a key: never asked for, since the store is not ordered.
            Start::Beginning | Start::After(_) => Some(Position::default()),
            Start::Resume(bytes) => Position::decode(bytes.clone()),
        };
        let Some(position) = position else {
            let error = resume_invalid("holds no position of this backend, or one of another version");
            return stream::once(async { Err(error) }).boxed();
        };
        let scan = Self::new(shared, kind, range, position);
        let context = context.clone();
        stream::unfold(Some(scan), move |state| {
            let context = context.clone();
            async move {
                let mut scan = state?;
                match in_time(&context, next(&mut scan)).await {
                    Ok(Some(Found { items, ttls_left, position })) => {
                        let page = Page { items, ttls_left, resume: Some(position.encode()) };
                        Some((Ok(page), Some(scan)))
                    }
                    Ok(None) => None,
                    Err(error) => Some((Err(error), None)),
                }
            }
        })
        .boxed()
    }

    /// The number of keys of a kind.
    pub(crate) async fn count(
        shared: &Arc<Shared>,
        context: &Context,
        kind: Kind,
        range: &Range,
    ) -> Result<u64, Error> {
        let mut scan = Self::new(shared, kind, range, Position::default());
        let mut count = 0;
        while let Some(page) = in_time(context, scan.next_keys()).await? {
            count += page.items.len() as u64;
        }
        Ok(count)
    }
}

/// Works on a page until the call's deadline. Without one, a page may take as long as it takes to find a key, and each
/// step of it has its own limit.
async fn in_time<T>(context: &Context, work: impl Future<Output = Result<T, Fault>>) -> Result<T, Error> {
    match context.deadline() {
        Some(_) => within(context, &Progress::default(), work).await,
        None => work.await.map_err(Error::from),
    }
}
