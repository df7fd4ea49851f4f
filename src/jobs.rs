//! Background jobs: one thread, one event channel, one stop flag.
//!
//! Knows nothing about egui, models or files.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::io;
use std::marker::PhantomData;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, Sender, TryRecvError};
use std::sync::{Arc, Condvar, LazyLock, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rayon::{ThreadPool, ThreadPoolBuilder};
use thread_priority::{ThreadPriority, ThreadPriorityValue, set_current_thread_priority};

/// What is waiting to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum News {
    /// An event: others may follow soon.
    Event,

    /// The end, after which nothing comes.
    End,
}

/// Tells the front end that something is waiting to be read. Must not block.
pub type Wake = Arc<dyn Fn(News) + Send + Sync>;

/// What a long engine function needs from whoever started it.
pub trait Progress<E> {
    /// Reports something worth showing. Never blocks, never fails.
    fn emit(&self, event: E);

    /// Fails once the caller has lost interest. Call it once per step, token or chunk.
    fn check(&self) -> Result<(), Cancelled>;

    /// Blocks while the caller has asked for a pause, and not once it has lost interest. Call it
    /// where nothing is being timed.
    fn rest(&self) {}
}

/// The caller asked the work to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("stopped")]
pub struct Cancelled;

/// Waits, but not longer than the caller stays interested.
pub fn pause<E>(progress: &dyn Progress<E>, length: Duration) -> Result<(), Cancelled> {
    let end = Instant::now() + length;
    loop {
        progress.check()?;
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(());
        }
        thread::sleep(left.min(Duration::from_millis(50)));
    }
}

/// As many threads as the shared pool has, which give way to everything else. `None`: the system
/// starts no more threads.
static GIVING_WAY: LazyLock<Option<ThreadPool>> = LazyLock::new(|| {
    let builder = ThreadPoolBuilder::new()
        .num_threads(rayon::current_num_threads())
        .thread_name(|index| format!("patient-{index}"))
        .start_handler(|_| give_way());
    builder.build().inspect_err(|err| log::warn!("threads that give way: {err}")).ok()
});

thread_local! {
    static GIVES_WAY: Cell<bool> = const { Cell::new(false) };
}

/// Makes this thread give way, and what it computes [`in_pool`], for the rest of its life: to the
/// window, to an answer that somebody waits for, to other programs.
///
/// That is for work of minutes or hours; on a processor with nothing else to do it is as fast. The
/// priority is about nice 10, or "below normal"; where the system refuses that, it stays as it was.
pub fn give_way() {
    GIVES_WAY.set(true);
    let low = ThreadPriorityValue::try_from(25_u8).expect("a number below 100");
    if let Err(err) = set_current_thread_priority(ThreadPriority::Crossplatform(low)) {
        log::debug!("threads that give way: {err:?}");
    }
    #[cfg(target_os = "linux")]
    if let Err(err) = take_long_turns() {
        log::debug!("threads that give way: {err}");
    }
}

/// Makes this thread compute for long at a time where nobody else wants the processor, and lets
/// whoever does have it at once.
///
/// Linux shares a processor out in turns of a few milliseconds, whatever the priorities, and who
/// comes to want it mostly waits for the end of one. A thread that asked for longer turns than
/// theirs is interrupted instead (`kernel/sched/fair.c`, from 6.12 on; older ones ignore the wish).
/// A frame speaks twenty times with the X server, and each of both may have to wait each time.
#[cfg(target_os = "linux")]
#[expect(unsafe_code, reason = "a system call that no safe library offers")]
fn take_long_turns() -> io::Result<()> {
    const TURN: Duration = Duration::from_millis(100); // the longest that Linux allows
    // SAFETY: plain numbers, all of which may be zero.
    let mut wish: libc::sched_attr = unsafe { std::mem::zeroed() };
    wish.size = size_of::<libc::sched_attr>() as u32;
    wish.sched_policy = libc::SCHED_OTHER as u32;
    wish.sched_runtime = TURN.as_nanos() as u64;
    // SAFETY: they read and set numbers of this thread (0); the kernel reads `size` bytes of `wish`,
    // which lives until the call is over.
    let refused = unsafe {
        wish.sched_nice = libc::getpriority(libc::PRIO_PROCESS, 0); // as it is
        libc::syscall(libc::SYS_sched_setattr, 0, &raw const wish, 0)
    };
    if refused == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Runs work on the threads that are as urgent as this one: the shared pool, or the one that gives
/// way.
///
/// A whole forward pass belongs in one call: a product started on a thread outside the pool puts
/// that thread to sleep and wakes it again, twice 10 to 50 µs, two hundred times a token.
pub fn in_pool<R: Send>(work: impl FnOnce() -> R + Send) -> R {
    let (mut work, mut result) = (Some(work), None);
    run_in_pool(&mut || result = work.take().map(|work| work()));
    result.expect("the pool runs what it is given")
}

/// The same for every type of result: what the pool needs of a type is compiled once.
fn run_in_pool(work: &mut (dyn FnMut() + Send)) {
    if GIVES_WAY.get()
        && let Some(pool) = &*GIVING_WAY
    {
        pool.install(work);
    } else {
        rayon::scope(|_| work());
    }
}

/// How a job ended. A job ends exactly once.
#[derive(Debug)]
pub enum JobEnd<T, Err> {
    Done(T),
    Failed(Err),

    /// The worker panicked: our bug, not the user's mistake.
    Crashed(String),
}

/// A running background job. Dropping it asks it to stop.
#[must_use = "dropping a job stops it"]
pub struct Job<E, T, Err> {
    events: Receiver<Parcel>,
    wishes: Arc<Wishes>,
    ending: Option<Ending>,
    kinds: Kinds<E, T, Err>,
}

/// What a job says and how it ends. Never a value.
type Kinds<E, T, Err> = PhantomData<fn(E) -> Result<T, Err>>;

/// An event or a result on its way, whatever its type. One kind of channel and one kind of thread serve a
/// hundred kinds of jobs: compiled for each of them they were two megabytes of the program.
type Parcel = Box<dyn Any + Send>;

/// What a parcel holds.
fn unpack<V: 'static>(parcel: Parcel) -> V {
    *parcel.downcast().expect("both ends of a job are of the same types")
}

/// What the front end wants of a worker.
#[derive(Default)]
struct Wishes {
    cancel: AtomicBool,
    paused: Mutex<bool>,
    changed: Condvar,
}

impl Wishes {
    fn is_cancelled(&self) -> bool {
        self.cancel.load(Ordering::Relaxed)
    }

    fn is_paused(&self) -> bool {
        *self.paused.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn cancel(&self) {
        self.cancel.store(true, Ordering::Relaxed);
        self.set_paused(false); // whoever rests must hear of it
    }

    fn set_paused(&self, paused: bool) {
        *self.paused.lock().unwrap_or_else(PoisonError::into_inner) = paused;
        self.changed.notify_all();
    }

    fn rest(&self) {
        let mut paused = self.paused.lock().unwrap_or_else(PoisonError::into_inner);
        while *paused && !self.is_cancelled() {
            paused = self.changed.wait(paused).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

enum Ending {
    /// Both are a `Result<T, Err>`.
    Thread(JoinHandle<Parcel>),
    Manual(Receiver<Parcel>),
}

impl<E: Send + 'static, T: Send + 'static, Err: Send + 'static> Job<E, T, Err> {
    /// Runs `work` on its own named thread.
    pub fn spawn<F>(name: &str, wake: Wake, work: F) -> io::Result<Self>
    where
        F: FnOnce(&dyn Progress<E>) -> Result<T, Err> + Send + 'static,
    {
        let (sender, events) = mpsc::channel();
        let wishes = Arc::new(Wishes::default());
        let progress = ThreadProgress { sender, wishes: Arc::clone(&wishes), wake };
        let work = move |progress: &ThreadProgress| -> Parcel { Box::new(work(progress)) };
        let thread = start(name, progress, Box::new(work))?;
        Ok(Self { events, wishes, ending: Some(Ending::Thread(thread)), kinds: PhantomData })
    }

    /// A job without a thread, for tests that decide what happens next.
    pub fn manual() -> (Feeder<E, T, Err>, Self) {
        let (sender, events) = mpsc::channel();
        let (end, ending) = mpsc::channel();
        let wishes = Arc::new(Wishes::default());
        let feeder = Feeder { sender, end, wishes: Arc::clone(&wishes), kinds: PhantomData };
        let ending = Some(Ending::Manual(ending));
        (feeder, Self { events, wishes, ending, kinds: PhantomData })
    }

    /// A job that has already failed, for work that could not even be started.
    pub fn failed(err: Err) -> Self {
        let (feeder, job) = Self::manual();
        feeder.finish(Err(err));
        job
    }
}

/// Starts the thread of a job.
fn start(
    name: &str,
    progress: ThreadProgress,
    work: Box<dyn FnOnce(&ThreadProgress) -> Parcel + Send>,
) -> io::Result<JoinHandle<Parcel>> {
    thread::Builder::new().name(name.to_owned()).spawn(move || {
        // Declared first, so it drops last: the final wake-up comes after the channel closed.
        let _wake_at_end = WakeOnDrop(Arc::clone(&progress.wake));
        let progress = progress;
        work(&progress)
    })
}

impl<E: 'static, T: 'static, Err: 'static> Job<E, T, Err> {
    /// Asks the worker to stop. It still ends through [`Self::poll`].
    pub fn cancel(&self) {
        self.wishes.cancel();
    }

    /// Asks the worker to rest where it can, with everything in memory, or to go on.
    pub fn set_paused(&self, paused: bool) {
        self.wishes.set_paused(paused);
    }

    /// Hands every waiting event to `on_event`, and says how the job ended once it has.
    pub fn poll(&mut self, mut on_event: impl FnMut(E)) -> Option<JobEnd<T, Err>> {
        loop {
            match self.events.try_recv() {
                Ok(event) => on_event(unpack(event)),
                Err(TryRecvError::Empty) => return None,
                Err(TryRecvError::Disconnected) => break,
            }
        }
        self.end()
    }

    /// Blocks until the job has ended, handing over every event. For programs without a window.
    pub fn wait(mut self, mut on_event: impl FnMut(E)) -> JobEnd<T, Err> {
        while let Ok(event) = self.events.recv() {
            on_event(unpack(event));
        }
        self.end().expect("a job that was not polled to its end has an ending")
    }

    /// The sender is gone, so the closure has returned or unwound and `join` is immediate.
    fn end(&mut self) -> Option<JobEnd<T, Err>> {
        let result = match self.ending.take()? {
            Ending::Thread(thread) => match thread.join() {
                Ok(result) => result,
                Err(payload) => return Some(JobEnd::Crashed(panic_message(payload.as_ref()))),
            },
            Ending::Manual(end) => match end.try_recv() {
                Ok(result) => result,
                Err(_) => return Some(JobEnd::Crashed("the feeder was dropped".to_owned())),
            },
        };
        Some(match unpack(result) {
            Ok(value) => JobEnd::Done(value),
            Err(err) => JobEnd::Failed(err),
        })
    }
}

impl<E, T, Err> Drop for Job<E, T, Err> {
    fn drop(&mut self) {
        self.wishes.cancel();
    }
}

/// The test's end of [`Job::manual`].
pub struct Feeder<E, T, Err> {
    sender: Sender<Parcel>,
    end: Sender<Parcel>,
    wishes: Arc<Wishes>,
    kinds: Kinds<E, T, Err>,
}

impl<E: Send + 'static, T: Send + 'static, Err: Send + 'static> Feeder<E, T, Err> {
    pub fn emit(&self, event: E) {
        // Fails only if the job was dropped, and then nobody is listening.
        self.sender.send(Box::new(event)).ok();
    }

    pub fn was_cancelled(&self) -> bool {
        self.wishes.is_cancelled()
    }

    pub fn is_paused(&self) -> bool {
        self.wishes.is_paused()
    }

    pub fn finish(self, result: Result<T, Err>) {
        // As above.
        self.end.send(Box::new(result)).ok();
    }
}

struct WakeOnDrop(Wake);

impl Drop for WakeOnDrop {
    fn drop(&mut self) {
        (self.0)(News::End);
    }
}

struct ThreadProgress {
    sender: Sender<Parcel>,
    wishes: Arc<Wishes>,
    wake: Wake,
}

impl<E: Send + 'static> Progress<E> for ThreadProgress {
    fn emit(&self, event: E) {
        // Fails only if the job was dropped, and then nobody is listening.
        self.sender.send(Box::new(event)).ok();
        (self.wake)(News::Event);
    }

    fn check(&self) -> Result<(), Cancelled> {
        if self.wishes.is_cancelled() { Err(Cancelled) } else { Ok(()) }
    }

    fn rest(&self) {
        self.wishes.rest();
    }
}

/// A [`Progress`] that reports nothing and never stops.
pub struct Quiet;

impl<E> Progress<E> for Quiet {
    fn emit(&self, _event: E) {}

    fn check(&self) -> Result<(), Cancelled> {
        Ok(())
    }
}

/// The wishes of another [`Progress`], for a part of its work that reports something else: nothing
/// of that is passed on.
pub struct Checks<'a, E>(pub &'a dyn Progress<E>);

impl<E, F> Progress<F> for Checks<'_, E> {
    fn emit(&self, _event: F) {}

    fn check(&self) -> Result<(), Cancelled> {
        self.0.check()
    }

    fn rest(&self) {
        self.0.rest();
    }
}

/// A [`Progress`] that keeps every event and can stop the work at its n-th check: stopping is
/// tested without threads and without sleeping.
pub struct Recorder<E> {
    events: RefCell<Vec<E>>,
    checks_left: Cell<Option<usize>>,
}

impl<E> Default for Recorder<E> {
    fn default() -> Self {
        Self { events: RefCell::new(Vec::new()), checks_left: Cell::new(None) }
    }
}

impl<E> Recorder<E> {
    /// Lets `checks` checks pass and fails every one after them.
    pub fn stop_after(checks: usize) -> Self {
        Self { checks_left: Cell::new(Some(checks)), ..Self::default() }
    }

    pub fn into_events(self) -> Vec<E> {
        self.events.into_inner()
    }
}

impl<E> Progress<E> for Recorder<E> {
    fn emit(&self, event: E) {
        self.events.borrow_mut().push(event);
    }

    fn check(&self) -> Result<(), Cancelled> {
        match self.checks_left.get() {
            Some(0) => Err(Cancelled),
            Some(left) => {
                self.checks_left.set(Some(left - 1));
                Ok(())
            }
            None => Ok(()),
        }
    }
}

fn panic_message(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "unknown panic".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn no_wake() -> Wake {
        Arc::new(|_| {})
    }

    #[test]
    fn work_runs_in_the_pool_that_is_as_urgent_as_who_asks() {
        let name = || thread::current().name().unwrap_or_default().to_owned();
        let pool_thread = move || (rayon::current_thread_index().is_some(), name());
        assert_eq!(rayon::current_thread_index(), None);
        let (in_a_pool, urgent) = in_pool(pool_thread);
        assert!(in_a_pool && !urgent.starts_with("patient"), "{urgent}");
        let job: Job<(), _, ()> = Job::spawn("test", no_wake(), move |_| {
            give_way();
            Ok((in_pool(pool_thread), in_pool(|| in_pool(pool_thread))))
        })
        .unwrap();
        let JobEnd::Done(((_, one), (_, within))) = job.wait(|()| {}) else {
            panic!("the job ends well")
        };
        assert!(one.starts_with("patient") && within.starts_with("patient"), "{one}, {within}");
    }

    #[test]
    fn a_job_hands_over_its_events_and_its_result() {
        let job: Job<u32, &str, ()> = Job::spawn("test", no_wake(), |progress| {
            progress.emit(1);
            progress.emit(2);
            Ok("done")
        })
        .unwrap();
        let mut events = Vec::new();
        let end = job.wait(|event| events.push(event));
        assert_eq!(events, [1, 2]);
        assert!(matches!(end, JobEnd::Done("done")));
    }

    #[test]
    fn a_panic_ends_the_job_and_keeps_its_message() {
        let job: Job<(), (), ()> =
            Job::spawn("test", no_wake(), |_| panic!("the sky fell")).unwrap();
        let end = job.wait(|()| {});
        assert!(matches!(end, JobEnd::Crashed(message) if message == "the sky fell"));
    }

    #[test]
    fn a_paused_job_rests_until_it_may_go_on_or_is_stopped() {
        let job: Job<u32, (), Cancelled> = Job::spawn("test", no_wake(), |progress| {
            for number in 0.. {
                progress.rest();
                progress.check()?;
                progress.emit(number);
            }
            Ok(())
        })
        .unwrap();
        job.set_paused(true);
        job.set_paused(false);
        assert_eq!(job.events.recv().map(unpack), Ok(0_u32), "it goes on");
        job.set_paused(true);
        // It may have been past its rest; afterwards nothing comes any more.
        while job.events.recv_timeout(Duration::from_millis(200)).is_ok() {}
        assert!(job.events.recv_timeout(Duration::from_millis(50)).is_err());
        job.cancel();
        assert!(matches!(job.wait(|_| {}), JobEnd::Failed(Cancelled)));
    }

    #[test]
    fn dropping_a_job_asks_it_to_stop() {
        let (feeder, job) = Job::<(), (), ()>::manual();
        drop(job);
        assert!(feeder.was_cancelled());
    }

    #[test]
    fn a_recorder_stops_the_work_at_the_check_it_was_told() {
        let progress = Recorder::<()>::stop_after(2);
        assert_eq!(Progress::<()>::check(&progress), Ok(()));
        assert_eq!(Progress::<()>::check(&progress), Ok(()));
        assert_eq!(Progress::<()>::check(&progress), Err(Cancelled));
    }
}
