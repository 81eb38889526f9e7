//! The stand-in for HashiCorp Vault as a program, for the demo. `vault-like PORT TOKEN_FILE` runs in front of
//! the OpenBao on that port of loopback, whose root token is in the file. It prints its address when it
//! listens.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "it is a program")]

use std::process::ExitCode;

use vaultterm_testkit::vault_like::VaultLike;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [port, token_file] = arguments.as_slice() else {
        eprintln!("usage: vault-like PORT TOKEN_FILE");
        return ExitCode::from(2);
    };
    let Ok(port) = port.parse() else {
        eprintln!("not a port: {port}");
        return ExitCode::from(2);
    };
    let token = match std::fs::read_to_string(token_file) {
        Ok(token) => token,
        Err(error) => {
            eprintln!("cannot read {token_file}: {error}");
            return ExitCode::FAILURE;
        }
    };
    let vault_like = VaultLike::open(port);
    vault_like.trust(token.trim());
    println!("{}", vault_like.address());
    loop {
        std::thread::park();
    }
}
