//! Reads a log from a pipe, for example from `tail -F` or a log collector. There is no place to go back to.

use std::{io::Read, thread};

use tokio::sync::mpsc::{self, error::TryRecvError};

use crate::lines::{Lines, Piece};

/// The parts that wait between the thread that reads and the feed. Who writes into the pipe waits while they are full.
const PARTS: usize = 64;
/// The parts that are taken before the caller gets a turn.
const AT_ONCE: usize = 16;

/// A pipe that is read by a thread of its own, because reading waits.
#[derive(Debug)]
pub(crate) struct Pipe {
    parts: mpsc::Receiver<Vec<u8>>,
    lines: Lines,
    has_ended: bool,
}

impl Pipe {
    pub(crate) fn new(mut input: Box<dyn Read + Send>) -> Self {
        let (sender, parts) = mpsc::channel(PARTS);
        thread::spawn(move || {
            let mut buffer = vec![0; 64 * 1024];
            // A pipe that fails has ended: whoever wrote into it is gone.
            while let Ok(count @ 1..) = input.read(&mut buffer) {
                if sender.blocking_send(buffer[..count].to_vec()).is_err() {
                    return;
                }
            }
        });
        Self { parts, lines: Lines::default(), has_ended: false }
    }

    /// Takes what came since the last time. Returns whether there is more.
    pub(crate) fn poll(&mut self, pieces: &mut Vec<Piece>) -> bool {
        for _ in 0..AT_ONCE {
            match self.parts.try_recv() {
                Ok(part) => self.lines.take(&part, pieces),
                Err(TryRecvError::Empty) => return false,
                Err(TryRecvError::Disconnected) => {
                    if !self.has_ended {
                        self.lines.end(pieces);
                    }
                    self.has_ended = true;
                    return false;
                }
            }
        }
        true
    }

    /// Returns whether the pipe was closed, and everything was taken.
    pub(crate) const fn has_ended(&self) -> bool {
        self.has_ended
    }
}
