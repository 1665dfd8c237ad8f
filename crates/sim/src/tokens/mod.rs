//! Worlds in which nodes ask for tokens: who makes them, who revokes them, and the verdicts on what comes of that.

pub(crate) mod access;
mod after_the_end;
mod cut_within_a_second;
mod delivery;
mod farewells;
mod refusals;
pub(crate) mod revoker;
pub(crate) mod ticket_office;
pub(crate) mod token;
pub(crate) mod token_response;
mod withheld_out_of_reach;
