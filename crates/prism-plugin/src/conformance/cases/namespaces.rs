//! Names of namespaces, and the isolation of namespaces and patterns.

use prism_proto::ErrorReason::NamespaceInvalid;
use prism_proto::limits::{NAMESPACE_BYTES_MAX, NAMESPACE_DEFAULT};

use super::table;
use crate::conformance::calls::Which;
use crate::conformance::expect::{Verdict, holds, same};
use crate::conformance::trial::Trial;
use crate::list::End;

table! {
    "namespaces/invalid-name-is-refused",
        "a namespace with characters other than a-z 0-9 -, or that does not start with a letter, gets INVALID_ARGUMENT / NAMESPACE_INVALID from every method",
        [], invalid_name_is_refused;
    "namespaces/too-long-name-is-refused",
        "a namespace of 65 characters gets INVALID_ARGUMENT / NAMESPACE_INVALID from every method",
        [], too_long_name_is_refused;
    "namespaces/longest-name-is-valid",
        "a namespace of 64 characters is valid",
        [], longest_name_is_valid;
    "namespaces/any-valid-name-is-accepted",
        "a plugin accepts any valid namespace without having been told about it",
        [], any_valid_name_is_accepted;
    "namespaces/empty-means-default",
        "the empty namespace is the namespace default",
        [], empty_means_default;
    "namespaces/keys-are-isolated",
        "keys of one namespace are not visible, replaced or removed in another",
        [KeyValue], keys_are_isolated;
    "namespaces/scans-are-isolated",
        "Scan, ScanKeys and Count see only the keys of their namespace",
        [KeyValue, Scan], scans_are_isolated;
    "namespaces/lists-are-isolated",
        "lists of one namespace are not visible, pushed to or popped from in another",
        [List], lists_are_isolated;
    "namespaces/keyvalue-and-list-are-separate",
        "a key and a list of the same name in one namespace do not affect each other",
        [KeyValue, List], keyvalue_and_list_are_separate;
}

async fn invalid_name_is_refused(t: &Trial<'_>) -> Verdict {
    let name = t.key_of_len(t.prefix().len() + 1);
    for namespace in
        ["Orders", "1orders", "-orders", "or_ders", "or.ders", "or ders", "or/ders", "ördérs", "a\0"]
    {
        for method in t.methods() {
            let what = format!("{} in namespace {namespace:?}", method.name);
            t.refused(&what, t.send(method, namespace, &name).await, &[NamespaceInvalid])?;
        }
    }
    Ok(())
}

async fn too_long_name_is_refused(t: &Trial<'_>) -> Verdict {
    let name = t.key_of_len(t.prefix().len() + 1);
    for method in t.methods() {
        let what = format!("{} in a namespace of 65 characters", method.name);
        let namespace = "n".repeat(NAMESPACE_BYTES_MAX + 1);
        t.refused(&what, t.send(method, &namespace, &name).await, &[NamespaceInvalid])?;
    }
    Ok(())
}

async fn longest_name_is_valid(t: &Trial<'_>) -> Verdict {
    let namespace = format!("{:n<64}", format!("conformance-{:012x}", fastrand::u64(..1 << 48)));
    t.known(t.send(t.read_method(), &namespace, &t.key("a")).await).map(drop)
}

async fn any_valid_name_is_accepted(t: &Trial<'_>) -> Verdict {
    for namespace in ["a", "z9", "a--b", "orders-", "x-1-2-3"] {
        t.known(t.send(t.read_method(), namespace, &t.key("a")).await)?;
    }
    Ok(())
}

async fn empty_means_default(t: &Trial<'_>) -> Verdict {
    let (empty, default) = (t.elsewhere(""), t.elsewhere(NAMESPACE_DEFAULT));
    t.known(t.send(t.read_method(), NAMESPACE_DEFAULT, &t.key("probe")).await)?;
    if t.target.served.keyvalue() {
        let key = t.key("k");
        empty.set(&key, "set in the empty namespace").await?;
        let got = default.get(&key).await?;
        same(
            "Get in namespace default after Set in the empty one",
            &got,
            &Some("set in the empty namespace".into()),
        )?;
    }
    if t.target.served.list() {
        let list = t.list("l");
        default.push(End::Right, &list, "v").await?;
        same(
            "PopLeft in the empty namespace after PushRight in default",
            &empty.pop(End::Left, &list).await?,
            &Some("v".into()),
        )?;
    }
    Ok(())
}

async fn keys_are_isolated(t: &Trial<'_>) -> Verdict {
    let other = t.new_namespace().await?;
    let (both, here) = (t.key("both"), t.key("here"));
    t.set(&both, "here").await?;
    t.set(&here, "here").await?;
    other.set(&both, "other").await?;
    same("Get of a key that another namespace set later", &t.get(&both).await?, &Some("here".into()))?;
    holds(!other.exists(&here).await?, || "Exists sees a key of another namespace".to_owned())?;
    other.delete(&both).await?;
    same("Get of a key that was deleted in another namespace", &t.get(&both).await?, &Some("here".into()))
}

async fn scans_are_isolated(t: &Trial<'_>) -> Verdict {
    let other = t.new_namespace().await?;
    let (here, there) = (t.key("here"), t.key("there"));
    t.set(&here, "v").await?;
    other.set(&there, "v").await?;
    for which in Which::BOTH {
        let scanned = t.scan(which, t.all()).await?;
        same(format!("{which} beside another namespace's key"), &scanned, &vec![here.clone()])?;
    }
    if t.target.promised.exact_count {
        same("Count beside another namespace's key", &t.count(t.prefix()).await?, &1)?;
    }
    Ok(())
}

async fn lists_are_isolated(t: &Trial<'_>) -> Verdict {
    let other = t.new_namespace().await?;
    let list = t.list("l");
    t.push(End::Right, &list, "here").await?;
    other.push(End::Right, &list, "other").await?;
    same("Length of a list whose name another namespace uses too", &t.length(&list).await?, &1)?;
    same("PopLeft in the other namespace", &other.pop(End::Left, &list).await?, &Some("other".into()))?;
    same("PopLeft after a pop in the other namespace", &t.pop(End::Left, &list).await?, &Some("here".into()))
}

async fn keyvalue_and_list_are_separate(t: &Trial<'_>) -> Verdict {
    let name = t.key("same");
    t.list("same");
    t.set(&name, "value").await?;
    t.push(End::Right, &name, "item").await?;
    same("Get of a key whose name a list has too", &t.get(&name).await?, &Some("value".into()))?;
    same("Length of a list whose name a key has too", &t.length(&name).await?, &1)?;
    t.delete(&name).await?;
    same(
        "PopLeft after Delete of the key of that name",
        &t.pop(End::Left, &name).await?,
        &Some("item".into()),
    )
}
