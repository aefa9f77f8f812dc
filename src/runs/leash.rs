//! A child never outlives the server, not even one that is killed: it holds the read end of a pipe whose write end dies with
//! the server.

use std::io::Read;

/// Ends this process as soon as its standard input does. For children of the server; returns at once.
///
/// # Errors
/// No thread could be started.
pub fn hold() -> std::io::Result<()> {
    std::thread::Builder::new().name("leash".to_owned()).spawn(|| {
        let mut sink = [0_u8; 64];
        let mut input = std::io::stdin().lock();
        while matches!(input.read(&mut sink), Ok(1..)) {}
        // As after SIGTERM.
        std::process::exit(143);
    })?;
    Ok(())
}
