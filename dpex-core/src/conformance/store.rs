//! What every file store must do, as cases that [`file_store_cases!`](crate::file_store_cases) turns into named tests of
//! the backend's own crate, in the groups of the three promises, [`whole`], [`honest`], [`fenced`], and of what is made
//! of them: many files at once ([`many`]), and files that are gone on with ([`resumed`]).
//!
//! Each case gets a [`Backend`] with nothing in it and runs under whatever executor the backend needs. What a backend
//! cannot do it says in its [`Abilities`]; no case is left out for that: it then shows what the store does instead, which
//! must be harmless and, where something is refused, clear.

pub mod fenced;
pub mod honest;
pub mod many;
pub mod resumed;
pub mod support;
pub mod whole;

use std::sync::Arc;

use bytes::Bytes;

use crate::store::FileStore;
use crate::types::{SharePath, Timestamp};

/// Expands to one `#[test]` for each case. `$run` runs a future to its end; `$backend` makes a [`Backend`] with nothing
/// in it, and is called inside that future.
///
/// ```
/// # use std::sync::Arc;
/// # use dpex_core::conformance::store::Backend;
/// # use dpex_core::store::FileStore;
/// # use dpex_core::testing::{MemStore, ready};
/// struct Memory(MemStore);
///
/// impl Backend for Memory {
///     fn store(&self) -> Arc<dyn FileStore> {
///         Arc::new(self.0.clone())
///     }
/// }
///
/// fn memory() -> Memory {
///     Memory(MemStore::new())
/// }
///
/// dpex_core::file_store_cases!(ready, memory);
/// ```
#[macro_export]
macro_rules! file_store_cases {
    ($run:path, $backend:path) => {
        $crate::file_store_cases! { @each whole, $run, $backend,
            no_name_appears_before_commit,
            a_discarded_part_leaves_nothing,
            a_dropped_part_leaves_no_name_and_is_begun_again,
            an_incomplete_part_cannot_be_committed,
            a_part_takes_no_byte_past_its_size,
            bytes_may_come_in_any_order_and_twice,
            a_large_file_arrives_in_blocks_of_any_order,
            an_existing_file_is_kept,
            the_same_file_is_recognised_whatever_is_asked_for,
            an_overwritten_file_is_replaced_at_commit_and_not_before,
            a_file_known_to_be_another_is_replaced_even_if_it_seems_the_same,
            a_file_known_to_be_another_is_renamed_beside_even_if_it_seems_the_same,
            a_renamed_file_takes_the_first_free_number,
            a_renaming_second_run_finds_what_the_first_wrote,
            a_name_taken_meanwhile_is_not_replaced,
            one_file_is_received_once_at_a_time,
            empty_files_and_folders_arrive,
            time_and_executable_bit_are_kept,
        }
        $crate::file_store_cases! { @each honest, $run, $backend,
            pages_of_every_size_make_the_same_listing,
            a_listing_goes_on_after_any_path,
            a_listing_says_what_an_open_file_says,
            a_file_lists_itself,
            what_is_not_there_is_not_found,
            a_read_gives_exactly_the_range,
            a_replaced_file_never_gives_new_bytes,
            a_version_is_the_same_while_the_file_is,
        }
        $crate::file_store_cases! { @each fenced, $run, $backend,
            a_valid_name_arrives_or_is_refused_by_name,
            hidden_names_are_neither_shown_nor_taken,
            the_root_is_no_file,
            a_folder_in_the_way_is_in_the_way_in_every_mode,
            a_file_in_the_way_of_a_folder_is_in_the_way,
            the_deepest_tree_arrives,
        }
        $crate::file_store_cases! { @each many, $run, $backend,
            many_files_are_opened_and_the_small_ones_read,
            a_look_says_what_a_listing_says,
            many_whole_files_arrive_and_bad_ones_fail_alone,
            taken_names_are_to_many_whole_files_what_they_are_to_one,
        }
        $crate::file_store_cases! { @each resumed, $run, $backend,
            what_was_checkpointed_is_held_and_gone_on_with,
            what_another_sent_is_not_held,
            what_the_part_does_not_have_is_gone,
            another_version_replaces_what_was_left,
            what_was_left_is_kept_as_a_file_if_that_is_asked_for,
            what_is_being_received_is_busy,
            a_discarded_part_is_not_held,
        }
    };
    (@each $promise:ident, $run:path, $backend:path, $($case:ident,)+) => {
        $(
            #[test]
            fn $case() {
                $run(async {
                    let backend = $backend();
                    $crate::conformance::store::$promise::$case(&backend).await;
                    $crate::conformance::store::Backend::finish(backend);
                });
            }
        )+
    };
}

/// A backend with nothing in it, and how to fill it.
pub trait Backend {
    /// The store. It may be asked for more than once, and gives what is there now: a backend whose store reads its
    /// source when it is made is asked after planting.
    fn store(&self) -> Arc<dyn FileStore>;

    /// What it can do.
    fn abilities(&self) -> Abilities {
        Abilities::ALL
    }

    /// Puts files and folders there as their owner would, in place of all that was planted before. Only asked of a
    /// backend that does not receive.
    fn plant(&self, tree: &[Planted]) {
        let _ = tree;
        panic!("a backend that does not receive must say how it is filled");
    }

    /// Looks, after a case, at what the backend alone can see: that nothing outside its root was touched.
    fn finish(self)
    where
        Self: Sized,
    {
    }
}

/// Something to be in a store from the beginning.
#[derive(Clone, Debug)]
pub struct Planted {
    /// Where. The folders above it come with it.
    pub path: SharePath,
    /// A file's content; `None` is a folder.
    pub content: Option<Bytes>,
    /// A file's modification time.
    pub mtime: Timestamp,
    /// Is a file executable?
    pub exec: bool,
}

/// What a store can do beyond what every store must.
///
/// | not so | what the store does instead |
/// | --- | --- |
/// | `receives` | refuses every reception and every new folder with a [`BadName`] or [`Io`] error that says why |
/// | `keeps_mtime` | shows another time; never answers [`Same`], so a second run is one of other content |
/// | `keeps_exec` | shows every file as not executable |
/// | `keeps_empty_folders` | accepts to make a folder and does not show it until something is in it |
/// | `one_receiver_at_a_time` | lets two receive one file, publishes the first, and tells the second [`Exists`] |
/// | `writes_in_any_order` | refuses a block that comes before an earlier one with an [`Io`] error |
/// | `resumes` | answers `held` with nothing; a reception that claims blocks is [`Gone`], or never complete |
/// | `lists_as_opened` | lists times and executable bits as far as it knows them; size and version are right |
///
/// [`BadName`]: crate::store::StoreError::BadName
/// [`Io`]: crate::store::StoreError::Io
/// [`Same`]: crate::store::StoreError::Same
/// [`Exists`]: crate::store::StoreError::Exists
/// [`Gone`]: crate::store::StoreError::Gone
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Abilities {
    /// Files can be received into it. What does not receive is filled by [`Backend::plant`].
    pub receives: bool,
    /// A file's modification time is kept, to the nanosecond.
    pub keeps_mtime: bool,
    /// A file's executable bit is kept.
    pub keeps_exec: bool,
    /// A folder with nothing in it is listed.
    pub keeps_empty_folders: bool,
    /// A second reception of one file is [`Busy`](crate::store::StoreError::Busy).
    pub one_receiver_at_a_time: bool,
    /// A block may be written before one that lies before it.
    pub writes_in_any_order: bool,
    /// What was checkpointed of a file is held, and gone on with.
    pub resumes: bool,
    /// A listing says of each file all that opening it says.
    pub lists_as_opened: bool,
}

impl Abilities {
    /// What a folder of a file system can do.
    pub const ALL: Self = Self {
        receives: true,
        keeps_mtime: true,
        keeps_exec: true,
        keeps_empty_folders: true,
        one_receiver_at_a_time: true,
        writes_in_any_order: true,
        resumes: true,
        lists_as_opened: true,
    };
}
