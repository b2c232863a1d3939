//! The scripts, one per atomic step, each with the parts that precede it.

use redis::Script;

macro_rules! script {
    ($($part:literal),+) => {
        Script::new(concat!($(include_str!(concat!("../scripts/", $part, ".lua")), "\n"),+))
    };
}

#[derive(Debug)]
pub(super) struct Scripts {
    pub(super) begin_epoch: Script,
    pub(super) call: Script,
    pub(super) check_epoch: Script,
    pub(super) departed: Script,
    pub(super) end_holds: Script,
    pub(super) enter: Script,
    pub(super) frame: Script,
    pub(super) holds_page: Script,
    pub(super) join: Script,
    pub(super) leave: Script,
    pub(super) observe: Script,
    pub(super) publish: Script,
    pub(super) restock: Script,
    pub(super) reacquire: Script,
    pub(super) end_grace_period: Script,
    pub(super) standing: Script,
    pub(super) sweep: Script,
    pub(super) reserve: Script,
}

impl Scripts {
    pub(super) fn load() -> Self {
        Self {
            begin_epoch: script!("begin_epoch"),
            call: script!("epoch", "tickets", "call"),
            check_epoch: script!("epoch", "check_epoch"),
            departed: script!("epoch", "departed"),
            end_holds: script!("epoch", "end_holds"),
            enter: script!("epoch", "tickets", "enter"),
            frame: script!("epoch", "frame"),
            holds_page: script!("epoch", "holds_page"),
            join: script!("epoch", "tickets", "join"),
            leave: script!("epoch", "tickets", "leave"),
            observe: script!("epoch", "observe"),
            publish: script!("epoch", "publish"),
            restock: script!("epoch", "restock"),
            reacquire: script!("epoch", "stock", "reacquire"),
            end_grace_period: script!("epoch", "tickets", "end_grace_period"),
            standing: script!("epoch", "tickets", "standing"),
            sweep: script!("epoch", "tickets", "sweep"),
            reserve: script!("epoch", "stock", "reserve"),
        }
    }
}
