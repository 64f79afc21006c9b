//! Set, Get, Exists and Delete.

use prism_proto::ErrorReason::KeyNotFound;

use super::table;
use crate::conformance::calls::Which;
use crate::conformance::expect::{Verdict, answered, holds, same};
use crate::conformance::trial::Trial;

table! {
    "keyvalue/set-then-get",
        "Set answers success = true, and Get returns the value",
        [KeyValue], set_then_get;
    "keyvalue/set-replaces-the-value",
        "Set of an existing key replaces its whole value",
        [KeyValue], set_replaces_the_value;
    "keyvalue/get-of-missing-is-not-found",
        "Get of a missing key gets NOT_FOUND / KEY_NOT_FOUND",
        [KeyValue], get_of_missing_is_not_found;
    "keyvalue/exists-of-missing-is-an-answer",
        "Exists returns true for an existing key and false for a missing one, which is not an error",
        [KeyValue], exists_of_missing_is_an_answer;
    "keyvalue/delete-removes",
        "after Delete, Get does not return the key and Exists returns false",
        [KeyValue], delete_removes;
    "keyvalue/delete-says-whether-it-was-there",
        "Delete returns found = true if it removed a key, otherwise found = false, which is not an error",
        [KeyValue], delete_says_whether_it_was_there;
    "keyvalue/reads-create-nothing",
        "Get, Exists, Delete, Scan, ScanKeys and Count create nothing",
        [KeyValue, Scan], reads_create_nothing;
}

async fn set_then_get(t: &Trial<'_>) -> Verdict {
    let key = t.key("k");
    let success = answered("Set", t.try_set(&key, "value", None).await)?;
    holds(success, || "Set returned OK with success = false; a failure must be a status".to_owned())?;
    same("Get after Set", &t.get(&key).await?, &Some("value".into()))
}

async fn set_replaces_the_value(t: &Trial<'_>) -> Verdict {
    let key = t.key("k");
    t.set(&key, "a longer first value").await?;
    t.set(&key, "second").await?;
    same("Get after a second, shorter Set", &t.get(&key).await?, &Some("second".into()))
}

async fn get_of_missing_is_not_found(t: &Trial<'_>) -> Verdict {
    t.refused("Get of a missing key", t.try_get(&t.key("missing")).await, &[KeyNotFound])
}

async fn exists_of_missing_is_an_answer(t: &Trial<'_>) -> Verdict {
    let key = t.key("k");
    t.set(&key, "v").await?;
    same("Exists of an existing key", &t.exists(&key).await?, &true)?;
    same("Exists of a missing key", &t.exists(&t.key("missing")).await?, &false)
}

async fn delete_removes(t: &Trial<'_>) -> Verdict {
    let key = t.key("k");
    t.set(&key, "v").await?;
    t.delete(&key).await?;
    same("Get after Delete", &t.get(&key).await?, &None)?;
    same("Exists after Delete", &t.exists(&key).await?, &false)
}

async fn delete_says_whether_it_was_there(t: &Trial<'_>) -> Verdict {
    let key = t.key("k");
    t.set(&key, "v").await?;
    same("found of the Delete of an existing key", &t.delete(&key).await?, &true)?;
    same("found of the Delete of a missing key", &t.delete(&t.key("missing")).await?, &false)
}

async fn reads_create_nothing(t: &Trial<'_>) -> Verdict {
    // The responses are the subject of other cases.
    let _ = t.try_get(&t.key("got")).await;
    let _ = t.exists(&t.key("asked for")).await;
    let _ = t.try_delete(&t.key("deleted")).await;
    let _ = t.count(t.prefix()).await;
    for which in Which::BOTH {
        let _ = t.scan(which, t.all()).await;
    }
    for which in Which::BOTH {
        let scanned = t.scan(which, t.all()).await?;
        holds(scanned.is_empty(), || format!("{which} returned a key that was only read or deleted"))?;
    }
    Ok(())
}
