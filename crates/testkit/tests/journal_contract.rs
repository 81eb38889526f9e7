//! Runs the contract of journals on the journal in memory.

vaultterm_testkit::journal_contract!(vaultterm_testkit::memory_world());
