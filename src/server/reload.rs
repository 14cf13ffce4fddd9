//! Files that operators change while the service runs: they are read again, and put in force if they are good.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::join_all;
use tokio::sync::{mpsc, oneshot, watch};

use super::BadSettings;
use crate::ports::meter::{Counter, FileKind, Gauge, Gauged, Meter, ReloadOutcome};

/// How often files are read. Notifications of the file system miss the way in which Kubernetes replaces them.
const READ_EVERY: Duration = Duration::from_secs(5);

/// How long new content has to stay as it is before it is used: a file that is being written may be valid half-way.
const SETTLED: Duration = Duration::from_millis(200);

/// Files that are put in force together, or not at all. Its methods may block.
pub trait FileSet: Send + Sync + 'static {
    /// What the files hold, to find out whether it changed: their texts or, for long files, something cheaper.
    type Content: PartialEq + Send + Sync + 'static;
    /// What is made of it.
    type InForce: Clone + Send + Sync + 'static;

    /// Their name in the log, in the plural.
    const NAME: &'static str;
    /// Their name in metrics.
    const KIND: FileKind;

    /// Reads the files.
    ///
    /// # Errors
    /// Every file that can't be read.
    fn read(&self) -> Result<Self::Content, BadSettings>;

    /// Checks the content, which would replace the content before. Content that is bad is checked again at each reading,
    /// as time may make it good.
    ///
    /// # Errors
    /// Every mistake.
    fn check(&self, content: &Self::Content, before: Option<&Self::Content>) -> Result<Self::InForce, BadSettings>;

    /// What is good and probably a mistake.
    fn warnings(_in_force: &Self::InForce) -> Vec<String> {
        Vec::new()
    }

    /// Sets the gauges of what is in force.
    fn show(_in_force: &Self::InForce, _meter: &dyn Meter) {}
}

/// Reads files, once at start and then whenever they change. Bad files never replace good ones.
pub struct Reloader<F: FileSet> {
    files: Arc<F>,
    content: Arc<F::Content>,
    in_force: watch::Sender<F::InForce>,
}

impl<F: FileSet> Reloader<F> {
    /// Reads the files.
    ///
    /// # Errors
    /// Every file that can't be read, or every mistake in what they hold.
    pub fn start(files: F) -> Result<Self, BadSettings> {
        let content = files.read()?;
        let in_force = watch::Sender::new(files.check(&content, None)?);
        Ok(Self { files: Arc::new(files), content: Arc::new(content), in_force })
    }

    /// What is in force, now and later.
    pub fn in_force(&self) -> watch::Receiver<F::InForce> {
        self.in_force.subscribe()
    }

    /// What of the files in force is probably a mistake.
    pub fn warnings(&self) -> Vec<String> {
        F::warnings(&self.in_force.borrow())
    }

    fn log_warnings(&self) {
        for warning in self.warnings() {
            tracing::warn!(warning, "the {} are probably not as intended", F::NAME);
        }
    }

    /// Puts the files in force if they are good and differ from those in force. Returns whether they do.
    pub(super) async fn reload(&mut self) -> Result<bool, BadSettings> {
        let (files, before) = (Arc::clone(&self.files), Arc::clone(&self.content));
        let changed = move || {
            let content = files.read()?;
            if content == *before {
                return Ok(None);
            }
            std::thread::sleep(SETTLED);
            if files.read()? != content {
                return Err(BadSettings::one(F::NAME, "are being written"));
            }
            files.check(&content, Some(&before)).map(|checked| Some((content, checked)))
        };
        let changed = tokio::task::spawn_blocking(changed).await;
        let changed = changed.unwrap_or_else(|_| Err(BadSettings::one(F::NAME, "reading them failed")))?;
        let Some((content, checked)) = changed else { return Ok(false) };
        self.content = Arc::new(content);
        self.in_force.send_replace(checked);
        Ok(true)
    }
}

/// What became of a request to read files again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reloaded {
    /// New files are in force.
    InForce(&'static str),
    /// They are as they were.
    Unchanged(&'static str),
    /// They are bad: the ones before stay in force.
    Refused(&'static str),
}

/// A request to read files again, and where to tell what became of it.
pub(super) type Request = oneshot::Sender<Reloaded>;

/// Has all files that are followed read again.
#[derive(Debug, Clone, Default)]
pub struct Reloads(Vec<mpsc::Sender<Request>>);

impl Reloads {
    /// The requests for one more kind of files.
    pub(super) fn add(&mut self) -> mpsc::Receiver<Request> {
        let (sender, receiver) = mpsc::channel(1);
        self.0.push(sender);
        receiver
    }

    /// Asks, and waits for all of them.
    pub async fn ask(&self) -> Vec<Reloaded> {
        let asked = self.0.iter().map(async |requests| {
            let (request, answer) = oneshot::channel();
            requests.send(request).await.ok()?;
            answer.await.ok()
        });
        join_all(asked).await.into_iter().flatten().collect()
    }
}

/// Files of any kind that are followed.
#[async_trait]
pub(super) trait Followed: Send + Sync {
    /// Reads the files periodically, and at once for each request. A mistake is logged once, and for each request.
    async fn follow(self: Box<Self>, requests: mpsc::Receiver<Request>, meter: Arc<dyn Meter>) -> Infallible;
}

#[async_trait]
impl<F: FileSet> Followed for Reloader<F> {
    async fn follow(mut self: Box<Self>, mut requests: mpsc::Receiver<Request>, meter: Arc<dyn Meter>) -> Infallible {
        let (mut reported, mut gauged) = (None, None);
        self.log_warnings();
        F::show(&self.in_force.borrow(), &*meter);
        loop {
            let request = tokio::select! {
                Some(request) = requests.recv() => Some(request),
                () = tokio::time::sleep(READ_EVERY) => None,
            };
            let is_asked = request.is_some();
            let reloaded = match self.reload().await {
                Ok(is_new) => {
                    if is_new {
                        tracing::info!("the new {} are in force", F::NAME);
                        self.log_warnings();
                        F::show(&self.in_force.borrow(), &*meter);
                        meter.count(Counter::Reloads(F::KIND, ReloadOutcome::InForce));
                    } else if is_asked {
                        tracing::info!("the {} have not changed", F::NAME);
                    }
                    (reported, gauged) = (None, None);
                    if is_new { Reloaded::InForce(F::NAME) } else { Reloaded::Unchanged(F::NAME) }
                }
                Err(bad) => {
                    if reported.as_ref() != Some(&bad) {
                        meter.count(Counter::Reloads(F::KIND, ReloadOutcome::Refused));
                    }
                    if is_asked || reported.as_ref() != Some(&bad) {
                        tracing::warn!(error = %bad, "the new {} are not used: the ones before stay in force", F::NAME);
                    }
                    reported = Some(bad);
                    gauged.get_or_insert_with(|| Gauged::new(&meter, Gauge::FilesNotUsed(F::KIND)));
                    Reloaded::Refused(F::NAME)
                }
            };
            // The one who asked may be gone.
            let _told = request.map(|request| request.send(reloaded));
        }
    }
}

/// Files that may be followed, of any set.
pub(super) fn followed<F: FileSet>(files: Option<Reloader<F>>) -> Option<Box<dyn Followed>> {
    files.map(|files| Box::new(files) as Box<dyn Followed>)
}

#[cfg(test)]
mod tests {
    use parking_lot::Mutex;

    use super::*;
    use crate::ports::Histogram;

    /// A number in a text, which stands for a file.
    struct Number(Arc<Mutex<&'static str>>);

    impl FileSet for Number {
        type Content = &'static str;
        type InForce = u8;

        const NAME: &'static str = "numbers";
        const KIND: FileKind = FileKind::Tls;

        fn read(&self) -> Result<&'static str, BadSettings> {
            let text = *self.0.lock();
            if text.is_empty() { Err(BadSettings::one("number", "can't be read")) } else { Ok(text) }
        }

        fn check(&self, content: &&'static str, _: Option<&&'static str>) -> Result<u8, BadSettings> {
            content.parse().map_err(|error| BadSettings::one("number", error))
        }
    }

    /// How many kinds of files are bad.
    struct BadFiles(watch::Sender<i64>);

    impl Meter for BadFiles {
        fn add(&self, _: Counter, _: usize) {}
        fn change(&self, gauge: Gauge, by: i64) {
            assert_eq!(gauge, Gauge::FilesNotUsed(FileKind::Tls));
            self.0.send_modify(|count| *count += by);
        }
        fn set(&self, _: Gauge, _: i64) {}
        fn observe(&self, _: Histogram, _: Duration) {}
    }

    #[tokio::test]
    async fn only_good_files_that_differ_are_put_in_force() {
        let file = Arc::new(Mutex::new("x"));
        assert!(Reloader::start(Number(Arc::clone(&file))).is_err());
        *file.lock() = "1";
        let mut reloader = Reloader::start(Number(Arc::clone(&file))).unwrap();
        let in_force = reloader.in_force();
        for (text, outcome, now) in [
            ("1", Some(false), 1),
            ("2", Some(true), 2),
            ("x", None, 2),
            ("", None, 2),
            ("2", Some(false), 2),
            ("3", Some(true), 3),
        ] {
            *file.lock() = text;
            assert_eq!((reloader.reload().await.ok(), *in_force.borrow()), (outcome, now), "{text}");
        }
    }

    #[tokio::test]
    async fn bad_files_are_counted_while_they_are_there() {
        let file = Arc::new(Mutex::new("1"));
        let reloader = Reloader::start(Number(Arc::clone(&file))).unwrap();
        let (mut reloads, bad, in_force) = (Reloads::default(), watch::Sender::new(0), reloader.in_force());
        let counted = bad.subscribe();
        let following = tokio::spawn(Box::new(reloader).follow(reloads.add(), Arc::new(BadFiles(bad))));
        for (text, count, now) in [("x", 1, 1), ("", 1, 1), ("y", 1, 1), ("2", 0, 2), ("z", 1, 2), ("2", 0, 2)] {
            *file.lock() = text;
            let is_refused = reloads.ask().await == [Reloaded::Refused("numbers")];
            assert_eq!(is_refused, count > 0, "{text}");
            assert_eq!((*counted.borrow(), *in_force.borrow()), (count, now), "{text}");
        }
        following.abort();
        assert!(following.await.is_err());
        assert_eq!(reloads.ask().await, [], "a stop does not wait for files");
    }
}
