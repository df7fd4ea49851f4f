//! What every server of this program needs: an address to listen at, connections that cannot keep
//! each other out, requests that are read within limits. What is served is said elsewhere.

pub mod accept;
pub mod connections;
pub mod exchange;
pub mod listen;
mod stream;
