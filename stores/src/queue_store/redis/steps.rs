//! The scripts, one per atomic step, each with what stands before it.

use redis::Script;

macro_rules! script {
    ($($part:literal),+) => {
        Script::new(concat!($(include_str!(concat!("../scripts/", $part, ".lua")), "\n"),+))
    };
}

#[derive(Debug)]
pub(super) struct Steps {
    pub(super) begin: Script,
    pub(super) call: Script,
    pub(super) check: Script,
    pub(super) departed: Script,
    pub(super) end: Script,
    pub(super) enter: Script,
    pub(super) frame: Script,
    pub(super) holds: Script,
    pub(super) join: Script,
    pub(super) leave: Script,
    pub(super) observe: Script,
    pub(super) publish: Script,
    pub(super) restock: Script,
    pub(super) retake: Script,
    pub(super) settle: Script,
    pub(super) standing: Script,
    pub(super) sweep: Script,
    pub(super) take: Script,
}

impl Steps {
    pub(super) fn load() -> Self {
        Self {
            begin: script!("begin"),
            call: script!("life", "place", "call"),
            check: script!("life", "check"),
            departed: script!("life", "departed"),
            end: script!("life", "end"),
            enter: script!("life", "place", "enter"),
            frame: script!("life", "frame"),
            holds: script!("life", "holds"),
            join: script!("life", "place", "join"),
            leave: script!("life", "place", "leave"),
            observe: script!("life", "observe"),
            publish: script!("life", "publish"),
            restock: script!("life", "restock"),
            retake: script!("life", "gate", "retake"),
            settle: script!("life", "place", "settle"),
            standing: script!("life", "place", "standing"),
            sweep: script!("life", "place", "sweep"),
            take: script!("life", "gate", "take"),
        }
    }
}
