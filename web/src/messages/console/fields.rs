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
    pub(crate) fault_invalid: &'static str,
}

pub(super) const KO: ConsoleFieldsMessages = ConsoleFieldsMessages {
    per_minute: "분당 호출",
    per_minute_hint: "1분에 최대 이 인원까지 호출합니다.",
    max_active: "동시 입장",
    max_active_hint: "호출되었거나 입장해 있는 사람의 최대 수입니다.",
    overcall: "초과 호출",
    overcall_hint: "0이면 남은 수량만큼만, 0.2면 20% 더 호출합니다.",
    fault_required: "입력해 주십시오.",
    fault_number: "정수를 입력해 주십시오.",
    fault_between: Message("{}부터 {}까지의 수를 입력해 주십시오."),
    fault_id: "영문 소문자, 숫자, 하이픈으로 64자까지 쓸 수 있습니다.",
    fault_taken: "이미 사용 중인 이름입니다.",
    fault_time: "날짜와 시각을 입력해 주십시오.",
    fault_order_of_times: "종료는 오픈보다 뒤여야 합니다.",
    fault_currency: "KRW처럼 영문 대문자 세 자를 입력해 주십시오.",
    fault_below_sold: Message("{}개가 이미 보관 중이거나 판매되어 더 줄일 수 없습니다."),
    fault_invalid: "입력할 수 없는 값입니다.",
};

pub(super) const EN: ConsoleFieldsMessages = ConsoleFieldsMessages {
    per_minute: "Calls per minute",
    per_minute_hint: "The most people called each minute.",
    max_active: "Inside at once",
    max_active_hint: "The most people called or inside at the same time.",
    overcall: "Overcall",
    overcall_hint: "0 calls as many people as there are free units; 0.2 calls 20% more.",
    fault_required: "Please fill this in.",
    fault_number: "Please enter a whole number.",
    fault_between: Message("Please enter a number from {} to {}."),
    fault_id: "Use lowercase letters, digits and hyphens, at most 64.",
    fault_taken: "This name is already used.",
    fault_time: "Please enter a date and a time.",
    fault_order_of_times: "The closing must come after the opening.",
    fault_currency: "Please enter three capital letters, such as KRW.",
    fault_below_sold: Message("{} units are already held or sold; please enter at least that many."),
    fault_invalid: "This value is not valid.",
};
