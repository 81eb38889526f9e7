//! Runs the contract of remotes on the fake.

vaultterm_testkit::contract!(vaultterm_testkit::fake_world());
