//! Which packet numbers have been seen: a ring of bits (RFC 6479), so that moving on clears whole words, not bits.

/// How far back a packet may come in: the highest packet number and the 8,127 before it can be told apart (REC-11).
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
    /// Is `pn` neither marked nor too old to know? (REC-9)
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
    /// carry, is not marked (REC-10).
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

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    fn marked(numbers: impl IntoIterator<Item = u64>) -> ReplayWindow {
        let mut window = ReplayWindow::default();
        numbers.into_iter().for_each(|pn| window.mark(pn));
        window
    }

    #[test]
    fn a_fresh_window_accepts_everything() {
        for pn in [0, 1, 63, 64, 8127, 8128, u64::MAX] {
            assert!(ReplayWindow::default().would_accept(pn));
        }
        assert_eq!(ReplayWindow::default().highest(), None);
    }

    // REC-9, REC-11.
    #[test]
    fn the_window_is_8128_packets_wide_wherever_it_stands() {
        for highest in [8128, 8191, 8192, 8193, 100_000, 1 << 40, (1 << 62) - 1] {
            let window = marked([highest]);
            assert!(!window.would_accept(highest));
            assert!(window.would_accept(highest - 8127), "{highest}");
            assert!(!window.would_accept(highest - 8128), "{highest}");
            assert!(window.would_accept(highest + 1));
        }
    }

    // REC-10.
    #[test]
    fn looking_up_does_not_mark() {
        let window = ReplayWindow::default();
        assert!(window.would_accept(5));
        assert!(window.would_accept(5));
    }

    #[test]
    fn marking_what_is_too_old_changes_nothing() {
        let mut window = marked([20_000]);
        window.mark(20_000 - 8128);
        window.mark(20_000 - 8192);
        assert_eq!(window.highest(), Some(20_000));
        assert!(window.would_accept(20_000 - 8127));
        assert!(window.would_accept(20_000 - 1));
    }

    #[test]
    fn a_jump_of_any_length_forgets_what_lies_behind_it() {
        for jump in [1, 64, 8127, 8128, 8191, 8192, 8193, 16_384, 1 << 50] {
            let window = marked((0..8192).chain([8191 + jump]));
            let highest = 8191 + jump;
            for pn in highest - 8127..highest {
                assert_eq!(window.would_accept(pn), pn > 8191, "jump {jump}, packet {pn}");
            }
        }
    }

    #[test]
    fn the_last_number_of_all_does_not_overflow() {
        let mut window = marked([u64::MAX - 1]);
        window.mark(u64::MAX);
        assert_eq!(window.highest(), Some(u64::MAX - 1));
        assert!(window.would_accept(u64::MAX - 2));
    }

    proptest! {
        #[test]
        fn the_ring_agrees_with_a_set_of_all_numbers_seen(
            steps in proptest::collection::vec((0u64..4, 0u64..9000), 1..400),
        ) {
            let mut window = ReplayWindow::default();
            let (mut seen, mut highest) = (HashSet::new(), 0u64);
            for (way, distance) in steps {
                let pn = match way {
                    0 => highest + distance,
                    1 => highest + distance % 70,
                    _ => highest.saturating_sub(distance),
                };
                let fresh = !seen.contains(&pn) && (seen.is_empty() || pn > highest || highest - pn < 8128);
                prop_assert_eq!(window.would_accept(pn), fresh, "packet {} after {}", pn, highest);
                if fresh {
                    window.mark(pn);
                    seen.insert(pn);
                    highest = highest.max(pn);
                    prop_assert_eq!(window.highest(), Some(highest));
                }
            }
        }
    }
}
