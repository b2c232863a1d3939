//! The fields of admission, and what can be wrong with a field; the form and the page of a sale share them.

use crate::messages::Message;

/// Fields of admission, and faults of any field.
#[derive(Debug)]
pub(crate) struct ConsoleFieldsMessages {
    pub(crate) per_minute: &'static str,
    pub(crate) per_minute_hint: &'static str,
    pub(crate) max_active: &'static str,
    pub(crate) max_active_hint: &'static str,
    pub(crate) overcall: &'static str,
    pub(crate) overcall_hint: &'static str,
    pub(crate) fault_required: &'static str,
    pub(crate) fault_number: &'static str,
    pub(crate) fault_between: Message,
    pub(crate) fault_id: &'static str,
    pub(crate) fault_taken: &'static str,
    pub(crate) fault_time: &'static str,
    pub(crate) fault_order_of_times: &'static str,
    pub(crate) fault_currency: &'static str,
    pub(crate) fault_below_sold: Message,
    pub(crate) fault_not_supported: &'static str,
    pub(crate) fault_invalid: &'static str,
}

pub(super) const KO: ConsoleFieldsMessages = ConsoleFieldsMessages {
    per_minute: "분당 호출",
    per_minute_hint: "1분에 많아야 이만큼 호출합니다.",
    max_active: "동시 입장",
    max_active_hint: "호출되었거나 입장해 있는 사람의 최대 수입니다.",
    overcall: "초과 호출",
    overcall_hint: "0이면 남은 수량만큼만, 0.2면 5분의 1만큼 더 호출합니다.",
    fault_required: "입력해 주십시오.",
    fault_number: "정수를 입력해 주십시오.",
    fault_between: Message("{}부터 {}까지의 수를 입력해 주십시오."),
    fault_id: "영문 소문자, 숫자, 하이픈으로 64자까지 쓸 수 있습니다.",
    fault_taken: "이미 쓰고 있는 이름입니다.",
    fault_time: "날짜와 시각을 입력해 주십시오.",
    fault_order_of_times: "종료는 오픈보다 뒤여야 합니다.",
    fault_currency: "KRW처럼 영문 대문자 세 자를 입력해 주십시오.",
    fault_below_sold: Message("{}개가 보관 중이거나 판매되어 더 줄일 수 없습니다."),
    fault_not_supported: "아직 할 수 없습니다.",
    fault_invalid: "올바르지 않습니다.",
};

pub(super) const EN: ConsoleFieldsMessages = ConsoleFieldsMessages {
    per_minute: "Calls per minute",
    per_minute_hint: "How many people are called each minute, at most.",
    max_active: "Inside at once",
    max_active_hint: "How many may be called or inside at the same time.",
    overcall: "Overcall",
    overcall_hint: "0 calls only as many as there are free units; 0.2 calls a fifth more.",
    fault_required: "Please fill this in.",
    fault_number: "Please enter a whole number.",
    fault_between: Message("Please enter a number from {} to {}."),
    fault_id: "Only small letters, digits and hyphens, at most 64.",
    fault_taken: "This name is already used.",
    fault_time: "Please enter a date and a time.",
    fault_order_of_times: "The closing must come after the opening.",
    fault_currency: "Please enter three capital letters, such as KRW.",
    fault_below_sold: Message("{} units are held or sold; it cannot be fewer."),
    fault_not_supported: "This is not possible yet.",
    fault_invalid: "This is not right.",
};
