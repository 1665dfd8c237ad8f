//! The registry, driven by hand under made-up instants.

mod allowance;
mod back_off;
mod followed;
mod held_pages;
mod log_lines;
mod own_logs;
mod pinned_pages;
mod refused_tips;
mod requests;
mod scene;
mod turns;
mod waiting;
mod waiting_for_head;
