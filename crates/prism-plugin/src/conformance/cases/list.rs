//! Push, Pop and Length.

use super::table;
use crate::conformance::expect::{Verdict, same};
use crate::conformance::trial::Trial;
use crate::list::End;

table! {
    "list/push-returns-the-new-length",
        "a push at either end returns the new number of values",
        [List], push_returns_the_new_length;
    "list/push-right-adds-at-the-tail",
        "PushRight adds after the existing values",
        [List], push_right_adds_at_the_tail;
    "list/push-left-adds-at-the-head",
        "PushLeft adds before the existing values",
        [List], push_left_adds_at_the_head;
    "list/pop-left-takes-the-head",
        "PopLeft removes and returns the first value",
        [List], pop_left_takes_the_head;
    "list/pop-right-takes-the-tail",
        "PopRight removes and returns the last value",
        [List], pop_right_takes_the_tail;
    "list/pop-of-missing-is-an-answer",
        "a pop of a missing list returns found = false and no value, which is not an error",
        [List], pop_of_missing_is_an_answer;
    "list/length-counts-the-values",
        "Length is the number of values after pushes and pops",
        [List], length_counts_the_values;
    "list/length-of-missing-is-zero",
        "Length of a missing list is 0, which is not an error",
        [List], length_of_missing_is_zero;
    "list/pops-and-length-create-nothing",
        "pops and Length of a missing list do not create it",
        [List], pops_and_length_create_nothing;
    "list/emptied-list-is-gone",
        "popping the last value removes the list; a push creates a new one",
        [List], emptied_list_is_gone;
}

async fn push_all(t: &Trial<'_>, end: End, list: &str, values: &[&'static str]) -> Verdict {
    for value in values {
        t.push(end, list, *value).await?;
    }
    Ok(())
}

async fn push_returns_the_new_length(t: &Trial<'_>) -> Verdict {
    let list = t.list("l");
    for (end, expected) in [(End::Right, 1), (End::Left, 2), (End::Right, 3), (End::Left, 4)] {
        let length = t.push(end, &list, "v").await?;
        same(format!("new_length of Push{end:?}, the {expected}. push to a list"), &length, &expected)?;
    }
    Ok(())
}

async fn push_right_adds_at_the_tail(t: &Trial<'_>) -> Verdict {
    let list = t.list("l");
    let values = ["1", "2", "3", "4", "5"];
    push_all(t, End::Right, &list, &values).await?;
    let popped = t.drain(End::Left, &list, values.len()).await?;
    same("PopLeft after PushRight of 1, 2, 3, 4, 5", &popped[..], &values.map(Into::into))
}

async fn push_left_adds_at_the_head(t: &Trial<'_>) -> Verdict {
    let list = t.list("l");
    push_all(t, End::Left, &list, &["1", "2", "3"]).await?;
    same(
        "PopLeft after PushLeft of 1, 2, 3",
        &t.drain(End::Left, &list, 3).await?[..],
        &["3", "2", "1"].map(Into::into),
    )
}

async fn pop_left_takes_the_head(t: &Trial<'_>) -> Verdict {
    let list = t.list("l");
    push_all(t, End::Right, &list, &["2", "3", "4", "5"]).await?;
    push_all(t, End::Left, &list, &["1"]).await?;
    push_all(t, End::Right, &list, &["6"]).await?;
    same("PopLeft of 1, 2, 3, 4, 5, 6", &t.pop(End::Left, &list).await?, &Some("1".into()))?;
    same("a second PopLeft of 1, 2, 3, 4, 5, 6", &t.pop(End::Left, &list).await?, &Some("2".into()))
}

async fn pop_right_takes_the_tail(t: &Trial<'_>) -> Verdict {
    let list = t.list("l");
    push_all(t, End::Right, &list, &["1", "2", "3", "4"]).await?;
    same("PopRight of 1, 2, 3, 4", &t.pop(End::Right, &list).await?, &Some("4".into()))?;
    same("a second PopRight of 1, 2, 3, 4", &t.pop(End::Right, &list).await?, &Some("3".into()))
}

async fn pop_of_missing_is_an_answer(t: &Trial<'_>) -> Verdict {
    for end in [End::Left, End::Right] {
        let list = t.list(&format!("{end:?}/missing"));
        same(format!("Pop{end:?} of a missing list"), &t.pop(end, &list).await?, &None)?;
    }
    Ok(())
}

async fn length_counts_the_values(t: &Trial<'_>) -> Verdict {
    let list = t.list("l");
    push_all(t, End::Right, &list, &["1", "2"]).await?;
    push_all(t, End::Left, &list, &["3"]).await?;
    same("Length after three pushes", &t.length(&list).await?, &3)?;
    t.pop(End::Left, &list).await?;
    same("Length after three pushes and a pop", &t.length(&list).await?, &2)
}

async fn length_of_missing_is_zero(t: &Trial<'_>) -> Verdict {
    same("Length of a missing list", &t.length(&t.list("missing")).await?, &0)
}

async fn pops_and_length_create_nothing(t: &Trial<'_>) -> Verdict {
    let lists = ["popped left", "popped right", "measured"].map(|name| t.list(name));
    // The responses are the subject of other cases.
    let _ = t.pop(End::Left, &lists[0]).await;
    let _ = t.pop(End::Right, &lists[1]).await;
    let _ = t.length(&lists[2]).await;
    for (list, call) in lists.iter().zip(["PopLeft", "PopRight", "Length"]) {
        let length = t.push(End::Right, list, "v").await?;
        same(format!("new_length of the first push after {call} of a missing list"), &length, &1)?;
    }
    Ok(())
}

async fn emptied_list_is_gone(t: &Trial<'_>) -> Verdict {
    let list = t.list("l");
    t.push(End::Right, &list, "v").await?;
    t.pop(End::Left, &list).await?;
    same("Length of an emptied list", &t.length(&list).await?, &0)?;
    same("PopLeft of an emptied list", &t.pop(End::Left, &list).await?, &None)?;
    same("new_length of a push to an emptied list", &t.push(End::Right, &list, "v").await?, &1)
}
