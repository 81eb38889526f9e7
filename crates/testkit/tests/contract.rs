//! The fake keeps the contract.

vaultterm_testkit::contract!(vaultterm_testkit::fake_world());
