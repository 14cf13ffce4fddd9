//! The line that jobs wait in: first come, first served.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use super::admission::Slot;
use super::formats::Method;
use super::phc::Tag;
use crate::domain::password::Password;
use crate::ports::HasherError;

/// One hash to compute. Dropped unanswered, it tells whoever waits that the engine stopped.
pub(super) struct Job {
    pub password: Arc<Password>,
    pub form: Form,
    pub method: Method,
    pub slot: Slot,
    pub reply: oneshot::Sender<Result<Tag, HasherError>>,
}

/// Which bytes of a password are hashed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// Those of the normalized password.
    Normalized,
    /// Those that were received, where normalizing changed them.
    AsReceived,
}

impl Form {
    pub(super) fn of(self, password: &Password) -> &[u8] {
        match self {
            Self::Normalized => password.expose().as_bytes(),
            Self::AsReceived => password.expose_as_received().unwrap_or(password.expose()).as_bytes(),
        }
    }
}

/// Jobs on their way to the workers. Its length is bounded by admission.
#[derive(Default)]
pub(super) struct Queue {
    line: Mutex<Line>,
    changed: Condvar,
}

#[derive(Default)]
struct Line {
    jobs: VecDeque<Job>,
    stopped: bool,
}

impl Queue {
    /// Appends a job. Once stopped, it is dropped.
    pub(super) fn push(&self, job: Job) {
        let mut line = self.line();
        if !line.stopped {
            line.jobs.push_back(job);
            self.changed.notify_one();
        }
    }

    /// Waits for the next job that somebody still waits for; nothing once stopped.
    pub(super) fn next(&self) -> Option<Job> {
        let mut line = self.line();
        loop {
            if line.stopped {
                return None;
            }
            match line.jobs.pop_front() {
                Some(job) if job.reply.is_closed() => {}
                Some(job) => return Some(job),
                None => line = self.changed.wait(line).unwrap_or_else(PoisonError::into_inner),
            }
        }
    }

    /// Drops what waits, and sends the workers home.
    pub(super) fn stop(&self) {
        let mut line = self.line();
        line.stopped = true;
        line.jobs.clear();
        self.changed.notify_all();
    }

    fn line(&self) -> MutexGuard<'_, Line> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
