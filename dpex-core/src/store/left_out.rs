//! What is left out of a listing: its number for whoever asked, some of its names for the owner.

/// The most entries of one reason that a page names. Each may come with another, and a folder full of links must not hide
/// the one file that could not be read.
pub const MAX_NAMED: usize = 100;

/// Reasons of which entries are named.
const MAX_REASONS: usize = 16;

/// An entry that should be listed and cannot be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skipped {
    /// The whole name from the shelf's root. May hold anything but what is no text, which is written `\xff`.
    pub name: String,
    /// Why it cannot be.
    pub why: String,
}

/// Entries left out of a page, or of a part of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LeftOut {
    count: u64,
    named: Vec<Skipped>,
    /// Each with how many are named.
    reasons: Vec<(String, usize)>,
}

impl LeftOut {
    /// One more. It is named, if there is room for that.
    pub fn add(&mut self, why: &str, name: impl FnOnce() -> String) {
        self.count += 1;
        if self.takes(why) {
            self.named.push(Skipped { name: name(), why: why.to_owned() });
        }
    }

    /// And all of these.
    pub fn extend(&mut self, other: &Self) {
        self.count += other.count;
        for skipped in &other.named {
            if self.takes(&skipped.why) {
                self.named.push(skipped.clone());
            }
        }
    }

    /// Forgets names beyond so many. Returns how many are left.
    pub fn truncate(&mut self, most: usize) -> usize {
        self.named.truncate(most);
        self.named.len()
    }

    /// Is there room to name another entry of this reason? Takes it.
    fn takes(&mut self, why: &str) -> bool {
        if let Some((_, count)) = self.reasons.iter_mut().find(|(reason, _)| reason == why) {
            let is_room = *count < MAX_NAMED;
            *count += usize::from(is_room);
            return is_room;
        }
        let is_room = self.reasons.len() < MAX_REASONS;
        if is_room {
            self.reasons.push((why.to_owned(), 1));
        }
        is_room
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Their number, and those that are named, in the order in which they came.
    #[must_use]
    pub fn into_parts(self) -> (u64, Vec<Skipped>) {
        (self.count, self.named)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_are_counted_and_the_first_of_each_reason_named() {
        let mut left_out = LeftOut::default();
        for n in 0..1000 {
            left_out.add("a link", || format!("link {n}"));
        }
        left_out.add("permission denied", || "secret".to_owned());
        let (count, named) = left_out.clone().into_parts();
        assert_eq!((count, named.len()), (1001, MAX_NAMED + 1));
        assert_eq!((named[99].name.as_str(), named[100].name.as_str()), ("link 99", "secret"));
        let mut all = left_out.clone();
        all.extend(&left_out);
        let (count, named) = all.into_parts();
        assert_eq!((count, named.len()), (2002, MAX_NAMED + 2), "the links are named already");
    }

    #[test]
    fn reasons_without_end_take_no_memory_without_end() {
        let mut left_out = LeftOut::default();
        for n in 0..1000 {
            left_out.add(&n.to_string(), || "x".to_owned());
        }
        assert_eq!((left_out.count(), left_out.into_parts().1.len()), (1000, MAX_REASONS));
    }
}
