//! What strangers could try: each is refused, nothing is shown and no vote is lost.

use std::io::Write as _;
use std::time::{Duration, Instant};

use super::client::{Open, answer, body, request, status};
use super::question::{Kind, Question};
use crate::web::accept::Patience;

/// A room with a question of free text.
fn asked() -> Open {
    with_question(Open::new())
}

fn with_question(open: Open) -> Open {
    open.room.ask(Question::new("q1", "What comes next?", Kind::Words)).unwrap();
    open
}

const VOTE: &str = r#"{"question":"q1","answer":{"words":"Paris"}}"#;

/// Whoever is in the room can vote all the same.
fn still_works(open: &Open, device: usize) {
    let votes = open.votes();
    let said = open.vote(device, VOTE);
    assert_eq!((status(&said), body(&said)), (200, r#"{"counted":true}"#), "{said}");
    assert_eq!(open.votes(), votes + 1);
}

#[test]
fn only_the_page_and_its_two_questions_are_served() {
    let open = asked();
    let paths = [
        "/../../../../etc/passwd",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/..%2f..%2fCargo.toml",
        "/room.js/../../Cargo.toml",
        "/room.js%00.html",
        "//etc/passwd",
        "/C:/Windows/win.ini",
        "/pairs.jsonl",
        "/api",
        "/api/question/1",
        "/index.html",
        "/.git/config",
        "/room.css/",
    ];
    for path in paths {
        let said = open.send(open.request("GET", path, 1, "").as_bytes());
        assert_eq!(status(&said), 404, "{path}: {said}");
        assert_eq!(body(&said), r#"{"problem":"path"}"#, "nothing is told of what was asked for");
    }
    for path in ["/", "/room.css", "/room.js"] {
        let said = open.send(open.request("GET", path, 1, "").as_bytes());
        assert_eq!(status(&said), 200, "{path}");
        assert!(said.contains("default-src 'none'") && said.contains("nosniff"), "{path}");
        assert!(!said.to_lowercase().contains("server:"), "{path}");
    }
    still_works(&open, 1);
}

#[test]
fn other_methods_are_refused() {
    let open = asked();
    for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "PROPFIND", "BREW"] {
        let said = open.send(open.request(method, "/", 1, "").as_bytes());
        assert_eq!(status(&said), 405, "{method}: {said}");
    }
    assert_eq!(status(&open.send(open.request("GET", "/api/vote", 1, "").as_bytes())), 405);
    assert_eq!(status(&open.send(open.request("OPTIONS", "/api/vote", 1, "").as_bytes())), 405);
    assert_eq!(status(&open.send(open.request("POST", "/api/question", 1, "").as_bytes())), 405);
    let connect = format!("CONNECT {} HTTP/1.1\r\nHost: {}\r\n\r\n", open.at, open.at);
    assert!([400, 404, 405].contains(&status(&open.send(connect.as_bytes()))));
    for noise in [
        "\x16\x03\x01\x02\x00\x01\x00",
        "GET\r\n\r\n",
        "\0\0\0\0\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ] {
        let said = open.send(noise.as_bytes());
        assert!(matches!(status(&said), 0 | 400 | 421 | 505), "{noise:?}: {said}");
    }
    still_works(&open, 1);
}

#[test]
fn a_huge_body_is_refused_before_it_is_read() {
    let open = asked();
    let huge = format!(r#"{{"question":"q1","answer":{{"words":"{}"}}}}"#, "a".repeat(1 << 20));
    assert_eq!(status(&open.vote(1, &huge)), 413);
    // Announced only: nothing of it is waited for.
    let told = open.request("POST", "/api/vote", 1, "").replace("Length: 0", "Length: 99999999999");
    let began = Instant::now();
    assert_eq!(status(&open.send(told.as_bytes())), 413);
    assert!(began.elapsed() < Duration::from_secs(2));
    // In pieces of unknown number.
    let head = open.request("POST", "/api/vote", 1, "");
    let head = head.replace("Content-Length: 0", "Transfer-Encoding: chunked");
    let mut pieces = head.into_bytes();
    for _ in 0..1000 {
        pieces.extend_from_slice(b"40\r\n");
        pieces.extend_from_slice(&[b'a'; 64]);
        pieces.extend_from_slice(b"\r\n");
    }
    assert_eq!(status(&open.send(&pieces)), 413);
    // Two lengths, or a length and pieces: what proxies disagree about.
    let both = open.request("POST", "/api/vote", 1, VOTE);
    let both = both.replace("\r\nX-Room-Code", "\r\nTransfer-Encoding: chunked\r\nX-Room-Code");
    assert_ne!(status(&open.send(both.as_bytes())), 200);
    assert_eq!(open.votes(), 0);
    still_works(&open, 1);
}

#[test]
fn floods_of_headers_are_refused() {
    let open = asked();
    let head = format!("GET / HTTP/1.1\r\nHost: {}\r\n", open.at);
    let many = "X-Flood: a\r\n".repeat(1000);
    assert_eq!(status(&open.send(format!("{head}{many}\r\n").as_bytes())), 431);
    let long = format!("{head}X-Long: {}\r\n\r\n", "a".repeat(1 << 20));
    let said = open.send(long.as_bytes());
    assert!(matches!(status(&said), 431 | 0), "{said}");
    let line = format!("GET /{} HTTP/1.1\r\nHost: {}\r\n\r\n", "a".repeat(1 << 20), open.at);
    let said = open.send(line.as_bytes());
    assert!(matches!(status(&said), 414 | 431 | 0), "{said}");
    still_works(&open, 1);
}

#[test]
fn slow_clients_cost_the_others_nothing() {
    let (headers, body) = (Duration::from_secs(2), Duration::from_millis(1500));
    let open = with_question(Open::with(Patience { headers, body }));
    // 300 that send half a head, and 300 that send half a body.
    let half_head = format!("GET / HTTP/1.1\r\nHost: {}\r\nX-Slow: ", open.at);
    let half_body = open.request("POST", "/api/vote", 2, VOTE);
    let half_body = &half_body[..half_body.len() - 5];
    let slow: Vec<_> = (0..600)
        .map(|number| {
            let mut tcp = open.connect();
            let half = if number % 2 == 0 { half_head.as_str() } else { half_body };
            tcp.write_all(half.as_bytes()).unwrap();
            tcp
        })
        .collect();
    let began = Instant::now();
    still_works(&open, 1);
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    // What does not come is given up.
    let mut slow = slow.into_iter();
    let (mut head, mut rest) = (slow.next().unwrap(), slow.next().unwrap());
    assert_eq!(status(&answer(&mut rest)), 408);
    assert!(matches!(status(&answer(&mut head)), 408 | 0));
    assert!(began.elapsed() < Duration::from_secs(20));
    assert_eq!(open.votes(), 1);
}

#[test]
fn a_thousand_wrong_codes_lock_nobody_out() {
    let open = asked();
    let host = open.at.to_string();
    let wrong = |number: usize| {
        let code = format!("A{number:05}");
        let mut tcp = open.connect();
        let sent = request(&host, &code, ["GET", "/api/question"], 9, "");
        tcp.write_all(sent.as_bytes()).unwrap();
        tcp
    };
    let began = Instant::now();
    let tries: Vec<_> = (0..1000)
        .map(|number| {
            let mut tcp = wrong(number);
            if number % 100 == 99 {
                // From the same address, in the middle of it.
                still_works(&open, 100 + number);
            }
            // What is answered at once frees its place; the others are held.
            tcp.set_read_timeout(Some(Duration::from_millis(1))).unwrap();
            let said = answer(&mut tcp);
            (tcp, said)
        })
        .collect();
    let mut refused = [0, 0];
    for (mut tcp, said) in tries {
        tcp.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let said = if said.is_empty() { answer(&mut tcp) } else { said };
        match status(&said) {
            403 => refused[0] += 1,
            429 => refused[1] += 1,
            other => panic!("{other}: {said}"),
        }
        assert_eq!(body(&said), r#"{"problem":"code"}"#);
    }
    assert_eq!(refused[0] + refused[1], 1000);
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    assert_eq!(open.room.counts(Instant::now()).wrong_codes, 1000);
    // One alone waits a second for its answer: whoever tries by hand is told, a machine is slow.
    let one = Instant::now();
    assert_eq!(status(&answer(&mut wrong(1001))), 403);
    assert!(one.elapsed() >= Duration::from_millis(800), "{:?}", one.elapsed());
    still_works(&open, 1);
}

#[test]
fn a_stranger_sees_no_question_and_votes_on_none() {
    let open = asked();
    let host = open.at.to_string();
    for code in ["", "AAAAAA", &open.room.code().as_str()[..5]] {
        for (method, path) in [("GET", "/api/question"), ("POST", "/api/vote")] {
            let said = open.send(request(&host, code, [method, path], 1, VOTE).as_bytes());
            assert_eq!(status(&said), 403, "{said}");
            assert!(!said.contains("What comes next"));
        }
    }
    assert_eq!(open.votes(), 0);
    assert_eq!(open.room.counts(Instant::now()).phones, 0, "and is no phone");
}

#[test]
fn script_in_free_text_stays_text() {
    let open = asked();
    let script = "<script>alert(1)</script><img src=x onerror=alert(1)>";
    let sent = serde_json::json!({"question": "q1", "answer": {"words": script}});
    assert_eq!(status(&open.vote(1, &sent.to_string())), 200);
    let tally = open.room.counts(Instant::now()).tally.unwrap();
    assert_eq!(tally.bars[0].label, script, "kept as it was typed, and drawn as letters");
    let said = open.send(open.request("GET", "/api/question", 1, "").as_bytes());
    assert!(said.to_lowercase().contains("content-type: application/json"));
    let page = open.send(open.request("GET", "/", 1, "").as_bytes());
    assert!(!page.contains("alert") && page.contains("script-src 'self'"));
}

#[test]
fn requests_from_other_sites_are_refused() {
    let open = asked();
    let good = open.request("POST", "/api/vote", 1, VOTE);
    let host = open.at.to_string();
    let port = open.at.port();
    let with = |line: &str| good.replace("\r\nX-Room-Code", &format!("\r\n{line}\r\nX-Room-Code"));
    for line in [
        "Origin: http://evil.example",
        "Origin: null",
        "Origin: https://127.0.0.1",
        "Origin: http://127.0.0.1",
        "Sec-Fetch-Site: cross-site",
        "Sec-Fetch-Site: same-site",
    ] {
        assert_eq!(status(&open.send(with(line).as_bytes())), 403, "{line}");
    }
    // A name that was made to lead here (DNS rebinding), and none at all.
    for other in ["evil.example", "evil.example:8080", "127.0.0.1", "127.0.0.1:1", ""] {
        let said = open.send(good.replace(&host, other).as_bytes());
        assert!(matches!(status(&said), 400 | 421), "{other}: {said}");
    }
    let two = with("Host: evil.example");
    assert!(matches!(status(&open.send(two.as_bytes())), 400 | 421));
    let whole = good.replace("POST /api", "POST http://evil.example/api");
    assert_eq!(status(&open.send(whole.as_bytes())), 421);
    // What a form of another site can send without asking.
    for kind in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"] {
        let said = open.send(good.replace("application/json", kind).as_bytes());
        assert_eq!(status(&said), 415, "{kind}");
    }
    assert_eq!(open.votes(), 0);
    let ours = with(&format!("Origin: http://{host}"))
        .replace("X-Room-Code", "Sec-Fetch-Site: same-origin\r\nX-Room-Code");
    assert_eq!(status(&open.send(ours.as_bytes())), 200);
    let local = good.replace(&host, &format!("localhost:{port}"));
    assert_eq!(body(&open.send(local.as_bytes())), r#"{"already":true}"#);
}

#[test]
fn votes_that_come_late_twice_or_broken_are_not_counted() {
    let open = asked();
    let problem = |device: usize, sent: &str| {
        let said = open.vote(device, sent);
        (status(&said), body(&said).to_owned())
    };
    for sent in [
        "",
        "{",
        "null",
        "[]",
        r#"{"question":"q1"}"#,
        r#"{"question":"q1","answer":null}"#,
        r#"{"question":"q1","answer":{"words":5}}"#,
        r#"{"question":"q1","answer":{"side":"left"}}"#,
        r#"{"question":"q1","answer":{"option":0}}"#,
        r#"{"question":"q1","answer":{"step":99999999999999999999}}"#,
        r#"{"question":"q1","answer":{"words":""}}"#,
        r#"{"question":"q1","answer":{"words":"a"},"device":"2"}"#,
        "\u{feff}{}",
        &"[".repeat(4000),
    ] {
        assert_eq!(problem(1, sent), (400, r#"{"problem":"malformed"}"#.to_owned()), "{sent}");
    }
    let long = format!(r#"{{"question":"q1","answer":{{"words":"{}"}}}}"#, "a".repeat(141));
    assert_eq!(problem(1, &long).0, 400);
    let bad_device = open.request("POST", "/api/vote", 1, VOTE).replace("00000001\r\n", "zz\r\n");
    assert_eq!(status(&open.send(bad_device.as_bytes())), 400);
    let raw = open.request("POST", "/api/vote", 1, "....").into_bytes();
    let raw = [&raw[..raw.len() - 4], b"\xff\xfe\x00\x80"].concat();
    assert_eq!(status(&open.send(&raw)), 400);
    assert_eq!(problem(1, &VOTE.replace("q1", "q2")).0, 404);
    assert_eq!(open.votes(), 0);
    still_works(&open, 1);
    assert_eq!(problem(1, VOTE), (200, r#"{"already":true}"#.to_owned()));
    let other = VOTE.replace("Paris", "Lyon");
    assert_eq!(problem(1, &other), (200, r#"{"already":true}"#.to_owned()));
    open.room.reveal();
    assert_eq!(problem(2, VOTE), (409, r#"{"problem":"closed"}"#.to_owned()));
    assert_eq!(open.votes(), 1);
    assert_eq!(open.room.asked()[0].tally().bars[0].label, "Paris");
}

#[test]
fn a_phone_that_waits_hears_of_the_next_question() {
    let open = asked();
    let said = open.send(open.request("GET", "/api/question", 1, "").as_bytes());
    let told: serde_json::Value = serde_json::from_str(body(&said)).unwrap();
    assert_eq!(told["question"]["text"], "What comes next?");
    let path = format!("/api/question?seen={}", told["version"]);
    let mut waiting = open.connect();
    waiting.write_all(open.request("GET", &path, 1, "").as_bytes()).unwrap();
    open.room.reveal();
    let told: serde_json::Value = serde_json::from_str(body(&answer(&mut waiting))).unwrap();
    assert_eq!(told["question"]["state"], "revealed");
    for query in ["?seen=abc", "?seen=-1", "?q=1", "?seen=1&seen=2"] {
        let sent = open.request("GET", &format!("/api/question{query}"), 1, "");
        assert_eq!(status(&open.send(sent.as_bytes())), 400, "{query}");
    }
}

#[test]
fn more_connections_than_there_is_room_for_keep_nobody_out() {
    let open = asked();
    let silent: Vec<_> = (0..crate::web::connections::MOST_CONNECTIONS.min(900) - 50)
        .map(|_| open.connect())
        .collect();
    still_works(&open, 1);
    drop(silent);
    still_works(&open, 2);
}
