//! The registry, driven by hand under made-up instants.

mod held_pages;
mod limits;
mod log_lines;
mod requests;
mod waiting_for_head;
