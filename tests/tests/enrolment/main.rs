//! The two enrolment documents, made and read with a real cryptography backend.

mod exchange;
mod forge;
mod golden;
mod hostile;
mod mail;
mod people;
mod stored;
mod tamper;
