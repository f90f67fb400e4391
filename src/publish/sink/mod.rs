//! Sinks: what follows the change stream with a cursor of its own.

mod drop_folder;

pub use drop_folder::DropFolder;
