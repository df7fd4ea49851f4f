//! `tuning-fork room`: questions to the phones of an audience, without a window.

use std::collections::VecDeque;
use std::io::{self, BufRead as _, IsTerminal as _};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use clap::Args;
use serde_json::json;

use super::annotate::shared;
use super::out;
use crate::jobs::{self, Job, JobEnd, Quiet};
use crate::lecture::questions::{self, Questions};
use crate::room::address::{Address, addresses};
use crate::room::ballots::{Counts, MOST_QUESTIONS, Room, Tally};
use crate::room::coding;
use crate::room::qr::QrCode;
use crate::room::question::Question;
use crate::room::results;
use crate::room::server::{RoomEvent, serve};
use crate::study::folder::Folder;
use crate::study::item::Role;
use crate::study::log::Use;
use crate::web::listen::{ListenError, Place};
use crate::words::counted;

#[derive(Debug, Args)]
pub struct RoomArgs {
    /// The questions, as a TOML file with a part `[[question]]` for each; or the folder of a study,
    /// whose texts the phones then code
    #[arg(required_unless_present = "addresses")]
    file: Option<PathBuf>,

    /// Of a study: the variable that is asked; without it, the first that phones can be asked
    #[arg(long, value_name = "NAME")]
    variable: Option<String>,

    /// The address of this computer at which phones reach it; without it, the likeliest one
    #[arg(long, value_name = "IP")]
    address: Option<IpAddr>,

    /// The port; without it, the first free one of 8080, 8000, 8888, 8008
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u16).range(1..))]
    port: Option<u16>,

    /// Each question is open for so many seconds; without it, the Enter key reveals and goes on
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=86_400))]
    each: Option<u64>,

    /// Where the votes are written, as NAME.jsonl and NAME.csv; without it, beside the questions
    #[arg(long, value_name = "NAME")]
    out: Option<PathBuf>,

    /// List the addresses of this computer, and do nothing else
    #[arg(long)]
    addresses: bool,

    /// A line of JSON for each question and its result
    #[arg(long)]
    json: bool,
}

pub fn run(args: &RoomArgs) -> anyhow::Result<()> {
    let found = addresses();
    if args.addresses {
        for address in &found {
            if args.json {
                out::json(&json!({"address": address.ip, "interface": address.interface}))?;
            } else {
                out::line(&address.words())?;
            }
        }
        return Ok(());
    }
    let file = args.file.as_deref().context("the file with the questions is missing")?;
    let cannot = || format!("{} cannot be asked", file.display());
    // Open until the votes are in it: no window writes to it in between.
    let mut study = if file.is_dir() {
        Some(shared::open(file, Use::Write).with_context(cannot)?)
    } else {
        None
    };
    let questions = match &study {
        Some(folder) => of_study(folder, args.variable.as_deref()).with_context(cannot)?,
        None => questions::read(file).with_context(cannot)?,
    };
    let ip = args.address.or_else(|| found.first().map(|address| address.ip)).context(
        "this computer has no address that phones could reach. Connect it to the network that the \
         phones are in. To try the page on this computer alone: --address 127.0.0.1",
    )?;
    let mut hall = Hall::open(&questions.title, Place { ip, port: args.port }, args)?;
    hall.welcome(&questions, &found, ip)?;
    for (at, question) in questions.questions.iter().enumerate() {
        hall.ask(question, at, questions.questions.len())?;
        if hall.is_over {
            break;
        }
    }
    let beside = if file.is_dir() { file.join("phones") } else { file.to_owned() };
    let room = hall.room.clone();
    // Whatever the study says of them, the votes are on the disk first.
    hall.end(&free_name(args.out.as_deref(), &beside))?;
    if let Some(folder) = &mut study {
        let now = shared::now()?;
        let digits: String = now.chars().filter(char::is_ascii_digit).take(14).collect();
        let merged = coding::take_votes(folder, &room.asked(), &format!("room-{digits}"), &now)
            .context("the votes could not be taken into the study")?;
        let added = merged.iter().map(|merged| merged.added).sum::<usize>();
        if args.json {
            out::json(&json!({"event": "coded", "coders": merged.len(), "verdicts": added}))?;
        } else {
            let verdicts = counted(added, "verdict", "verdicts");
            let coders = counted(merged.len(), "phone", "phones");
            out::line(&format!("{verdicts} of {coders} are in the study"))?;
        }
    }
    Ok(())
}

/// A study's texts as questions, in the order of its file.
fn of_study(folder: &Folder, variable: Option<&str>) -> anyhow::Result<Questions> {
    let place = match variable {
        Some(name) => {
            let found = folder.study.codebook.named(name);
            found.with_context(|| format!("the study has no variable “{name}”"))?.0
        }
        None => coding::first_variable(folder).map_err(anyhow::Error::msg)?,
    };
    let is_coded = |at: &usize| folder.items[*at].role == Role::Coding;
    let coded: Vec<usize> = (0..folder.items.len()).filter(is_coded).collect();
    let questions = coded.iter().take(MOST_QUESTIONS).map(|&at| {
        let text = &folder.items[at].id;
        coding::question(folder, at, place).map_err(|why| anyhow::anyhow!("text {text}: {why}"))
    });
    let questions = questions.collect::<anyhow::Result<Vec<_>>>()?;
    if coded.len() > MOST_QUESTIONS {
        out::note(&format!("A room is asked at most {MOST_QUESTIONS} texts: the first ones"));
    }
    Ok(Questions { title: folder.study.name.clone(), questions })
}

/// The room as the terminal shows it.
struct Hall<'a> {
    args: &'a RoomArgs,
    room: Room,
    server: Job<RoomEvent, (), ListenError>,

    /// Lines that somebody has typed. `None`: nobody is asked.
    keys: Option<Job<String, (), io::Error>>,

    /// Those that were not answered yet.
    typed: VecDeque<String>,
    opened: Option<(String, String)>,
    counts: Counts,

    /// Nobody types any more, or somebody has typed q.
    is_over: bool,
}

impl<'a> Hall<'a> {
    fn open(title: &str, place: Place, args: &'a RoomArgs) -> anyhow::Result<Self> {
        let room = Room::new(title);
        let served = room.clone();
        let server =
            Job::spawn("room", Arc::new(|_| {}), move |progress| serve(&served, place, progress))?;
        let mut hall = Self {
            args,
            room,
            server,
            keys: None,
            typed: VecDeque::new(),
            opened: None,
            counts: Counts::default(),
            is_over: false,
        };
        while hall.opened.is_none() {
            hall.listen()?;
        }
        if args.each.is_none() {
            hall.keys = Some(Job::spawn("keys", Arc::new(|_| {}), |progress| {
                for line in io::stdin().lock().lines() {
                    progress.emit(line?);
                }
                Ok(())
            })?);
        }
        Ok(hall)
    }

    /// Takes in what has happened; waits a moment.
    fn listen(&mut self) -> anyhow::Result<()> {
        let Self { server, opened, counts, .. } = self;
        let end = server.poll(|event| match event {
            RoomEvent::Opened { address, link } => *opened = Some((address, link)),
            RoomEvent::Counts(new) => *counts = new,
        });
        match end {
            None => {}
            Some(JobEnd::Done(())) => bail!("the room was closed"),
            Some(JobEnd::Failed(err)) => return Err(err).context("the room cannot be opened"),
            Some(JobEnd::Crashed(message)) => bail!("the room crashed: {message}"),
        }
        jobs::pause::<()>(&Quiet, Duration::from_millis(50))?;
        Ok(())
    }

    fn welcome(
        &mut self,
        questions: &Questions,
        found: &[Address],
        ip: IpAddr,
    ) -> anyhow::Result<()> {
        let Some((address, link)) = self.opened.clone() else { return Ok(()) };
        let code = self.room.code().to_string();
        if self.args.json {
            return out::json(&json!({
                "event": "opened",
                "address": address,
                "code": code,
                "link": link,
                "questions": questions.questions.len(),
            }));
        }
        if !questions.title.is_empty() {
            out::line(&questions.title)?;
        }
        out::line(&format!("\nOpen {address} on a phone and type the code {code}\n"))?;
        if let Some(qr) = QrCode::of(&link) {
            for line in qr.lines(io::stdout().is_terminal()) {
                out::line(&line)?;
            }
        }
        let name = found.iter().find(|known| known.ip == ip).map(|known| known.interface.as_str());
        let name = name.map(|name| format!(" ({name})")).unwrap_or_default();
        out::line(&format!(
            "\nThe phones have to be in the same network as this computer{name}. If they find nothing, \
             a firewall or the network keeps them apart: allow this port, choose another address \
             (--addresses lists them), or use the hotspot of a phone"
        ))?;
        if self.args.each.is_none() {
            out::line("Enter shows the first question; q and Enter ends")?;
            self.wait_for_key(None)?;
        }
        Ok(())
    }

    /// Until somebody has pressed Enter. `asked`: since when a question is open.
    fn wait_for_key(&mut self, asked: Option<Instant>) -> anyhow::Result<()> {
        let is_shown = asked.is_some() && !self.args.json && io::stderr().is_terminal();
        let mut shown = String::new();
        while !self.is_over {
            self.listen()?;
            let line = self.tally_line();
            if is_shown && line != shown {
                out::piece_of_note(&format!("\r{line}   "));
                shown = line;
            }
            if let (Some(each), Some(asked)) = (self.args.each, asked) {
                if asked.elapsed() >= Duration::from_secs(each) {
                    break;
                }
                continue;
            }
            let Self { keys, typed, .. } = self;
            let end = keys.as_mut().and_then(|keys| keys.poll(|line| typed.push_back(line)));
            if end.is_some() {
                self.keys = None;
            }
            if let Some(line) = self.typed.pop_front() {
                self.is_over |= line.trim().eq_ignore_ascii_case("q");
                break;
            }
            self.is_over |= self.keys.is_none(); // nobody types any more
        }
        if is_shown {
            out::note("");
        }
        Ok(())
    }

    fn tally_line(&self) -> String {
        let Counts { present, tally, .. } = &self.counts;
        let votes = tally.as_ref().map_or(0, |tally| tally.votes);
        let votes = counted(votes, "vote", "votes");
        format!("{votes} · {} here", counted(*present, "phone", "phones"))
    }

    fn ask(&mut self, question: &Question, at: usize, count: usize) -> anyhow::Result<()> {
        if self.is_over {
            return Ok(());
        }
        self.room.ask(question.clone())?;
        if self.args.json {
            out::json(&json!({"event": "question", "id": question.id, "text": question.text}))?;
        } else {
            out::line(&format!("\nQuestion {} of {count}: {}", at + 1, question.text))?;
            out::line(&question.how())?;
        }
        self.wait_for_key(Some(Instant::now()))?;
        self.room.reveal();
        let tally = self.room.counts(Instant::now()).tally;
        if let Some(tally) = tally {
            self.show(&tally)?;
        }
        if self.args.each.is_none() && !self.is_over {
            if !self.args.json && at + 1 < count {
                out::line("Enter shows the next question; q and Enter ends")?;
            }
            if at + 1 < count {
                self.wait_for_key(None)?;
            }
        }
        Ok(())
    }

    fn show(&self, tally: &Tally) -> anyhow::Result<()> {
        if self.args.json {
            let bars: Vec<_> = tally
                .bars
                .iter()
                .map(|bar| json!({"label": bar.label, "votes": bar.votes}))
                .collect();
            return out::json(&json!({
                "event": "result",
                "id": tally.id,
                "votes": tally.votes,
                "bars": bars,
                "mean": tally.mean,
            }));
        }
        for bar in tally.bars.iter().take(12) {
            let share = bar.votes as f64 / tally.votes.max(1) as f64;
            let length = (share * 30.0).round() as usize;
            let (percent, drawn) = (share * 100.0, "█".repeat(length));
            out::line(&format!("{:>5} {percent:>4.0} %  {drawn:<30}  {}", bar.votes, bar.label))?;
        }
        let mean = tally.mean.map(|mean| format!(", mean {mean:.2}")).unwrap_or_default();
        out::line(&format!("{}{mean}", counted(tally.votes, "vote", "votes")))
    }

    /// Writes the votes and says how far the room agrees.
    fn end(self, name: &Path) -> anyhow::Result<()> {
        self.room.take_away();
        let asked = self.room.asked();
        let mut count = 0;
        let paths = ["jsonl", "csv"].map(|end| with_end(name, end));
        for path in &paths {
            count = results::write(&asked, path)
                .with_context(|| format!("{} could not be written", path.display()))?;
        }
        let agreement = results::agreement(&asked);
        if self.args.json {
            let agreement: Vec<_> = agreement
                .iter()
                .map(|of| {
                    json!({
                        "kind": of.kind,
                        "items": of.items,
                        "coders": of.coders,
                        "votes": of.votes,
                        "percent_agreement": of.percent.as_ref().ok(),
                        "krippendorff_alpha": of.alpha.as_ref().ok(),
                    })
                })
                .collect();
            out::json(&json!({
                "event": "written",
                "votes": count,
                "files": paths,
                "agreement": agreement,
                "wrong_codes": self.counts.wrong_codes,
            }))?;
        } else {
            out::line("")?;
            for of in &agreement {
                let number = |number: &crate::stats::undefined::Number| match number {
                    Ok(value) => format!("{value:.3}"),
                    Err(reason) => format!("not defined ({reason})"),
                };
                out::line(&format!(
                    "Agreement ({}, {} questions, {} phones): percent {}, Krippendorff's alpha {}",
                    of.kind,
                    of.items,
                    of.coders,
                    number(&of.percent),
                    number(&of.alpha)
                ))?;
            }
            let [one, other] = paths.map(|path| path.display().to_string());
            out::line(&format!(
                "{} written to {one} and {other}",
                counted(count, "vote", "votes")
            ))?;
            if self.counts.wrong_codes > 100 {
                out::note(&format!(
                    "{} wrong codes were sent: somebody may have tried codes by machine",
                    self.counts.wrong_codes
                ));
            }
        }
        self.server.cancel();
        self.server.wait(drop);
        Ok(())
    }
}

fn with_end(name: &Path, end: &str) -> PathBuf {
    let mut name = name.as_os_str().to_owned();
    name.push(format!(".{end}"));
    name.into()
}

/// A name at which no votes of an earlier lecture are.
fn free_name(wanted: Option<&Path>, file: &Path) -> PathBuf {
    let beside = file.with_extension("votes");
    let wanted = wanted.map_or(beside, |wanted| match wanted.extension() {
        Some(end) if end == "jsonl" || end == "csv" => wanted.with_extension(""),
        _ => wanted.to_owned(),
    });
    let is_free =
        |name: &PathBuf| !with_end(name, "jsonl").exists() && !with_end(name, "csv").exists();
    let numbered = (2..).map(|number| {
        let mut name = wanted.as_os_str().to_owned();
        name.push(format!("-{number}"));
        PathBuf::from(name)
    });
    let mut names = std::iter::once(wanted.clone()).chain(numbered);
    names.find(is_free).unwrap_or_else(|| wanted.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_votes_of_an_earlier_lecture_are_not_written_over() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("week3.toml");
        let first = free_name(None, &file);
        assert_eq!(first, folder.path().join("week3.votes"));
        std::fs::File::create(with_end(&first, "csv")).unwrap();
        assert_eq!(free_name(None, &file), folder.path().join("week3.votes-2"));
        let named = folder.path().join("here.jsonl");
        assert_eq!(free_name(Some(&named), &file), folder.path().join("here"));
    }
}
