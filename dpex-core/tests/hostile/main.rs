//! Nobody can do harm with bytes: strangers, thieves, bad clients and bad servers against the real machines.

mod acks;
mod answers;
mod blocks;
mod control;
mod corpus;
mod couple;
mod frames;
mod fuzz;
mod gate;
mod hashes;
mod listings;
mod load;
mod offers;
mod pages;
mod ratchet;
mod records;
mod renewal;
mod requests;
mod strangers;
mod support;
mod zeros;
