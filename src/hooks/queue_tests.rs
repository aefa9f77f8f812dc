use super::*;

fn delivery(seq: Seq, at: Millis) -> Delivery {
    let id = format!("c.{seq}.message.h{}", seq % 2);
    let hook = format!("h{}", seq % 2);
    let conv = ConvId::from_bytes([1; 16]);
    Delivery {
        id,
        hook,
        kind: Kind::Message,
        conv,
        seq,
        at,
        tries: 0,
        due: at,
        error: String::new(),
        dead: false,
    }
}

fn open(folder: &tempfile::TempDir) -> Queue {
    Queue::open(&folder.path().join("queue.jsonl"), 5).unwrap()
}

#[test]
fn what_waits_survives_a_stop_and_nothing_comes_twice() {
    let folder = tempfile::tempdir().unwrap();
    let mut queue = open(&folder);
    queue.add(vec![delivery(1, 10), delivery(2, 20), delivery(3, 20)], 20).unwrap();
    let first = queue.take(15).unwrap();
    assert_eq!(
        (first.seq, queue.take(15)),
        (1, Err(Some(20))),
        "its endpoint is busy, the other's turn is later"
    );
    queue.failed(&first.id, "status 500", Some(99)).unwrap();
    let second = queue.take(20).unwrap();
    queue.done(&second.id).unwrap();
    // Killed here, with half a line at the end.
    let path = folder.path().join("queue.jsonl");
    let mut text = fs::read(&path).unwrap();
    text.extend_from_slice(br#"{"put":{"id":"#);
    fs::write(&path, text).unwrap();
    let mut queue = open(&folder);
    assert_eq!((queue.mark(), queue.waiting("h1"), queue.waiting("h0")), (Some(20), 2, 0));
    // The moment of the mark is read again from the store: what is done stays done.
    queue.add(vec![delivery(2, 20), delivery(3, 20), delivery(4, 20)], 20).unwrap();
    assert_eq!((queue.waiting("h1"), queue.waiting("h0")), (2, 1));
    assert_eq!(queue.take(20).map(|one| one.seq), Ok(3));
    assert_eq!(queue.take(20).map(|one| one.seq), Ok(4));
    let again = queue.take(200);
    assert_eq!(again, Err(None), "the first one's endpoint is busy with the third");
}

#[test]
fn the_dead_are_shown_and_revived_and_the_queue_is_bounded() {
    let folder = tempfile::tempdir().unwrap();
    let mut queue = open(&folder);
    queue.add((0..14).map(|n| delivery(n, n)).collect(), 13).unwrap();
    assert_eq!((queue.waiting("h0"), queue.waiting("h1"), queue.dropped()), (5, 5, 4));
    let one = queue.take(9).unwrap();
    queue.failed(&one.id, "status 500", None).unwrap();
    let mut queue = open(&folder);
    let dead = queue.dead("h0");
    assert_eq!((dead.len(), dead[0].tries, dead[0].error.as_str()), (1, 1, "status 500"));
    assert_eq!(queue.revive("h0", 50).unwrap(), 1);
    assert_eq!((queue.dead("h0").len(), queue.waiting("h0")), (0, 5));
    queue.forget("h0").unwrap();
    assert_eq!((queue.waiting("h0"), open(&folder).waiting("h1")), (0, 5));
    queue.forget("h1").unwrap();
    for n in 100..(100 + SLACK as Seq * 2) {
        queue.add(vec![delivery(n * 2 + 1, n)], n).unwrap();
        let id = delivery(n * 2 + 1, n).id;
        queue.done(&id).unwrap();
    }
    let lines = fs::read_to_string(folder.path().join("queue.jsonl")).unwrap().lines().count();
    assert!(lines <= SLACK + 10, "{lines}");
}

#[test]
fn an_endpoint_that_is_down_takes_no_room_from_another_and_the_dead_take_none() {
    let folder = tempfile::tempdir().unwrap();
    let mut queue = open(&folder);
    let (down, up) = (|n| delivery(n * 2 + 1, n), |n| delivery(n * 2, n));
    queue.add((0..5).map(down).collect(), 5).unwrap();
    for _ in 0..5 {
        let id = queue.take(9).unwrap().id;
        queue.failed(&id, "status 500", None).unwrap();
    }
    assert_eq!((queue.dead("h1").len(), queue.waiting("h1")), (5, 0));
    queue.add((10..17).map(down).collect(), 17).unwrap();
    assert_eq!((queue.waiting("h1"), queue.dropped()), (5, 2), "its own room is full");
    queue.add((20..23).map(up).collect(), 23).unwrap();
    assert_eq!((queue.waiting("h0"), queue.dropped()), (3, 2));
    let queue = open(&folder);
    assert_eq!((queue.waiting("h0"), queue.waiting("h1"), queue.dead("h1").len()), (3, 5, 5));
}
