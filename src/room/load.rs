//! A lecture hall: many phones that vote at once, some of them slow, coming back, twice, or broken.

use std::cell::RefCell;
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_executor::LocalExecutor;
use async_io::{Async, Timer};
use futures_lite::{AsyncReadExt as _, AsyncWriteExt as _};

use super::answers::{Answer, Side};
use super::client::{Open, body, request, status};
use super::question::{Kind, Question};
use crate::jobs::Job;

fn question(number: usize) -> Question {
    let kind = match number % 4 {
        0 => Kind::Pair { left: "a".to_owned(), right: "b".to_owned() },
        1 => Kind::Choice { options: vec!["a".to_owned(), "b".to_owned()], other: true },
        2 => Kind::Scale { low: 1, high: 5, low_words: String::new(), high_words: String::new() },
        _ => Kind::Words,
    };
    Question::new(&format!("q{number}"), "Which is it?", kind)
}

fn vote(number: usize, phone: usize) -> String {
    let answer = match number % 4 {
        0 => Answer::Side([Side::Left, Side::Right, Side::Tie][phone % 3]),
        1 => Answer::Option(phone % 2),
        2 => Answer::Step([1, 2, 3, 4, 5][phone % 5]),
        _ => Answer::Words(format!("word {}", phone % 7)),
    };
    serde_json::json!({"question": format!("q{number}"), "answer": answer}).to_string()
}

/// A phone with a connection that it may lose.
struct Phone {
    at: SocketAddr,
    code: String,
    number: usize,
    tcp: Option<Async<TcpStream>>,
}

impl Phone {
    async fn send(&mut self, bytes: &[u8], pieces: usize) -> Option<String> {
        let tcp = match self.tcp.take() {
            Some(tcp) => tcp,
            None => Async::<TcpStream>::connect(self.at).await.ok()?,
        };
        let tcp = self.tcp.insert(tcp);
        for piece in bytes.chunks(bytes.len().div_ceil(pieces)) {
            tcp.write_all(piece).await.ok()?;
            if pieces > 1 {
                Timer::after(Duration::from_millis(20)).await;
            }
        }
        let mut said = Vec::new();
        let mut piece = [0; 2048];
        loop {
            let count = tcp.read(&mut piece).await.ok()?;
            said.extend_from_slice(&piece[..count]);
            let text = String::from_utf8_lossy(&said);
            let length = text.split_once("\r\n\r\n").and_then(|(head, body)| {
                let head = head.to_lowercase();
                let told = head.lines().find_map(|line| line.strip_prefix("content-length: "))?;
                Some(told.parse::<usize>().ok()? <= body.len())
            });
            if length == Some(true) {
                let text = text.into_owned();
                if text.to_lowercase().contains("connection: close") {
                    self.tcp = None;
                }
                return Some(text);
            }
            if count == 0 {
                self.tcp = None;
                return None;
            }
        }
    }

    fn request(&self, body: &str) -> Vec<u8> {
        let path = ["POST", "/api/vote"];
        request(&self.at.to_string(), &self.code, path, self.number, body).into_bytes()
    }

    /// Until the room has said what became of it. How long the answer took.
    async fn vote(&mut self, number: usize, pieces: usize) -> (Duration, String) {
        let bytes = self.request(&vote(number, self.number));
        loop {
            let began = Instant::now();
            if let Some(said) = self.send(&bytes, pieces).await {
                return (began.elapsed(), said);
            }
        }
    }
}

/// Votes of `phones` on `questions`, question by question. The times of all answers but those to
/// slow phones, in order.
fn hall(phones: usize, questions: usize, pause: Duration) -> Vec<Duration> {
    let open = Open::new();
    let (at, code) = (open.at, open.room.code().to_string());
    let mut all = Vec::new();
    for number in 0..questions {
        open.room.ask(question(number)).unwrap();
        let code = code.clone();
        let job: Job<(), Vec<Duration>, ()> = Job::spawn("phones", Arc::new(|_| {}), move |_| {
            let times = RefCell::new(Vec::new());
            let executor = LocalExecutor::new();
            let votes: Vec<_> = (0..phones)
                .map(|phone| {
                    let mut phone = Phone { at, code: code.clone(), number: phone, tcp: None };
                    let times = &times;
                    executor.spawn(async move {
                        let kind = (phone.number + number) % 10;
                        // People do not press at the same millisecond.
                        let wait = pause.mul_f64((phone.number * 7919 % 1000) as f64 / 1000.0);
                        Timer::after(wait).await;
                        if kind == 1 {
                            // Something broken first.
                            let broken = phone.request("{\"question\":");
                            phone.send(&broken, 1).await;
                        }
                        if kind == 2 {
                            // Sent, and gone before the answer came.
                            let lost = phone.request(&vote(number, phone.number));
                            if let Ok(mut tcp) = Async::<TcpStream>::connect(at).await {
                                tcp.write_all(&lost).await.ok();
                            }
                        }
                        let pieces = if kind == 3 { 5 } else { 1 };
                        let (time, said) = phone.vote(number, pieces).await;
                        assert_eq!(status(&said), 200, "{said}");
                        if kind != 2 {
                            assert_eq!(body(&said), r#"{"counted":true}"#);
                        }
                        if kind != 3 {
                            times.borrow_mut().push(time);
                        }
                        if kind == 4 {
                            phone.tcp = None;
                            let (_, said) = phone.vote(number, 1).await;
                            assert_eq!(body(&said), r#"{"already":true}"#);
                        }
                    })
                })
                .collect();
            async_io::block_on(executor.run(async {
                for vote in votes {
                    vote.await;
                }
            }));
            drop(executor);
            Ok(times.into_inner())
        })
        .unwrap();
        let crate::jobs::JobEnd::Done(times) = job.wait(|()| {}) else { panic!("the phones vote") };
        all.extend(times);
        open.room.reveal();
    }
    for (number, asked) in open.room.asked().iter().enumerate() {
        assert_eq!(asked.votes.len(), phones, "question {number}");
        let voted: std::collections::BTreeSet<u32> =
            asked.votes.iter().map(|vote| vote.phone).collect();
        assert_eq!(voted.len(), phones, "each phone once");
    }
    all.sort_unstable();
    all
}

fn percentile(times: &[Duration], share: f64) -> Duration {
    times[((times.len() - 1) as f64 * share) as usize]
}

#[test]
fn every_vote_of_a_hall_is_counted_exactly_once() {
    let times = hall(60, 4, Duration::from_millis(100));
    assert!(percentile(&times, 0.99) < Duration::from_secs(2), "{:?}", times.last());
}

/// The bar of the room: 200 phones, 50 votes each. `cargo test --lib room -- --ignored hall`
#[test]
#[ignore = "half a minute; prints its times"]
fn a_hall_of_200_with_50_votes_each_is_answered_in_150_milliseconds() {
    let times = hall(200, 50, Duration::from_millis(500));
    let p99 = percentile(&times, 0.99);
    println!(
        "{} votes: median {:?}, p99 {p99:?}, most {:?}",
        times.len(),
        percentile(&times, 0.5),
        times.last()
    );
    assert!(p99 < Duration::from_millis(150), "{p99:?}");
    // All 200 in the same moment.
    let times = hall(200, 10, Duration::ZERO);
    println!("at once: median {:?}, p99 {:?}", percentile(&times, 0.5), percentile(&times, 0.99));
}
