//! The frames as TypeScript, for the widget: `static/src/wire.ts` is generated from here and committed.

use std::fmt::Write;

use ts_rs::{Config, TS};

use super::{
    ClientFrame, Party, ResumePoint, SUBPROTOCOL, ServerFrame, TOKEN_PREFIX, Typist, WireEvent, WireKind,
    WireProvenance,
};

use crate::staff::board::{Counts, Preview, PreviewBy, Row, RowShopper, Standing, Tab};

/// The whole of `static/src/wire.ts`.
pub fn typescript() -> String {
    let config = Config::new().with_large_int("number");
    let mut text = String::from(
        "// Generated from src/web/wire. Do not edit: run the command that the test\n\
         // `wire_types_match_committed` prints.\n\n",
    );
    let _ = writeln!(text, "export const SUBPROTOCOL = {SUBPROTOCOL:?};");
    let _ = writeln!(text, "export const TOKEN_PREFIX = {TOKEN_PREFIX:?};");
    for (docs, declaration) in [
        declare::<ClientFrame>(&config),
        declare::<ResumePoint>(&config),
        declare::<ServerFrame>(&config),
        declare::<Typist>(&config),
        declare::<WireEvent>(&config),
        declare::<Party>(&config),
        declare::<WireKind>(&config),
        declare::<WireProvenance>(&config),
        declare::<Tab>(&config),
        declare::<Counts>(&config),
        declare::<Row>(&config),
        declare::<Standing>(&config),
        declare::<Preview>(&config),
        declare::<PreviewBy>(&config),
        declare::<RowShopper>(&config),
    ] {
        let _ = write!(text, "\n{docs}export {declaration}\n");
    }
    text
}

fn declare<T: TS>(config: &Config) -> (String, String) {
    (T::docs().unwrap_or_default(), T::decl(config))
}
