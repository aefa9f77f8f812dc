//! The server as a client sees it: bytes over TCP, the scripted model, a store in a temporary folder.

mod abuse;
mod assign;
mod backup;
mod beside;
mod blocked;
mod frames;
mod handoff;
mod hooks;
mod http;
mod keep;
mod memory;
mod numbers;
mod openai;
mod resume;
mod rights;
mod site;
mod slow;
mod staff_door;
mod staff_list;
mod staff_tools;
mod start;
mod suggest;
mod summary;
mod take;
mod tools;
mod training;
