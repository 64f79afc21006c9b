use super::*;
use futures_util::StreamExt as _;

async fn filled(keys: usize) -> Store {
    let store = Store::new();
    for i in 0..keys {
        store.set(&format!("{:05}", (i * 7919) % keys), "v", None).await;
    }
    store
}

#[tokio::test]
async fn a_scan_returns_the_keys_with_the_prefix_in_byte_order() {
    let store = Store::new();
    for key in ["b", "a", "ab", "aa", "abc", "ac", "é", "\u{10ffff}", "a\0", "Z"] {
        store.set(key, key, None).await;
    }
    assert_eq!(store.scan("").await, ["Z", "a", "a\0", "aa", "ab", "abc", "ac", "b", "é", "\u{10ffff}"]);
    assert_eq!(store.scan("ab").await, ["ab", "abc"]);
    assert_eq!(store.scan("\u{10ffff}").await, ["\u{10ffff}"]);
    assert_eq!(store.scan("abcd").await, [""; 0]);
    assert_eq!(store.count("a").await, 6);
    assert_eq!(store.count("").await, 10);
    let items = collect(store.store.scan(&Context::default(), store.range(""))).await;
    assert!(items.iter().all(|(key, value)| key.as_bytes() == value));
}

#[tokio::test]
async fn every_size_around_a_chunk_is_scanned_whole() {
    for size in [1, 255, 256, 257, 512, 1000] {
        let store = filled(size).await;
        let expected: Vec<_> = (0..size).map(|i| format!("{i:05}")).collect();
        assert_eq!(store.scan("").await, expected);
        assert_eq!(store.count("").await, size as u64);
        assert_eq!(store.count("0").await, size as u64);
    }
}

#[tokio::test]
async fn a_limit_ends_the_scan() {
    let store = filled(1000).await;
    for limit in [1, 255, 256, 257, 999, 1000, 1001] {
        let range = Range { limit: Some(limit), ..store.range("") };
        assert_eq!(
            keys(store.store.scan_keys(&Context::default(), range.clone())).await.len(),
            limit.min(1000)
        );
        assert_eq!(collect(store.store.scan(&Context::default(), range)).await.len(), limit.min(1000));
    }
}

#[tokio::test(start_paused = true)]
async fn expired_keys_do_not_count_for_the_limit() {
    let store = Store::new();
    for i in 0..1000 {
        store.set(&format!("{i:05}"), "v", (i < 900).then_some(1)).await;
    }
    seconds(1).await;
    let range = Range { limit: Some(50), ..store.range("") };
    let expected: Vec<_> = (900..950).map(|i| format!("{i:05}")).collect();
    assert_eq!(keys(store.store.scan_keys(&Context::default(), range)).await, expected);
    assert_eq!(store.count("").await, 100);
}

#[tokio::test]
async fn a_scan_resumes_behind_a_key_there_or_not() {
    let store = Store::new();
    for key in ["a1", "a2", "a3", "b1"] {
        store.set(key, "v", None).await;
    }
    let from = |prefix: &str, behind: &str| {
        keys(store.store.scan_keys(
            &Context::default(),
            Range { start: Start::After(key(behind)), ..store.range(prefix) },
        ))
    };
    assert_eq!(from("a", "a1").await, ["a2", "a3"]);
    assert_eq!(from("a", "a1x").await, ["a2", "a3"]);
    assert_eq!(from("a", "Z").await, ["a1", "a2", "a3"]);
    assert_eq!(from("a", "a3").await, [""; 0]);
    assert_eq!(from("a", "z").await, [""; 0]);
    assert_eq!(from("", "a3").await, ["b1"]);
}

#[tokio::test(start_paused = true)]
async fn each_page_says_where_the_scan_can_be_continued() {
    let store = filled(1000).await;
    for i in (200..300).chain(990..1000) {
        store.set(&format!("{i:05}"), "v", Some(1)).await;
    }
    seconds(1).await;
    let expected = store.scan("0").await;
    assert_eq!(expected.len(), 890);
    let mut range = store.range("0");
    let mut behind = 0;
    for page in store.store.scan_keys(&Context::default(), range.clone()).collect::<Vec<_>>().await {
        let Page { items, resume, .. } = page.unwrap();
        behind += items.len();
        range.start = Start::Resume(resume.unwrap());
        assert_eq!(
            keys(store.store.scan_keys(&Context::default(), range.clone())).await,
            expected[behind..],
            "behind {behind}"
        );
        // A key that has gone is as good a position as any other.
        store.delete(items.last().unwrap()).await;
        assert_eq!(keys(store.store.scan_keys(&Context::default(), range.clone())).await, expected[behind..]);
        store.set(items.last().unwrap(), "v", None).await;
    }
    assert_eq!(behind, 890);
}

#[tokio::test]
async fn a_limit_ends_on_a_position() {
    let store = filled(1000).await;
    let (mut start, mut all) = (Start::Beginning, Vec::new());
    loop {
        let range = Range { limit: Some(100), start, ..store.range("") };
        let pages: Vec<_> = store.store.scan_keys(&Context::default(), range).try_collect().await.unwrap();
        let Some(last) = pages.last() else { break };
        start = Start::Resume(last.resume.clone().unwrap());
        all.extend(items(pages).into_iter().map(Key::into_string));
    }
    assert_eq!(all, store.scan("").await);
}

#[tokio::test]
async fn any_position_is_one() {
    let store = filled(10).await;
    for position in [&b""[..], b"\0", b"\xFF", &[b'0'; 9000]] {
        let start = Start::Resume(Bytes::from(position));
        let found =
            keys(store.store.scan_keys(&Context::default(), Range { start, ..store.range("0000") })).await;
        let behind = (0..10).filter(|i| format!("{i:05}").as_bytes() > position);
        assert_eq!(found.len(), behind.count(), "{position:?}");
    }
}

#[tokio::test]
async fn a_page_is_bounded_by_bytes() {
    let store = Store::new();
    for i in 0..20 {
        store.set(&format!("{i}"), vec![0; 100 << 10], None).await;
    }
    let pages: Vec<_> = store.store.scan(&Context::default(), store.range("")).try_collect().await.unwrap();
    assert!(pages.iter().all(|page| (1..=3).contains(&page.items.len())));
    assert_eq!(items(pages).len(), 20);
    store.set("large", vec![0; 4 << 20], None).await;
    assert_eq!(collect(store.store.scan(&Context::default(), store.range("large"))).await.len(), 1);
}

#[tokio::test]
async fn a_scan_sees_changes_made_before_it_gets_there() {
    let store = filled(1000).await;
    let mut pages = store.store.scan_keys(&Context::default(), store.range(""));
    let first = pages.next().await.unwrap().unwrap();
    assert_eq!(first.items.len(), 256);
    store.delete("00900").await;
    store.set("009000", "v", None).await;
    store.set("000000", "v", None).await;
    let rest = keys(pages).await;
    assert!(!rest.contains(&"00900".to_owned()) && !rest.contains(&"000000".to_owned()));
    assert!(rest.contains(&"009000".to_owned()));
    assert_eq!(rest.len(), 1000 - 256);
}

#[tokio::test]
async fn a_scan_ends_when_its_namespace_vanishes() {
    let store = filled(1000).await;
    let mut pages = store.store.scan_keys(&Context::default(), store.range(""));
    pages.next().await.unwrap().unwrap();
    for i in 0..1000 {
        store.delete(&format!("{i:05}")).await;
    }
    assert!(pages.next().await.is_none());
}

/// 10,000 keys are 40 chunks, and after each chunk other tasks on the thread get a turn.
#[tokio::test]
async fn a_long_walk_lets_others_run() {
    let store = filled(10_000).await;
    let counted = turns_until(store.count("0")).await;
    let scanned = turns_until(keys(store.store.scan_keys(&Context::default(), store.range("")))).await;
    assert!(counted >= 39 && scanned >= 39, "{counted} and {scanned} turns");
}

/// How many turns another task gets until `work` is done.
async fn turns_until<T>(work: impl Future<Output = T>) -> u32 {
    let mut turns = 0;
    let others = async {
        loop {
            tokio::task::yield_now().await;
            turns += 1;
        }
    };
    tokio::select! {
        biased;
        () = others => unreachable!("it does not end"),
        _ = work => {}
    }
    turns
}
