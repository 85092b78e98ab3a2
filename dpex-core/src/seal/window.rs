//! Which packet numbers have been seen: a ring of bits (RFC 6479), so that moving on clears whole words, not bits.

/// How far back a packet may come in: the highest packet number and the 8,127 before it can be told apart.
pub const REPLAY_WINDOW: u64 = (WORDS as u64 - 1) * WORD_BITS;

const WORDS: usize = 128;
const WORD_BITS: u64 = 64;

/// One direction's window. Look up before opening a packet, mark after it proved authentic, never before.
#[derive(Clone, Debug)]
pub struct ReplayWindow {
    ring: Box<[u64; WORDS]>,
    /// One more than the highest number marked.
    next: u64,
}

impl Default for ReplayWindow {
    fn default() -> Self {
        Self { ring: Box::new([0; WORDS]), next: 0 }
    }
}

impl ReplayWindow {
    /// Is `pn` neither marked nor too old to know?
    #[must_use]
    pub fn would_accept(&self, pn: u64) -> bool {
        if pn >= self.next {
            return true;
        }
        if self.next - pn > REPLAY_WINDOW {
            return false;
        }
        let (word, bit) = place(pn);
        self.ring[word] & bit == 0
    }

    /// Marks `pn` as seen. Numbers too old to know are left alone. The highest possible number, which no record may
    /// carry, is not marked.
    pub fn mark(&mut self, pn: u64) {
        if pn == u64::MAX || (pn < self.next && self.next - pn > REPLAY_WINDOW) {
            return;
        }
        if pn >= self.next {
            self.advance(pn);
        }
        let (word, bit) = place(pn);
        self.ring[word] |= bit;
    }

    /// The highest number marked.
    #[must_use]
    pub fn highest(&self) -> Option<u64> {
        self.next.checked_sub(1)
    }

    /// Clears the words between the highest number so far and `pn`.
    fn advance(&mut self, pn: u64) {
        let newest = self.next.saturating_sub(1) / WORD_BITS;
        let steps = (pn / WORD_BITS - newest).min(WORDS as u64);
        for step in 1..=steps {
            let (word, _) = place((newest + step) * WORD_BITS);
            self.ring[word] = 0;
        }
        self.next = pn + 1;
    }
}

fn place(pn: u64) -> (usize, u64) {
    let word = usize::try_from(pn / WORD_BITS % WORDS as u64).expect("below the number of words");
    (word, 1 << (pn % WORD_BITS))
}
