//! vaultterm
fn main() {}
