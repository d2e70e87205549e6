//! Draws who started when, as one page without references to anything else.
