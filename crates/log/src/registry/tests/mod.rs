//! The registry, driven by hand under made-up instants.

mod back_off;
mod held_pages;
mod limits;
mod log_lines;
mod pinned_pages;
mod refused_tips;
mod requests;
mod waiting;
mod waiting_for_head;
