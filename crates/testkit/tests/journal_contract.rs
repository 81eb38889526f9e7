//! The journal in memory keeps the contract.

vaultterm_testkit::journal_contract!(vaultterm_testkit::memory_world());
