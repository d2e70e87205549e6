//! Runs one machine from power-on to its end and keeps all that it says.
